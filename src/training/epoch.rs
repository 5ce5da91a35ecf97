//! One epoch of mini-batches in a given order, each shared out among threads in the [way](crate::training::sharing) that is
//! the best for its size and the network's.

use std::time::{Duration, Instant};

use arrayvec::ArrayVec;

use crate::backprop::layouts;
use crate::data::{Data, Layout};
use crate::error::Error;
use crate::linalg::kernels::Real;
use crate::linalg::memory::panels::Aligned;
use crate::linalg::team::{self, MAX_THREADS, Team};
use crate::training::batches::Batches;
use crate::training::clipping::then;
use crate::training::gradient_step::Share;
use crate::training::loss::Loss;
use crate::training::pass::Pass;
use crate::training::sharing::by_neurons;
use crate::training::sharing::by_rows::{self, Batch};
use crate::training::sharing::halves::{self, HALVES, half, is_in_halves};
use crate::training::sharing::split::Split;
use crate::training::sharing::work::{rows_at_once, useful_threads};
use crate::training::trainer::{Epoch, Trainer};

impl<T: Real> Trainer<T> {
    /// One epoch on up to `allowed` threads.
    ///
    /// `stop` is asked before every batch, and before each go of a large one.
    pub fn epoch(
        &mut self,
        data: &Data<'_, T>,
        batches: Batches<'_>,
        allowed: usize,
        mut stop: impl FnMut() -> bool,
    ) -> Result<Epoch, Error> {
        if data.check(&self.network, &mut stop)?.is_none() {
            return Ok(Epoch::Stopped);
        }
        let (all, batch_size) = batches.of(data.x.rows())?;
        let at_once = rows_at_once(&self.network, batch_size);
        let parameters = self.parameters.as_slice();
        let layouts =
            layouts(&self.network, parameters, self.isa, &data.x, all, at_once, self.masks())?;
        let threads = useful_threads(&self.network, &layouts, at_once, allowed);
        self.start_squares()?;
        let for_neurons = by_neurons::threads(self, &layouts, batch_size, allowed);
        if for_neurons > threads {
            return by_neurons::epoch(self, data, batches, &layouts, for_neurons, stop);
        }

        let in_halves = at_once == batch_size && is_in_halves(&self.network, batch_size);
        let at_once = if in_halves { half(batch_size) } else { at_once };
        let useful = threads;
        let threads = self.pace.threads(useful);
        if useful > 1 && threads != self.workspaces.split.threads().max(1) {
            std::mem::swap(&mut self.workspaces, &mut self.other_workspaces);
        }
        let start = Instant::now();
        let mut setting_up = Duration::ZERO;
        let end = team::with(threads, |team| {
            let start = Instant::now();
            // As many as there are, which is fewer where the system refused some.
            let (network, threads) = (&self.network, team.threads());
            let half_each = in_halves && threads == HALVES;
            let room = if half_each { HALVES * at_once } else { at_once };
            let split = match half_each {
                true => Split::by_rows(HALVES),
                false => self.split(&layouts, at_once, threads),
            };
            self.workspaces.prepare(network, &data.x, room, split, &layouts, self.isa)?;
            self.start_sums(match half_each {
                true => HALVES,
                false => usize::from(at_once < batch_size || self.max_grad_norm.is_some()),
            })?;
            setting_up = start.elapsed();
            let mut total = Loss::default();
            let (mut first, mut number) = (0, 0);
            while first < all.len() && !(number > 0 && batches.ends_early()) {
                self.begin_batch(&batches, number);
                number += 1;
                let batch = all.slice(first, batch_size.min(all.len() - first));
                first += batch.len();
                let next = all.slice(first, batch_size.min(all.len() - first));
                let at_once = if in_halves { half(batch.len()) } else { at_once };
                let loss = if half_each {
                    halves::batch(self, team, data, [batch, next], &mut stop)?
                } else {
                    self.batch(team, data, Batch { rows: batch, next, at_once }, &mut stop)?
                };
                let Some(loss) = loss else {
                    return Ok(Epoch::Stopped);
                };
                total.add(loss, batch.len());
            }
            Ok(Epoch::Finished(total.over(first)))
        })?;
        if useful > 1 && matches!(end, Epoch::Finished(_)) {
            self.pace.observe(threads, useful, all.len(), start.elapsed() - setting_up);
        }
        Ok(end)
    }

    /// How so many threads share out forward and backward of so many rows.
    fn split(&self, layouts: &[Layout], rows: usize, threads: usize) -> Split {
        #[cfg(test)]
        if let Some(split) = self.split_to_test {
            return split;
        }
        Split::of(&self.network, layouts, rows, self.isa.rows_together(), threads)
    }

    /// One mini-batch, and the one after it: its loss before the update, or None when asked to stop.
    fn batch(
        &mut self,
        team: &Team<'_>,
        data: &Data<'_, T>,
        batch: Batch<'_>,
        stop: &mut impl FnMut() -> bool,
    ) -> Result<Option<Loss>, Error> {
        let weight = data.total_weight(batch.rows)?;
        let penalty = self.penalty(weight);
        self.ready_update(1.0 / weight);
        let then = then(self.max_grad_norm, &self.update);
        let network = &self.network;
        let pass = Pass { network, isa: self.isa, cost: &self.cost, data, masks: self.masks() };
        let parameters = &mut Share {
            state: self.state.each_mut().map(Aligned::as_mut_slice),
            gradient: self.gradient.as_mut_slice(),
            squares: &mut self.squares,
            norms: &mut self.norms,
            ..Share::of_all(network, self.parameters.as_mut_slice())
        };
        let workspaces = &mut self.workspaces;
        let cost = by_rows::batch(pass, team, workspaces, parameters, batch, then, stop);
        let Some(cost) = cost else { return Ok(None) };
        let ends: ArrayVec<_, MAX_THREADS> = workspaces.ends().collect();
        self.clip(team, weight, &ends);
        self.updates += 1;
        Ok(Some(Loss { cost: cost / weight, penalty }))
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, Array2};

    use super::*;
    use crate::data::{Input, Targets};
    use crate::linalg::kernels::Isa;
    use crate::linalg::zeros::csr::{Csr, Indices};
    use crate::network::{Activation, Network, Output};
    use crate::training::optimizer::Optimizer;
    use crate::training::sharing::autotune::Pace;

    const ROWS: usize = 600;

    fn batches(size: usize) -> Batches<'static> {
        Batches { size, ..Batches::default() }
    }

    /// A trainer of a network with some small weights.
    fn trainer(
        sizes: &[usize],
        hidden: Activation,
        optimizer: Optimizer,
        alpha: f64,
    ) -> Trainer<f32> {
        let network = Network::new(sizes, hidden, Output::Softmax).unwrap();
        let count = network.parameter_count();
        let vector: Vec<f32> =
            (0..count).map(|i| ((i * 7919 % 97) as f32 - 49.0) / 500.0).collect();
        let mut parameters = network.zeros().unwrap();
        network.pack_vector(&vector, parameters.as_mut_slice());
        let cost = network.cost("log_loss").unwrap();
        Trainer::new(network, parameters, cost, alpha, optimizer, 0.01).unwrap()
    }

    const ADAM: Optimizer = Optimizer::Adam { beta_1: 0.9, beta_2: 0.999, epsilon: 1e-8 };

    /// X of which so many tenths are zero, and classes.
    fn data(cols: usize, outputs: usize, zeros: usize) -> (Array2<f32>, Array1<i64>) {
        let x = Array2::from_shape_fn((ROWS, cols), |(i, j)| {
            if (i + j) % 10 < zeros { 0.0 } else { ((i * 31 + j * 7) % 23) as f32 / 23.0 }
        });
        (x, Array1::from_shape_fn(ROWS, |i| (i * i % outputs) as i64))
    }

    /// Parameters and loss after an epoch on threads that were lately so fast.
    fn train(sizes: &[usize], batch: usize, speeds: &[f64], zeros: usize) -> (Vec<f32>, String) {
        let (x, y) = data(sizes[0], sizes[sizes.len() - 1], zeros);
        let mut trainer = trainer(sizes, Activation::Relu, ADAM, 0.1);
        trainer.workspaces.set_speeds(speeds);
        let data = Data { x: Input::Dense(x.view()), y: Targets::Classes(y.view()), weights: None };
        let loss = trainer.epoch(&data, batches(batch), speeds.len(), || false);
        assert_eq!(trainer.workspaces.each.len(), speeds.len(), "all threads are used");
        (trainer.parameters().to_vec(), format!("{loss:?}"))
    }

    /// What an epoch in batches of 10 gives.
    fn train_on(
        data: &Data<'_, f32>,
        optimizer: Optimizer,
        alpha: f64,
        threads: usize,
    ) -> Vec<f32> {
        const BATCH: usize = 10;
        let sizes = [data.x.cols(), 40, 5];
        let mut trainer = trainer(&sizes, Activation::Logistic, optimizer, alpha);
        let layout = data.x.layout(trainer.network(), BATCH, trainer.isa);
        match data.x {
            Input::Dense(_) => assert!(matches!(layout, Layout::Columns { .. })),
            Input::Sparse(_) => assert!(matches!(layout, Layout::Entries { .. })),
        }
        trainer.epoch(data, batches(BATCH), threads, || false).unwrap();
        assert_eq!(trainer.workspaces.each.len(), threads, "all threads are used");
        trainer.parameters().to_vec()
    }

    /// An X half of whose columns are zero in most batches, and the same as a sparse matrix.
    #[test]
    fn columns_left_out_change_nothing() {
        let (rows, cols) = (73, 700);
        let x = Array2::from_shape_fn((rows, cols), |(i, j)| match (j % 2, (i * 3 + j) % 40) {
            (0, _) | (_, 0) => ((i * 31 + j * 7) % 23) as f32 / 23.0,
            _ => 0.0,
        });
        let (mut values, mut indices, mut indptr) = (vec![], vec![], vec![0i32]);
        for row in x.rows() {
            for (j, value) in row.iter().enumerate().filter(|(_, value)| **value != 0.0) {
                values.push(*value);
                indices.push(i32::try_from(j).unwrap());
            }
            indptr.push(i32::try_from(values.len()).unwrap());
        }
        let (indices, indptr) = (Indices::I32(&indices), Indices::I32(&indptr));
        let sparse = Csr::new(&values, indices, indptr, cols).unwrap();
        let y = Array1::from_shape_fn(rows, |i| (i * i % 5) as i64);
        let data = |x| Data { x, y: Targets::Classes(y.view()), weights: None };
        let momentum = Optimizer::Sgd { momentum: 0.9, nesterov: true };
        let plain = Optimizer::Sgd { momentum: 0.0, nesterov: false };
        for optimizer in [plain, momentum, ADAM] {
            for alpha in [0.0, 0.1] {
                let expected = train_on(&data(Input::Sparse(sparse)), optimizer, alpha, 1);
                for threads in [1, 2] {
                    let dense = data(Input::Dense(x.view()));
                    let found = train_on(&dense, optimizer, alpha, threads);
                    assert!(found == expected, "{optimizer:?} {alpha} {threads}");
                }
            }
        }
    }

    #[test]
    fn shares_of_any_size_give_what_one_thread_gives() {
        for (sizes, batch) in [(&[60, 150, 130, 7][..], 203), (&[300, 400, 5], 64)] {
            for zeros in [0, 9] {
                let alone = train(sizes, batch, &[1.0], zeros);
                for speeds in [&[1.0, 1.0][..], &[1.0, 9.0], &[9.0, 1.0], &[1.0, 0.8, 7.0]] {
                    let shared = train(sizes, batch, speeds, zeros);
                    assert!(alone == shared, "{sizes:?} {speeds:?}: {} {}", alone.1, shared.1);
                }
            }
        }
    }

    /// Parameters and loss after an epoch with dropout, in batches of 203, 203 and 194 rows.
    fn train_in_grid(
        hidden: Activation,
        zeros: usize,
        split: Split,
        isa: Isa,
    ) -> (Vec<f32>, String) {
        let sizes = [300, 600, 200, 37];
        let (x, y) = data(sizes[0], sizes[3], zeros);
        let mut trainer = trainer(&sizes, hidden, ADAM, 0.1);
        trainer.set_isa(isa);
        trainer.set_dropout(vec![0.1, 0.2]).unwrap();
        trainer.split_to_test = Some(split);
        let data = Data { x: Input::Dense(x.view()), y: Targets::Classes(y.view()), weights: None };
        let loss = trainer.epoch(&data, batches(203), split.threads(), || false);
        assert!(trainer.workspaces.split == split, "{split:?}");
        (trainer.parameters().to_vec(), format!("{loss:?}"))
    }

    /// Of all layouts (dense, bits, lists, hidden layers with many zeros) and of layers that keep σ'.
    #[test]
    fn grids_give_what_one_thread_gives() {
        let (relu, gelu, tanh) = (Activation::Relu, Activation::Gelu, Activation::Tanh);
        for isa in [Isa::best()].into_iter().chain(Isa::bfloat16()) {
            for (hidden, zeros) in [(tanh, 0), (relu, 0), (gelu, 0), (relu, 6), (relu, 9)] {
                let alone = train_in_grid(hidden, zeros, Split::by_rows(1), isa);
                for (rows, neurons) in [(1, 2), (2, 2), (1, 5), (3, 5), (2, 8)] {
                    let found = train_in_grid(hidden, zeros, Split { rows, neurons }, isa);
                    assert!(found == alone, "{hidden:?} {zeros} {rows} {neurons} {isa:?}");
                }
            }
        }
    }

    #[test]
    fn epochs_may_change_between_fewer_threads_and_all() {
        let (x, y) = data(60, 7, 3);
        let data = Data { x: Input::Dense(x.view()), y: Targets::Classes(y.view()), weights: None };
        let of = |threads: usize| {
            let mut trainer = trainer(&[60, 150, 130, 7], Activation::Relu, ADAM, 0.1);
            for tries_fewer in [false, true, true, false, true] {
                trainer.pace = Pace::default();
                if tries_fewer {
                    let took = Duration::from_millis(1);
                    (0..3).for_each(|_| trainer.pace.observe(threads, threads, 1, took));
                }
                trainer.epoch(&data, batches(203), threads, || false).unwrap();
                // Of 1, 2, 4, ... the next one below.
                let expected = if tries_fewer { threads.div_ceil(2) } else { threads };
                assert_eq!(trainer.workspaces.each.len(), expected);
                let has_observed = trainer.pace != Pace::default();
                assert_eq!(has_observed, tries_fewer || threads > 1);
            }
            trainer.parameters().to_vec()
        };
        assert!(of(1) == of(2) && of(1) == of(3) && of(1) == of(8));
    }
}
