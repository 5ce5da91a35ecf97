//! What is one thread's: some rows of a batch, and some blocks of the parameters.

use arrayvec::ArrayVec;

use crate::data::{Layout, Rows};
use crate::linalg::memory::panels::panel_count;
use crate::linalg::team::MAX_THREADS;
use crate::network::{Block, Network};
use crate::training::gradient_step::Share;
use crate::training::sharing::load_balance::Balance;

/// The rows of a batch, shared out among threads.
pub struct RowShares<'a> {
    rows: Rows<'a>,
    balance: &'a Balance,
    /// Rows that stay together: a product of bfloat16 numbers sums over so many at a time.
    unit: usize,
    /// Threads that have rows.
    pub count: usize,
}

impl<'a> RowShares<'a> {
    pub fn new(rows: Rows<'a>, balance: &'a Balance, unit: usize) -> Self {
        Self { rows, balance, unit, count: balance.threads().min(rows.len().div_ceil(unit)) }
    }

    pub fn of(&self, thread: usize) -> Rows<'a> {
        let (start, end) = (self.end(thread), self.end(thread + 1));
        self.rows.slice(start, end - start)
    }

    /// Where the rows of a thread begin.
    pub fn start(&self, thread: usize) -> usize {
        self.end(thread)
    }

    /// Where the rows of the first `threads` threads end.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a part of a number of rows"
    )]
    fn end(&self, threads: usize) -> usize {
        let units = self.rows.len().div_ceil(self.unit);
        let end = match threads {
            0 => 0,
            // One each.
            _ if self.count < self.balance.threads() => threads.min(units),
            _ if threads >= self.count => units,
            _ => {
                let end = (self.balance.end(threads - 1) * units as f64).round() as usize;
                end.clamp(threads, units - (self.count - threads))
            }
        };
        (self.unit * end).min(self.rows.len())
    }
}

/// The blocks of one thread: those before `end` that no other has, and the work that they are.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    pub end: usize,
    pub work: f64,
}

/// Divide the blocks among threads.
pub fn share_out(
    network: &Network,
    balance: &Balance,
    layouts: &[Layout],
) -> ArrayVec<Part, MAX_THREADS> {
    let parts = balance.threads();
    // A list of terms takes about as long for a few panels as for one: parts get whole panels.
    let whole_panels =
        |l: usize| layouts[l - 1].is_of_lists() && panel_count(network.sizes()[l]) >= parts;
    let may_begin = |b: &Block| b.inputs == Some(0) || !whole_panels(b.layer);
    let work =
        |b: Block| layouts[b.layer - 1].work() * (b.rows * b.cols.next_multiple_of(8)) as f64;
    let total: f64 = network.blocks(0..network.block_count()).map(work).sum();
    let mut found = ArrayVec::<Part, MAX_THREADS>::new();
    let (mut before, mut done) = (Part { end: 0, work: 0.0 }, 0.0);
    for block in network.blocks(0..network.block_count()) {
        if may_begin(&block) {
            while found.len() + 1 < parts {
                let target = total * balance.end(found.len());
                if done < target {
                    break;
                }
                let is_nearer = target - before.work < done - target;
                found.push(if is_nearer { before } else { Part { end: block.number, work: done } });
            }
            before = Part { end: block.number, work: done };
        }
        done += work(block);
    }
    while found.len() < parts {
        found.push(Part { end: network.block_count(), work: done });
    }
    for i in (1..parts).rev() {
        found[i].work -= found[i - 1].work;
    }
    found
}

/// A share of all blocks, cut into shares that end at the blocks `ends`.
pub fn cut<'a, T>(
    network: &Network,
    whole: Share<'a, T>,
    ends: impl Iterator<Item = usize>,
) -> ArrayVec<Share<'a, T>, MAX_THREADS> {
    fn take<'a, T>(rest: &mut &'a mut [T], len: usize) -> &'a mut [T] {
        let len = len.min(rest.len());
        let (head, tail) = std::mem::take(rest).split_at_mut(len);
        *rest = tail;
        head
    }

    let Share { mut parameters, mut state, mut gradient, mut squares, mut norms, .. } = whole;
    let mut first_block = 0;
    let mut first = 0;
    ends.map(|end| {
        let position =
            network.blocks(end..end + 1).next().map_or(network.packed_len(), |b| b.start);
        let len = position - first;
        let share = Share {
            blocks: first_block..end,
            parameters: take(&mut parameters, len),
            state: state.each_mut().map(|slot| take(slot, len)),
            gradient: take(&mut gradient, len),
            squares: take(&mut squares, end - first_block),
            norms: take(&mut norms, end - first_block),
            seconds: 0.0,
        };
        (first_block, first) = (end, position);
        share
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Activation, Output};

    #[test]
    fn parts_are_of_all_blocks() {
        for sizes in [&[1, 1][..], &[16, 16, 16], &[17, 33, 5, 2], &[784, 100, 10]] {
            let network = Network::new(sizes, Activation::Relu, Output::Softmax).unwrap();
            for parts in [1, 2, 3, 8] {
                for layout in [Layout::Panels, Layout::Entries { density: 0.25 }] {
                    let layouts = vec![layout; network.depth()];
                    let found = share_out(&network, &Balance::equal(parts), &layouts);
                    assert_eq!(found.last().unwrap().end, network.block_count());
                    assert!(found.is_sorted_by_key(|part| part.end) && found.len() == parts);
                    let all = share_out(&network, &Balance::equal(1), &layouts);
                    let total: f64 = found.iter().map(|part| part.work).sum();
                    assert!((total - all[0].work).abs() < 1e-9 * total);
                }
            }
        }
    }
}
