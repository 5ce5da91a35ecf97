//! The instructions of AVX512-BF16 and of AMX in plain arithmetic, as Intel's manual describes them: for tests, on every processor.

use std::ops::{Add, Div, Mul, Neg, Sub};

use crate::linalg::kernels::bfloat16::{PairRegister, Pairs};
use crate::linalg::kernels::operands::Pair;
use crate::linalg::kernels::portable::portable;
use crate::linalg::kernels::tile_registers::TileRegisters;
use crate::linalg::kernels::vector::Vector;
use crate::linalg::memory::panels::{BLOCK, WIDTH};

/// Whether this processor adds as the model does: those of other makers may round in another way.
pub fn is_exact() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::x86_64::__cpuid(0).ebx == u32::from_le_bytes(*b"Genu");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// Denormal numbers count as zero.
fn flushed(x: f32) -> f32 {
    if x.is_subnormal() { 0.0f32.copysign(x) } else { x }
}

/// The bits of a number rounded to bfloat16, to nearest, ties to even (`VCVTNE2PS2BF16`).
pub fn rounded(x: f32) -> u16 {
    let bits = flushed(x).to_bits();
    let high = (bits >> 16) as u16;
    if x.is_nan() {
        return high | 0x40;
    }
    // Half of the last place, or one less where the last bit is even; a carry goes on into the exponent.
    ((bits + 0x7fff + u32::from(high & 1)) >> 16) as u16
}

/// The number of these bits.
pub fn number(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

/// sum + a.1 b.1 + a.0 b.0, rounded after each addition (`VDPBF16PS`).
pub fn dot(a: Pair, b: Pair, sum: f32) -> f32 {
    let half = |pair: Pair, shift: u32| flushed(number((pair.0 >> shift) as u16));
    let add = |sum: f32, shift: u32| flushed(half(a, shift).mul_add(half(b, shift), flushed(sum)));
    add(add(sum, 16), 0)
}

fn pair(first: f32, second: f32) -> Pair {
    Pair(u32::from(rounded(first)) | u32::from(rounded(second)) << 16)
}

/// Registers of sums, and of 16 pairs.
macro_rules! registers {
    ($numbers:ident, $pairs:ident, tiles $tiles:ty) => {
        // Tiles of two sums: larger ones take minutes to compile.
        portable!(
            $numbers, f32, 16, 23, sums 2, operands Pairs<$pairs>,
            mul_add |x, a, b| Self(std::array::from_fn(|i| x.0[i].mul_add(a.0[i], b.0[i])))
        );

        #[derive(Clone, Copy)]
        pub struct $pairs([Pair; WIDTH]);

        impl PairRegister<$numbers> for $pairs {
            type Tiles = $tiles;

            fn broadcast(pair: Pair) -> Self {
                Self([pair; WIDTH])
            }

            unsafe fn load(p: *const Pair) -> Self {
                // SAFETY: the caller vouches for WIDTH pairs.
                Self(unsafe { p.cast::<[Pair; WIDTH]>().read_unaligned() })
            }

            fn write(self, out: &mut [Pair; WIDTH]) {
                *out = self.0;
            }

            fn interleave(first: $numbers, second: $numbers) -> Self {
                Self(std::array::from_fn(|i| pair(first.0[i], second.0[i])))
            }

            fn neighbours(first: $numbers, second: $numbers) -> Self {
                let at = |i: usize| if i < WIDTH { first.0[i] } else { second.0[i - WIDTH] };
                Self(std::array::from_fn(|i| pair(at(2 * i), at(2 * i + 1))))
            }

            #[inline(never)]
            fn dot(self, other: Self, sum: $numbers) -> $numbers {
                $numbers(std::array::from_fn(|i| dot(self.0[i], other.0[i], sum.0[i])))
            }
        }
    };
}
registers!(F32x16, Bf16x32, tiles());
registers!(F32x16OfTiles, TilesOfBf16, tiles Amx);

/// Eight tiles of AMX: what `TILELOADD`, `TILESTORED`, `TILEZERO` and `TDPBF16PS` do.
pub struct Amx([[Pair; BLOCK]; 8]);

impl TileRegisters for Amx {
    const THERE: bool = true;

    fn new() -> Self {
        Self([[Pair::ZERO; BLOCK]; 8])
    }

    unsafe fn zero<const T: usize>(&mut self) {
        self.0[T].fill(Pair::ZERO);
    }

    #[inline(never)]
    unsafe fn load<const T: usize>(&mut self, from: *const u8, row: usize) {
        let (rows, _) = self.0[T].as_chunks_mut::<WIDTH>();
        for (i, to) in rows.iter_mut().enumerate() {
            // SAFETY: the caller vouches for 16 rows of 64 bytes, `row` bytes apart.
            *to = unsafe { from.add(i * row).cast::<[Pair; WIDTH]>().read_unaligned() };
        }
    }

    #[inline(never)]
    unsafe fn store<const T: usize>(&self, to: *mut u8) {
        // SAFETY: the caller vouches for 16 rows, one after the other.
        unsafe { to.cast::<[Pair; BLOCK]>().write_unaligned(self.0[T]) }
    }

    #[inline(never)]
    unsafe fn multiply<const SUM: usize, const LEFT: usize, const RIGHT: usize>(&mut self) {
        for at in 0..BLOCK {
            let (i, j) = (at / WIDTH, at % WIDTH);
            let half = |shift: u32| {
                (0..WIDTH).fold(0.0, |sum: f32, p| {
                    let of = |pair: Pair| flushed(number((pair.0 >> shift) as u16));
                    let (a, b) = (self.0[LEFT][i * WIDTH + p], self.0[RIGHT][p * WIDTH + j]);
                    flushed(of(a).mul_add(of(b), sum))
                })
            };
            let products = flushed(half(0) + half(16));
            let sum = flushed(f32::from_bits(self.0[SUM][at].0));
            self.0[SUM][at] = Pair(flushed(sum + products).to_bits());
        }
    }
}
