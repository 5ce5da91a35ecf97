//! Epochs of small batches with many inputs, where the first layer is nearly all of the network.
//!
//! Its weights are then far more than the numbers of a batch, and threads that shared out the rows would have to exchange
//! half of them after every update. Here they share out its neurons: each thread takes in all rows, goes forward with its
//! own neurons and updates their weights, which no other thread ever sees. The rest of the network, which is little, is
//! the leader's work between two meetings. Every sum is the same as in [`by_rows`](crate::training::sharing::by_rows), and
//! so are the results.

use std::ops::Range;

use arrayvec::ArrayVec;

use crate::backprop::{activations, backward, forward_from, take_in};
use crate::data::{Ahead, Data, Layout, Rows, work_per_row};
use crate::error::Error;
use crate::linalg::dense::Layer;
use crate::linalg::kernels::{Real, dispatch};
use crate::linalg::memory::panels::{Aligned, panel_count};
use crate::linalg::team::{self, MAX_THREADS, Team};
use crate::network::Network;
use crate::training::batches::Batches;
use crate::training::gradient_step::{GradientStep, Share, Step, Then};
use crate::training::loss::Loss;
use crate::training::optimizer::MAX_SLOTS;
use crate::training::sharing::shares::cut;
use crate::training::sharing::split::Split;
use crate::training::trainer::{Epoch, Trainer};

/// The first layer is worth sharing out by neurons where it has so many times the work of the others ...
const TIMES_THE_REST: usize = 16;
/// ... and so many inputs for each row of a batch, of which every thread makes a copy.
const INPUTS_PER_ROW: usize = 16;
/// Multiplications that are worth a second thread: some five microseconds.
const WORK_PER_THREAD: usize = 1 << 18;

/// Threads that the neurons of the first layer keep busy; 1 where this is not the way to share out the work.
pub(in crate::training) fn threads<T: Real>(
    trainer: &Trainer<T>,
    layouts: &[Layout],
    batch_size: usize,
    allowed: usize,
) -> usize {
    let sizes = trainer.network.sizes();
    let first = sizes[0].saturating_mul(sizes[1]);
    let rest: usize = sizes[1..].windows(2).map(|s| s[0].saturating_mul(s[1])).sum();
    if rest.saturating_mul(TIMES_THE_REST) > first
        || batch_size.saturating_mul(INPUTS_PER_ROW) > sizes[0]
        || layouts.iter().any(|layout| layout.is_of_lists())
        || trainer.isa.multiplies_bfloat16()
        // Its norm is that of all layers: the first one could not be updated by itself.
        || trainer.max_grad_norm.is_some()
    {
        return 1;
    }
    let work = work_per_row(&trainer.network, &[]).saturating_mul(batch_size);
    allowed.min(panel_count(sizes[1])).min(work / WORK_PER_THREAD).clamp(1, MAX_THREADS - 1)
}

/// One epoch, see [`Trainer::epoch`].
pub(in crate::training) fn epoch<T: Real>(
    trainer: &mut Trainer<T>,
    data: &Data<'_, T>,
    batches: Batches<'_>,
    layouts: &[Layout],
    threads: usize,
    mut stop: impl FnMut() -> bool,
) -> Result<Epoch, Error> {
    let (all, batch_size) = batches.of(data.x.rows())?;
    team::with(threads, |team| {
        // As many as there are, which is fewer where the system refused some; each has room for all rows.
        let threads = team.threads();
        let rows = batch_size.next_multiple_of(2) * threads;
        trainer.workspaces.prepare(
            &trainer.network,
            &data.x,
            rows,
            Split::by_rows(threads),
            layouts,
            trainer.isa,
        )?;
        let shares = NeuronShares::new(&trainer.network, threads);
        let mut total = Loss::default();
        let (mut first, mut number) = (0, 0);
        loop {
            let batch = all.slice(first, batch_size.min(all.len() - first));
            // Or how the epoch ends, once the first layer has got its last update.
            let ends = batch.is_empty() || (number > 0 && batches.ends_early());
            let weight = match ends {
                true => Err(Ok(Epoch::Finished(total.over(first)))),
                false if stop() => Err(Ok(Epoch::Stopped)),
                false => data.total_weight(batch).map_err(Err),
            };
            let rows = if weight.is_ok() { batch } else { batch.slice(0, 0) };
            meet(trainer, team, data, rows, number > 0, &shares);
            let weight = match weight {
                Ok(weight) => weight,
                Err(end) => return end,
            };
            trainer.begin_batch(&batches, number);
            trainer.ready_update(1.0 / weight);
            let penalty = trainer.penalty(weight);
            let cost = rest_of_batch(trainer, data, batch, &shares);
            total.add(Loss { cost: cost / weight, penalty }, batch.len());
            trainer.updates += 1;
            number += 1;
            first += batch.len();
        }
    })
}

/// Each thread for its own neurons of the first layer: BP3, BP4 and the update for the batch before, if there was one; then
/// forward with `rows`, if there are any.
fn meet<T: Real>(
    trainer: &mut Trainer<T>,
    team: &Team<'_>,
    data: &Data<'_, T>,
    rows: Rows<'_>,
    updates: bool,
    neurons: &NeuronShares,
) {
    let (network, isa, masks) = (&trainer.network, trainer.isa, trainer.masks());
    let update = &trainer.update;
    let mut shares =
        neurons.cut(network, &mut trainer.parameters, &mut trainer.state, &mut trainer.squares);
    let parts = shares.iter_mut().zip(&mut trainer.workspaces.each).zip(&neurons.panels);
    let mut parts: ArrayVec<_, MAX_THREADS> = parts.collect();
    team.each(&mut parts, |_, ((share, workspace), panels)| {
        if updates {
            let step = Step { accumulate: false, then: Then::Update(update) };
            let workspaces = std::slice::from_ref(&**workspace);
            let ahead = Ahead::new(&data.x, rows);
            dispatch(isa, GradientStep { network, workspaces, share, step, ahead });
        }
        if !rows.is_empty() {
            take_in(isa, &data.x, rows, workspace);
            let (fan_in, fan_out) = (network.sizes()[0], network.sizes()[1]);
            let layer = Layer { fan_in, fan_out, first: panels.start, data: &*share.parameters };
            activations(1, network, layer, isa, masks, workspace);
        }
    });
}

/// All but the first layer, which has its activations: forward, backward, BP3, BP4 and the update. Returns the cost.
fn rest_of_batch<T: Real>(
    trainer: &mut Trainer<T>,
    data: &Data<'_, T>,
    batch: Rows<'_>,
    neurons: &NeuronShares,
) -> f64 {
    let (network, isa, masks) = (&trainer.network, trainer.isa, trainer.masks());
    let Some((leader, members)) = trainer.workspaces.each.split_first_mut() else {
        return 0.0;
    };
    for (member, panels) in members.iter().zip(&neurons.panels[1..]) {
        for panel in panels.clone() {
            leader.a[1].panel_mut(panel).copy_from_slice(member.a[1].panel(panel));
            let kept = leader.derivative.first_mut().zip(member.derivative.first());
            if let Some((Some(to), Some(from))) = kept {
                to.panel_mut(panel).copy_from_slice(from.panel(panel));
            }
        }
    }
    let parameters = trainer.parameters.as_slice();
    forward_from(2, network, parameters, isa, masks, leader);
    backward(network, parameters, isa, &trainer.cost, data, batch, leader);
    for (member, panels) in members.iter_mut().zip(&neurons.panels[1..]) {
        for panel in panels.clone() {
            member.delta[0].panel_mut(panel).copy_from_slice(leader.delta[0].panel(panel));
        }
    }
    let workspaces = std::slice::from_ref(&*leader);
    let mut shares =
        neurons.cut(network, &mut trainer.parameters, &mut trainer.state, &mut trainer.squares);
    if let Some(share) = shares.last_mut() {
        let step = Step { accumulate: false, then: Then::Update(&trainer.update) };
        dispatch(isa, GradientStep { network, workspaces, share, step, ahead: Ahead::nothing() });
    }
    leader.costs().iter().sum()
}

/// The neurons of the first layer in whole panels, shared out among threads.
struct NeuronShares {
    /// Each thread's panels.
    panels: Vec<Range<usize>>,
    /// Where each thread's blocks end; then those of all other layers.
    ends: Vec<usize>,
}

impl NeuronShares {
    fn new(network: &Network, threads: usize) -> Self {
        let count = panel_count(network.sizes()[1]);
        let panels: Vec<_> =
            (0..threads).map(|i| i * count / threads..(i + 1) * count / threads).collect();
        let ends = panels.iter().map(|panels| panels.end * network.blocks_per_panel(1));
        let ends = ends.chain([network.block_count()]).collect();
        Self { panels, ends }
    }

    /// A share for each thread, and one of all other layers.
    fn cut<'a, T: Real>(
        &self,
        network: &Network,
        parameters: &'a mut Aligned<T>,
        state: &'a mut [Aligned<T>; MAX_SLOTS],
        squares: &'a mut [f64],
    ) -> ArrayVec<Share<'a, T>, MAX_THREADS> {
        let state = state.each_mut().map(Aligned::as_mut_slice);
        let whole = Share { state, squares, ..Share::of_all(network, parameters.as_mut_slice()) };
        cut(network, whole, self.ends.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, Array2};

    use super::*;
    use crate::data::{Input, Targets};
    use crate::network::{Activation, Output};
    use crate::training::optimizer::Optimizer;

    const ROWS: usize = 47;

    /// Parameters, state and loss after two epochs in batches of `batch`, the second stopped at its third batch.
    fn train(
        sizes: &[usize],
        batch: usize,
        optimizer: Optimizer,
        threads: usize,
        weights: Option<&Array1<f32>>,
    ) -> (Vec<f32>, Vec<f32>, u64, String) {
        let outputs = sizes[sizes.len() - 1];
        let network = Network::new(sizes, Activation::Tanh, Output::Softmax).unwrap();
        let x =
            Array2::from_shape_fn((ROWS, sizes[0]), |(i, j)| ((i * 31 + j * 7) % 23) as f32 / 23.0);
        let y = Array1::from_shape_fn(ROWS, |i| (i % outputs) as i64);
        let count = network.parameter_count();
        let vector: Vec<f32> =
            (0..count).map(|i| ((i * 7919 % 97) as f32 - 48.0) / 500.0).collect();
        let mut parameters = network.zeros().unwrap();
        network.pack_vector(&vector, parameters.as_mut_slice());
        let cost = network.cost("log_loss").unwrap();
        let mut trainer = Trainer::new(network, parameters, cost, 0.1, optimizer, 0.01).unwrap();
        let order: Vec<i64> = (0..ROWS as i64).rev().collect();
        let data = Data {
            x: Input::Dense(x.view()),
            y: Targets::Classes(y.view()),
            weights: weights.map(|w| w.view()),
        };
        let batches = Batches { order: Some(&order), size: batch, ..Batches::default() };
        let first = trainer.epoch(&data, batches, threads, || false);
        let mut asked = 0;
        let second = trainer.epoch(&data, batches, threads, || {
            asked += 1;
            asked == 3
        });
        let state = trainer.state().flat_map(|(_, slot)| slot.to_vec()).collect();
        (trainer.parameters().to_vec(), state, trainer.updates(), format!("{first:?} {second:?}"))
    }

    /// Sharing out neurons gives what one thread gives, to the last bit.
    #[test]
    fn the_same_as_one_thread() {
        let adam = Optimizer::Adam { beta_1: 0.9, beta_2: 0.999, epsilon: 1e-8 };
        let plain = Optimizer::Sgd { momentum: 0.0, nesterov: false };
        let momentum = Optimizer::Sgd { momentum: 0.9, nesterov: true };
        let some = Array1::from_shape_fn(ROWS, |i| (i % 3) as f32);
        for (sizes, batch, threads) in [
            (&[784, 30, 10][..], 10, 2),
            (&[800, 50, 3], 9, 3),
            (&[3000, 40], 7, 8),
            (&[784, 90, 5, 3], 10, 5),
        ] {
            for optimizer in [plain, momentum, adam] {
                for weights in [None, Some(&some)] {
                    let alone = train(sizes, batch, optimizer, 1, weights);
                    assert_eq!(
                        alone,
                        train(sizes, batch, optimizer, threads, weights),
                        "{sizes:?}"
                    );
                    assert!(
                        alone.3.contains("Stopped") && alone.2 == 2 + ROWS.div_ceil(batch) as u64
                    );
                }
            }
        }
    }

    #[test]
    fn is_chosen_where_the_first_layer_is_nearly_all_and_batches_are_small() {
        let threads_with = |sizes: &[usize], batch, layouts: &[Layout]| {
            let network = Network::new(sizes, Activation::Tanh, Output::Softmax).unwrap();
            let parameters = network.zeros::<f32>().unwrap();
            let cost = network.cost("log_loss").unwrap();
            let plain = Optimizer::Sgd { momentum: 0.0, nesterov: false };
            let trainer = Trainer::new(network, parameters, cost, 0.0, plain, 0.1).unwrap();
            super::threads(&trainer, layouts, batch, 4)
        };
        let threads = |sizes: &[usize], batch| {
            threads_with(sizes, batch, &vec![Layout::Panels; sizes.len() - 1])
        };
        // Two panels of neurons are for two threads at most.
        assert_eq!(threads(&[784, 30, 10], 10), 2);
        assert_eq!(threads(&[784, 100, 10], 10), 4);
        // Many rows, many neurons elsewhere, or next to nothing to do.
        assert_eq!(threads(&[784, 100, 10], 200), 1);
        assert_eq!(threads(&[784, 100, 100, 10], 10), 1);
        assert_eq!(threads(&[784, 30, 10], 2), 1);
        // Columns of X are found by each thread; bits of a hidden layer would be those of its own neurons.
        let (columns, masked) = (Layout::columns(0.5), Layout::masked(0.3));
        assert_eq!(threads_with(&[784, 64, 10], 10, &[columns, Layout::Panels]), 4);
        assert_eq!(threads_with(&[784, 64, 10], 10, &[Layout::Panels, masked]), 1);
        assert_eq!(threads_with(&[784, 64, 10], 10, &[masked, Layout::Panels]), 1);
    }

    /// A batch without weight ends the epoch with an error, and leaves the batches before it whole.
    #[test]
    fn an_error_leaves_the_parameters_of_the_last_batch() {
        let plain = Optimizer::Sgd { momentum: 0.0, nesterov: false };
        // The order is that of the rows backwards: the second batch has weight 0.
        let weights =
            Array1::from_shape_fn(ROWS, |i| if (27..37).contains(&i) { 0.0 } else { 1.0 });
        let [alone, two] = [1, 2].map(|n| train(&[784, 30, 10], 10, plain, n, Some(&weights)));
        assert_eq!(alone, two);
        assert!(alone.3.contains("ZeroWeight") && alone.2 == 2);
    }
}
