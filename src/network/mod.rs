//! The shape of a network, and its parameters in one place.
//!
//! All weights and biases of a network lie in one vector, layer after layer, each layer in panels of 16 neurons (see
//! [`panels`](crate::linalg::memory::panels)): `fan_in` rows of weights, then the row of biases. Gradients and optimizer state have
//! the same layout, so that an update runs over plain stretches of them. The vector is divided into *blocks* of up to 16
//! rows of one panel, the unit in which BP3, BP4 and the update are done and shared out between threads.

use std::ops::Range;

use arrayvec::ArrayVec;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};

use crate::data::Layout;
use crate::error::Error;
use crate::linalg::dense::product::Layer;
use crate::linalg::kernels::Real;
use crate::linalg::memory::panels::{Aligned, WIDTH, panel_cols, panel_count};
use crate::linalg::team::MAX_THREADS;
use crate::network::activation::{Activation, Output};
use crate::network::cost::Cost;
use crate::training::sharing::balance::Balance;

pub mod activation;
pub mod cost;

/// Layer sizes and functions of a network; layers are numbered from 1 to L, layer 0 is the input.
#[derive(Clone, Debug)]
pub struct Network {
    sizes: Vec<usize>,
    /// Where the parameters of layer l begin, at index l - 1; the last entry is the length of all.
    offsets: Vec<usize>,
    /// The number of the first block of layer l, at index l - 1; the last entry is the number of all.
    first_blocks: Vec<usize>,
    pub hidden: Activation,
    pub output: Output,
}

/// The blocks of one thread: those before `end` that no other has, and the work that they are.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    pub end: usize,
    pub work: f64,
}

/// Up to 16 rows of one panel of the parameters: weights of some inputs, or the row of biases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    pub layer: usize,
    pub panel: usize,
    /// Columns of the panel that hold neurons.
    pub cols: usize,
    /// The panel of inputs, None for biases.
    pub inputs: Option<usize>,
    pub rows: usize,
    /// Its place among all blocks, in the order of memory.
    pub number: usize,
    /// Where it begins in the vector of all parameters.
    pub start: usize,
}

impl Block {
    pub fn range(&self) -> Range<usize> {
        self.start..self.start + self.rows * WIDTH
    }
}

/// The same rows of a few adjacent panels: blocks with the same inputs.
#[derive(Clone, Debug)]
pub struct Band {
    pub layer: usize,
    pub panels: Range<usize>,
    /// Which block of each panel.
    block: usize,
}

/// A matrix in C order from its elements, or [`Error::Memory`].
pub fn matrix_of<T>(
    rows: usize,
    cols: usize,
    at: impl Fn(usize, usize) -> T,
    what: &'static str,
) -> Result<Array2<T>, Error> {
    let memory = || Error::Memory { what };
    let mut data = Vec::new();
    data.try_reserve_exact(rows.checked_mul(cols).ok_or_else(memory)?).map_err(|_| memory())?;
    for row in 0..rows {
        data.extend((0..cols).map(|col| at(row, col)));
    }
    Array2::from_shape_vec((rows, cols), data).map_err(|_| memory())
}

/// `len` copies of `value`, or [`Error::Memory`].
pub fn vector_of<T: Clone>(value: T, len: usize, what: &'static str) -> Result<Vec<T>, Error> {
    let mut data = Vec::new();
    data.try_reserve_exact(len).map_err(|_| Error::Memory { what })?;
    data.resize(len, value);
    Ok(data)
}

impl Network {
    /// `sizes` are the neurons of layers 0 to L.
    pub fn new(sizes: &[usize], hidden: Activation, output: Output) -> Result<Self, Error> {
        if sizes.len() < 2 {
            return Err(Error::value("layer sizes", "at least two layers", sizes.len()));
        }
        if let Some(zero) = sizes.iter().position(|&n| n == 0) {
            return Err(Error::value(format!("size of layer {zero}"), "at least 1", 0));
        }
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
        Ok(Self { sizes: sizes.to_vec(), offsets, first_blocks, hidden, output })
    }

    /// The network that these weights and biases belong to.
    pub fn of_parameters<T>(
        coefs: &[ArrayView2<'_, T>],
        intercepts: &[ArrayView1<'_, T>],
        hidden: Activation,
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

    pub fn outputs(&self) -> usize {
        self.sizes[self.depth()]
    }

    /// Numbers in the vector of parameters, those that fill up panels included.
    pub fn packed_len(&self) -> usize {
        self.offsets[self.depth()]
    }

    /// The cost of this name, if it goes with this network's output.
    pub fn cost(&self, name: &str) -> Result<Cost, Error> {
        Cost::from_name(name, self.output)
    }

    /// Multiplications of one row in all three products, for deciding how to share out work; `layouts` are those of a^0,
    /// a^1 and so on, where they do not hold all numbers.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a positive number, and an estimate; too large a one becomes the largest"
    )]
    pub fn work_per_row(&self, layouts: &[Layout]) -> usize {
        let work = self.sizes.windows(2).enumerate().map(|(l, s)| {
            let share = layouts.get(l).map_or(1.0, |layout| layout.work());
            // The error of a hidden layer comes from all numbers.
            let products = if l == 0 { 3.0 * share } else { 2.0 * share + 1.0 };
            products * s[0] as f64 * s[1] as f64
        });
        work.sum::<f64>() as usize
    }

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
    fn position(&self, l: usize, row: usize, neuron: usize) -> usize {
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
        for (row, values) in coefs.rows().into_iter().chain([intercepts]).enumerate() {
            for panel in 0..panel_count(self.sizes[l]) {
                let cols = panel_cols(self.sizes[l], panel);
                let at = self.position(l, row, panel * WIDTH);
                let from = values.slice(ndarray::s![panel * WIDTH..panel * WIDTH + cols]);
                for (to, &from) in parameters[at..at + cols].iter_mut().zip(from) {
                    *to = from;
                }
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
        let at = |row, neuron| parameters[self.position(l, row, neuron)];
        let coefs = matrix_of(fan_in, fan_out, at, "a copy of the weights")?;
        let intercepts =
            matrix_of(1, fan_out, |_, neuron| at(fan_in, neuron), "a copy of the biases")?;
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

    pub fn blocks_per_panel(&self, l: usize) -> usize {
        panel_count(self.sizes[l - 1]) + 1
    }

    /// How many blocks the parameters have.
    pub fn block_count(&self) -> usize {
        self.first_blocks[self.depth()]
    }

    /// Some of the blocks, in the order of memory.
    pub fn blocks(&self, range: Range<usize>) -> impl Iterator<Item = Block> {
        self.bands(range, |_| 1).map(|band| self.block_of(&band, band.panels.start))
    }

    /// Some of the blocks; those of layer l in bands of up to `panels_at_once(l)` panels where all of a panel is among
    /// them.
    pub fn bands<F: Fn(usize) -> usize>(
        &self,
        range: Range<usize>,
        panels_at_once: F,
    ) -> Bands<'_, F> {
        let end = range.end.min(self.block_count());
        let (layer, panels, rows) = (1, 0..0, 0..0);
        Bands { network: self, next: range.start, end, panels_at_once, layer, panels, rows }
    }

    /// The block of a band in one of its panels.
    #[inline(always)]
    pub fn block_of(&self, band: &Band, panel: usize) -> Block {
        self.block(band.layer, panel, band.block)
    }

    #[inline(always)]
    fn block(&self, layer: usize, panel: usize, b: usize) -> Block {
        let fan_in = self.sizes[layer - 1];
        let cols = panel_cols(self.sizes[layer], panel);
        let is_bias = b == panel_count(fan_in);
        let (inputs, row, rows) =
            if is_bias { (None, fan_in, 1) } else { (Some(b), b * WIDTH, panel_cols(fan_in, b)) };
        let number = self.first_blocks[layer - 1] + panel * self.blocks_per_panel(layer) + b;
        let start = self.position(layer, row, panel * WIDTH);
        Block { layer, panel, cols, inputs, rows, number, start }
    }

    /// Divide the blocks among threads.
    pub fn share_out(&self, balance: &Balance, layouts: &[Layout]) -> ArrayVec<Part, MAX_THREADS> {
        let parts = balance.threads();
        // A list of terms takes about as long for a few panels as for one: parts get whole panels.
        let whole_panels =
            |l: usize| layouts[l - 1].is_of_lists() && panel_count(self.sizes[l]) >= parts;
        let may_begin = |b: &Block| b.inputs == Some(0) || !whole_panels(b.layer);
        let work =
            |b: Block| layouts[b.layer - 1].work() * (b.rows * b.cols.next_multiple_of(8)) as f64;
        let total: f64 = self.blocks(0..self.block_count()).map(work).sum();
        let mut found = ArrayVec::<Part, MAX_THREADS>::new();
        let (mut before, mut done) = (Part { end: 0, work: 0.0 }, 0.0);
        for block in self.blocks(0..self.block_count()) {
            if may_begin(&block) {
                while found.len() + 1 < parts {
                    let target = total * balance.end(found.len());
                    if done < target {
                        break;
                    }
                    let is_nearer = target - before.work < done - target;
                    found.push(if is_nearer {
                        before
                    } else {
                        Part { end: block.number, work: done }
                    });
                }
                before = Part { end: block.number, work: done };
            }
            done += work(block);
        }
        while found.len() < parts {
            found.push(Part { end: self.block_count(), work: done });
        }
        for i in (1..parts).rev() {
            found[i].work -= found[i - 1].work;
        }
        found
    }
}

/// See [`Network::bands`].
pub struct Bands<'a, F> {
    network: &'a Network,
    /// The number of the block after the panels at hand.
    next: usize,
    end: usize,
    panels_at_once: F,
    /// The panels at hand, and which of their blocks are left.
    layer: usize,
    panels: Range<usize>,
    rows: Range<usize>,
}

impl<F: Fn(usize) -> usize> Iterator for Bands<'_, F> {
    type Item = Band;

    #[inline]
    fn next(&mut self) -> Option<Band> {
        if self.rows.is_empty() {
            if self.next >= self.end {
                return None;
            }
            self.next_panels();
        }
        let block = self.rows.next()?;
        Some(Band { layer: self.layer, panels: self.panels.clone(), block })
    }
}

impl<F: Fn(usize) -> usize> Bands<'_, F> {
    fn next_panels(&mut self) {
        let first_blocks = &self.network.first_blocks;
        self.layer = first_blocks.partition_point(|&first| first <= self.next);
        let in_layer = self.next - first_blocks[self.layer - 1];
        let left = self.end.min(first_blocks[self.layer]) - self.next;
        let per_panel = self.network.blocks_per_panel(self.layer);
        let (panel, row) = (in_layer / per_panel, in_layer % per_panel);
        let whole = if row == 0 { left / per_panel } else { 0 };
        // As few groups as possible, of nearly the same size.
        let groups = whole.div_ceil((self.panels_at_once)(self.layer));
        let panels = if whole > 0 { whole.div_ceil(groups) } else { 1 };
        self.panels = panel..panel + panels;
        self.rows = row..per_panel.min(row + left);
        self.next += panels * self.rows.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(sizes: &[usize]) -> Network {
        Network::new(sizes, Activation::Relu, Output::Softmax).unwrap()
    }

    #[test]
    fn blocks_tile_the_parameters_without_a_gap() {
        for sizes in [&[1, 1][..], &[16, 16, 16], &[17, 33, 5, 2], &[784, 100, 10]] {
            let network = network(sizes);
            let mut at = 0;
            for block in network.blocks(0..network.block_count()) {
                assert_eq!(block.start, at);
                at = block.range().end;
            }
            assert_eq!(at, network.packed_len());
            for parts in [1, 2, 3, 8] {
                for layout in [Layout::Panels, Layout::Entries { density: 0.25 }] {
                    let layouts = vec![layout; network.depth()];
                    let found = network.share_out(&Balance::equal(parts), &layouts);
                    assert_eq!(found.last().unwrap().end, network.block_count());
                    assert!(found.is_sorted_by_key(|part| part.end) && found.len() == parts);
                    let all = network.share_out(&Balance::equal(1), &layouts);
                    let total: f64 = found.iter().map(|part| part.work).sum();
                    assert!((total - all[0].work).abs() < 1e-9 * total);
                }
            }
            let all: Vec<_> = network.blocks(0..network.block_count()).collect();
            assert!(all.iter().enumerate().all(|(number, block)| block.number == number));
            for (start, end) in [(1, all.len() - 1), (0, all.len()), (all.len() / 3, all.len())] {
                let some: Vec<_> = network.blocks(start..end).collect();
                assert_eq!(some, all[start..end]);
                for panels_at_once in [2, 3, 6] {
                    let mut some = Vec::new();
                    for band in network.bands(start..end, |_| panels_at_once) {
                        assert!(band.panels.len() <= panels_at_once);
                        some.extend(band.panels.clone().map(|p| network.block_of(&band, p)));
                    }
                    some.sort_by_key(|block| block.number);
                    assert_eq!(some, all[start..end]);
                }
            }
        }
    }

    #[test]
    fn packing_and_unpacking_are_inverse() {
        let network = network(&[5, 17, 3]);
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

    #[test]
    fn sizes_that_overflow_are_refused() {
        let huge = [usize::MAX / 2, usize::MAX / 2];
        assert!(Network::new(&huge, Activation::Relu, Output::Softmax).is_err());
        assert!(Network::new(&[3, 0, 2], Activation::Relu, Output::Softmax).is_err());
        assert!(Network::new(&[3], Activation::Relu, Output::Softmax).is_err());
    }
}
