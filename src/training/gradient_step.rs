//! BP3, BP4 and the step of the optimizer, block by block, over one thread's share of the parameters.

use std::ops::Range;

use crate::backprop::{Workspace, bias_gradient, weight_gradient};
use crate::data::Ahead;
use crate::linalg::dense::tile::panels_of_tile;
use crate::linalg::kernels::{Kernel, Real, Vector};
use crate::linalg::memory::panels::{BLOCK, Panels, WIDTH};
use crate::linalg::memory::prefetch::prefetch;
use crate::linalg::zeros::columns::{self, InColumns};
use crate::linalg::zeros::sparse::MAX_PANELS_AT_ONCE;
use crate::network::{AtOnce, Block, Network};
use crate::training::loss::sum_of_squares;
use crate::training::optimizer::{MAX_SLOTS, Update, Updates};

/// What becomes of the sums of a block, once BP3 or BP4 has them.
#[derive(Clone, Copy)]
pub struct Step<'a, T> {
    /// Add to the sums of earlier rows of the same batch.
    pub accumulate: bool,
    pub then: Then<'a, T>,
}

/// See [`Step`].
#[derive(Clone, Copy)]
pub enum Then<'a, T> {
    /// The sums are kept.
    Keep,
    /// They are kept, and the gradient that they will be is measured.
    Measure(&'a Updates<T>),
    /// The update is applied at once, while the block is in the L1 cache.
    Update(&'a Updates<T>),
}

/// One thread's share of the parameters, and of all that has their layout.
pub struct Share<'a, T> {
    pub blocks: Range<usize>,
    pub parameters: &'a mut [T],
    pub state: [&'a mut [T]; MAX_SLOTS],
    /// Sums of a batch that is taken in several goes, or of a half; empty where there are none.
    pub gradient: &'a mut [T],
    /// Sum of squares of the weights of each block after the update; empty where nobody asks.
    pub squares: &'a mut [f64],
    /// Sum of squares of the gradient of each block, where it is to be measured.
    pub norms: &'a mut [f64],
    /// What the last round took.
    pub seconds: f64,
}

/// Sums of a few blocks on the stack, so that no register's part of them lies on two cache lines.
#[repr(C, align(64))]
pub(super) struct Sums<T, const N: usize>(pub(super) [[T; BLOCK]; N]);

impl<'a, T> Share<'a, T> {
    /// All blocks, without state and sums.
    pub fn of_all(network: &Network, parameters: &'a mut [T]) -> Self {
        Self {
            blocks: 0..network.block_count(),
            parameters,
            state: [&mut [], &mut []],
            gradient: &mut [],
            squares: &mut [],
            norms: &mut [],
            seconds: 0.0,
        }
    }

    pub fn reborrow(&mut self) -> Share<'_, T> {
        Share {
            blocks: self.blocks.clone(),
            parameters: self.parameters,
            state: self.state.each_mut().map(|slot| &mut **slot),
            gradient: self.gradient,
            squares: self.squares,
            norms: self.norms,
            seconds: self.seconds,
        }
    }
}

impl<T: Real> Share<'_, T> {
    /// Where a block of this share stands in its vectors; `origin` is where the first one begins.
    pub(super) fn range(block: &Block, origin: usize) -> Range<usize> {
        block.start - origin..block.range().end - origin
    }

    /// Update the block, or keep its sums.
    #[inline(always)]
    pub(super) fn finish<V: Vector<Scalar = T>>(
        &mut self,
        block: &Block,
        range: Range<usize>,
        step: &Step<'_, T>,
        sums: &mut [T; BLOCK],
    ) {
        let sum = &mut sums[..range.len()];
        if step.accumulate {
            let before = &self.gradient[range.clone()];
            for i in (0..sum.len()).step_by(V::LANES) {
                (V::read(before, i) + V::read(sum, i)).write(sum, i);
            }
        }
        let is_weight = block.inputs.is_some();
        let (layer, kind) = (block.layer - 1, usize::from(!is_weight));
        let number = block.number - self.blocks.start;
        let update = match step.then {
            Then::Update(updates) => &updates[layer][kind],
            Then::Measure(updates) => {
                let parameters = &self.parameters[range.clone()];
                self.norms[number] = updates[layer][kind].square_of_gradient(parameters, sum);
                return self.gradient[range].copy_from_slice(sum);
            }
            Then::Keep => return self.gradient[range].copy_from_slice(sum),
        };
        let state = self.state.each_mut().map(|slot| match slot.is_empty() {
            true => &mut [][..],
            false => &mut slot[range.clone()],
        });
        let parameters = &mut self.parameters[range];
        update.apply::<V>(parameters, sum, state);
        if !self.squares.is_empty() && is_weight {
            self.squares[number] = sum_of_squares::<V>(parameters);
        }
    }
}

/// BP3, BP4 and the update for one share of the parameters, over the rows of all workspaces.
pub struct GradientStep<'a, 'b, T> {
    pub network: &'a Network,
    pub workspaces: &'a [Workspace<T>],
    pub share: &'a mut Share<'b, T>,
    pub step: Step<'a, T>,
    /// Rows of the next batch, asked for meanwhile.
    pub ahead: Ahead<'a, T>,
}

impl<T: Real> Kernel<T> for GradientStep<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Scalar = T>>(self) {
        if self.workspaces.iter().any(Workspace::takes_panels_at_once) {
            self.by_bands::<V, MAX_PANELS_AT_ONCE>();
        } else if panels_of_tile::<V>() > 1 {
            self.by_bands::<V, 2>();
        } else {
            self.by_bands::<V, 1>();
        }
    }
}

impl<T: Real> GradientStep<'_, '_, T> {
    #[inline(always)]
    fn by_bands<V: Vector<Scalar = T>, const N: usize>(self) {
        let GradientStep { network, workspaces, share, step, mut ahead } = self;
        let lines_per_block = ahead.share(share.blocks.len());
        let Some(Block { start: origin, .. }) = network.blocks(share.blocks.clone()).next() else {
            return;
        };
        let Sums(sums) = &mut Sums([[T::ZERO; BLOCK]; N]);
        let rows = workspaces.iter().map(|w| w.delta[0].rows()).sum();
        let at_once = |layer: usize| match workspaces.first() {
            Some(w) => w.at_once::<V>(layer, rows),
            None => AtOnce::default(),
        };
        let by_columns = ColumnsAlone::of(workspaces, &step);
        for band in network.bands(share.blocks.clone(), at_once) {
            let first = network.block_of(&band, band.panels.start);
            if let (Some(columns), 1, Some(inputs)) = (&by_columns, first.layer, first.inputs) {
                // All blocks of a panel that the share has, with the first of them.
                if inputs == 0 || first.number == share.blocks.start {
                    let blocks = network.blocks_per_panel(1) - 1 - inputs;
                    let blocks = blocks.min(share.blocks.end - first.number);
                    let parameters = &mut share.parameters[first.start - origin..];
                    columns.update::<V>(&first, blocks, parameters, &mut sums[0]);
                    ahead.ask_for(blocks * lines_per_block);
                }
                continue;
            }
            // Plain loops: an adapter's closure may not be inlined, and a small network has little else to do here.
            for (i, panel) in band.panels.clone().enumerate() {
                let (block, sums) = (network.block_of(&band, panel), &mut sums[i]);
                if block.cols.next_multiple_of(V::LANES) < WIDTH {
                    // The registers that fill up the panel are not computed, and have to be zero.
                    sums.fill(T::ZERO);
                }
                ahead.ask_for(lines_per_block);
                if block.inputs.is_none() {
                    bias_gradient::<V>(&block, workspaces, sums);
                }
            }
            if let Some(inputs) = first.inputs {
                let sums = sums.as_flattened_mut();
                weight_gradient::<V, N>(&first, inputs, &band.panels, workspaces, sums);
            }
            for (i, panel) in band.panels.clone().enumerate() {
                let (block, sums) = (network.block_of(&band, panel), &mut sums[i]);
                share.finish::<V>(&block, Share::<T>::range(&block, origin), &step, sums);
            }
        }
    }
}

/// The same from sums at hand: those of the share, and `more` for all parameters where there are some.
pub struct FromSums<'a, 'b, T> {
    pub network: &'a Network,
    pub share: &'a mut Share<'b, T>,
    pub more: Option<&'a [T]>,
    pub then: Then<'a, T>,
}

impl<T: Real> Kernel<T> for FromSums<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Scalar = T>>(self) {
        let Self { network, share, more, then } = self;
        let step = Step { accumulate: true, then };
        let Some(Block { start: origin, .. }) = network.blocks(share.blocks.clone()).next() else {
            return;
        };
        let Sums([sums]) = &mut Sums([[T::ZERO; BLOCK]; 1]);
        for block in network.blocks(share.blocks.clone()) {
            let sum = &mut sums[..block.range().len()];
            match more {
                Some(more) => sum.copy_from_slice(&more[block.range()]),
                None => sum.fill(T::ZERO),
            }
            share.finish::<V>(&block, Share::<T>::range(&block, origin), &step, sums);
        }
    }
}

/// Layer 1 where columns of X that are zero in all rows leave their weights as they are: neither BP4 nor the update has to
/// look at them.
struct ColumnsAlone<'a, T> {
    x: InColumns<'a, T>,
    delta: &'a Panels<T>,
    update: Update<T>,
}

impl<'a, T: Real> ColumnsAlone<'a, T> {
    fn of(workspaces: &'a [Workspace<T>], step: &Step<'_, T>) -> Option<Self> {
        match (workspaces, step) {
            ([alone], Step { accumulate: false, then: Then::Update([[update, _], ..]) })
                if update.rests_at_zero() =>
            {
                let (x, delta) = (alone.in_columns()?, &alone.delta[0]);
                Some(Self { x, delta, update: *update })
            }
            _ => None,
        }
    }

    /// BP4 and the update of `blocks` blocks of one panel, whose `parameters` begin with those of `first`.
    #[inline(always)]
    fn update<V: Vector<Scalar = T>>(
        &self,
        first: &Block,
        blocks: usize,
        parameters: &mut [T],
        sums: &mut [T; BLOCK],
    ) {
        let Self { x, delta, update } = *self;
        let inputs = first.inputs.unwrap_or(0);
        let delta = delta.panel(first.panel);
        for columns in x.between(inputs..inputs + blocks).chunks(WIDTH) {
            for column in columns {
                let row = column.number - inputs * WIDTH;
                prefetch(parameters.as_ptr().wrapping_add(row * WIDTH));
            }
            columns::outer::<V>(x, columns, delta, first.cols, sums);
            for (column, sum) in columns.iter().zip(sums.chunks_exact_mut(WIDTH)) {
                let row = column.number - inputs * WIDTH;
                let parameters = &mut parameters[row * WIDTH..][..WIDTH];
                update.apply::<V>(parameters, sum, [&mut [], &mut []]);
            }
        }
    }
}

const _: () = assert!(WIDTH * WIDTH <= 256, "a block of gradients lives on the stack");
