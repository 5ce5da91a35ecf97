//! δ wᵀ.
//!
//! Terms of this sum lie along the rows of the weights, where a tile wants them along the columns of its right matrix.
//! Either the weights are transposed, panel after panel, in a buffer that fits the L1 or L2 cache: where a layer has few
//! outputs. Or the errors are, and the product with them is transposed back: in wide layers the weights are many times
//! as many numbers. Each element is the same sum in the same order both ways.

use std::ops::Range;

use crate::linalg::dense::blocks::{self, depth, parts};
use crate::linalg::dense::layer::{Epilogue, Layer};
use crate::linalg::dense::next::Next;
use crate::linalg::dense::rows_times_panels::rows_times_panels;
use crate::linalg::dense::scratch::{
    PRODUCTS_STRIDE, Scratch, errors_len, errors_stride, weights_len,
};
use crate::linalg::dense::tile::{Size, panels_of_tile};
use crate::linalg::kernels::{Isa, Kernel, Operands, Real, Scalar, Vector, dispatch};
use crate::linalg::memory::panels::{
    BLOCK, Panels, PanelsMut, View, WIDTH, panel_cols, panel_count,
};

struct Transposed<'a, T, E> {
    delta: &'a Panels<T>,
    layer: Layer<'a, T>,
    scratch: &'a mut Scratch<T>,
    out: PanelsMut<'a, T>,
    epilogue: E,
}

impl<T: Real, E: Epilogue<T>> Kernel<T> for Transposed<'_, T, E> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Scalar = T>>(self) {
        let Layer { fan_in, fan_out, .. } = self.layer;
        let (weights, errors) = (fan_in * fan_out, self.delta.rows() * (fan_in + fan_out));
        if weights <= errors {
            self.transposing_weights::<V>();
        } else {
            self.transposing_errors::<V>();
        }
    }
}

impl<T: Real, E: Epilogue<T>> Transposed<'_, T, E> {
    #[inline(always)]
    fn transposing_weights<V: Vector<Scalar = T>>(mut self) {
        let Layer { fan_in, fan_out, .. } = self.layer;
        let Scratch { transposed, left, right, .. } = self.scratch;
        let (rows, tile) = (self.delta.rows(), panels_of_tile::<V>());
        let left = V::Operands::columns(self.delta, left).view();
        let stride = weights_len(fan_out) * WIDTH;
        let zeros = [T::ZERO; WIDTH];
        for panels in parts(self.out.panels(), tile, 1) {
            for (i, panel) in panels.clone().enumerate() {
                let transposed = &mut transposed.as_mut_slice()[i * stride..(i + 1) * stride];
                transpose_panel::<V>(self.layer, panel, transposed);
            }
            let weights = View { data: transposed.as_slice(), stride };
            let right = V::Operands::panels(weights, panels.len(), fan_out, right.as_mut_slice());
            let out_stride = self.out.panel_stride();
            let out = self.out.panels_from_mut(panels.start);
            let cols = fan_in.min(panels.end * WIDTH) - panels.start * WIDTH;
            for steps in parts(0..fan_out.div_ceil(V::Operands::TERMS), depth::<V>(rows), WIDTH) {
                rows_times_panels::<V, V::Operands>(
                    left.from(steps.start / WIDTH, 0),
                    right.from(0, steps.start),
                    Size { rows, depth: steps.len(), cols },
                    (steps.start == 0).then_some(View { data: &zeros, stride: 0 }),
                    (&mut *out, out_stride),
                    Next::none(),
                );
            }
            for panel in panels {
                self.epilogue.apply::<V>(panel, self.out.panel_mut(panel));
            }
        }
    }

    #[inline(always)]
    fn transposing_errors<V: Vector<Scalar = T>>(mut self) {
        let Layer { fan_in, fan_out, .. } = self.layer;
        let (rows, terms) = (self.delta.rows(), V::Operands::TERMS);
        let (errors_len, products_len) = errors_len(rows, fan_out);
        let Scratch { transposed, right, weights: left, .. } = self.scratch;
        let room = transposed.as_mut_slice();
        let (errors, products) = room.split_at_mut(errors_len * WIDTH);
        let products = &mut products[..products_len * WIDTH];
        let stride = errors_stride(fan_out) * WIDTH;
        transpose_rows::<V>(self.delta, stride, errors);
        let errors = View { data: errors, stride };
        let errors = V::Operands::panels(errors, panel_count(rows), fan_out, right.as_mut_slice());
        let stride = PRODUCTS_STRIDE * WIDTH;
        let zeros = [T::ZERO; WIDTH];
        let depth = depth::<V>(rows);
        let Range { start, end } = self.out.panels();
        for inputs in
            parts(start * WIDTH..fan_in.min(end * WIDTH), blocks::inputs::<T>(rows), WIDTH)
        {
            for steps in parts(0..fan_out.div_ceil(terms), depth, WIDTH) {
                let neurons = steps.start * terms..fan_out.min(steps.end * terms);
                let weights = self.layer.view_from(neurons.start / WIDTH).from(0, inputs.start);
                // The weights after these: of the next part of the depth, or of the next inputs.
                let next = match neurons.end < fan_out {
                    true => self.layer.view_from(neurons.end / WIDTH).from(0, inputs.start),
                    false => self.layer.view_from(self.layer.first).from(0, inputs.end),
                };
                let (ahead, blocks) = (next.data.as_ptr(), panel_count(neurons.len()));
                let (count, left) = (inputs.len(), left.as_mut_slice());
                let weights = V::Operands::left(weights, count, neurons.len(), left);
                let goes = parts(0..panel_count(rows), panels_of_tile::<V>(), 1);
                let at_once = count.div_ceil(goes.clone().count().max(1));
                for (go, panels) in goes.enumerate() {
                    let ahead = ahead.wrapping_add(go * at_once * WIDTH);
                    let cols = rows.min(panels.end * WIDTH) - panels.start * WIDTH;
                    rows_times_panels::<V, V::Operands>(
                        weights,
                        errors.from(panels.start, steps.start),
                        Size { rows: count, depth: steps.len(), cols },
                        (steps.start == 0).then_some(View { data: &zeros, stride: 0 }),
                        (&mut products[panels.start * stride..], stride),
                        Next::rows(ahead, next.stride, blocks, at_once),
                    );
                }
            }
            for panel in inputs.start / WIDTH..panel_count(inputs.end) {
                let out = self.out.panel_mut(panel);
                let first = panel * WIDTH - inputs.start;
                for (i, out) in out.chunks_mut(BLOCK).enumerate() {
                    let product = &mut products[i * stride + first * WIDTH..][..BLOCK];
                    // What fills up the last panel.
                    product[panel_cols(fan_in, panel) * WIDTH..].fill(T::ZERO);
                    if out.len() == BLOCK {
                        V::transpose(product, out);
                    } else {
                        let mut whole = [T::ZERO; BLOCK];
                        V::transpose(product, &mut whole);
                        out.copy_from_slice(&whole[..out.len()]);
                    }
                }
                self.epilogue.apply::<V>(panel, out);
            }
        }
    }
}

/// δ wᵀ for every row of `delta` and the panels of inputs that `out` has.
pub fn transposed<T: Real>(
    isa: Isa,
    delta: &Panels<T>,
    layer: Layer<'_, T>,
    scratch: &mut Scratch<T>,
    out: PanelsMut<'_, T>,
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
        transpose_block::<V>(&weights[..len], out);
    }
}

/// The transpose of a matrix, in panels `stride` apart.
#[inline(always)]
fn transpose_rows<V: Vector>(matrix: &Panels<V::Scalar>, stride: usize, out: &mut [V::Scalar]) {
    for panel in 0..matrix.panel_count() {
        for (i, rows) in matrix.panel(panel).chunks(BLOCK).enumerate() {
            let out = &mut out[i * stride + panel * BLOCK..][..BLOCK];
            transpose_block::<V>(rows, out);
        }
    }
}

/// The transpose of up to WIDTH rows, filled up with zeros.
#[inline(always)]
fn transpose_block<V: Vector>(rows: &[V::Scalar], out: &mut [V::Scalar]) {
    if rows.len() == BLOCK {
        V::transpose(rows, out);
    } else {
        let mut filled_up = [V::Scalar::ZERO; BLOCK];
        filled_up[..rows.len()].copy_from_slice(rows);
        V::transpose(&filled_up, out);
    }
}
