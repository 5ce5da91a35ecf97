//! A few threads that work on one call together and are gone with it.
//!
//! [`with`] starts them, so that nothing of them exists before or after a call: a process may fork in between, and the
//! interpreter may exit. Between two pieces of work they wait in a short spin and then asleep, since a mini-batch can be
//! shorter than waking a thread takes, and another process may need the processor.

use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;

use crate::linalg::kernels::denormals;

/// More threads than this are never used.
pub const MAX_THREADS: usize = 64;

/// Turns of the waiting loop before a thread goes to sleep: some 50 microseconds.
const SPINS: u32 = 2000;

/// A piece of work, with its type erased: the address of a closure and a function that calls it for one member.
#[derive(Clone, Copy)]
struct Work {
    closure: *const (),
    call: unsafe fn(*const (), usize),
}

struct Shared {
    /// Counts the pieces of work; a change of it is the signal to begin.
    round: AtomicU32,
    work: UnsafeCell<Option<Work>>,
    /// Members that have not finished the round.
    busy: AtomicUsize,
    panicked: AtomicBool,
    sleepers: Mutex<u32>,
    wake: Condvar,
}

// SAFETY: `work` is written only by the leader while no member is in a round, and read by members only after they have seen
// the new `round` (release / acquire). The closure it points to is Sync and outlives the round, see `Team::run`.
unsafe impl Sync for Shared {}

/// The threads of one call, seen by the thread that leads them.
pub struct Team<'a> {
    shared: &'a Shared,
    threads: usize,
}

impl Shared {
    fn begin_round(&self, work: Option<Work>) {
        // SAFETY: no member is in a round, see `Sync`.
        unsafe { *self.work.get() = work };
        self.round.fetch_add(1, Ordering::SeqCst);
        let sleepers = self.sleepers.lock().unwrap_or_else(PoisonError::into_inner);
        if *sleepers > 0 {
            self.wake.notify_all();
        }
    }

    /// What a member does until it is sent home.
    fn serve(&self, member: usize) {
        let _flush = denormals::flush();
        let mut seen = 0;
        loop {
            seen = self.wait_for_round_after(seen);
            // SAFETY: after `round` has changed the leader does not touch `work` until all members have finished.
            let Some(work) = (unsafe { *self.work.get() }) else {
                return;
            };
            // SAFETY: the closure lives until the round is over, see `Team::run`.
            let result =
                catch_unwind(AssertUnwindSafe(|| unsafe { (work.call)(work.closure, member) }));
            if result.is_err() {
                self.panicked.store(true, Ordering::Relaxed);
            }
            self.busy.fetch_sub(1, Ordering::Release);
        }
    }

    fn wait_for_round_after(&self, seen: u32) -> u32 {
        for _ in 0..SPINS {
            let round = self.round.load(Ordering::Acquire);
            if round != seen {
                return round;
            }
            std::hint::spin_loop();
        }
        let mut sleepers = self.sleepers.lock().unwrap_or_else(PoisonError::into_inner);
        *sleepers += 1;
        loop {
            let round = self.round.load(Ordering::SeqCst);
            if round != seen {
                *sleepers -= 1;
                return round;
            }
            sleepers = self.wake.wait(sleepers).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Team<'_> {
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Run `work(i, &mut parts[i])` for every part, each on a thread of its own, and return when all are done.
    ///
    /// # Panics
    /// If there are more parts than threads, or `work` panics.
    pub fn each<P: Send>(&self, parts: &mut [P], work: impl Fn(usize, &mut P) + Sync) {
        assert!(parts.len() <= self.threads);
        let [first, others @ ..] = parts else { return };
        if others.is_empty() {
            return work(0, first);
        }
        let count = others.len();
        let others = SendPtr(others.as_mut_ptr());
        let closure = |member: usize| {
            let others = &others;
            if member <= count {
                // SAFETY: members have different numbers from 1, so that each part is borrowed once, and by its thread
                // alone; the borrow of `parts` outlasts the round.
                work(member, unsafe { &mut *others.0.add(member - 1) });
            }
        };
        self.run(&closure, || work(0, first));
    }

    /// Members run `work` while the leader runs `own`.
    fn run<W: Fn(usize) + Sync>(&self, work: &W, own: impl FnOnce()) {
        unsafe fn call<W: Fn(usize) + Sync>(closure: *const (), member: usize) {
            // SAFETY: `closure` is the `&W` that `run` made it from, still borrowed there.
            unsafe { (*closure.cast::<W>())(member) }
        }

        /// Waits for the members even when `own` panics: they work on what its caller owns.
        struct Finish<'a>(&'a Shared);
        impl Drop for Finish<'_> {
            fn drop(&mut self) {
                let mut spins = 0;
                while self.0.busy.load(Ordering::Acquire) > 0 {
                    spins += 1;
                    if spins < SPINS { std::hint::spin_loop() } else { thread::yield_now() }
                }
            }
        }

        self.shared.busy.store(self.threads - 1, Ordering::Relaxed);
        self.shared
            .begin_round(Some(Work { closure: std::ptr::from_ref(work).cast(), call: call::<W> }));
        let finish = Finish(self.shared);
        own();
        drop(finish);
        assert!(!self.shared.panicked.load(Ordering::Relaxed), "a worker thread panicked");
    }
}

struct SendPtr<P>(*mut P);
// SAFETY: only `Team::each` makes one, and hands each part to one thread; parts are Send.
unsafe impl<P: Send> Sync for SendPtr<P> {}

/// Call `lead` with a team of up to `threads` threads (this one included; fewer where the system refuses them).
pub fn with<R>(threads: usize, lead: impl FnOnce(&Team<'_>) -> R) -> R {
    let _flush = denormals::flush();
    let shared = Shared {
        round: AtomicU32::new(0),
        work: UnsafeCell::new(None),
        busy: AtomicUsize::new(0),
        panicked: AtomicBool::new(false),
        sleepers: Mutex::new(0),
        wake: Condvar::new(),
    };
    thread::scope(|scope| {
        /// Sends the members home, also when `lead` panics.
        struct Dismiss<'a>(&'a Shared);
        impl Drop for Dismiss<'_> {
            fn drop(&mut self) {
                self.0.begin_round(None);
            }
        }

        let shared = &shared;
        let dismiss = Dismiss(shared);
        let mut started = 1;
        for member in 1..threads.clamp(1, MAX_THREADS) {
            let thread = thread::Builder::new().name(format!("rustbp-{member}"));
            if thread.spawn_scoped(scope, move || shared.serve(member)).is_err() {
                break;
            }
            started += 1;
        }
        let result = lead(&Team { shared, threads: started });
        drop(dismiss);
        result
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_worked_on_once_a_round() {
        for threads in [1, 2, 3, 8] {
            with(threads, |team| {
                let mut parts = vec![0u32; team.threads()];
                for round in 1..=1000 {
                    team.each(&mut parts, |i, part| *part += i as u32 + 1);
                    assert!(parts.iter().enumerate().all(|(i, &p)| p == round * (i as u32 + 1)));
                }
            });
        }
    }

    #[test]
    fn members_that_fell_asleep_wake_up() {
        with(4, |team| {
            let mut parts = [0; 4];
            for _ in 0..3 {
                thread::sleep(std::time::Duration::from_millis(5));
                team.each(&mut parts, |_, part| *part += 1);
            }
            assert_eq!(parts, [3; 4]);
        });
    }

    #[test]
    fn a_panic_of_a_member_reaches_the_leader_and_nobody_hangs() {
        let result = catch_unwind(|| {
            with(2, |team| {
                team.each(&mut [0, 1], |i, _| assert!(i == 0));
            });
        });
        assert!(result.is_err());
    }

    #[test]
    fn fewer_parts_than_threads() {
        with(3, |team| {
            let mut parts = [0, 0];
            team.each(&mut parts, |_, part| *part += 1);
            assert_eq!(parts, [1, 1]);
        });
    }
}
