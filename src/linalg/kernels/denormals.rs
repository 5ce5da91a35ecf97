//! Denormal numbers cost a hundred cycles an operation on x86; while a guard lives they count as zero on its thread.

/// Sets flush-to-zero and denormals-are-zero for this thread, and puts back what was there when it is dropped.
pub struct FlushDenormals {
    #[cfg(target_arch = "x86_64")]
    before: u32,
    /// The setting belongs to one thread: the guard must not move to another.
    _not_send: std::marker::PhantomData<*const ()>,
}

#[cfg(target_arch = "x86_64")]
mod mxcsr {
    pub const FLUSH_TO_ZERO: u32 = 1 << 15;
    pub const DENORMALS_ARE_ZERO: u32 = 1 << 6;

    pub fn read() -> u32 {
        let mut value = 0u32;
        // SAFETY: stores the 4 bytes of the register at the address given; every x86-64 has it.
        unsafe { std::arch::asm!("stmxcsr [{}]", in(reg) &raw mut value, options(nostack)) };
        value
    }

    pub fn write(value: u32) {
        // SAFETY: loads the register from 4 readable bytes; the value is one that was read, with the two bits changed.
        unsafe { std::arch::asm!("ldmxcsr [{}]", in(reg) &raw const value, options(nostack)) };
    }
}

impl FlushDenormals {
    #[allow(clippy::new_without_default, reason = "a guard is made on purpose")]
    pub fn new() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            let before = mxcsr::read();
            mxcsr::write(before | mxcsr::FLUSH_TO_ZERO | mxcsr::DENORMALS_ARE_ZERO);
            Self { before, _not_send: std::marker::PhantomData }
        }
        #[cfg(not(target_arch = "x86_64"))]
        Self { _not_send: std::marker::PhantomData }
    }
}

impl Drop for FlushDenormals {
    fn drop(&mut self) {
        #[cfg(target_arch = "x86_64")]
        mxcsr::write(self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn denormals_are_zero_only_while_the_guard_lives() {
        // Hidden from the compiler each time, so that it neither computes nor keeps the product.
        let half_of_smallest =
            || std::hint::black_box(std::hint::black_box(f32::MIN_POSITIVE) * 0.5);
        {
            let _guard = FlushDenormals::new();
            assert_eq!(half_of_smallest(), 0.0);
        }
        assert!(half_of_smallest() > 0.0);
    }
}
