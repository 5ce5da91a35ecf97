//! AMX, Intel's tiles: products of 16 rows of 32 bfloat16 numbers and 32 rows of 16 columns in one instruction.
//!
//! Its registers hold 16 rows of 64 bytes. In the form that `linalg::dense::bfloat16` gives to the matrices, 16 rows of a
//! panel are such a register already, of each matrix: the left one has 16 pairs of terms in a row, the right one in each row
//! a pair of terms of 16 columns.
//!
//! ```text
//! even[i][j] = Σ a[i][p].0 b[p][j].0, p = 0 .. 15          odd[i][j] = Σ a[i][p].1 b[p][j].1          (tdpbf16ps)
//! sum[i][j] <- sum[i][j] + (even[i][j] + odd[i][j])
//! ```
//!
//! A sum therefore takes 32 terms at a time, counted from the first one: threads share out rows 32 at a time
//! (`Isa::rows_together`), so that results are the same for any number. Stable Rust has no functions for these
//! instructions, which are written as such.

use std::arch::asm;
use std::sync::OnceLock;

use crate::linalg::kernels::operands::Pair;
use crate::linalg::memory::panels::{BLOCK, WIDTH};

/// Bytes of a row of a tile.
const ROW: usize = WIDTH * size_of::<Pair>();

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

/// A tile put together where a matrix has less than a whole one.
#[repr(C, align(64))]
struct Tile<T>([T; BLOCK]);

macro_rules! load {
    ($tile:literal, $from:expr, $row:expr) => {
        asm!(concat!("tileloadd tmm", $tile, ", [{0} + {1}*1]"), in(reg) $from, in(reg) $row, options(nostack, readonly))
    };
}
macro_rules! store {
    ($tile:literal, $to:expr) => {
        asm!(concat!("tilestored [{0} + {1}*1], tmm", $tile), in(reg) $to, in(reg) ROW, options(nostack))
    };
}
macro_rules! zero {
    ($tile:literal) => {
        asm!(concat!("tilezero tmm", $tile), options(nostack, nomem))
    };
}
macro_rules! multiply {
    ($sum:literal, $left:literal, $right:literal) => {
        asm!(
            concat!("tdpbf16ps tmm", $sum, ", tmm", $left, ", tmm", $right),
            options(nostack, nomem)
        )
    };
}

/// Rows of a left matrix times one panel or two of a right one, for up to [`Product::ROWS`] rows.
#[derive(Clone, Copy)]
pub struct Product {
    /// The first row, of 16 pairs; the next row is behind it, and so many pairs further the row's next 16.
    pub left: (*const Pair, usize),
    /// The first row of the first panel; the next row is behind it, and the other panel so many pairs further.
    pub right: (*const Pair, usize),
    /// Pairs in a sum.
    pub steps: usize,
    pub rows: usize,
    pub panels: usize,
    /// What the sums begin from: numbers of the first row, to the next row, and to the other panel. None: 0.
    pub start: Option<(*const f32, usize, usize)>,
    /// The first row of the first panel, and how far the other panel is.
    pub out: (*mut f32, usize),
}

impl Product {
    pub const ROWS: usize = 2 * WIDTH;

    /// Compute it; `meanwhile` is called once for 16 steps.
    ///
    /// # Safety
    /// This thread has [`Configured`] its tiles; all of these rows are there, `steps` of the panels on the right, and rows of
    /// panels are whole.
    #[inline(always)]
    pub unsafe fn run(self, meanwhile: impl FnMut()) {
        // SAFETY: as the caller vouches.
        unsafe {
            match (self.rows > WIDTH, self.panels > 1) {
                (false, false) => self.tiles::<1, 1>(meanwhile),
                (false, true) => self.tiles::<1, 2>(meanwhile),
                (true, false) => self.tiles::<2, 1>(meanwhile),
                (true, true) => self.tiles::<2, 2>(meanwhile),
            }
        }
    }

    /// Tiles 0 to 3 are sums, 4 and 5 rows of the left matrix, 6 and 7 panels of the right one.
    ///
    /// # Safety
    /// As of [`Product::run`].
    #[inline(always)]
    unsafe fn tiles<const ROWS: usize, const PANELS: usize>(self, mut meanwhile: impl FnMut()) {
        let Self { left: (mut left, left_stride), right: (mut right, right_stride), .. } = self;
        // Rows of the last tile on the left.
        let last = self.rows - (ROWS - 1) * WIDTH;
        // SAFETY: whole tiles are read and written where all of their rows and pairs are there, as the caller vouches, and
        // else copied to and from one that is.
        unsafe {
            self.start::<ROWS, PANELS>(last);
            let mut done = 0;
            while done < self.steps {
                meanwhile();
                let steps = (self.steps - done).min(WIDTH);
                let mut edge = const { Tile([Pair::ZERO; BLOCK]) };
                macro_rules! left {
                    ($tile:literal, $i:literal) => {
                        let (from, rows) =
                            (left.add($i * BLOCK), if $i + 1 < ROWS { WIDTH } else { last });
                        if steps == WIDTH && rows == WIDTH {
                            load!($tile, from, ROW);
                        } else {
                            edge.0 = [Pair::ZERO; BLOCK];
                            for row in 0..rows {
                                let to = edge.0.as_mut_ptr().add(row * WIDTH);
                                to.copy_from_nonoverlapping(from.add(row * WIDTH), steps);
                            }
                            load!($tile, edge.0.as_ptr(), ROW);
                        }
                    };
                }
                macro_rules! right {
                    ($tile:literal, $j:literal) => {
                        let from = right.wrapping_add($j * right_stride);
                        if steps == WIDTH {
                            load!($tile, from, ROW);
                        } else {
                            edge.0 = [Pair::ZERO; BLOCK];
                            edge.0.as_mut_ptr().copy_from_nonoverlapping(from, steps * WIDTH);
                            load!($tile, edge.0.as_ptr(), ROW);
                        }
                    };
                }
                left!(4, 0);
                right!(6, 0);
                multiply!(0, 4, 6);
                if PANELS > 1 {
                    right!(7, 1);
                    multiply!(1, 4, 7);
                }
                if ROWS > 1 {
                    left!(5, 1);
                    multiply!(2, 5, 6);
                }
                if ROWS > 1 && PANELS > 1 {
                    multiply!(3, 5, 7);
                }
                left = left.wrapping_add(left_stride);
                right = right.wrapping_add(BLOCK);
                done += steps;
            }
            self.store::<ROWS, PANELS>(last);
        }
    }

    /// # Safety
    /// As of [`Product::run`].
    #[inline(always)]
    unsafe fn start<const ROWS: usize, const PANELS: usize>(&self, last: usize) {
        macro_rules! start {
            ($tile:literal, $i:literal, $j:literal) => {
                if $i < ROWS && $j < PANELS {
                    let rows = if $i + 1 < ROWS { WIDTH } else { last };
                    match self.start {
                        None => zero!($tile),
                        Some((from, step, stride)) => {
                            let from = from.wrapping_add($i * WIDTH * step + $j * stride);
                            if step == 0 || rows == WIDTH {
                                load!($tile, from, step * size_of::<f32>());
                            } else {
                                let mut edge = Tile([0.0f32; BLOCK]);
                                edge.0.as_mut_ptr().copy_from_nonoverlapping(from, rows * WIDTH);
                                load!($tile, edge.0.as_ptr(), ROW);
                            }
                        }
                    }
                }
            };
        }
        // SAFETY: a row for all rows, or the rows of `out`, as the caller vouches; those of part of a tile are copied.
        unsafe {
            start!(0, 0, 0);
            start!(1, 0, 1);
            start!(2, 1, 0);
            start!(3, 1, 1);
        }
    }

    /// # Safety
    /// As of [`Product::run`].
    #[inline(always)]
    unsafe fn store<const ROWS: usize, const PANELS: usize>(&self, last: usize) {
        let (out, stride) = self.out;
        macro_rules! finish {
            ($tile:literal, $i:literal, $j:literal) => {
                if $i < ROWS && $j < PANELS {
                    let rows = if $i + 1 < ROWS { WIDTH } else { last };
                    let to = out.wrapping_add($i * BLOCK + $j * stride);
                    if rows == WIDTH {
                        store!($tile, to);
                    } else {
                        let mut edge = Tile([0.0f32; BLOCK]);
                        store!($tile, edge.0.as_mut_ptr());
                        to.copy_from_nonoverlapping(edge.0.as_ptr(), rows * WIDTH);
                    }
                }
            };
        }
        // SAFETY: `out` has the rows, as the caller vouches; those of part of a tile are copied.
        unsafe {
            finish!(0, 0, 0);
            finish!(1, 0, 1);
            finish!(2, 1, 0);
            finish!(3, 1, 1);
        }
    }
}
