//! Whether a short epoch is on all threads, or on one: whichever has lately been faster.
//!
//! Steps of some hundred microseconds leave threads little to gain, and where processors share a core, or exchange cache
//! lines slowly, several are slower than one. That depends on the machine and on what else runs on it, and changes within
//! seconds, so that it is measured. The results are the same on any number of threads.

use std::time::Duration;

/// Longer epochs are always on all threads: their steps are long, or a slow one costs too much.
const SHORT: Duration = Duration::from_millis(10);
/// One epoch out of so many tries what is not preferred.
const EPOCHS_PER_TRIAL: u32 = 32;
/// After so many epochs, of which the first has much to set up, the other way is tried for the first time.
const EPOCHS_BEFORE: u32 = 3;
/// A slow epoch may be chance, a fast one is not: what is known grows by so much at once, of 1, and falls to what is seen.
const GROWTH: f64 = 0.25;
/// One thread has to be so much faster, of 1, to be preferred.
const GAIN: f64 = 0.05;

/// Seconds per row on all threads and on one, as far as they are known.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pace {
    together: Option<f64>,
    alone: Option<f64>,
    is_short: bool,
    /// Since the last trial.
    epochs: u32,
}

impl Pace {
    /// Whether the next epoch should be on one thread.
    pub fn prefers_one(&self) -> bool {
        if self.together.is_none() || !self.is_short {
            return false;
        }
        let before = if self.alone.is_some() { EPOCHS_PER_TRIAL - 1 } else { EPOCHS_BEFORE };
        let is_trial = self.epochs >= before;
        self.one_is_faster() != is_trial
    }

    fn one_is_faster(&self) -> bool {
        match (self.alone, self.together) {
            (Some(alone), Some(together)) => alone < (1.0 - GAIN) * together,
            _ => false,
        }
    }

    /// Take into account what an epoch over so many rows took.
    pub fn observe(&mut self, on_one: bool, rows: usize, took: Duration) {
        let is_usual = on_one == self.one_is_faster();
        self.is_short = took < SHORT;
        let seconds = took.as_secs_f64() / rows as f64;
        let known = if on_one { &mut self.alone } else { &mut self.together };
        *known = Some(known.map_or(seconds, |known| seconds.min(known * (1.0 + GROWTH))));
        self.epochs = if is_usual { self.epochs.saturating_add(1) } else { 0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of 320 epochs are on one thread, where epochs take so many microseconds.
    fn on_one(together: u64, alone: u64, pace: &mut Pace) -> usize {
        let epoch = |pace: &mut Pace| {
            let one = pace.prefers_one();
            let took = Duration::from_micros(if one { alone } else { together });
            pace.observe(one, 100, took);
            one
        };
        (0..320).filter(|_| epoch(pace)).count()
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
    fn long_epochs_are_on_all_threads() {
        assert_eq!(on_one(50_000, 10, &mut Pace::default()), 0);
    }
}
