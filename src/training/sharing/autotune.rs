//! On how many threads a short epoch is, of 1, 2, 4, ... and all: on as many as have lately been the fastest.
//!
//! Steps of some hundred microseconds leave threads little to gain, and where processors share a core, or exchange cache
//! lines slowly, several are slower than one. That depends on the machine and on what else runs on it, and changes within
//! seconds, so that it is measured. The results are the same on any number of threads.

use std::time::Duration;

use crate::linalg::team::MAX_THREADS;

/// Longer epochs are always on all threads: their steps are long, or a slow one costs too much.
const SHORT: Duration = Duration::from_millis(10);
/// One epoch out of so many tries what is not preferred: half as many threads, or twice as many.
const EPOCHS_PER_TRIAL: u32 = 32;
/// After so many epochs, of which the first has much to set up, what has never been tried is.
const EPOCHS_BEFORE: u32 = 3;
/// A slow epoch may be chance, a fast one is not: what is known grows by so much at once, of 1, and falls to what is seen.
const GROWTH: f64 = 0.25;
/// Fewer threads have to be so much faster, of 1, to be preferred.
const GAIN: f64 = 0.05;

/// Numbers of threads that are tried: step i is 2^i threads, or all where these are fewer.
const STEPS: usize = step(MAX_THREADS) + 1;

const fn step(threads: usize) -> usize {
    threads.next_power_of_two().trailing_zeros() as usize
}

/// Seconds per row on each number of threads, as far as they are known.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pace {
    known: [Option<f64>; STEPS],
    is_short: bool,
    /// Since the last trial.
    epochs: u32,
    trials: u32,
}

impl Pace {
    /// On how many threads the next epoch should be, of so many.
    pub fn threads(&self, all: usize) -> usize {
        let last = step(all);
        if self.known[last].is_none() || !self.is_short {
            return all;
        }
        let best = self.best(last);
        let (other, before) = self.trial(best, last);
        all.min(1 << if self.epochs >= before { other } else { best })
    }

    fn best(&self, last: usize) -> usize {
        let mut best = last;
        for i in (0..last).rev() {
            if let (Some(fewer), Some(more)) = (self.known[i], self.known[best])
                && fewer < (1.0 - GAIN) * more
            {
                best = i;
            }
        }
        best
    }

    /// What is tried next, a step from the best, and after how many epochs.
    fn trial(&self, best: usize, last: usize) -> (usize, u32) {
        let fewer = best.checked_sub(1);
        let more = (best < last).then_some(best + 1);
        let unknown = [fewer, more].into_iter().flatten().find(|&i| self.known[i].is_none());
        if let Some(unknown) = unknown {
            return (unknown, EPOCHS_BEFORE);
        }
        let (first, second) =
            if self.trials.is_multiple_of(2) { (fewer, more) } else { (more, fewer) };
        (first.or(second).unwrap_or(best), EPOCHS_PER_TRIAL - 1)
    }

    /// Take into account what an epoch over so many rows took on `threads` threads, of so many.
    pub fn observe(&mut self, threads: usize, all: usize, rows: usize, took: Duration) {
        let is_usual = step(threads) == self.best(step(all));
        self.is_short = took < SHORT;
        let seconds = took.as_secs_f64() / rows as f64;
        let known = &mut self.known[step(threads)];
        *known = Some(known.map_or(seconds, |known| seconds.min(known * (1.0 + GROWTH))));
        if is_usual {
            self.epochs = self.epochs.saturating_add(1);
        } else {
            self.epochs = 0;
            self.trials = self.trials.wrapping_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of 320 epochs are on each number of threads up to 8, where epochs take so many microseconds on 1, 2, 4 and on
    /// more.
    fn epochs_on(took: &[u64], all: usize, pace: &mut Pace) -> [usize; 9] {
        let mut counts = [0; 9];
        for _ in 0..320 {
            let threads = pace.threads(all);
            counts[threads] += 1;
            let took = took[step(threads).min(took.len() - 1)];
            pace.observe(threads, all, 100, Duration::from_micros(took));
        }
        counts
    }

    fn on_one(together: u64, alone: u64, pace: &mut Pace) -> usize {
        epochs_on(&[alone, together], 2, pace)[1]
    }

    #[test]
    fn the_faster_way_is_taken_and_the_other_one_tried_now_and_then() {
        assert!((8..=12).contains(&on_one(900, 1500, &mut Pace::default())));
        assert!((300..=312).contains(&on_one(2000, 1500, &mut Pace::default())));
        // Not worth changing for.
        assert!((8..=12).contains(&on_one(1000, 980, &mut Pace::default())));
    }

    #[test]
    fn a_machine_that_changes_is_followed() {
        let pace = &mut Pace::default();
        assert!(on_one(900, 1500, pace) <= 12);
        assert!(on_one(2400, 1500, pace) >= 280);
        assert!(on_one(900, 1500, pace) <= 50);
    }

    #[test]
    fn the_best_of_many_is_found() {
        // 1, 2, 4 threads and all, of 6 or 8.
        for (took, all, best) in [
            ([4000, 2000, 1000, 800], 8, 8),
            ([4000, 2000, 1000, 1500], 8, 4),
            ([4000, 2000, 2500, 3000], 6, 2),
            ([500, 1000, 2000, 4000], 6, 1),
        ] {
            let counts = epochs_on(&took, all, &mut Pace::default());
            assert!(counts[best] >= 290, "{took:?}: {counts:?}");
        }
    }

    #[test]
    fn long_epochs_are_on_all_threads() {
        assert_eq!(on_one(50_000, 10, &mut Pace::default()), 0);
    }
}
