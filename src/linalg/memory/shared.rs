//! Numbers that others may write to while they are read.
//!
//! The arrays of a call are Python's. Another thread may write to them, and so may another process if they are a file that
//! is mapped. Numbers to calculate with may then be any, but what is used as an index has to be what was compared.

/// The number as it is now, in one read: the compiler must not read it again between a comparison and its use.
#[inline(always)]
pub fn read_once<T: Copy>(number: &T) -> T {
    // SAFETY: a reference is aligned and readable, and numbers can be copied.
    unsafe { std::ptr::from_ref(number).read_volatile() }
}
