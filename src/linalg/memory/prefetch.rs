//! Fetching cache lines before they are needed.

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
pub fn prefetch_l2<T>(p: *const T) {
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
