//! AVX2 with FMA: 16 registers of 32 bytes.
//!
//! Tile: 12 accumulators, so 6 rows x 16 columns in f32 (two registers wide) and 3 x 16 in f64 (four wide): with the loads
//! of B and one broadcast of A that fills the 16 registers, and 12 independent sums hide the 4-cycle latency of two FMA
//! units. Narrow tails take more rows of fewer registers.

use std::arch::x86_64::*;

use crate::linalg::kernels::vector::Vector;
use crate::linalg::kernels::x86::{transpose_f32, transpose_f64, x86_vector};
use crate::linalg::memory::panels::WIDTH;

x86_vector!(
    F32x8, __m256, f32, lanes 8, accumulators 12, operands F32x8,
    splat _mm256_set1_ps, load _mm256_loadu_ps, store _mm256_storeu_ps,
    add _mm256_add_ps, sub _mm256_sub_ps, mul _mm256_mul_ps, div _mm256_div_ps, fma _mm256_fmadd_ps,
    max _mm256_max_ps, min _mm256_min_ps, sqrt _mm256_sqrt_ps,
    and _mm256_and_ps, andnot _mm256_andnot_ps, or _mm256_or_ps,
    nonzero |x| _mm256_and_ps(
        _mm256_set1_ps(1.0),
        _mm256_cmp_ps::<_CMP_NEQ_UQ>(x, _mm256_setzero_ps())
    ),
    nonzero_bits |x| _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_NEQ_UQ>(x, _mm256_setzero_ps())).cast_unsigned(),
    exp2_whole |low| _mm256_castsi256_ps(_mm256_add_epi32(
        _mm256_slli_epi32::<23>(_mm256_castps_si256(low)),
        _mm256_castps_si256(_mm256_set1_ps(1.0))
    )),
    transpose transpose_f32
);

x86_vector!(
    F64x4, __m256d, f64, lanes 4, accumulators 12, operands F64x4,
    splat _mm256_set1_pd, load _mm256_loadu_pd, store _mm256_storeu_pd,
    add _mm256_add_pd, sub _mm256_sub_pd, mul _mm256_mul_pd, div _mm256_div_pd, fma _mm256_fmadd_pd,
    max _mm256_max_pd, min _mm256_min_pd, sqrt _mm256_sqrt_pd,
    and _mm256_and_pd, andnot _mm256_andnot_pd, or _mm256_or_pd,
    nonzero |x| _mm256_and_pd(
        _mm256_set1_pd(1.0),
        _mm256_cmp_pd::<_CMP_NEQ_UQ>(x, _mm256_setzero_pd())
    ),
    nonzero_bits |x| _mm256_movemask_pd(_mm256_cmp_pd::<_CMP_NEQ_UQ>(x, _mm256_setzero_pd())).cast_unsigned(),
    exp2_whole |low| _mm256_castsi256_pd(_mm256_add_epi64(
        _mm256_slli_epi64::<52>(_mm256_castpd_si256(low)),
        _mm256_castpd_si256(_mm256_set1_pd(1.0))
    )),
    transpose transpose_f64
);
