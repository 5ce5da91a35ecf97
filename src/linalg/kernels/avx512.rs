//! AVX-512 (F and DQ): 32 registers of 64 bytes.
//!
//! Tile: 24 accumulators, so 12 rows x 32 columns in f32 and 12 x 16 in f64 (two registers wide both): with the two of B and one
//! of A 27 registers, and 14 loads for 24 FMAs. A single panel of f32 is 16 x 16, for which A is
//! broadcast from memory inside the FMA, one register of B serves 16 of them.

use std::arch::x86_64::*;

use crate::linalg::kernels::vector::Vector;
use crate::linalg::kernels::x86::{transpose_f32, transpose_f64, x86_vector};
use crate::linalg::memory::panels::WIDTH;

/// Registers of 16 f32, with what their products multiply.
macro_rules! f32x16 {
    ($name:ident, $operands:ty) => {
        x86_vector!(
            $name, __m512, f32, lanes 16, accumulators 24, operands $operands,
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
pub(super) use f32x16;

f32x16!(F32x16, F32x16);

x86_vector!(
    F64x8, __m512d, f64, lanes 8, accumulators 24, operands F64x8,
    splat _mm512_set1_pd, load _mm512_loadu_pd, store _mm512_storeu_pd,
    add _mm512_add_pd, sub _mm512_sub_pd, mul _mm512_mul_pd, div _mm512_div_pd, fma _mm512_fmadd_pd,
    max _mm512_max_pd, min _mm512_min_pd, sqrt _mm512_sqrt_pd,
    and _mm512_and_pd, andnot _mm512_andnot_pd, or _mm512_or_pd,
    nonzero |x| _mm512_maskz_mov_pd(
        _mm512_cmp_pd_mask::<_CMP_NEQ_UQ>(x, _mm512_setzero_pd()),
        _mm512_set1_pd(1.0)
    ),
    nonzero_bits |x| u32::from(_mm512_cmp_pd_mask::<_CMP_NEQ_UQ>(x, _mm512_setzero_pd())),
    exp2_whole |low| _mm512_castsi512_pd(_mm512_add_epi64(
        _mm512_slli_epi64::<52>(_mm512_castpd_si512(low)),
        _mm512_castpd_si512(_mm512_set1_pd(1.0))
    )),
    transpose transpose_f64
);
