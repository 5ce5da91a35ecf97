//! AMX, Intel's [tiles](crate::linalg::kernels::tiles). Stable Rust has no functions for these instructions, which are
//! written as such.

use std::arch::asm;
use std::sync::OnceLock;

use crate::linalg::kernels::tile_registers::{ROW, TileRegisters};

/// Whether the processor has tiles for bfloat16 numbers, and the system lets this process use them.
pub fn available() -> bool {
    static AVAILABLE: OnceLock<bool> = OnceLock::new();
    *AVAILABLE.get_or_init(|| {
        const TILES_AND_BFLOAT16: u32 = 1 << 24 | 1 << 22;
        #[allow(unused_unsafe, reason = "not unsafe in newer versions of Rust")]
        // SAFETY: all processors with AVX-512, which is asked for first, have this leaf.
        let features = unsafe { std::arch::x86_64::__cpuid_count(7, 0).edx };
        features & TILES_AND_BFLOAT16 == TILES_AND_BFLOAT16 && system::allows()
    })
}

#[cfg(all(target_os = "linux", not(miri)))]
mod system {
    use std::ffi::c_long;

    const SYS_ARCH_PRCTL: c_long = 158;
    const ARCH_REQ_XCOMP_PERM: c_long = 0x1023;
    const XFEATURE_XTILEDATA: c_long = 18;

    unsafe extern "C" {
        // Of the C library that the standard one is made on.
        fn syscall(number: c_long, ...) -> c_long;
    }

    /// Linux keeps the 8 KiB of a thread's tiles only for processes that have asked.
    pub fn allows() -> bool {
        // SAFETY: a request about this process with two numbers. Systems that do not know it refuse it.
        unsafe { syscall(SYS_ARCH_PRCTL, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0 }
    }
}

#[cfg(not(all(target_os = "linux", not(miri))))]
mod system {
    pub fn allows() -> bool {
        false
    }
}

/// The tiles of this thread, all of 16 rows of 64 bytes, until it is dropped.
pub struct Configured(());

impl Configured {
    /// # Safety
    /// They are [`available`].
    pub unsafe fn new() -> Self {
        #[repr(C, align(64))]
        struct Configuration([u8; 64]);

        const ALL: Configuration = {
            let mut bytes = [0; 64];
            bytes[0] = 1;
            let mut tile = 0;
            while tile < 8 {
                // Two bytes for the length of a row, and one for the number of rows.
                bytes[16 + 2 * tile] = 64;
                bytes[48 + tile] = 16;
                tile += 1;
            }
            Configuration(bytes)
        };
        static CONFIGURATION: Configuration = ALL;
        // SAFETY: the instruction is there, as the caller vouches, and reads these 64 bytes.
        unsafe {
            asm!("ldtilecfg [{}]", in(reg) &raw const CONFIGURATION, options(nostack, readonly));
        }
        Self(())
    }
}

impl Drop for Configured {
    fn drop(&mut self) {
        // SAFETY: the instruction is there, as it was when this was made.
        unsafe { asm!("tilerelease", options(nostack, nomem)) }
    }
}

/// The tiles of a thread that has [`Configured`] them.
pub struct Amx;

impl TileRegisters for Amx {
    const THERE: bool = true;

    #[inline(always)]
    fn new() -> Self {
        Self
    }

    #[inline(always)]
    unsafe fn zero<const T: usize>(&mut self) {
        // SAFETY: as the caller vouches.
        unsafe { asm!("tilezero tmm{tile}", tile = const T, options(nostack, nomem)) }
    }

    #[inline(always)]
    unsafe fn load<const T: usize>(&mut self, from: *const u8, row: usize) {
        // SAFETY: as the caller vouches.
        unsafe {
            asm!(
                "tileloadd tmm{tile}, [{from} + {row}*1]",
                tile = const T, from = in(reg) from, row = in(reg) row, options(nostack, readonly)
            );
        }
    }

    #[inline(always)]
    unsafe fn store<const T: usize>(&self, to: *mut u8) {
        // SAFETY: as the caller vouches.
        unsafe {
            asm!(
                "tilestored [{to} + {row}*1], tmm{tile}",
                tile = const T, to = in(reg) to, row = in(reg) ROW, options(nostack)
            );
        }
    }

    #[inline(always)]
    unsafe fn multiply<const SUM: usize, const LEFT: usize, const RIGHT: usize>(&mut self) {
        // SAFETY: as the caller vouches.
        unsafe {
            asm!(
                "tdpbf16ps tmm{sum}, tmm{left}, tmm{right}",
                sum = const SUM, left = const LEFT, right = const RIGHT, options(nostack, nomem)
            );
        }
    }
}
