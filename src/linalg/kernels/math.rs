//! e^x, the logistic function and tanh on registers, with bounds on their error that the tests hold them to.
//!
//! All three reduce to e^r - 1 on |r| <= ln(2)/2, where x = n ln 2 + r (Cody and Waite's reduction in two parts) and the
//! Taylor polynomial has a relative error below half an ULP.

use crate::linalg::kernels::scalar::Scalar;
use crate::linalg::kernels::vector::Vector;

/// Largest error of [`exp`] in units in the last place of a normal result.
pub const MAX_EXP_ERROR_ULPS: f64 = 2.0;
/// Largest error of [`logistic`]; results below the smallest normal number become 0.
pub const MAX_LOGISTIC_ERROR_ULPS: f64 = 4.0;
/// Largest error of [`tanh`].
pub const MAX_TANH_ERROR_ULPS: f64 = 4.0;
/// Largest error of [`expm1`].
pub const MAX_EXPM1_ERROR_ULPS: f64 = 3.0;
/// Largest error of [`ln_1p_exp`].
pub const MAX_LN_1P_EXP_ERROR_ULPS: f64 = 5.0;
/// Largest error of the distribution that [`normal`] gives.
pub const MAX_NORMAL_ERROR_ULPS: f64 = 8.0;

/// `(n, e^r - 1)` with `x = n ln 2 + r`.
#[inline(always)]
fn reduce<V: Vector>(x: V) -> (V, V) {
    let rounder = V::splat(V::Scalar::ROUNDER);
    let n = x.mul_add(V::splat(V::Scalar::of(std::f64::consts::LOG2_E)), rounder) - rounder;
    let r = n.mul_add(V::splat(-V::Scalar::LN2_HI), x);
    let r = n.mul_add(V::splat(-V::Scalar::LN2_LO), r);
    (n, small_expm1(r))
}

/// e^r - 1 for |r| <= ln(2)/2.
#[inline(always)]
fn small_expm1<V: Vector>(r: V) -> V {
    // e^r - 1 = r + r² (1/2 + r/6 + ...)
    (polynomial(V::Scalar::EXP_SERIES, r) * r).mul_add(r, r)
}

/// c_0 + c_1 x + c_2 x² + ...
#[inline(always)]
fn polynomial<V: Vector>(coefficients: &[V::Scalar], x: V) -> V {
    let mut p = V::splat(coefficients[coefficients.len() - 1]);
    for k in (0..coefficients.len() - 1).rev() {
        p = p.mul_add(x, V::splat(coefficients[k]));
    }
    p
}

/// 2^n (1 + expm1), where n may run past the exponents of normal numbers on either side.
#[inline(always)]
fn scaled<V: Vector>(n: V, expm1: V) -> V {
    let rounder = V::splat(V::Scalar::ROUNDER);
    let half = n.mul_add(V::splat(V::Scalar::of(0.5)), rounder) - rounder;
    (expm1 + V::one()) * half.exp2_whole() * (n - half).exp2_whole()
}

/// e^x: infinity above the range, 0 below, NaN for NaN.
#[inline(always)]
pub fn exp<V: Vector>(x: V) -> V {
    let x = x.max(V::splat(V::Scalar::EXP_MIN)).min(V::splat(V::Scalar::EXP_MAX));
    let (n, expm1) = reduce(x);
    scaled(n, expm1)
}

/// e^x - 1 for x <= 0, so that small x keep all their digits.
#[inline(always)]
pub fn expm1<V: Vector>(x: V) -> V {
    let lowest = V::splat(-(V::Scalar::TANH_ONE + V::Scalar::TANH_ONE));
    let (n, expm1) = reduce(x.max(lowest));
    let scale = n.exp2_whole();
    // 2^n (e^r - 1) + (2^n - 1)
    expm1.mul_add(scale, scale - V::one())
}

/// ln(1 + e^x) for x <= 0.
#[inline(always)]
pub fn ln_1p_exp<V: Vector>(x: V) -> V {
    let e = exp(x);
    // ln((1 + s) / (1 - s)) = 2 artanh s
    let s = e / (e + V::splat(V::Scalar::of(2.0)));
    (s + s) * polynomial(V::Scalar::ARTANH_SERIES, s * s)
}

/// Φ(x) = (1 + erf(x / √2)) / 2, the standard normal distribution, and its density e^(-x²/2) / √(2π).
///
/// Φ(-|x|) = e^(-x²/2) t P(2t - 1), where t = 4 / (4 + |x|) and P, a polynomial, stands for what is left. The relative error
/// stays small far out, where 1 + erf would have lost its digits.
#[inline(always)]
pub fn normal<V: Vector>(x: V) -> (V, V) {
    let (one, half) = (V::one(), V::splat(V::Scalar::of(0.5)));
    let y = x.abs().min(V::splat(V::Scalar::NORMAL_MAX));
    // -y²/2 in two parts, the first of them exact: e^ makes a relative error of what is an absolute one.
    let rounder = V::splat(V::Scalar::SQUARE_ROUNDER);
    let coarse = (y + rounder) - rounder;
    let high = -(half * coarse * coarse);
    let low = (coarse - y) * half * (coarse + y);
    let rounder = V::splat(V::Scalar::ROUNDER);
    let log2_e = V::splat(V::Scalar::of(std::f64::consts::LOG2_E));
    let n = (high + low).mul_add(log2_e, rounder) - rounder;
    let r = n.mul_add(V::splat(-V::Scalar::LN2_HI), high);
    let r = n.mul_add(V::splat(-V::Scalar::LN2_LO), r + low);
    let e = scaled(n, small_expm1(r));
    let four = V::splat(V::Scalar::of(4.0));
    let t = four / (four + y);
    let tail = e * t * polynomial(V::Scalar::NORMAL_SERIES, t + t - one);
    // The half that x's sign names: 1 - tail above 0.
    let sign = one.with_sign_of(x);
    let distribution = half.mul_add(sign, half) - sign * tail;
    // 1 / √(2π)
    (distribution, e * V::splat(V::Scalar::of(0.398_942_280_401_432_7)))
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

#[cfg(test)]
mod tests;
