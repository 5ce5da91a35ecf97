//! What a product asks the memory for while it computes: weights that come after those at hand.

use crate::linalg::memory::panels::WIDTH;
use crate::linalg::memory::prefetch::{LINE, prefetch_l2};

/// Rows of panels that will be needed later, and are asked for during a product, a few at a time: all at once would hold up
/// what the product itself loads.
#[derive(Clone, Copy)]
pub(super) struct Next<T> {
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
