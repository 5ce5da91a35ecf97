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
    let x = x.max(V::splat(V::Scalar::EXP_MIN)).min(V::splat(V::Scalar::EXP_MAX));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linalg::kernels::dispatch::{Isa, Kernel, Real, dispatch};
    use crate::linalg::memory::panels::WIDTH;
    use crate::network::Activation;

    struct Apply<'a, T>(Activation, &'a mut [T]);

    impl<T: Real> Kernel<T> for Apply<'_, T> {
        type Output = ();

        #[inline(always)]
        fn run<V: Vector<Scalar = T>>(self) {
            self.0.apply::<V>(self.1);
        }
    }

    fn reference(activation: Activation, x: f64) -> f64 {
        match activation {
            Activation::Exp => x.exp(),
            Activation::Tanh => x.tanh(),
            _ => 1.0 / (1.0 + (-x).exp()),
        }
    }

    const FUNCTIONS: [(Activation, f64); 3] = [
        (Activation::Exp, MAX_EXP_ERROR_ULPS),
        (Activation::Logistic, MAX_LOGISTIC_ERROR_ULPS),
        (Activation::Tanh, MAX_TANH_ERROR_ULPS),
    ];

    /// Largest error in ULP over some f32 on any instruction set, against the C library in f64.
    fn worst_f32(activation: Activation, bits: impl Iterator<Item = u32>) -> f64 {
        let mut worst: f64 = 0.0;
        let mut check = |xs: &[f32; WIDTH]| {
            let exact = xs.map(|x| reference(activation, f64::from(x)));
            for isa in Isa::all_available() {
                let mut ys = *xs;
                dispatch(isa, Apply(activation, &mut ys[..]));
                for ((&x, &y), &exact) in xs.iter().zip(&ys).zip(&exact) {
                    if x.is_nan() {
                        assert!(y.is_nan(), "{activation:?} of NaN is {y} on {isa:?}");
                    } else if exact > f64::from(f32::MAX) {
                        let is_largest = y == f32::INFINITY || y == f32::MAX;
                        assert!(is_largest, "{activation:?}({x}) = {y} on {isa:?}");
                    } else if exact.abs() < f64::from(f32::MIN_POSITIVE) {
                        assert!((f64::from(y) - exact).abs() <= f64::from(f32::MIN_POSITIVE));
                    } else {
                        let rounded = exact as f32;
                        let ulp = f64::from(rounded.abs().next_up()) - f64::from(rounded.abs());
                        let error = (f64::from(y) - exact).abs() / ulp;
                        assert!(error.is_finite(), "{activation:?}({x}) = {y} on {isa:?}");
                        worst = worst.max(error);
                    }
                }
            }
        };
        let mut xs = [0f32; WIDTH];
        let mut filled = 0;
        for b in bits {
            xs[filled] = f32::from_bits(b);
            filled += 1;
            if filled == WIDTH {
                check(&xs);
                filled = 0;
            }
        }
        check(&xs);
        worst
    }

    fn hold_bounds(step: usize) {
        std::thread::scope(|scope| {
            for (activation, bound) in FUNCTIONS {
                scope.spawn(move || {
                    let worst = worst_f32(activation, (0..=u32::MAX).step_by(step));
                    assert!(worst <= bound, "{activation:?}: {worst} ULP");
                });
            }
        });
    }

    #[test]
    fn f32_errors_are_within_their_bounds_on_a_sample() {
        hold_bounds(4099);
    }

    #[test]
    #[ignore = "every f32 takes minutes; `make torture` runs it"]
    fn f32_errors_are_within_their_bounds_everywhere() {
        hold_bounds(1);
    }

    /// Against the C library in f64, which has an error of its own of up to one ULP.
    #[test]
    fn f64_errors_are_within_their_bounds_on_a_sample() {
        for isa in Isa::all_available() {
            for (activation, bound) in FUNCTIONS {
                for i in -40_000..40_000 {
                    let x = f64::from(i) * 0.0175;
                    for x in [x, x * 1e-3, x * 1e-9] {
                        let mut ys = [x; WIDTH];
                        dispatch(isa, Apply(activation, &mut ys[..]));
                        let exact = reference(activation, x);
                        let ulp = exact.abs().next_up() - exact.abs();
                        if exact.is_normal() {
                            let error = (ys[0] - exact).abs() / ulp;
                            assert!(error <= bound + 1.0, "{activation:?}({x}): {error} ULP");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn ends_of_the_range() {
        for isa in Isa::all_available() {
            for (activation, x, y) in [
                (Activation::Logistic, f32::INFINITY, 1.0),
                (Activation::Logistic, f32::NEG_INFINITY, 0.0),
                (Activation::Logistic, f32::MAX, 1.0),
                (Activation::Logistic, f32::MIN, 0.0),
                (Activation::Tanh, f32::INFINITY, 1.0),
                (Activation::Tanh, f32::MIN, -1.0),
                (Activation::Tanh, -0.0, -0.0),
                (Activation::Exp, f32::NEG_INFINITY, 0.0),
                (Activation::Exp, f32::INFINITY, f32::INFINITY),
            ] {
                let mut ys = [x; WIDTH];
                dispatch(isa, Apply(activation, &mut ys[..]));
                assert_eq!(ys[0], y, "{activation:?}({x}) on {isa:?}");
            }
        }
    }
}
