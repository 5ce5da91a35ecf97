//! AVX-512 with AVX512-BF16: registers of 16 float32 sums, and of 16 pairs of bfloat16 numbers to multiply.
//!
//! Numbers are those of `avx512.rs`; `vdpbf16ps` has the latency of an FMA or a little more, which 16 sums hide.

use std::arch::x86_64::*;

use crate::linalg::kernels::bfloat16::{PairRegister, Pairs};
use crate::linalg::kernels::operands::Pair;
use crate::linalg::kernels::vector::Vector;
use crate::linalg::kernels::x86::{transpose_f32, x86_vector};
use crate::linalg::memory::panels::WIDTH;

/// The numbers of AVX-512, with what their products multiply.
macro_rules! numbers {
    ($name:ident, $pairs:ty) => {
        x86_vector!(
            $name, __m512, f32, lanes 16, accumulators 24, operands Pairs<$pairs>,
            splat _mm512_set1_ps, load _mm512_loadu_ps, store _mm512_storeu_ps,
            add _mm512_add_ps, sub _mm512_sub_ps, mul _mm512_mul_ps, div _mm512_div_ps, fma _mm512_fmadd_ps,
            max _mm512_max_ps, min _mm512_min_ps, sqrt _mm512_sqrt_ps,
            and _mm512_and_ps, andnot _mm512_andnot_ps, or _mm512_or_ps,
            nonzero |x| _mm512_maskz_mov_ps(
                _mm512_cmp_ps_mask::<_CMP_NEQ_UQ>(x, _mm512_setzero_ps()),
                _mm512_set1_ps(1.0)
            ),
            nonzero_bits |x| u32::from(_mm512_cmp_ps_mask::<_CMP_NEQ_UQ>(x, _mm512_setzero_ps())),
            exp2_whole |low| _mm512_castsi512_ps(_mm512_add_epi32(
                _mm512_slli_epi32::<23>(_mm512_castps_si512(low)),
                _mm512_castps_si512(_mm512_set1_ps(1.0))
            )),
            transpose transpose_f32
        );
    };
}
numbers!(F32x16, Bf16x32);
// The same where the products are of AMX's tiles.
numbers!(F32x16OfTiles, TilesOfBf16);

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
    ($pairs:ident for $numbers:ident, in tiles $in_tiles:literal) => {
        impl PairRegister<$numbers> for $pairs {
            const IN_TILES: bool = $in_tiles;

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
pairs!(Bf16x32 for F32x16, in tiles false);
pairs!(TilesOfBf16 for F32x16OfTiles, in tiles true);
