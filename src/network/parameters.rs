//! The parameters of a network in one vector, and as the arrays that scikit-learn has.
//!
//! All weights and biases lie in one vector, layer after layer, each layer in [panels](crate::linalg::memory::panels) of 16
//! neurons: `fan_in` rows of weights, then the row of biases. Gradients and optimizer state have the same layout, so that an
//! update runs over plain stretches of them.

use std::ops::Range;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};

use crate::allocate::matrix_of;
use crate::error::Error;
use crate::linalg::dense::Layer;
use crate::linalg::kernels::Real;
use crate::linalg::memory::panels::{Aligned, WIDTH, panel_cols, panel_count};
use crate::linalg::memory::prefetch::{ROWS_AHEAD, prefetch};
use crate::network::shape::Network;

impl Network {
    pub fn zeros<T: Real>(&self) -> Result<Aligned<T>, Error> {
        Aligned::zeros(self.packed_len() / WIDTH).ok_or(Error::Memory { what: "the parameters" })
    }

    /// The parameters of layer `l`.
    #[inline]
    pub fn layer<'a, T>(&self, parameters: &'a [T], l: usize) -> Layer<'a, T> {
        let data = &parameters[self.offsets[l - 1]..self.offsets[l]];
        Layer { fan_in: self.sizes[l - 1], fan_out: self.sizes[l], first: 0, data }
    }

    /// Where row `row` (`fan_in` is the biases) of neuron `neuron` stands in the parameters.
    #[inline(always)]
    pub(super) fn position(&self, l: usize, row: usize, neuron: usize) -> usize {
        let rows = self.sizes[l - 1] + 1;
        self.offsets[l - 1] + ((neuron / WIDTH) * rows + row) * WIDTH + neuron % WIDTH
    }

    /// Write the weights, shape (fan_in, fan_out), and biases of layer `l` into a vector of parameters.
    pub fn pack_layer<T: Real>(
        &self,
        l: usize,
        coefs: ArrayView2<'_, T>,
        intercepts: ArrayView1<'_, T>,
        parameters: &mut [T],
    ) {
        let panels = 0..panel_count(self.sizes[l]);
        let to = &mut parameters[self.offsets[l - 1]..self.offsets[l]];
        Self::pack_panels(coefs, intercepts, panels, to);
    }

    /// Write some panels of the weights, shape (fan_in, fan_out), and biases of a layer one after the other.
    pub fn pack_panels<T: Real>(
        coefs: ArrayView2<'_, T>,
        intercepts: ArrayView1<'_, T>,
        panels: Range<usize>,
        to: &mut [T],
    ) {
        let stride = (coefs.nrows() + 1) * WIDTH;
        let ahead = coefs.strides()[0].wrapping_mul(ROWS_AHEAD.cast_signed());
        for (row, values) in coefs.rows().into_iter().chain([intercepts]).enumerate() {
            for (i, panel) in panels.clone().enumerate() {
                let to = &mut to[i * stride + row * WIDTH..][..WIDTH];
                let first = panel * WIDTH;
                let below = values.as_ptr().wrapping_add(first).wrapping_offset(ahead);
                prefetch(below);
                prefetch(below.wrapping_add(WIDTH - 1));
                // Whole lines are moved by registers instead of calls.
                let line =
                    values.to_slice().and_then(|values| values[first..].first_chunk::<WIDTH>());
                if let (Some(from), Some(to)) = (line, to.first_chunk_mut::<WIDTH>()) {
                    *to = *from;
                    continue;
                }
                let (to, fill) = to.split_at_mut(panel_cols(values.len(), panel));
                to.iter_mut().zip(values.slice(ndarray::s![first..])).for_each(|(to, &x)| *to = x);
                fill.fill(T::ZERO);
            }
        }
    }

    /// All parameters from arrays whose shapes are this network's.
    pub fn pack<T: Real>(
        &self,
        coefs: &[ArrayView2<'_, T>],
        intercepts: &[ArrayView1<'_, T>],
    ) -> Result<Aligned<T>, Error> {
        let mut parameters = self.zeros()?;
        for (l, (w, b)) in coefs.iter().zip(intercepts).enumerate() {
            self.pack_layer(l + 1, *w, *b, parameters.as_mut_slice());
        }
        Ok(parameters)
    }

    /// Weights, shape (fan_in, fan_out), and biases of layer `l`.
    pub fn unpack_layer<T: Real>(
        &self,
        l: usize,
        parameters: &[T],
    ) -> Result<(Array2<T>, Array1<T>), Error> {
        let (fan_in, fan_out) = (self.sizes[l - 1], self.sizes[l]);
        let row = |row: usize, numbers: &mut Vec<T>| {
            for panel in 0..panel_count(fan_out) {
                let at = self.position(l, row, panel * WIDTH);
                numbers.extend_from_slice(&parameters[at..at + panel_cols(fan_out, panel)]);
            }
        };
        let coefs = matrix_of(fan_in, fan_out, row, "a copy of the weights")?;
        let biases = |_, numbers: &mut Vec<T>| row(fan_in, numbers);
        let intercepts = matrix_of(1, fan_out, biases, "a copy of the biases")?;
        Ok((coefs, intercepts.remove_axis(Axis(0))))
    }

    /// Numbers in all weights and biases.
    pub fn parameter_count(&self) -> usize {
        self.sizes.windows(2).map(|s| (s[0] + 1) * s[1]).sum()
    }

    /// Refuse a vector of all weights and biases that has another length.
    pub fn check_vector<T>(&self, name: &str, vector: &[T]) -> Result<(), Error> {
        let count = self.parameter_count();
        if vector.len() == count {
            return Ok(());
        }
        Err(Error::shape(name, &[count], &[vector.len()]))
    }

    /// Call `f(l, packed position of row, values' range)` for every row of weights, then of biases, in scikit-learn's order
    /// of one vector: all weights, layer by layer, then all biases.
    fn each_row(&self, mut f: impl FnMut(usize, usize, Range<usize>)) {
        let mut at = 0;
        for biases in [false, true] {
            for l in 1..=self.depth() {
                let fan_in = self.sizes[l - 1];
                let rows = if biases { fan_in..fan_in + 1 } else { 0..fan_in };
                for row in rows {
                    f(l, row, at..at + self.sizes[l]);
                    at += self.sizes[l];
                }
            }
        }
    }

    /// Parameters from one vector of all weights (row by row), then all biases.
    pub fn pack_vector<T: Real>(&self, vector: &[T], parameters: &mut [T]) {
        self.each_row(|l, row, range| {
            for (panel, values) in vector[range].chunks(WIDTH).enumerate() {
                let at = self.position(l, row, panel * WIDTH);
                parameters[at..at + values.len()].copy_from_slice(values);
            }
        });
    }

    /// The inverse of [`pack_vector`](Self::pack_vector), each number passed through `f(is_weight, parameter)`.
    pub fn unpack_vector<T: Real>(
        &self,
        parameters: &[T],
        vector: &mut [T],
        f: impl Fn(bool, T) -> T,
    ) {
        self.each_row(|l, row, range| {
            let is_weight = row < self.sizes[l - 1];
            for (panel, values) in vector[range].chunks_mut(WIDTH).enumerate() {
                let at = self.position(l, row, panel * WIDTH);
                for (value, &parameter) in values.iter_mut().zip(&parameters[at..]) {
                    *value = f(is_weight, parameter);
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Activation, Output};

    #[test]
    fn packing_and_unpacking_are_inverse() {
        let network = Network::new(&[5, 17, 3], Activation::Relu, Output::Softmax).unwrap();
        let count = network.parameter_count();
        let vector: Vec<f64> = (0..count).map(|i| i as f64 + 1.0).collect();
        let mut parameters = network.zeros().unwrap();
        network.pack_vector(&vector, parameters.as_mut_slice());
        let mut back = vec![0.0; count];
        network.unpack_vector(parameters.as_slice(), &mut back, |_, x| x);
        assert_eq!(vector, back);

        let layers: Vec<_> =
            (1..=2).map(|l| network.unpack_layer(l, parameters.as_slice()).unwrap()).collect();
        assert_eq!(layers[0].0[(0, 1)], 2.0);
        assert_eq!(layers[1].1[2], count as f64);
        let coefs: Vec<_> = layers.iter().map(|l| l.0.view()).collect();
        let intercepts: Vec<_> = layers.iter().map(|l| l.1.view()).collect();
        let again = network.pack(&coefs, &intercepts).unwrap();
        assert_eq!(again.as_slice(), parameters.as_slice());
    }
}
