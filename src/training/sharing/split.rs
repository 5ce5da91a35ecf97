//! Among how many threads the rows of a batch are shared out, and among how many the neurons of each layer.
//!
//! By rows alone every thread reads all weights, twice: what it does for each of them is as much as it has rows. With
//! many threads it has few, and waits for memory. In a grid, threads that have the same rows share out the neurons of
//! each layer. Each then reads its part of the weights and the activations of all, and they meet after each layer.

use crate::data::Layout;
use crate::linalg::memory::panels::{WIDTH, panel_count};
use crate::network::Network;

/// A grid of threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Split {
    /// Groups of threads, which have different rows.
    pub rows: usize,
    /// Threads of a group, which have the same rows and different neurons.
    pub neurons: usize,
}

/// Multiplications in the time that a core takes to get a number from the cache that it shares with others: some 75 in a
/// nanosecond, and 15 bytes.
const WORK_PER_NUMBER: f64 = 20.0;
/// Multiplications in the time of a meeting: some five microseconds.
const WORK_PER_MEETING: f64 = (1 << 18) as f64;
/// A grid has to save so much of the time, as rows are sure to be shared out evenly, and by how fast threads are.
const GAIN: f64 = 0.1;

impl Split {
    pub fn by_rows(threads: usize) -> Self {
        Self { rows: threads, neurons: 1 }
    }

    /// The best one of so many threads for batches of so many rows, of which `unit` stay together.
    pub fn of(
        network: &Network,
        layouts: &[Layout],
        rows: usize,
        unit: usize,
        threads: usize,
    ) -> Self {
        let time = |split: &Split| split.time(network, layouts, rows, unit);
        let by_rows = Self::by_rows(threads);
        let grids = (2..=threads).map(|neurons| Self { rows: threads / neurons, neurons });
        let best = grids.min_by(|a, b| time(a).total_cmp(&time(b)));
        best.filter(|best| time(best) < (1.0 - GAIN) * time(&by_rows)).unwrap_or(by_rows)
    }

    pub fn threads(&self) -> usize {
        self.rows * self.neurons
    }

    /// Where the panels of each thread of a group end, of so many of a layer.
    pub fn ends(&self, panels: usize) -> impl Iterator<Item = usize> + use<> {
        let threads = self.neurons;
        (1..=threads).map(move |end| end * panels / threads)
    }

    /// Time of forward and backward, in multiplications.
    fn time(&self, network: &Network, layouts: &[Layout], rows: usize, unit: usize) -> f64 {
        let rows = (unit * rows.div_ceil(unit).div_ceil(self.rows)) as f64;
        // Of a layer's neurons: those of the thread that has the most.
        let part = |neurons: usize| (panel_count(neurons).div_ceil(self.neurons) * WIDTH) as f64;
        // What others have computed of the rows.
        let of_others = if self.neurons > 1 { rows } else { 0.0 };
        let (mut work, mut numbers) = (0.0, rows * network.inputs() as f64);
        for (l, sizes) in network.sizes().windows(2).enumerate() {
            let (fan_in, fan_out) = (sizes[0] as f64, sizes[1] as f64);
            let forward = fan_in * part(sizes[1]);
            work += rows * forward * layouts[l].work();
            numbers += forward;
            if l > 0 {
                let backward = part(sizes[0]) * fan_out;
                work += rows * backward;
                numbers += backward + of_others * (fan_in + fan_out);
            }
        }
        let meetings = if self.neurons > 1 { 2 * network.depth() + 1 } else { 0 };
        work + WORK_PER_NUMBER * numbers + WORK_PER_MEETING * meetings as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Activation, Output};

    fn split(sizes: &[usize], rows: usize, threads: usize) -> (usize, usize) {
        let network = Network::new(sizes, Activation::Tanh, Output::Softmax).unwrap();
        let layouts = vec![Layout::Panels; network.depth()];
        let Split { rows, neurons } = Split::of(&network, &layouts, rows, 2, threads);
        assert!(rows * neurons <= threads);
        (rows, neurons)
    }

    #[test]
    fn wide_layers_and_few_rows_for_each_thread_make_a_grid() {
        // Enough rows for each thread, or so few weights that meetings would take longer than reading them.
        assert_eq!(split(&[784, 1024, 1024, 10], 256, 2), (2, 1));
        assert_eq!(split(&[128, 4096, 4096, 10], 1024, 8), (8, 1));
        assert_eq!(split(&[784, 100, 10], 200, 16), (16, 1));
        assert_eq!(split(&[32, 64, 64, 2], 64, 64), (64, 1));
        for (sizes, rows, threads) in [
            (&[784, 1024, 1024, 10][..], 256, 16),
            (&[784, 1024, 1024, 10], 256, 64),
            (&[784, 1024, 1024, 10], 32, 8),
            (&[128, 4096, 4096, 10], 256, 16),
            (&[128, 4096, 4096, 10], 256, 13),
        ] {
            let (groups, neurons) = split(sizes, rows, threads);
            assert!(neurons > 1 && groups * neurons > threads / 2, "{sizes:?} {groups} {neurons}");
        }
    }

    #[test]
    fn all_panels_are_somebodys() {
        let split = Split { rows: 2, neurons: 5 };
        assert_eq!(split.ends(63).collect::<Vec<_>>(), [12, 25, 37, 50, 63]);
        assert_eq!(split.ends(1).collect::<Vec<_>>(), [0, 0, 0, 0, 1]);
    }
}
