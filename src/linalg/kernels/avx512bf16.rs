//! AVX-512 with AVX512-BF16: registers of 16 float32 sums, and of 16 pairs of bfloat16 numbers to multiply.
//!
//! Numbers are those of `avx512.rs`; `vdpbf16ps` has the latency of an FMA or a little more, which 16 sums hide.

use std::arch::x86_64::*;

use crate::linalg::kernels::amx::Amx;
use crate::linalg::kernels::avx512::f32x16;
use crate::linalg::kernels::bfloat16::{PairRegister, Pairs};
use crate::linalg::kernels::operands::Pair;
use crate::linalg::kernels::vector::Vector;
use crate::linalg::kernels::x86::{transpose_f32, x86_vector};
use crate::linalg::memory::panels::WIDTH;

f32x16!(F32x16, Pairs<Bf16x32>);
// The same where the products are of AMX's tiles.
f32x16!(F32x16OfTiles, Pairs<TilesOfBf16>);

/// 16 pairs.
#[derive(Clone, Copy)]
pub struct Bf16x32(__m512i);

/// 16 pairs of a row of a tile.
#[derive(Clone, Copy)]
pub struct TilesOfBf16(__m512i);

/// Where the numbers of two registers go that are converted into one: 0, 16, 1, 17, ...
static INTERLEAVED: [u16; 32] = {
    let mut index = [0; 32];
    let mut i = 0;
    while i < WIDTH {
        #[allow(clippy::cast_possible_truncation, reason = "below 32")]
        let low = i as u16;
        (index[2 * i], index[2 * i + 1]) = (low, low + 16);
        i += 1;
    }
    index
};

/// The bits of a register of bfloat16 numbers.
#[inline(always)]
fn bits(numbers: __m512bh) -> __m512i {
    // SAFETY: two types of the same 64 bytes, any of which are valid in both.
    unsafe { std::mem::transmute::<__m512bh, __m512i>(numbers) }
}

/// A register of bfloat16 numbers from their bits.
#[inline(always)]
fn numbers(bits: __m512i) -> __m512bh {
    // SAFETY: as in `bits`.
    unsafe { std::mem::transmute::<__m512i, __m512bh>(bits) }
}

/// SAFETY of every block below: the instructions exist, because these types are used only by kernels that
/// [`dispatch`](crate::linalg::kernels::dispatch::dispatch) runs after asking the processor; pointers are vouched for as it says.
macro_rules! pairs {
    ($pairs:ident for $numbers:ident, tiles $tiles:ty) => {
        impl PairRegister<$numbers> for $pairs {
            type Tiles = $tiles;

            #[inline(always)]
            fn broadcast(pair: Pair) -> Self {
                // SAFETY: see the impl.
                Self(unsafe { _mm512_set1_epi32(pair.0.cast_signed()) })
            }

            #[inline(always)]
            unsafe fn load(p: *const Pair) -> Self {
                // SAFETY: see the impl; the caller vouches for WIDTH pairs, 64 bytes.
                Self(unsafe { _mm512_loadu_si512(p.cast()) })
            }

            #[inline(always)]
            fn write(self, out: &mut [Pair; WIDTH]) {
                // SAFETY: see the impl; a WIDTH of pairs is 64 bytes.
                unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), self.0) }
            }

            #[inline(always)]
            fn interleave(first: $numbers, second: $numbers) -> Self {
                // SAFETY: see the impl; the index is 64 bytes.
                Self(unsafe {
                    let index = _mm512_loadu_si512(INTERLEAVED.as_ptr().cast());
                    _mm512_permutexvar_epi16(index, bits(_mm512_cvtne2ps_pbh(second.0, first.0)))
                })
            }

            #[inline(always)]
            fn neighbours(first: $numbers, second: $numbers) -> Self {
                // SAFETY: see the impl.
                Self(bits(unsafe { _mm512_cvtne2ps_pbh(second.0, first.0) }))
            }

            #[inline(always)]
            fn dot(self, other: Self, sum: $numbers) -> $numbers {
                // The last operand may be a pair in memory, broadcast by the same instruction.
                // SAFETY: see the impl.
                $numbers(unsafe { _mm512_dpbf16_ps(sum.0, numbers(other.0), numbers(self.0)) })
            }
        }
    };
}
pairs!(Bf16x32 for F32x16, tiles ());
pairs!(TilesOfBf16 for F32x16OfTiles, tiles Amx);
