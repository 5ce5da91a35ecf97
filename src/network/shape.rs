//! The shape of a network: how many neurons each layer has, and which functions they compute.

use ndarray::{ArrayView1, ArrayView2};

use crate::error::Error;
use crate::linalg::memory::panels::{WIDTH, panel_count};
use crate::network::activation::{Activation, Hidden, Output};
use crate::network::cost::Cost;

/// Layer sizes and functions of a network; layers are numbered from 1 to L, layer 0 is the input.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    pub(super) sizes: Vec<usize>,
    /// Where the parameters of layer l begin, at index l - 1; the last entry is the length of all.
    pub(super) offsets: Vec<usize>,
    /// The number of the first block of layer l, at index l - 1; the last entry is the number of all.
    pub(super) first_blocks: Vec<usize>,
    /// σ of layer l, at index l - 1.
    pub hidden: Vec<Activation>,
    pub output: Output,
    /// The share of the neurons of hidden layer l that training drops, at index l - 1; empty where it drops none.
    dropout: Vec<f64>,
}

impl Network {
    /// `sizes` are the neurons of layers 0 to L.
    pub fn new(sizes: &[usize], hidden: impl Into<Hidden>, output: Output) -> Result<Self, Error> {
        if sizes.len() < 2 {
            return Err(Error::value("layer sizes", "at least two layers", sizes.len()));
        }
        if let Some(zero) = sizes.iter().position(|&n| n == 0) {
            return Err(Error::value(format!("size of layer {zero}"), "at least 1", 0));
        }
        let hidden = hidden.into().of_layers(sizes.len() - 2)?;
        let mut offsets = vec![0usize];
        let mut first_blocks = vec![0usize];
        for pair in sizes.windows(2) {
            let len = pair[0]
                .checked_add(1)
                .and_then(|rows| rows.checked_mul(panel_count(pair[1])))
                .and_then(|rows| rows.checked_mul(WIDTH))
                .and_then(|len| len.checked_add(offsets[offsets.len() - 1]))
                .filter(|len| *len < isize::MAX as usize / 8)
                .ok_or(Error::Memory { what: "the parameters" })?;
            offsets.push(len);
            let blocks = (panel_count(pair[0]) + 1) * panel_count(pair[1]);
            first_blocks.push(first_blocks[first_blocks.len() - 1] + blocks);
        }
        Ok(Self {
            sizes: sizes.to_vec(),
            offsets,
            first_blocks,
            hidden,
            output,
            dropout: Vec::new(),
        })
    }

    /// The network that these weights and biases belong to.
    pub fn of_parameters<T>(
        coefs: &[ArrayView2<'_, T>],
        intercepts: &[ArrayView1<'_, T>],
        hidden: impl Into<Hidden>,
        output: Output,
    ) -> Result<Self, Error> {
        let Some(first) = coefs.first() else {
            return Err(Error::value("coefs", "at least one array", "none"));
        };
        if coefs.len() != intercepts.len() {
            let expected = format!("{} arrays, as many as coefs", coefs.len());
            return Err(Error::value("intercepts", expected, intercepts.len()));
        }
        let mut sizes = vec![first.nrows()];
        for (i, (w, b)) in coefs.iter().zip(intercepts).enumerate() {
            let fan_in = sizes[i];
            if w.nrows() != fan_in {
                return Err(Error::shape(format!("coefs[{i}]"), &[fan_in, w.ncols()], w.shape()));
            }
            if b.len() != w.ncols() {
                return Err(Error::shape(format!("intercepts[{i}]"), &[w.ncols()], b.shape()));
            }
            sizes.push(w.ncols());
        }
        Self::new(&sizes, hidden, output)
    }

    pub fn sizes(&self) -> &[usize] {
        &self.sizes
    }

    /// L
    pub fn depth(&self) -> usize {
        self.sizes.len() - 1
    }

    pub fn inputs(&self) -> usize {
        self.sizes[0]
    }

    pub fn outputs(&self) -> usize {
        self.sizes[self.depth()]
    }

    /// Numbers in the vector of parameters, those that fill up panels included.
    pub fn packed_len(&self) -> usize {
        self.offsets[self.depth()]
    }

    /// The cost of this name, if it goes with this network's output.
    pub fn cost(&self, name: &str) -> Result<Cost, Error> {
        Cost::from_name(name, self.output, self.outputs())
    }

    /// Drop neurons in training, with one rate for each hidden layer.
    pub fn set_dropout(&mut self, rates: Vec<f64>) -> Result<(), Error> {
        if rates.len() != self.hidden.len() {
            let expected = format!("{} rates, one for each hidden layer", self.hidden.len());
            return Err(Error::value("dropout", expected, rates.len()));
        }
        if let Some(wrong) = rates.iter().find(|rate| !(0.0..1.0).contains(*rate)) {
            return Err(Error::value("dropout", "at least 0 and below 1", wrong));
        }
        self.dropout = rates;
        Ok(())
    }

    /// The share of the neurons of hidden layer l that training drops.
    pub fn dropout(&self, l: usize) -> f64 {
        self.dropout.get(l - 1).copied().unwrap_or(0.0)
    }

    /// Whether σ'(z^l) has to be kept, since it does not follow from a^l.
    pub fn keeps_derivative(&self, l: usize) -> bool {
        self.hidden[l - 1].takes_z() || self.dropout(l) > 0.0
    }

    /// The activation of a layer; None for a softmax, which looks at whole rows.
    pub fn sigma(&self, l: usize) -> Option<Activation> {
        match self.output {
            _ if l < self.depth() => Some(self.hidden[l - 1]),
            Output::Each(activation) => Some(activation),
            Output::Softmax => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_that_overflow_are_refused() {
        let huge = [usize::MAX / 2, usize::MAX / 2];
        assert!(Network::new(&huge, Activation::Relu, Output::Softmax).is_err());
        assert!(Network::new(&[3, 0, 2], Activation::Relu, Output::Softmax).is_err());
        assert!(Network::new(&[3], Activation::Relu, Output::Softmax).is_err());
    }
}
