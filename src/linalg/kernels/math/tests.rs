//! Errors of every function, in units of the last place.

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
        Activation::Elu => {
            if x > 0.0 {
                x
            } else {
                x.exp_m1()
            }
        }
        Activation::Softplus => x.max(0.0) + (-x.abs()).exp().ln_1p(),
        Activation::Gelu => x * normal_distribution(x),
        _ => 1.0 / (1.0 + (-x).exp()),
    }
}

/// Φ by sums that have nothing in common with the one that is tested: Marsaglia (2004), "Evaluating the normal
/// distribution", near 0, and Laplace's continued fraction for the tail.
fn normal_distribution(x: f64) -> f64 {
    if x > 0.0 {
        return 1.0 - normal_distribution(-x);
    }
    if x < -40.0 {
        return 0.0;
    }
    // x² in two parts, so that its rounding does not become a relative error of e^.
    let coarse = f64::from(x as f32);
    let halves = [-0.5 * coarse * coarse, -0.5 * (x - coarse) * (x + coarse)];
    let density = halves[0].exp() * halves[1].exp() / std::f64::consts::TAU.sqrt();
    if x > -1.0 {
        let (mut term, mut sum) = (x, x);
        for k in 1..30 {
            term *= x * x / f64::from(2 * k + 1);
            sum += term;
        }
        return 0.5 + density * sum;
    }
    density / (1..1000).rev().fold(-x, |fraction, k| f64::from(k) / fraction - x)
}

const FUNCTIONS: [(Activation, f64); 6] = [
    (Activation::Exp, MAX_EXP_ERROR_ULPS),
    (Activation::Logistic, MAX_LOGISTIC_ERROR_ULPS),
    (Activation::Tanh, MAX_TANH_ERROR_ULPS),
    (Activation::Elu, MAX_EXPM1_ERROR_ULPS),
    (Activation::Softplus, MAX_LN_1P_EXP_ERROR_ULPS),
    // One more for the multiplication by z.
    (Activation::Gelu, MAX_NORMAL_ERROR_ULPS + 1.0),
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
                    // Below, Φ(z), which z multiplies, is a denormal number.
                    if exact.is_normal() && exact.abs() > 64.0 * f64::MIN_POSITIVE {
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
