//! z = a w + b.

use crate::linalg::dense::blocks::{depth, group, parts};
use crate::linalg::dense::layer::{Epilogue, Layer};
use crate::linalg::dense::next::Next;
use crate::linalg::dense::rows_times_panels::rows_times_panels;
use crate::linalg::dense::scratch::Scratch;
use crate::linalg::dense::tile::{Size, panels_of_tile};
use crate::linalg::kernels::{Isa, Kernel, Operands, Real, Vector, dispatch};
use crate::linalg::memory::panels::{Panels, PanelsMut, WIDTH};

struct Affine<'a, T, E> {
    a: &'a Panels<T>,
    layer: Layer<'a, T>,
    scratch: &'a mut Scratch<T>,
    out: PanelsMut<'a, T>,
    epilogue: E,
}

impl<T: Real, E: Epilogue<T>> Kernel<T> for Affine<'_, T, E> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Scalar = T>>(mut self) {
        let Layer { fan_in, fan_out, .. } = self.layer;
        let Scratch { left, right, .. } = self.scratch;
        let (rows, terms, tile) = (self.a.rows(), V::Operands::TERMS, panels_of_tile::<V>());
        let left = V::Operands::columns(self.a, left).view();
        for group in parts(self.layer.panels(), group::<V>(rows), tile) {
            for steps in parts(0..fan_in.div_ceil(terms), depth::<V>(rows), WIDTH) {
                let inputs = steps.start * terms..fan_in.min(steps.end * terms);
                for panels in parts(group.clone(), tile, 1) {
                    let layer = self.layer.view_from(panels.start);
                    let weights = layer.from(0, inputs.start);
                    let right = right.as_mut_slice();
                    let right = V::Operands::panels(weights, panels.len(), inputs.len(), right);
                    let start = (inputs.start == 0).then(|| layer.from(0, fan_in));
                    // The next block of the weights: of the group, of the depth, or that of another group.
                    let ahead = if panels.end < group.end {
                        weights.data.as_ptr().wrapping_add(panels.len() * layer.stride)
                    } else if inputs.end < fan_in {
                        self.layer.view_from(group.start).from(0, inputs.end).data.as_ptr()
                    } else {
                        layer.data.as_ptr().wrapping_add(panels.len() * layer.stride)
                    };
                    let cols = fan_out.min(panels.end * WIDTH) - panels.start * WIDTH;
                    let stride = self.out.panel_stride();
                    rows_times_panels::<V, V::Operands>(
                        left.from(steps.start / WIDTH, 0),
                        right,
                        Size { rows, depth: steps.len(), cols },
                        start,
                        (self.out.panels_from_mut(panels.start), stride),
                        Next::rows(ahead, layer.stride, tile, inputs.len()),
                    );
                    if inputs.end == fan_in {
                        for panel in panels {
                            self.epilogue.apply::<V>(panel, self.out.panel_mut(panel));
                        }
                    }
                }
            }
        }
    }
}

/// z = a w + b for every row of `a` and the panels that `layer` has, the epilogue on each panel of z while it is still in
/// the cache.
pub fn affine<T: Real>(
    isa: Isa,
    a: &Panels<T>,
    layer: Layer<'_, T>,
    scratch: &mut Scratch<T>,
    out: PanelsMut<'_, T>,
    epilogue: impl Epilogue<T>,
) {
    assert!(a.cols() == layer.fan_in && out.cols() == layer.fan_out && out.rows() == a.rows());
    debug_assert!(layer.panels().end <= out.panels().end);
    dispatch(isa, Affine { a, layer, scratch, out, epilogue });
}
