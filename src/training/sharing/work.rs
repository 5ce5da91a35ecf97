//! How many rows of a batch are taken at once, and how many threads they keep busy.

use crate::data::{Layout, work_per_row};
use crate::linalg::team::MAX_THREADS;
use crate::network::Network;

/// A batch is taken in goes of at most so many rows, so that memory stays bounded when a batch is the whole data set ...
const MAX_ROWS_AT_ONCE: usize = 1024;
/// ... and of about so many multiplications, so that it can be interrupted within some tenth of a second, but not of so few
/// rows that reading all weights three times and going on from the sums so far takes longer than the products.
const MAX_WORK_AT_ONCE: usize = 1 << 33;
const WORTH_A_GO: usize = 256;
/// Multiplications that are worth a second thread: some ten microseconds ...
pub const WORK_PER_THREAD: usize = 1 << 19;
/// ... and rows, as long as one processor's cache holds all weights: after each batch half of them have to move, and lists
/// of entries with them.
const ROWS_PER_THREAD: usize = 5;
const ROWS_OF_ENTRIES_PER_THREAD: usize = 8;
/// Parameters that the cache of a core holds, beside what is multiplied with them.
pub const WEIGHTS_IN_CACHE: usize = 1 << 18;

/// Bytes of the numbers multiplied that are worth another thread where it has to be started for them: a third of a
/// millisecond, which starting one and waking it on a virtual machine can take.
const BYTES_TO_START_FOR: usize = 1 << 28;

/// Threads that so many multiplications keep busy, where they have to be started for them.
pub fn worth_starting<T>(work: usize) -> usize {
    work.saturating_mul(size_of::<T>()) / BYTES_TO_START_FOR
}

/// As many threads as are useful and allowed. What is allowed is asked only where more than one is useful: the answer, from
/// the system's files, takes longer than a prediction of a row.
pub fn threads_to_start(useful: usize, allowed: impl FnOnce() -> usize) -> usize {
    if useful < 2 { 1 } else { allowed().min(useful).clamp(1, MAX_THREADS) }
}

/// Rows of a batch that are taken at once.
pub fn rows_at_once(network: &Network, batch: usize) -> usize {
    let most = MAX_WORK_AT_ONCE / work_per_row(network, &[]).max(1);
    // Goes are of whole shares, whatever rows these have to keep together.
    batch.min(most.clamp(WORTH_A_GO, MAX_ROWS_AT_ONCE) / WORTH_A_GO * WORTH_A_GO)
}

/// Threads that this much work keeps busy.
pub fn useful_threads(network: &Network, layouts: &[Layout], rows: usize, allowed: usize) -> usize {
    let work = work_per_row(network, layouts);
    let work_of_batch = work.saturating_mul(rows);
    // However few numbers a batch has that are not zero, all parameters are updated.
    let mut threads = allowed.min(work_of_batch.max(network.packed_len()) / WORK_PER_THREAD);
    if network.packed_len() <= WEIGHTS_IN_CACHE {
        let whole_rows = work_of_batch / work_per_row(network, &[]).max(1);
        threads = threads.min(match layouts[0].is_of_lists() {
            false => whole_rows / ROWS_PER_THREAD,
            true => whole_rows / ROWS_OF_ENTRIES_PER_THREAD,
        });
    }
    threads.clamp(1, MAX_THREADS)
}
