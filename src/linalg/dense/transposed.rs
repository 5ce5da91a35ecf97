//! δ wᵀ.
//!
//! A panel of wᵀ is put together first, in a buffer that fits the L1 or L2 cache: a 1/m of the work, and the tile stays the
//! same.

use crate::linalg::dense::layer::{Epilogue, Layer};
use crate::linalg::dense::rows_times_panel::{Scratch, rows_times_panel};
use crate::linalg::kernels::{Isa, Kernel, Operands, Real, Scalar, Vector, dispatch};
use crate::linalg::memory::panels::{BLOCK, Panels, WIDTH, panel_cols, panel_count};

struct Transposed<'a, T, E> {
    delta: &'a Panels<T>,
    layer: Layer<'a, T>,
    scratch: &'a mut Scratch<T>,
    out: &'a mut Panels<T>,
    epilogue: E,
}

impl<T: Real, E: Epilogue<T>> Kernel<T> for Transposed<'_, T, E> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Scalar = T>>(mut self) {
        let Layer { fan_in, fan_out, .. } = self.layer;
        let Scratch { transposed, left, right } = self.scratch;
        let zeros = [T::ZERO; WIDTH];
        let depth = fan_out.div_ceil(V::Operands::TERMS);
        let left = V::Operands::columns(self.delta, left);
        for panel in 0..panel_count(fan_in) {
            let transposed = transposed.as_mut_slice();
            transpose_panel::<V>(self.layer, panel, transposed);
            let weights = &transposed[..fan_out * WIDTH];
            let right = V::Operands::rows(weights, right.as_mut_slice());
            let out = self.out.panel_mut(panel);
            let cols = panel_cols(fan_in, panel);
            rows_times_panel::<V>(left, right, depth, &zeros, cols, out);
            self.epilogue.apply::<V>(panel, out);
        }
    }
}

/// δ wᵀ for every row of `delta`.
pub fn transposed<T: Real>(
    isa: Isa,
    delta: &Panels<T>,
    layer: Layer<'_, T>,
    scratch: &mut Scratch<T>,
    out: &mut Panels<T>,
    epilogue: impl Epilogue<T>,
) {
    assert!(
        delta.cols() == layer.fan_out && out.cols() == layer.fan_in && out.rows() == delta.rows()
    );
    dispatch(isa, Transposed { delta, layer, scratch, out, epilogue });
}

/// Columns `panel * WIDTH ..` of wᵀ: row c of `out` gets the weights of neuron c from those inputs.
#[inline(always)]
fn transpose_panel<V: Vector>(layer: Layer<'_, V::Scalar>, panel: usize, out: &mut [V::Scalar]) {
    let len = panel_cols(layer.fan_in, panel) * WIDTH;
    for block in 0..panel_count(layer.fan_out) {
        let weights = &layer.panel(block)[panel * BLOCK..];
        let out = &mut out[block * BLOCK..(block + 1) * BLOCK];
        if len == BLOCK {
            V::transpose(weights, out);
        } else {
            let mut filled_up = [V::Scalar::ZERO; BLOCK];
            filled_up[..len].copy_from_slice(&weights[..len]);
            V::transpose(&filled_up, out);
        }
    }
}
