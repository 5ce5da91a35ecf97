//! How much of a round's work each thread gets, from how fast it was in the rounds before.
//!
//! Processors are not equally fast: some are of another kind, share a core, or have another program on them. A round ends
//! with its last thread, so that shares follow the speeds. What a share is computed from does not depend on who has
//! it: the results are the same for any shares.

use arrayvec::ArrayVec;

use crate::linalg::team::MAX_THREADS;

/// How much of what a round says is believed; what it says may be chance.
const WEIGHT: f64 = 0.25;
/// A thread's share is an equal one times 1 - MOST to 1 + MOST.
const MOST: f64 = 0.5;

/// The share of each thread, 1 together.
#[derive(Clone)]
pub struct Balance(ArrayVec<f64, MAX_THREADS>);

impl Balance {
    pub fn equal(threads: usize) -> Self {
        Self((0..threads).map(|_| 1.0 / threads as f64).collect())
    }

    pub fn threads(&self) -> usize {
        self.0.len()
    }

    /// How many of `count` things a thread may get at most, rounding included.
    pub fn most(count: usize, threads: usize) -> usize {
        let equal = count.div_ceil(threads);
        count.min(equal + equal.div_ceil(2) + 1)
    }

    /// Where the share of a thread ends, of a whole of 1.
    pub fn end(&self, thread: usize) -> f64 {
        self.0[..=thread].iter().sum()
    }

    /// Whether shares are no longer what they were, by more than a twentieth of an equal one.
    pub fn differs_from(&self, before: &Balance) -> bool {
        let much = 0.05 / self.0.len() as f64;
        self.0.iter().zip(&before.0).any(|(now, before)| (now - before).abs() > much)
    }

    /// Take into account how much work each thread did in a round, in how many seconds.
    pub fn observe(&mut self, round: impl Iterator<Item = (f64, f64)>) {
        let threads = self.0.len() as f64;
        let speeds = round.map(|(work, seconds)| work / seconds);
        let mut speeds: ArrayVec<f64, MAX_THREADS> = speeds.take(MAX_THREADS).collect();
        let mean = speeds.iter().sum::<f64>() / threads;
        // Threads without work, or a clock that stood still, say nothing.
        if speeds.len() != self.0.len() || !speeds.iter().all(|s| *s > 0.0 && s.is_finite()) {
            return;
        }
        let mut widest = MOST;
        for speed in &mut speeds {
            *speed = *speed / mean - 1.0;
            widest = widest.max(speed.abs());
        }
        for (share, speed) in self.0.iter_mut().zip(speeds) {
            let wished = (1.0 + speed * (MOST / widest)) / threads;
            *share += WEIGHT * (wished - *share);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(balance: &Balance) -> Vec<f64> {
        (0..balance.0.len()).map(|thread| balance.end(thread)).collect()
    }

    fn is_near(found: &[f64], expected: &[f64]) -> bool {
        found.len() == expected.len()
            && found.iter().zip(expected).all(|(f, e)| (f - e).abs() < 1e-3)
    }

    /// Rounds with threads of these speeds, each doing what its share says.
    fn after(rounds: usize, speeds: &[f64]) -> Balance {
        let mut balance = Balance::equal(speeds.len());
        for _ in 0..rounds {
            let shares = balance.0.clone();
            balance.observe(shares.iter().zip(speeds).map(|(work, speed)| (*work, work / speed)));
        }
        balance
    }

    #[test]
    fn shares_follow_the_speeds() {
        assert!(is_near(&ends(&after(0, &[1.0; 4])), &[0.25, 0.5, 0.75, 1.0]));
        assert!(is_near(&ends(&after(50, &[7.0; 4])), &[0.25, 0.5, 0.75, 1.0]));
        assert!(is_near(&ends(&after(50, &[3.0, 2.0])), &[0.6, 1.0]));
        assert!(is_near(&ends(&after(50, &[1.0, 1.2, 0.8])), &[1.0 / 3.0, 2.2 / 3.0, 1.0]));
        // One round alone says little.
        assert!(is_near(&ends(&after(1, &[3.0, 2.0])), &[0.525, 1.0]));
        let (before, now) = (after(0, &[3.0, 2.0]), after(1, &[3.0, 2.0]));
        assert!(!now.differs_from(&now) && after(9, &[3.0, 2.0]).differs_from(&before));
    }

    #[test]
    fn shares_stay_within_what_there_is_room_for() {
        for speeds in [&[1.0, 1e9][..], &[1.0, 1.0, 1.0, 1e9], &[1e-9, 1.0, 1.0, 1.0, 1.0]] {
            let balance = after(100, speeds);
            let threads = speeds.len();
            for count in [threads, 10, 128, 1000] {
                let bound = |thread: usize| (balance.end(thread) * count as f64).round() as usize;
                for thread in 0..threads {
                    let first = if thread == 0 { 0 } else { bound(thread - 1) };
                    assert!(bound(thread) - first <= Balance::most(count, threads), "{speeds:?}");
                }
            }
            assert!((balance.end(threads - 1) - 1.0).abs() < 1e-9);
        }
    }

    #[test]
    fn rounds_that_say_nothing_change_nothing() {
        let mut balance = after(9, &[3.0, 2.0]);
        let before = ends(&balance);
        for round in [
            &[(0.5, 0.0), (0.5, 1.0)][..],
            &[(0.0, 0.0), (0.5, 1.0)],
            &[(0.0, 1.0), (0.5, 1.0)],
            &[(0.5, f64::NAN), (0.5, 1.0)],
            &[(0.5, 1.0)],
            &[],
        ] {
            balance.observe(round.iter().copied());
            assert_eq!(ends(&balance), before);
        }
    }
}
