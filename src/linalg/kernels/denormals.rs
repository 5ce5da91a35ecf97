//! Denormal numbers cost a hundred cycles an operation on x86; while a guard lives they count as zero on its thread.
//!
//! To the compiler every operation of floating point runs in the default mode, and another mode is undefined behaviour, as
//! the documentation of `_mm_setcsr` says. The risk is taken, and limited: the mode changes roundings of denormal numbers
//! alone, so that the worst is a number that the compiler computed beforehand, or on the other side of a guard, in the mode
//! that it assumed. Each guard reads and writes memory as far as the compiler knows, so that no number that a kernel loads
//! and stores is computed outside of it. The way without a risk, assembler for whole kernels, would be a larger one.

use std::marker::PhantomData;

/// Denormal numbers count as zero on this thread until the guard is dropped, and no result is one.
pub fn flush() -> Guard {
    Guard::set(mxcsr::NO_OPERANDS | mxcsr::NO_RESULTS)
}

/// Denormal numbers count as zero, but results may be some: so they cost no time wherever they come from, and the smallest
/// probability is not none.
pub fn ignore() -> Guard {
    Guard::set(mxcsr::NO_OPERANDS)
}

/// Compute with denormal numbers, inside the life of another guard.
pub fn keep() -> Guard {
    Guard::set(0)
}

/// Puts back the mode of this thread when it is dropped.
#[must_use]
pub struct Guard {
    before: u32,
    /// The mode belongs to one thread: the guard must not move to another.
    _not_send: PhantomData<*const ()>,
}

impl Guard {
    fn set(mode: u32) -> Self {
        let before = mxcsr::read();
        mxcsr::write(before & !(mxcsr::NO_OPERANDS | mxcsr::NO_RESULTS) | mode);
        Self { before, _not_send: PhantomData }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        mxcsr::write(self.before);
    }
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
mod mxcsr {
    /// Operands that are denormal count as zero.
    pub const NO_OPERANDS: u32 = 1 << 6;
    /// Results that would be denormal are zero.
    pub const NO_RESULTS: u32 = 1 << 15;

    pub fn read() -> u32 {
        let mut value = 0u32;
        // SAFETY: stores the 4 bytes of the register at the address given; every x86-64 has it.
        unsafe { std::arch::asm!("stmxcsr [{}]", in(reg) &raw mut value, options(nostack)) };
        value
    }

    pub fn write(value: u32) {
        // SAFETY: loads the register from 4 readable bytes; the value is one that was read, but for the two bits.
        unsafe { std::arch::asm!("ldmxcsr [{}]", in(reg) &raw const value, options(nostack)) };
    }
}

/// Other processors take no longer for denormal numbers, and Miri has no such register: the mode stays as it is.
#[cfg(not(all(target_arch = "x86_64", not(miri))))]
mod mxcsr {
    pub const NO_OPERANDS: u32 = 0;
    pub const NO_RESULTS: u32 = 0;

    pub fn read() -> u32 {
        0
    }

    pub fn write(_: u32) {}
}

#[cfg(all(test, target_arch = "x86_64", not(miri)))]
mod tests {
    use std::hint::black_box;

    use super::*;

    #[test]
    fn denormals_are_zero_only_while_the_guard_lives() {
        // Hidden from the compiler each time, so that it neither computes nor keeps the products: whether a result may be
        // denormal, and whether an operand.
        // By its bits: in a comparison it would be an operand.
        let product = |a: f32, b: f32| black_box(black_box(a) * black_box(b)).to_bits() != 0;
        let counts = || (product(f32::MIN_POSITIVE, 0.5), product(f32::MIN_POSITIVE / 2.0, 4.0));
        assert_eq!(counts(), (true, true));
        {
            let _flush = flush();
            assert_eq!(counts(), (false, false));
            {
                let _keep = keep();
                assert_eq!(counts(), (true, true));
            }
            {
                let _ignore = ignore();
                assert_eq!(counts(), (true, false));
            }
            assert_eq!(counts(), (false, false));
        }
        assert_eq!(counts(), (true, true));
    }
}
