//! Dropout: the neurons of a hidden layer that a row does without in one update.
//!
//! Whether a neuron is dropped is a function of the seed, the update, the layer, the row in the batch and the neuron, as
//! Salmon et al. (2011), "Parallel random numbers: as easy as 1, 2, 3", make random numbers of counters. So neither the
//! threads, nor how rows are shared out among them, nor the number type has a say. What is kept is divided by the share that
//! is kept, so that predictions need no correction ("inverted" dropout; Srivastava et al. 2014, section 10).

use crate::linalg::kernels::{Scalar, Vector};
use crate::linalg::memory::panels::WIDTH;

/// The masks of one mini-batch, from row `first` of it on.
#[derive(Clone, Copy, Debug)]
pub struct Masks {
    /// Of the update; None: nothing is dropped.
    key: Option<u64>,
    /// What the network's rates are multiplied by.
    scale: f64,
    first: usize,
}

impl Masks {
    pub const NONE: Masks = Masks { key: None, scale: 1.0, first: 0 };

    /// Those of an update, at `scale` times the network's rates.
    pub fn new(seed: u64, update: u64, scale: f64) -> Self {
        Self { key: Some(mix(mix(seed) ^ update)), scale, first: 0 }
    }

    /// Those of the rows from `first` on.
    pub fn from_row(self, first: usize) -> Self {
        Self { first: self.first + first, ..self }
    }

    /// The mask of hidden layer l, which drops this share of its neurons.
    pub(super) fn of_layer(self, l: usize, rate: f64) -> Option<Mask> {
        let rate = rate * self.scale;
        let key = self.key.filter(|_| rate > 0.0)?;
        Some(Mask { key: mix(key ^ l as u64), first: self.first, threshold: threshold(rate) })
    }
}

/// Random numbers below this one, out of [`NUMBERS`], drop a neuron.
#[allow(clippy::cast_possible_truncation, reason = "within [0, 2^16)")]
fn threshold(rate: f64) -> i32 {
    (rate * NUMBERS).round().min(NUMBERS - 1.0) as i32
}

/// A neuron's random number has 16 bits, so that one register of them is enough for a row of a panel: rates are exact to
/// 1/131072.
const NUMBERS: f64 = 65536.0;

/// The mask of one layer.
#[derive(Clone, Copy)]
pub(super) struct Mask {
    key: u64,
    first: usize,
    threshold: i32,
}

impl Mask {
    /// Drop neurons of one panel: a of each row, and σ' where it is kept, become 0 or are divided by the share that is kept.
    #[inline(always)]
    pub fn apply<V: Vector>(
        &self,
        panel: usize,
        a: &mut [V::Scalar],
        derivative: Option<&mut [V::Scalar]>,
    ) {
        let kept = V::Scalar::of(NUMBERS / (NUMBERS - f64::from(self.threshold)));
        match derivative {
            None => {
                for (i, a) in a.chunks_exact_mut(WIDTH).enumerate() {
                    times::<V>(a, &self.factors(self.first + i, panel, kept));
                }
            }
            Some(derivative) => {
                let rows = a.chunks_exact_mut(WIDTH).zip(derivative.chunks_exact_mut(WIDTH));
                for (i, (a, derivative)) in rows.enumerate() {
                    let factors = self.factors(self.first + i, panel, kept);
                    times::<V>(a, &factors);
                    times::<V>(derivative, &factors);
                }
            }
        }
    }

    /// 0 or `kept` for each neuron of a panel.
    #[inline(always)]
    fn factors<T: Scalar>(&self, row: usize, panel: usize, kept: T) -> [T; WIDTH] {
        let numbers = numbers(mix(self.key ^ row as u64), panel);
        let mut factors = [T::ZERO; WIDTH];
        for j in 0..WIDTH / 2 {
            // Signed: registers have no other comparison.
            let low = (numbers[j] & 0xffff).cast_signed();
            let high = (numbers[j] >> 16).cast_signed();
            factors[j] = if low >= self.threshold { kept } else { T::ZERO };
            factors[j + WIDTH / 2] = if high >= self.threshold { kept } else { T::ZERO };
        }
        factors
    }
}

#[inline(always)]
fn times<V: Vector>(values: &mut [V::Scalar], factors: &[V::Scalar; WIDTH]) {
    for j in (0..WIDTH).step_by(V::LANES) {
        (V::read(values, j) * V::read(factors, j)).write(values, j);
    }
}

/// Two random numbers of 16 bits in each, for the neurons of one panel.
///
/// Counters of 32 bits are mixed with both halves of the row's key by multiplications and shifts; the constants are those
/// that Wellons (2018), "Prospecting for hash functions", found to have the least bias.
#[inline(always)]
#[allow(clippy::cast_possible_truncation, reason = "halves of a key, and a counter that may wrap")]
fn numbers(key: u64, panel: usize) -> [u32; WIDTH / 2] {
    let (low, high) = (key as u32, (key >> 32) as u32);
    let first = (panel * (WIDTH / 2)) as u32;
    let mut numbers = [0; WIDTH / 2];
    for (j, number) in numbers.iter_mut().enumerate() {
        let mut x = first.wrapping_add(j as u32).wrapping_mul(0x9e37_79b9).wrapping_add(low);
        x = (x ^ (x >> 16)).wrapping_mul(0x21f0_aaad) ^ high;
        x = (x ^ (x >> 15)).wrapping_mul(0x735a_2d97);
        *number = x ^ (x >> 15);
    }
    numbers
}

/// The mixing step of SplitMix64: Steele et al. (2014), "Fast splittable pseudorandom number generators".
#[inline(always)]
fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linalg::kernels::{Isa, Kernel, Real, dispatch};

    const UPDATES: usize = 24;
    const ROWS: usize = 64;
    const NEURONS: usize = 256;

    /// Whether each neuron is dropped, in each row of each update.
    type Drops = Vec<bool>;

    fn drops(dropped: impl Fn(usize, usize, usize) -> bool) -> Drops {
        let all = (0..UPDATES).flat_map(|u| (0..ROWS).map(move |row| (u, row)));
        all.flat_map(|(u, row)| (0..NEURONS).map(move |j| (u, row, j)))
            .map(|(u, row, j)| dropped(u, row, j))
            .collect()
    }

    fn ours(seed: u64, layer: usize, rate: f64) -> Drops {
        drops(|update, row, neuron| {
            let mask = Masks::new(seed, update as u64, 1.0).from_row(row).of_layer(layer, rate);
            let mask = mask.unwrap();
            mask.factors::<f64>(mask.first, neuron / WIDTH, 1.0)[neuron % WIDTH] == 0.0
        })
    }

    /// How far apart `count` draws and what is expected of them are, in standard deviations.
    fn deviations(sum: f64, count: usize, mean: f64, variance: f64) -> f64 {
        (sum - count as f64 * mean).abs() / (count as f64 * variance).sqrt()
    }

    /// The largest deviation of the number of dropped neurons, altogether, in each row, of each neuron and in each update.
    fn of_counts(drops: &Drops, rate: f64) -> f64 {
        let variance = rate * (1.0 - rate);
        let mut groups =
            [vec![0.0; 1], vec![0.0; UPDATES * ROWS], vec![0.0; NEURONS], vec![0.0; UPDATES]];
        for (i, _) in drops.iter().enumerate().filter(|(_, dropped)| **dropped) {
            let at = [0, i / NEURONS, i % NEURONS, i / (ROWS * NEURONS)];
            groups.iter_mut().zip(at).for_each(|(group, at)| group[at] += 1.0);
        }
        let all = groups.iter().flat_map(|group| group.iter().map(|sum| (sum, group.len())));
        all.map(|(&sum, n)| deviations(sum, drops.len() / n, rate, variance)).fold(0.0, f64::max)
    }

    /// The correlation of the same neurons in two drawings, in standard deviations of what chance gives.
    fn correlation<'a>(pairs: impl Iterator<Item = (&'a bool, &'a bool)>, rate: f64) -> f64 {
        let (mut sum, mut count) = (0.0, 0);
        for (&one, &other) in pairs {
            let [one, other] = [one, other].map(|dropped| f64::from(u8::from(dropped)) - rate);
            sum += one * other;
            count += 1;
        }
        deviations(sum, count, 0.0, (rate * (1.0 - rate)).powi(2))
    }

    /// The largest correlation of neurons so far apart: in the row, among the rows, among the updates.
    fn of_correlations(drops: &Drops, rate: f64) -> f64 {
        let neurons = (1..=40).chain([64, 128]);
        let rows = (1..=20).map(|lag| lag * NEURONS);
        let diagonal = (1..=8).flat_map(|lag| [lag * NEURONS + lag, lag * NEURONS - lag]);
        let updates = (1..=4).map(|lag| lag * ROWS * NEURONS);
        let lags = neurons.chain(rows).chain(diagonal).chain(updates);
        lags.map(|lag| correlation(drops.iter().zip(&drops[lag..]), rate)).fold(0.0, f64::max)
    }

    /// Some two thousand numbers of standard deviations: the largest is about 3.5 by chance, and 5.5 once in ten thousand.
    const MOST: f64 = 5.5;

    #[test]
    fn masks_are_as_random_as_chance() {
        for rate in [0.1, 0.5, 0.8] {
            let [one, layer, seed] = [(1, 1), (1, 2), (2, 1)].map(|(s, l)| ours(s, l, rate));
            for drops in [&one, &layer, &seed] {
                assert!(of_counts(drops, rate) < MOST, "{rate}: {}", of_counts(drops, rate));
                let correlation = of_correlations(drops, rate);
                assert!(correlation < MOST, "{rate}: {correlation}");
            }
            assert!(correlation(one.iter().zip(&layer), rate) < MOST);
            assert!(correlation(one.iter().zip(&seed), rate) < MOST);
        }
    }

    /// Counters that are not mixed well: a multiplication alone, one round without the row's upper half, and bits that rows
    /// share.
    #[test]
    fn bad_generators_would_be_found_out() {
        let below_half = |x: u32| (x >> 16) < 0x8000;
        let multiplied = drops(|u, row, j| {
            let counter = ((u * ROWS + row) * NEURONS + j) as u32;
            below_half(counter.wrapping_mul(0x9e37).wrapping_add(12345))
        });
        assert!(of_correlations(&multiplied, 0.5) > 2.0 * MOST);
        let shared = drops(|u, row, j| below_half(mix((u * NEURONS + j + row / 2) as u64) as u32));
        assert!(of_correlations(&shared, 0.5) > 2.0 * MOST);
        let biased = drops(|u, row, j| mix(((u * ROWS + row) * NEURONS + j) as u64) % 100 < 51);
        assert!(of_counts(&biased, 0.5) > 2.0 * MOST);
    }

    struct Apply<'a, T>(Mask, &'a mut [T], &'a mut [T]);

    impl<T: Real> Kernel<T> for Apply<'_, T> {
        type Output = ();

        #[inline(always)]
        fn run<V: Vector<Scalar = T>>(self) {
            self.0.apply::<V>(3, self.1, Some(self.2));
        }
    }

    /// Mean 1 and variance p / (1 - p) of the factors, for both number types and all instruction sets.
    #[test]
    fn factors_are_the_same_everywhere_and_1_on_average() {
        fn factors<T: Real>(isa: Isa, rate: f64) -> Vec<f64> {
            let mask = Masks::new(7, 3, 1.0).from_row(5).of_layer(2, rate).unwrap();
            let (mut a, mut derivative) =
                (vec![T::ONE; 4096 * WIDTH], vec![T::of(2.0); 4096 * WIDTH]);
            dispatch(isa, Apply(mask, &mut a, &mut derivative));
            assert!(a.iter().zip(&derivative).all(|(a, d)| *a + *a == *d));
            a.iter().map(|a| a.as_f64()).collect()
        }
        for rate in [0.125, 0.5, 0.75] {
            let expected = factors::<f64>(Isa::Portable, rate);
            let n = expected.len();
            let variance = rate / (1.0 - rate);
            assert!(deviations(expected.iter().sum(), n, 1.0, variance) < 5.0);
            let squares: f64 = expected.iter().map(|x| (x - 1.0).powi(2)).sum();
            assert!((squares / n as f64 / variance - 1.0).abs() < 0.05);
            for isa in Isa::all_available() {
                assert!(factors::<f64>(isa, rate) == expected, "{isa:?}");
                // 4/3, which f32 rounds.
                let rounded: Vec<_> = expected.iter().map(|x| f64::from(*x as f32)).collect();
                assert!(factors::<f32>(isa, rate) == rounded, "{isa:?}");
            }
        }
    }

    #[test]
    fn nothing_is_dropped_without_a_rate_or_a_key() {
        assert!(Masks::NONE.of_layer(1, 0.5).is_none());
        assert!(Masks::new(1, 1, 1.0).of_layer(1, 0.0).is_none());
        assert!(Masks::new(1, 1, 0.0).of_layer(1, 0.5).is_none());
        let nearly_all = Masks::new(1, 1, 1.0).of_layer(1, 1.0 - 1e-9).unwrap();
        assert_eq!(nearly_all.threshold, 65535);
    }
}
