//! e^x, the logistic function and tanh on registers, with bounds on their error that the tests hold them to.
//!
//! All three reduce to e^r - 1 on |r| <= ln(2)/2, where x = n ln 2 + r (Cody and Waite's reduction in two parts) and the
//! Taylor polynomial has a relative error below half an ULP.

use super::real::Real;
use super::vector::Vector;

/// Largest error of [`exp`] in units in the last place of a normal result.
pub const MAX_EXP_ERROR_ULPS: f64 = 2.0;
/// Largest error of [`logistic`]; results below the smallest normal number become 0.
pub const MAX_LOGISTIC_ERROR_ULPS: f64 = 4.0;
/// Largest error of [`tanh`].
pub const MAX_TANH_ERROR_ULPS: f64 = 4.0;

/// `(n, e^r - 1)` with `x = n ln 2 + r`.
#[inline(always)]
fn reduce<V: Vector>(x: V) -> (V, V) {
    let rounder = V::splat(V::Scalar::ROUNDER);
    let n = x.mul_add(V::splat(V::Scalar::of(std::f64::consts::LOG2_E)), rounder) - rounder;
    let r = n.mul_add(V::splat(-V::Scalar::LN2_HI), x);
    let r = n.mul_add(V::splat(-V::Scalar::LN2_LO), r);
    let series = V::Scalar::EXP_SERIES;
    let mut p = V::splat(series[series.len() - 1]);
    for k in (0..series.len() - 1).rev() {
        p = p.mul_add(r, V::splat(series[k]));
    }
    // e^r - 1 = r + r² (1/2 + r/6 + ...)
    (n, (p * r).mul_add(r, r))
}

/// e^x: infinity above the range, 0 below, NaN for NaN.
#[inline(always)]
pub fn exp<V: Vector>(x: V) -> V {
    let x = x
        .max(V::splat(V::Scalar::EXP_MIN))
        .min(V::splat(V::Scalar::EXP_MAX));
    let (n, expm1) = reduce(x);
    // 2^n in two factors: n runs past the exponents of normal numbers on either side.
    let rounder = V::splat(V::Scalar::ROUNDER);
    let half = n.mul_add(V::splat(V::Scalar::of(0.5)), rounder) - rounder;
    (expm1 + V::one()) * half.exp2_whole() * (n - half).exp2_whole()
}

/// 1 / (1 + e^-x).
#[inline(always)]
pub fn logistic<V: Vector>(x: V) -> V {
    V::one() / (V::one() + exp(-x))
}

/// tanh x, from e^(2|x|) - 1, so that small x keep all their digits.
#[inline(always)]
pub fn tanh<V: Vector>(x: V) -> V {
    let magnitude = x.abs().min(V::splat(V::Scalar::TANH_ONE));
    let (n, expm1) = reduce(magnitude + magnitude);
    let scale = n.exp2_whole();
    // e^(2|x|) - 1 = 2^n (e^r - 1) + (2^n - 1)
    let t = expm1.mul_add(scale, scale - V::one());
    (t / (t + V::splat(V::Scalar::of(2.0)))).with_sign_of(x)
}
