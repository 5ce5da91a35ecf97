//! Blocks of the parameters: up to 16 rows of one panel, the unit in which BP3, BP4 and the update are done and shared out
//! between threads.

use std::ops::Range;

use crate::linalg::dense::blocks::parts;
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

/// How many blocks of a layer are taken at once, where all of a panel is to be gone through.
#[derive(Clone, Copy)]
pub struct AtOnce {
    /// Panels in a [`Band`].
    pub panels: usize,
    /// Panels whose blocks of some inputs are gone through before those of other inputs; at least as many.
    pub group: usize,
    /// How many blocks of each panel these are.
    pub blocks: usize,
    /// Whether the last panel of the layer is a band by itself.
    pub last_alone: bool,
}

impl Default for AtOnce {
    /// Block after block, in the order of memory.
    fn default() -> Self {
        Self { panels: 1, group: 0, blocks: usize::MAX, last_alone: false }
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
        self.bands(range, |_| AtOnce::default()).map(|band| self.block_of(&band, band.panels.start))
    }

    /// Some of the blocks; those of layer l in bands as `at_once(l)` says where all of a panel is among them.
    pub fn bands<F: Fn(usize) -> AtOnce>(&self, range: Range<usize>, at_once: F) -> Bands<'_, F> {
        let end = range.end.min(self.block_count());
        let none = || 0..0;
        Bands {
            network: self,
            next: range.start,
            end,
            at_once,
            layer: 1,
            now: AtOnce::default(),
            group: none(),
            group_rows: none(),
            chunk: none(),
            panels: none(),
            rows: none(),
        }
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
    /// The number of the block after the group at hand.
    next: usize,
    end: usize,
    at_once: F,
    layer: usize,
    now: AtOnce,
    /// The group of panels at hand, and which of their blocks are gone through.
    group: Range<usize>,
    group_rows: Range<usize>,
    /// Those of some inputs, for all panels of the group ...
    chunk: Range<usize>,
    /// ... of which these panels are at hand, and these of their blocks are left.
    panels: Range<usize>,
    rows: Range<usize>,
}

impl<F: Fn(usize) -> AtOnce> Iterator for Bands<'_, F> {
    type Item = Band;

    #[inline]
    fn next(&mut self) -> Option<Band> {
        if self.rows.is_empty() && !self.next_panels() {
            return None;
        }
        let block = self.rows.next()?;
        Some(Band { layer: self.layer, panels: self.panels.clone(), block })
    }
}

impl<F: Fn(usize) -> AtOnce> Bands<'_, F> {
    /// Go on to the next panels of the group, the next inputs, or the next group, if there is one.
    fn next_panels(&mut self) -> bool {
        if self.panels.end == self.group.end {
            if self.chunk.end == self.group_rows.end && !self.next_group() {
                return false;
            }
            let AtOnce { blocks, .. } = self.now;
            let end = self.chunk.end.saturating_add(blocks).min(self.group_rows.end);
            self.chunk = self.chunk.end..end;
            self.panels = self.group.start..self.group.start;
        }
        let end = self.group.end.min(self.panels.end + self.now.panels);
        let last = panel_count(self.network.sizes[self.layer]) - 1;
        let splits = self.now.last_alone && end == last + 1 && self.panels.end < last;
        self.panels = self.panels.end..end - usize::from(splits);
        self.rows = self.chunk.clone();
        true
    }

    fn next_group(&mut self) -> bool {
        if self.next >= self.end {
            return false;
        }
        let first_blocks = &self.network.first_blocks;
        self.layer = first_blocks.partition_point(|&first| first <= self.next);
        let in_layer = self.next - first_blocks[self.layer - 1];
        let left = self.end.min(first_blocks[self.layer]) - self.next;
        let per_panel = self.network.blocks_per_panel(self.layer);
        let (panel, row) = (in_layer / per_panel, in_layer % per_panel);
        let whole = if row == 0 { left / per_panel } else { 0 };
        self.now = (self.at_once)(self.layer);
        // As few groups as possible, of nearly the same size.
        let AtOnce { panels, group, .. } = self.now;
        let (most, unit) = if group > panels { (group, panels) } else { (panels, 1) };
        let panels = parts(0..whole, most, unit).next().map_or(1, |first| first.len());
        self.group = panel..panel + panels;
        self.group_rows = row..per_panel.min(row + left);
        self.chunk = row..row;
        self.next += panels * self.group_rows.len();
        true
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
                for (panels, group, blocks, last_alone) in
                    [(2, 0, 9, true), (3, 3, usize::MAX, false), (2, 4, 1, true), (1, 3, 2, false)]
                {
                    let mut some = Vec::new();
                    let at_once = AtOnce { panels, group, blocks, last_alone };
                    for band in network.bands(start..end, |_| at_once) {
                        assert!(band.panels.len() <= panels);
                        some.extend(band.panels.clone().map(|p| network.block_of(&band, p)));
                    }
                    some.sort_by_key(|block| block.number);
                    assert_eq!(some, all[start..end]);
                }
            }
        }
    }
}
