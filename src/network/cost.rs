//! Every cost C, and BP1: the error of the output layer, δ^L = ∇_a C ⊙ σ'(z^L).
//!
//! To add one: write its type with an `impl CostFunction`, and name it in `costs!` with the output activations it goes with.
//!
//! Where cost and output activation are a canonical pair, ∇_a C ⊙ σ'(z^L) shortens to a - y, for softmax too, whose
//! derivative is a matrix; the short form neither divides by a small a(1 - a) nor loses digits.

use crate::error::Error;
use crate::linalg::kernels::Real;
use crate::network::activation::{Activation, Output};

/// A cost as a function of one output; the cost of a row is the sum over its outputs.
trait CostFunction {
    const NAME: &'static str;
    /// Whether an output whose target is 0 costs nothing, so that only the one of a row's class does.
    const ZERO_IS_FREE: bool = false;
    /// C for output a and target y.
    fn cost<T: Real>(a: T, y: T) -> T;
    /// ∂C/∂a
    fn gradient<T: Real>(a: T, y: T) -> T;
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
    fn cost<T: Real>(a: T, y: T) -> T {
        -xlogy(y, clip(a))
    }
    fn gradient<T: Real>(a: T, y: T) -> T {
        -y / clip(a)
    }
}

/// C = -y ln a - (1 - y) ln(1 - a), the cross-entropy of each output by itself
struct BinaryCrossEntropy;
impl CostFunction for BinaryCrossEntropy {
    const NAME: &'static str = "log_loss";
    fn cost<T: Real>(a: T, y: T) -> T {
        let (a, other) = (clip(a), T::ONE - y);
        // A class takes one logarithm, and no branch on which it is: the processor could not foresee it.
        if y * other == T::ZERO {
            -(y * a + other * (T::ONE - a)).ln()
        } else {
            -(xlogy(y, a) + xlogy(other, T::ONE - a))
        }
    }
    fn gradient<T: Real>(a: T, y: T) -> T {
        let a = clip(a);
        (a - y) / (a * (T::ONE - a))
    }
}

/// C = ½ (a - y)², the quadratic cost of the notes
struct Quadratic;
impl CostFunction for Quadratic {
    const NAME: &'static str = "squared_error";
    fn cost<T: Real>(a: T, y: T) -> T {
        T::of(0.5) * (a - y) * (a - y)
    }
    fn gradient<T: Real>(a: T, y: T) -> T {
        a - y
    }
}

/// C = y ln(y / a) - y + a, half the Poisson deviance
struct HalfPoissonDeviance;
impl CostFunction for HalfPoissonDeviance {
    const NAME: &'static str = "poisson";
    fn cost<T: Real>(a: T, y: T) -> T {
        xlogy(y, y / a) - y + a
    }
    fn gradient<T: Real>(a: T, y: T) -> T {
        T::ONE - y / a
    }
}

macro_rules! costs {
    ($($name:ident { canonical: $canonical:expr, others: [$($other:expr),*] }),* $(,)?) => {
        /// A cost function.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Cost { $($name),* }

        impl Cost {
            const ALL: &'static [Cost] = &[$(Cost::$name),*];

            pub fn name(self) -> &'static str {
                match self { $(Cost::$name => <$name as CostFunction>::NAME),* }
            }

            /// The output activation with which δ^L = a - y.
            fn canonical(self) -> Output {
                match self { $(Cost::$name => $canonical),* }
            }

            fn outputs(self) -> impl Iterator<Item = Output> {
                let others: &[Output] = match self { $(Cost::$name => &[$($other),*]),* };
                [self.canonical()].into_iter().chain(others.iter().copied())
            }

            /// Whether the cost of a row is that of its class's output alone.
            pub fn is_of_class_alone(self) -> bool {
                match self { $(Cost::$name => <$name as CostFunction>::ZERO_IS_FREE),* }
            }

            /// C of a row, or of some of its outputs, added to `sum`; not weighted.
            pub fn add_to<T: Real>(self, sum: T, a: &[T], y: &[T]) -> T {
                match self { $(Cost::$name => add_costs::<$name, T>(sum, a, y)),* }
            }

            /// weight ∂C/∂a
            fn gradient<T: Real>(self, a: &[T], y: &[T], weight: T, gradient: &mut [T]) {
                match self { $(Cost::$name => gradients::<$name, T>(a, y, weight, gradient)),* }
            }
        }
    };
}

fn add_costs<C: CostFunction, T: Real>(sum: T, a: &[T], y: &[T]) -> T {
    a.iter().zip(y).fold(sum, |sum, (&a, &y)| sum + C::cost(a, y))
}

fn gradients<C: CostFunction, T: Real>(a: &[T], y: &[T], weight: T, gradient: &mut [T]) {
    for ((&a, &y), gradient) in a.iter().zip(y).zip(gradient) {
        *gradient = weight * C::gradient(a, y);
    }
}

const LOGISTIC: Output = Output::Each(Activation::Logistic);
const IDENTITY: Output = Output::Each(Activation::Identity);
const TANH: Output = Output::Each(Activation::Tanh);
const EXP: Output = Output::Each(Activation::Exp);

costs! {
    CategoricalCrossEntropy { canonical: Output::Softmax, others: [] },
    BinaryCrossEntropy { canonical: LOGISTIC, others: [] },
    Quadratic { canonical: IDENTITY, others: [LOGISTIC, TANH, EXP] },
    HalfPoissonDeviance { canonical: EXP, others: [] },
}

impl Cost {
    /// All pairs of cost and output activation that go together.
    pub fn pairs() -> impl Iterator<Item = (Cost, Output)> {
        Self::ALL.iter().flat_map(|&cost| cost.outputs().map(move |output| (cost, output)))
    }

    /// The cost that a name stands for with this output activation.
    pub fn from_name(name: &str, output: Output) -> Result<Self, Error> {
        if !Self::ALL.iter().any(|c| c.name() == name) {
            let mut names: Vec<_> = Self::ALL.iter().map(|c| c.name()).collect();
            names.dedup();
            return Err(Error::name("cost", names.into_iter(), name));
        }
        Self::pairs().find(|(c, o)| c.name() == name && *o == output).map(|(c, _)| c).ok_or_else(
            || Error::Pair {
                cost: name.to_owned(),
                output: output.name().to_owned(),
                pairs: Self::pairs()
                    .map(|(c, o)| format!("{} with {}", c.name(), o.name()))
                    .collect::<Vec<_>>()
                    .join(", "),
            },
        )
    }

    /// BP1 for some outputs of a row, times the row's `weight`, without the factor σ'(z^L) where [`needs_derivative`]
    /// says so: from a^L and targets into `delta`.
    ///
    /// [`needs_derivative`]: Cost::needs_derivative
    pub fn output_delta<T: Real>(
        self,
        output: Output,
        a: &[T],
        y: &[T],
        weight: T,
        delta: &mut [T],
    ) {
        if self.needs_derivative(output) {
            self.gradient(a, y, weight, delta);
        } else {
            for ((&a, &y), delta) in a.iter().zip(y).zip(delta) {
                *delta = weight * (a - y);
            }
        }
    }

    /// Whether σ'(z^L) has still to be multiplied in: not for canonical pairs.
    pub fn needs_derivative(self, output: Output) -> bool {
        output != self.canonical()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Central differences of C itself, for every cost.
    #[test]
    fn gradients_are_the_derivatives_of_the_costs() {
        let h = 1e-6;
        for &cost in Cost::ALL {
            for (a, y) in [(0.3, 1.0), (0.7, 0.0), (0.2, 0.4), (0.9, 0.9)] {
                let cost_at = |a: f64| cost.add_to(0.0, &[a], &[y]);
                let numeric = (cost_at(a + h) - cost_at(a - h)) / (2.0 * h);
                let mut exact = [0.0];
                cost.gradient(&[a], &[y], 1.0, &mut exact);
                assert!((numeric - exact[0]).abs() < 1e-7, "{cost:?} at a = {a}, y = {y}");
            }
        }
    }

    /// Values by hand.
    #[test]
    fn costs_by_hand() {
        use std::f64::consts::LN_2;
        assert_eq!(Quadratic::cost(0.5, 1.5), 0.5);
        assert!((BinaryCrossEntropy::cost(0.5, 1.0) - LN_2).abs() < 1e-15);
        assert!((CategoricalCrossEntropy::cost(0.5, 1.0) - LN_2).abs() < 1e-15);
        assert!((HalfPoissonDeviance::cost(2.0, 1.0) - (1.0 - LN_2)).abs() < 1e-15);
    }

    #[test]
    fn costs_of_certain_answers_are_finite() {
        for a in [0.0f32, 1.0] {
            for y in [0.0, 1.0] {
                assert!(BinaryCrossEntropy::cost(a, y).is_finite());
                assert!(CategoricalCrossEntropy::cost(a, y).is_finite());
            }
        }
    }

    #[test]
    fn unknown_names_and_wrong_pairs_are_refused() {
        let unknown = Cost::from_name("hinge", LOGISTIC).unwrap_err().to_string();
        assert!(unknown.contains("\"hinge\"") && unknown.contains("\"poisson\""));
        let pair = Cost::from_name("poisson", LOGISTIC).unwrap_err().to_string();
        assert!(pair.contains("poisson with exp"));
    }
}
