//! Blocks of the parameters: up to 16 rows of one panel, the unit in which BP3, BP4 and the update are done and shared out
//! between threads.

use std::ops::Range;

use crate::linalg::memory::panels::{WIDTH, panel_cols, panel_count};
use crate::network::shape::Network;

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

impl Network {
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
    use crate::network::{Activation, Output};

    #[test]
    fn blocks_tile_the_parameters_without_a_gap() {
        for sizes in [&[1, 1][..], &[16, 16, 16], &[17, 33, 5, 2], &[784, 100, 10]] {
            let network = Network::new(sizes, Activation::Relu, Output::Softmax).unwrap();
            let mut at = 0;
            for block in network.blocks(0..network.block_count()) {
                assert_eq!(block.start, at);
                at = block.range().end;
            }
            assert_eq!(at, network.packed_len());
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
}
