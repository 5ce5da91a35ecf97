//! Every cost C, and what BP1 takes of it: ∇_a C, or δ^L = ∇_a C ⊙ σ'(z^L) at once.
//!
//! To add one: write its type with an `impl CostFunction`, and name it in `costs!` with the output activations it goes with.
//!
//! Where cost and output activation are a canonical pair, ∇_a C ⊙ σ'(z^L) shortens to a - y, for softmax too, whose
//! derivative is a matrix; the short form neither divides by a small a(1 - a) nor loses digits.

use crate::linalg::kernels::Real;
use crate::network::activation::{Activation, Output};

/// A cost as a function of one output; the cost of a row is the sum over its outputs.
///
/// `p` is the cost's hyperparameter for this output, and 0 where it has none.
trait CostFunction {
    const NAME: &'static str;
    /// Whether an output whose target is 0 costs nothing, so that only the one of a row's class does.
    const ZERO_IS_FREE: bool = false;
    const HYPERPARAMETER: Option<Hyperparameter> = None;
    /// C for output a and target y.
    fn cost<T: Real>(a: T, y: T, p: T) -> T;
    /// ∂C/∂a
    fn gradient<T: Real>(a: T, y: T, p: T) -> T;
    /// ∂C/∂z with the canonical output activation.
    fn canonical_delta<T: Real>(a: T, y: T, _p: T) -> T {
        a - y
    }
}

/// A number that a cost depends on, one for all outputs or one for each.
#[derive(Clone, Copy)]
pub struct Hyperparameter {
    pub default: f64,
    pub expected: &'static str,
    pub allows: fn(f64) -> bool,
}

/// Keep a probability where its logarithm is finite, as scikit-learn does.
fn clip<T: Real>(a: T) -> T {
    // Not `clamp`: NaN has to come through, to be seen in the loss.
    let (low, high) = (T::epsilon(), T::ONE - T::epsilon());
    if a < low {
        low
    } else if a > high {
        high
    } else {
        a
    }
}

/// x ln y, and 0 where x is 0.
fn xlogy<T: Real>(x: T, y: T) -> T {
    if x == T::ZERO && !y.is_nan() { T::ZERO } else { x * y.ln() }
}

/// C = -y ln a, the cross-entropy of a distribution over classes
struct CategoricalCrossEntropy;
impl CostFunction for CategoricalCrossEntropy {
    const NAME: &'static str = "log_loss";
    const ZERO_IS_FREE: bool = true;
    fn cost<T: Real>(a: T, y: T, _p: T) -> T {
        -xlogy(y, clip(a))
    }
    fn gradient<T: Real>(a: T, y: T, _p: T) -> T {
        -y / clip(a)
    }
}

/// C = -y ln a - (1 - y) ln(1 - a), the cross-entropy of each output by itself
struct BinaryCrossEntropy;
impl CostFunction for BinaryCrossEntropy {
    const NAME: &'static str = "log_loss";
    fn cost<T: Real>(a: T, y: T, _p: T) -> T {
        let (a, other) = (clip(a), T::ONE - y);
        // A class takes one logarithm, and no branch on which it is: the processor could not foresee it.
        if y * other == T::ZERO {
            -(y * a + other * (T::ONE - a)).ln()
        } else {
            -(xlogy(y, a) + xlogy(other, T::ONE - a))
        }
    }
    fn gradient<T: Real>(a: T, y: T, _p: T) -> T {
        let a = clip(a);
        (a - y) / (a * (T::ONE - a))
    }
}

/// C = ½ (a - y)², the quadratic cost of the notes
struct Quadratic;
impl CostFunction for Quadratic {
    const NAME: &'static str = "squared_error";
    fn cost<T: Real>(a: T, y: T, _p: T) -> T {
        T::of(0.5) * (a - y) * (a - y)
    }
    fn gradient<T: Real>(a: T, y: T, _p: T) -> T {
        a - y
    }
}

/// C = y ln(y / a) - y + a, half the Poisson deviance
struct HalfPoissonDeviance;
impl CostFunction for HalfPoissonDeviance {
    const NAME: &'static str = "poisson";
    fn cost<T: Real>(a: T, y: T, _p: T) -> T {
        xlogy(y, y / a) - y + a
    }
    fn gradient<T: Real>(a: T, y: T, _p: T) -> T {
        T::ONE - y / a
    }
}

/// C = ln(a / y) + y / a - 1, half the gamma deviance
struct HalfGammaDeviance;
impl CostFunction for HalfGammaDeviance {
    const NAME: &'static str = "gamma";
    fn cost<T: Real>(a: T, y: T, _p: T) -> T {
        let ratio = y / a;
        ratio - ratio.ln() - T::ONE
    }
    fn gradient<T: Real>(a: T, y: T, _p: T) -> T {
        (T::ONE - y / a) / a
    }
    fn canonical_delta<T: Real>(a: T, y: T, _p: T) -> T {
        T::ONE - y / a
    }
}

/// C = |a - y|; where they are equal ∂C/∂a is taken as 0
struct Absolute;
impl CostFunction for Absolute {
    const NAME: &'static str = "absolute_error";
    fn cost<T: Real>(a: T, y: T, _p: T) -> T {
        (a - y).abs()
    }
    fn gradient<T: Real>(a: T, y: T, _p: T) -> T {
        let error = a - y;
        // Zero, or NaN, which has to come through.
        if error == T::ZERO { error } else { error.signum() }
    }
    fn canonical_delta<T: Real>(a: T, y: T, p: T) -> T {
        Self::gradient(a, y, p)
    }
}

/// C = ½ (a - y)² up to |a - y| = p, and the tangent beyond: Huber (1964), "Robust estimation of a location parameter"
struct Huber;
impl CostFunction for Huber {
    const NAME: &'static str = "huber";
    const HYPERPARAMETER: Option<Hyperparameter> = Some(Hyperparameter {
        default: 1.0,
        expected: "above 0 and finite",
        allows: |p| p > 0.0 && p.is_finite(),
    });
    fn cost<T: Real>(a: T, y: T, p: T) -> T {
        let error = (a - y).abs();
        if error <= p { T::of(0.5) * error * error } else { p * (error - T::of(0.5) * p) }
    }
    fn gradient<T: Real>(a: T, y: T, p: T) -> T {
        let error = a - y;
        // Not `clamp`, nor `min`: NaN has to come through.
        if error.abs() > p { p * error.signum() } else { error }
    }
    fn canonical_delta<T: Real>(a: T, y: T, p: T) -> T {
        Self::gradient(a, y, p)
    }
}

/// C = max(p (y - a), (p - 1)(y - a)), least where a is the p-quantile: Koenker and Bassett (1978), "Regression quantiles";
/// where a = y, ∂C/∂a is taken as 0
struct Pinball;
impl CostFunction for Pinball {
    const NAME: &'static str = "quantile";
    const HYPERPARAMETER: Option<Hyperparameter> = Some(Hyperparameter {
        default: 0.5,
        expected: "above 0 and below 1",
        allows: |p| p > 0.0 && p < 1.0,
    });
    fn cost<T: Real>(a: T, y: T, p: T) -> T {
        let error = y - a;
        if error < T::ZERO { (p - T::ONE) * error } else { p * error }
    }
    fn gradient<T: Real>(a: T, y: T, p: T) -> T {
        let error = a - y;
        if error > T::ZERO {
            T::ONE - p
        } else if error < T::ZERO {
            -p
        } else {
            error
        }
    }
    fn canonical_delta<T: Real>(a: T, y: T, p: T) -> T {
        Self::gradient(a, y, p)
    }
}

macro_rules! costs {
    ($($name:ident { canonical: $canonical:expr, others: $others:expr }),* $(,)?) => {
        /// The formula of a cost.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Formula { $($name),* }

        impl Formula {
            pub const ALL: &'static [Formula] = &[$(Formula::$name),*];

            pub fn name(self) -> &'static str {
                match self { $(Formula::$name => <$name as CostFunction>::NAME),* }
            }

            pub fn hyperparameter(self) -> Option<Hyperparameter> {
                match self { $(Formula::$name => <$name as CostFunction>::HYPERPARAMETER),* }
            }

            /// The output activation with which δ^L has a short form.
            pub fn canonical(self) -> Output {
                match self { $(Formula::$name => $canonical),* }
            }

            pub fn outputs(self) -> impl Iterator<Item = Output> {
                let others: &[Output] = match self { $(Formula::$name => $others),* };
                [self.canonical()].into_iter().chain(others.iter().copied())
            }

            pub fn zero_is_free(self) -> bool {
                match self { $(Formula::$name => <$name as CostFunction>::ZERO_IS_FREE),* }
            }

            /// C of some outputs of a row, added to `sum`.
            pub fn add_to<T: Real>(self, sum: T, a: &[T], y: &[T], p: &[f64]) -> T {
                match self { $(Formula::$name => add_costs::<$name, T>(sum, a, y, p)),* }
            }

            /// weight ∂C/∂a
            pub fn gradient<T: Real>(self, a: &[T], y: &[T], p: &[f64], weight: T, delta: &mut [T]) {
                match self {
                    $(Formula::$name => map::<$name, T>(a, y, p, weight, delta, $name::gradient)),*
                }
            }

            /// weight ∂C/∂z with the canonical output activation
            pub fn canonical_delta<T: Real>(
                self,
                a: &[T],
                y: &[T],
                p: &[f64],
                weight: T,
                delta: &mut [T],
            ) {
                match self {
                    $(Formula::$name => {
                        map::<$name, T>(a, y, p, weight, delta, $name::canonical_delta)
                    })*
                }
            }
        }
    };
}

/// The hyperparameter of an output; no work where the cost has none.
#[inline(always)]
fn hyperparameter<C: CostFunction, T: Real>(p: f64) -> T {
    if C::HYPERPARAMETER.is_some() { T::of(p) } else { T::ZERO }
}

fn add_costs<C: CostFunction, T: Real>(sum: T, a: &[T], y: &[T], p: &[f64]) -> T {
    let outputs = a.iter().zip(y).zip(p);
    outputs.fold(sum, |sum, ((&a, &y), &p)| sum + C::cost(a, y, hyperparameter::<C, T>(p)))
}

#[inline(always)]
fn map<C: CostFunction, T: Real>(
    a: &[T],
    y: &[T],
    p: &[f64],
    weight: T,
    delta: &mut [T],
    f: impl Fn(T, T, T) -> T,
) {
    for (((&a, &y), &p), delta) in a.iter().zip(y).zip(p).zip(delta) {
        *delta = weight * f(a, y, hyperparameter::<C, T>(p));
    }
}

const LOGISTIC: Output = Output::Each(Activation::Logistic);
const IDENTITY: Output = Output::Each(Activation::Identity);
const TANH: Output = Output::Each(Activation::Tanh);
const EXP: Output = Output::Each(Activation::Exp);
const SOFTPLUS: Output = Output::Each(Activation::Softplus);

costs! {
    CategoricalCrossEntropy { canonical: Output::Softmax, others: &[] },
    BinaryCrossEntropy { canonical: LOGISTIC, others: &[] },
    Quadratic { canonical: IDENTITY, others: &[LOGISTIC, TANH, EXP, SOFTPLUS] },
    HalfPoissonDeviance { canonical: EXP, others: &[SOFTPLUS] },
    HalfGammaDeviance { canonical: EXP, others: &[SOFTPLUS] },
    Absolute { canonical: IDENTITY, others: &[LOGISTIC, TANH, EXP, SOFTPLUS] },
    Huber { canonical: IDENTITY, others: &[LOGISTIC, TANH, EXP, SOFTPLUS] },
    Pinball { canonical: IDENTITY, others: &[LOGISTIC, TANH, EXP, SOFTPLUS] },
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Central differences of C itself, for every cost, away from where ∂C/∂a jumps.
    #[test]
    fn gradients_are_the_derivatives_of_the_costs() {
        let h = 1e-6;
        for &formula in Formula::ALL {
            let default = formula.hyperparameter().map_or(0.0, |p| p.default);
            for p in [default, 0.3] {
                for (a, y) in [(0.3, 1.0), (0.7, 0.1), (0.2, 0.4), (0.9, 0.8)] {
                    let cost_at = |a: f64| formula.add_to(0.0, &[a], &[y], &[p]);
                    let numeric = (cost_at(a + h) - cost_at(a - h)) / (2.0 * h);
                    let mut exact = [0.0];
                    formula.gradient(&[a], &[y], &[p], 1.0, &mut exact);
                    assert!((numeric - exact[0]).abs() < 1e-7, "{formula:?} at a = {a}, y = {y}");
                }
            }
        }
    }

    /// Values by hand.
    #[test]
    fn costs_by_hand() {
        use std::f64::consts::LN_2;
        assert_eq!(Quadratic::cost(0.5, 1.5, 0.0), 0.5);
        assert!((BinaryCrossEntropy::cost(0.5, 1.0, 0.0) - LN_2).abs() < 1e-15);
        assert!((CategoricalCrossEntropy::cost(0.5, 1.0, 0.0) - LN_2).abs() < 1e-15);
        assert!((HalfPoissonDeviance::cost(2.0, 1.0, 0.0) - (1.0 - LN_2)).abs() < 1e-15);
        assert!((HalfGammaDeviance::cost(2.0, 1.0, 0.0) - (LN_2 - 0.5)).abs() < 1e-15);
        assert_eq!(Absolute::cost(0.5, 1.5, 0.0), 1.0);
        assert_eq!([0.25, 3.0].map(|a| Huber::cost(a, 0.0, 0.5)), [0.03125, 1.375]);
        assert_eq!([1.0, -1.0].map(|a| Pinball::cost(a, 0.0, 0.75)), [0.25, 0.75]);
        assert_eq!([-1.0, 0.0, 1.0].map(|a| Absolute::gradient(a, 0.0, 0.0)), [-1.0, 0.0, 1.0]);
    }

    #[test]
    fn costs_of_certain_answers_are_finite() {
        for a in [0.0f32, 1.0] {
            for y in [0.0, 1.0] {
                assert!(BinaryCrossEntropy::cost(a, y, 0.0).is_finite());
                assert!(CategoricalCrossEntropy::cost(a, y, 0.0).is_finite());
            }
        }
    }
}
