//! z = a w + b.

use crate::linalg::dense::layer::{Epilogue, Layer};
use crate::linalg::dense::rows_times_panel::{Scratch, rows_times_panel};
use crate::linalg::kernels::{Isa, Kernel, Operands, Real, Vector, dispatch};
use crate::linalg::memory::panels::{Panels, WIDTH, panel_cols};

struct Affine<'a, T, E> {
    a: &'a Panels<T>,
    layer: Layer<'a, T>,
    scratch: &'a mut Scratch<T>,
    out: &'a mut Panels<T>,
    epilogue: E,
}

impl<T: Real, E: Epilogue<T>> Kernel<T> for Affine<'_, T, E> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Scalar = T>>(mut self) {
        let Layer { fan_in, fan_out, .. } = self.layer;
        let Scratch { left, right, .. } = self.scratch;
        let depth = fan_in.div_ceil(V::Operands::TERMS);
        let left = V::Operands::columns(self.a, left);
        for panel in self.layer.panels() {
            let (weights, bias) = self.layer.panel(panel).split_at(fan_in * WIDTH);
            let right = V::Operands::rows(weights, right.as_mut_slice());
            let out = self.out.panel_mut(panel);
            let cols = panel_cols(fan_out, panel);
            rows_times_panel::<V>(left, right, depth, bias, cols, out);
            self.epilogue.apply::<V>(panel, out);
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
    out: &mut Panels<T>,
    epilogue: impl Epilogue<T>,
) {
    assert!(a.cols() == layer.fan_in && out.cols() == layer.fan_out && out.rows() == a.rows());
    dispatch(isa, Affine { a, layer, scratch, out, epilogue });
}
