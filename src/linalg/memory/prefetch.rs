//! Fetching cache lines before they are needed.

use crate::linalg::memory::panels::WIDTH;

/// Bytes of a cache line.
pub const LINE: usize = 64;

/// How far ahead rows of a panel are asked for: the processor's own prefetching stops at the end of each page.
pub const ROWS_AHEAD: usize = 12;

/// Ask for the cache line at `p`, which may be any address: a prefetch never faults.
#[inline(always)]
pub fn prefetch<T>(p: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint without effect on memory, and part of every x86-64.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(p.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = p;
}

/// Ask for the cache line at `p`, which may be any address, to be in the L2 cache: what is needed later than the L1 cache would
/// keep it.
#[inline(always)]
fn prefetch_l2<T>(p: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint without effect on memory, and part of every x86-64.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T1 }>(p.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = p;
}

/// Ask for all cache lines of a slice.
#[inline(always)]
pub fn prefetch_slice<T>(slice: &[T]) {
    let lines = size_of_val(slice).div_ceil(LINE);
    for i in 0..lines {
        prefetch(slice.as_ptr().cast::<u8>().wrapping_add(i * LINE));
    }
}

/// Rows of panels that will be needed later, and are asked for during a product, a few at a time: all at once would hold up
/// what the product itself loads.
#[derive(Clone, Copy)]
pub struct Next<T> {
    at: *const T,
    /// Numbers from the last row of a panel to the first one of the next.
    gap: usize,
    rows: usize,
    /// Rows of the panel that are left, and panels.
    left: usize,
    panels: usize,
    /// Rows each time.
    at_once: usize,
}

impl<T> Next<T> {
    /// Nothing.
    pub fn none() -> Self {
        Self { at: std::ptr::null(), gap: 0, rows: 0, left: 0, panels: 0, at_once: 0 }
    }

    /// `rows` rows from `at` on, of each of `panels` panels that are `stride` apart. They may be anywhere.
    #[inline(always)]
    pub fn rows(at: *const T, stride: usize, panels: usize, rows: usize) -> Self {
        let gap = stride.wrapping_sub(rows * WIDTH);
        Self { at, gap, rows, left: rows, panels, at_once: 0 }
    }

    /// Be done after having asked so many times.
    #[inline(always)]
    pub fn share(&mut self, times: usize) {
        if self.panels > 0 && times > 0 {
            self.at_once = (self.panels * self.rows).div_ceil(times);
        }
    }

    /// Ask for the next few rows to be in the L2 cache.
    #[inline(always)]
    pub fn ask(&mut self) {
        for _ in 0..self.at_once {
            if self.left == 0 {
                if self.panels <= 1 {
                    return;
                }
                self.panels -= 1;
                self.left = self.rows;
                self.at = self.at.wrapping_add(self.gap);
            }
            for line in (0..WIDTH).step_by(LINE / size_of::<T>()) {
                prefetch_l2(self.at.wrapping_add(line));
            }
            self.left -= 1;
            self.at = self.at.wrapping_add(WIDTH);
        }
    }
}
