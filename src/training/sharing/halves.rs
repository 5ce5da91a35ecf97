//! Batches of a network with few parameters, where each of two threads takes half of the rows all the way to the gradient.
//!
//! In [`by_rows`](crate::training::sharing::by_rows) every thread needs the activations and errors of all rows for its
//! share of BP4. Where those are more numbers than the parameters, moving them between processors takes longer than
//! adding up the gradients of two halves. The results are to be the same on any number of threads: one alone, and more
//! than two, take such a batch in two goes.

use crate::data::{Data, Rows, work_per_row};
use crate::error::Error;
use crate::linalg::kernels::{Real, dispatch};
use crate::linalg::memory::panels::Aligned;
use crate::linalg::team::Team;
use crate::network::Network;
use crate::training::clipping::then;
use crate::training::gradient_step::{FromSums, Share};
use crate::training::loss::Loss;
use crate::training::pass::Pass;
use crate::training::sharing::shares::cut;
use crate::training::sharing::work::WORK_PER_THREAD;
use crate::training::trainer::Trainer;

/// Threads, and halves of a batch.
pub(in crate::training) const HALVES: usize = 2;
/// The parameters are so many times fewer than the numbers that threads would exchange otherwise.
const TIMES_FEWER: usize = 2;

/// Whether the network has few parameters for batches of so many rows. It does not depend on the number of threads.
pub(in crate::training) fn is_in_halves(network: &Network, rows: usize) -> bool {
    let sizes = network.sizes();
    let (a, delta) = (&sizes[1..network.depth()], &sizes[1..]);
    let numbers_per_row: usize = a.iter().chain(delta).sum();
    network.packed_len().saturating_mul(TIMES_FEWER) <= rows.saturating_mul(numbers_per_row)
        && work_per_row(network, &[]).saturating_mul(rows) >= HALVES * WORK_PER_THREAD
}

/// Rows of the first half, which has whole pairs: a product of bfloat16 numbers sums over two rows at a time.
pub(in crate::training) fn half(rows: usize) -> usize {
    rows.min(2 * rows.div_ceil(2 * HALVES))
}

fn half_of(batch: Rows<'_>, thread: usize) -> Rows<'_> {
    let middle = half(batch.len());
    match thread {
        0 => batch.slice(0, middle),
        _ => batch.slice(middle, batch.len() - middle),
    }
}

/// One mini-batch, and the one after it: its loss before the update, or None when asked to stop.
pub(in crate::training) fn batch<T: Real>(
    trainer: &mut Trainer<T>,
    team: &Team<'_>,
    data: &Data<'_, T>,
    [batch, next]: [Rows<'_>; 2],
    stop: &mut impl FnMut() -> bool,
) -> Result<Option<Loss>, Error> {
    let weight = data.total_weight(batch)?;
    if stop() {
        return Ok(None);
    }
    let penalty = trainer.penalty(weight);
    trainer.ready_update(1.0 / weight);
    let masks = trainer.masks();

    let network = &trainer.network;
    let pass = Pass { network, isa: trainer.isa, cost: &trainer.cost, data, masks };
    let parameters = trainer.parameters.as_slice();
    let (first, second) = trainer.gradient.as_mut_slice().split_at_mut(network.packed_len());
    let [one, other] = trainer.workspaces.each.as_mut_slice() else {
        debug_assert!(false, "a workspace for each of two threads");
        return Ok(None);
    };
    let mut halves = [(one, &mut *first, 0.0), (other, &mut *second, 0.0)];
    team.each(&mut halves, |thread, (workspace, sums, cost)| {
        let rows = [batch, next].map(|batch| half_of(batch, thread));
        let masks = masks.from_row(if thread == 0 { 0 } else { half(batch.len()) });
        *cost = Pass { masks, ..pass }.gradient(parameters, rows, workspace, sums, false);
    });
    let cost: f64 = halves.iter().map(|(_, _, cost)| cost).sum();

    let blocks = network.block_count();
    let ends = [blocks / HALVES, blocks];
    let then = then(trainer.max_grad_norm, &trainer.update);
    let whole = Share {
        state: trainer.state.each_mut().map(Aligned::as_mut_slice),
        gradient: first,
        squares: &mut trainer.squares,
        norms: &mut trainer.norms,
        ..Share::of_all(network, trainer.parameters.as_mut_slice())
    };
    let mut shares = cut(network, whole, ends.into_iter());
    let (isa, more) = (trainer.isa, Some(&*second));
    team.each(&mut shares, |_, share| {
        dispatch(isa, FromSums { network, share, more, then });
    });
    drop(shares);
    trainer.clip(team, weight, &ends);
    trainer.updates += 1;
    Ok(Some(Loss { cost: cost / weight, penalty }))
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, Array2};

    use super::*;
    use crate::data::{Input, Targets};
    use crate::network::{Activation, Output};
    use crate::training::batches::Batches;
    use crate::training::optimizer::Optimizer;
    use crate::training::trainer::Epoch;

    const COLS: usize = 48;
    const SIZES: [usize; 4] = [COLS, 70, 40, 3];

    /// Parameters, state and loss after two epochs in batches of 150.
    fn train<T: Real>(rows: usize, threads: usize, weights: Option<&Array1<T>>) -> (Vec<T>, Epoch) {
        let network = Network::new(&SIZES, Activation::Relu, Output::Softmax).unwrap();
        assert!(is_in_halves(&network, 150));
        let vector: Vec<T> = (0..network.parameter_count())
            .map(|i| T::of(((i * 7919 % 97) as f64 - 45.0) / 300.0))
            .collect();
        let mut parameters = network.zeros().unwrap();
        network.pack_vector(&vector, parameters.as_mut_slice());
        let cost = network.cost("log_loss").unwrap();
        let adam = Optimizer::Adam { beta_1: 0.9, beta_2: 0.999, epsilon: 1e-8 };
        let mut trainer = Trainer::new(network, parameters, cost, 0.1, adam, 0.01).unwrap();
        let x = Array2::from_shape_fn((rows, COLS), |(i, j)| match (i + j) % 3 {
            0 => T::ZERO,
            _ => T::of(((i * 31 + j * 7) % 23) as f64 / 23.0),
        });
        let y = Array1::from_shape_fn(rows, |i| (i * i % 3) as i64);
        let order: Vec<i64> = (0..rows as i64).rev().collect();
        let weights = weights.map(|w| w.slice(ndarray::s![..rows]));
        let data = Data { x: Input::Dense(x.view()), y: Targets::Classes(y.view()), weights };
        let batches = Batches { order: Some(&order), size: 150, ..Batches::default() };
        trainer.epoch(&data, batches, threads, || false).unwrap();
        let end = trainer.epoch(&data, batches, threads, || false).unwrap();
        assert_eq!(trainer.workspaces.each.len(), threads, "all threads are used");
        let mut numbers = trainer.parameters().to_vec();
        numbers.extend(trainer.state().flat_map(|(_, slot)| slot));
        (numbers, end)
    }

    /// Also with last batches of which a half has no row, or one.
    #[test]
    fn the_same_on_any_number_of_threads() {
        fn check<T: Real>() {
            let some = Array1::from_shape_fn(500, |i| T::of((i % 3) as f64));
            for rows in [300, 301, 302, 303, 304, 407] {
                for weights in [None, (rows == 407).then_some(&some)] {
                    let (alone, end) = train(rows, 1, weights);
                    for threads in [2, 3, 4] {
                        let (together, end_together) = train(rows, threads, weights);
                        assert_eq!(end, end_together);
                        assert!(alone == together, "{} {rows} rows, {threads} threads", T::NAME);
                    }
                }
            }
        }
        check::<f32>();
        check::<f64>();
    }

    #[test]
    fn halves_are_of_whole_pairs() {
        assert_eq!([1, 2, 3, 4, 5, 6, 197, 200].map(half), [1, 2, 2, 2, 4, 4, 100, 100]);
    }

    #[test]
    fn is_for_few_parameters_and_some_work() {
        let of = |sizes: &[usize], rows| {
            is_in_halves(&Network::new(sizes, Activation::Relu, Output::Softmax).unwrap(), rows)
        };
        assert!(of(&[64, 100, 10], 200) && of(&[32, 64, 64, 1], 128));
        // Many parameters; few rows; next to nothing to do.
        assert!(!of(&[784, 100, 10], 200) && !of(&[64, 100, 10], 20) && !of(&[4, 10, 3], 200));
    }
}
