//! A cost function with the numbers that it depends on, and BP1 for some outputs of a row.
//!
//! The formulas are in [`formulas`](crate::network::formulas). Label smoothing is a change of the targets, and the same for
//! all of them.

use crate::allocate::vector_of;
use crate::error::Error;
use crate::linalg::kernels::Real;
use crate::network::activation::Output;
use crate::network::formulas::{Formula, Hyperparameter};

/// A cost function, with the numbers that it depends on.
#[derive(Clone, Debug, PartialEq)]
pub struct Cost {
    formula: Formula,
    output: Output,
    /// One for each output; zeros where the formula has none.
    hyperparameters: Vec<f64>,
    /// How targets are smoothed: y becomes `keep` y + `share`.
    smoothing: Option<Smoothing>,
}

/// Szegedy et al. (2016), "Rethinking the Inception architecture for computer vision", section 7.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Smoothing {
    keep: f64,
    share: f64,
}

impl Cost {
    /// All pairs of a cost's name and an output activation that go together.
    pub fn pairs() -> impl Iterator<Item = (&'static str, Output)> {
        let all = Formula::ALL.iter();
        all.flat_map(|&formula| formula.outputs().map(move |output| (formula.name(), output)))
    }

    /// The cost that a name stands for with this activation of so many outputs.
    pub fn from_name(name: &str, output: Output, outputs: usize) -> Result<Self, Error> {
        if !Formula::ALL.iter().any(|c| c.name() == name) {
            let mut names: Vec<_> = Formula::ALL.iter().map(|c| c.name()).collect();
            names.dedup();
            return Err(Error::name("cost", names.into_iter(), name));
        }
        let mut named = Formula::ALL.iter().filter(|c| c.name() == name);
        let Some(&formula) = named.find(|c| c.outputs().any(|o| o == output)) else {
            let pairs = Self::pairs().map(|(c, o)| format!("{c} with {}", o.name()));
            return Err(Error::Pair {
                cost: name.to_owned(),
                output: output.name().to_owned(),
                pairs: pairs.collect::<Vec<_>>().join(", "),
            });
        };
        let default = formula.hyperparameter().map_or(0.0, |p| p.default);
        let hyperparameters = vector_of(default, outputs, "the outputs")?;
        Ok(Self { formula, output, hyperparameters, smoothing: None })
    }

    /// With this hyperparameter: one number for all outputs, or one for each.
    pub fn with_hyperparameter(mut self, numbers: &[f64]) -> Result<Self, Error> {
        let argument = "cost_parameter";
        let Some(Hyperparameter { expected, allows, .. }) = self.formula.hyperparameter() else {
            let none = format!("None for the cost {:?}, which has none", self.formula.name());
            return Err(Error::value(argument, none, format!("{numbers:?}")));
        };
        if let Some(wrong) = numbers.iter().find(|p| !allows(**p)) {
            return Err(Error::value(argument, expected, wrong));
        }
        match numbers {
            [one] => self.hyperparameters.fill(*one),
            _ if numbers.len() == self.hyperparameters.len() => {
                self.hyperparameters.copy_from_slice(numbers);
            }
            _ => {
                let expected = format!("one number, or {}", self.hyperparameters.len());
                return Err(Error::value(argument, expected, format!("{} numbers", numbers.len())));
            }
        }
        Ok(self)
    }

    /// With targets that are smoothed by `smoothing`: that much is taken from each, and shared out evenly among the classes
    /// of a softmax, or between the two answers of each other output.
    pub fn smoothed(mut self, smoothing: f64) -> Result<Self, Error> {
        if !(0.0..1.0).contains(&smoothing) {
            return Err(Error::value("label_smoothing", "at least 0 and below 1", smoothing));
        }
        let answers = match self.output {
            Output::Softmax => self.hyperparameters.len() as f64,
            Output::Each(_) => 2.0,
        };
        let smoothed = Smoothing { keep: 1.0 - smoothing, share: smoothing / answers };
        self.smoothing = (smoothing > 0.0).then_some(smoothed);
        Ok(self)
    }

    /// What the outputs are to come to for these targets of a row.
    pub fn smooth<T: Real>(&self, y: &mut [T]) {
        if let Some(Smoothing { keep, share }) = self.smoothing {
            let (keep, share) = (T::of(keep), T::of(share));
            y.iter_mut().for_each(|y| *y = *y * keep + share);
        }
    }

    /// Whether the cost of a row is that of its class's output alone.
    pub fn is_of_class_alone(&self) -> bool {
        self.formula.zero_is_free() && self.smoothing.is_none()
    }

    /// C of the outputs of a row from `first` on, added to `sum`; not weighted.
    pub fn add_to<T: Real>(&self, sum: T, first: usize, a: &[T], y: &[T]) -> T {
        self.formula.add_to(sum, a, y, &self.hyperparameters[first..])
    }

    /// BP1 for the outputs of a row from `first` on, times the row's `weight`, without the factor σ'(z^L) where
    /// [`needs_derivative`] says so: from a^L and targets into `delta`.
    ///
    /// [`needs_derivative`]: Cost::needs_derivative
    pub fn output_delta<T: Real>(
        &self,
        first: usize,
        a: &[T],
        y: &[T],
        weight: T,
        delta: &mut [T],
    ) {
        let p = &self.hyperparameters[first..];
        if self.needs_derivative() {
            self.formula.gradient(a, y, p, weight, delta);
        } else {
            self.formula.canonical_delta(a, y, p, weight, delta);
        }
    }

    /// Whether σ'(z^L) has still to be multiplied in: not for canonical pairs.
    pub fn needs_derivative(&self) -> bool {
        self.output != self.formula.canonical()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Activation;

    const LOGISTIC: Output = Output::Each(Activation::Logistic);
    const IDENTITY: Output = Output::Each(Activation::Identity);
    const EXP: Output = Output::Each(Activation::Exp);

    /// By hand: a quarter of four classes, a half of each label's two answers.
    #[test]
    fn smoothed_targets_by_hand() {
        let smooth = |output| {
            let cost = Cost::from_name("log_loss", output, 4).unwrap().smoothed(0.2).unwrap();
            let mut y = [0.0f64, 1.0, 0.0, 0.0];
            cost.smooth(&mut y);
            y.map(|y| (y * 1e6).round() / 1e6)
        };
        assert_eq!(smooth(Output::Softmax), [0.05, 0.85, 0.05, 0.05]);
        assert_eq!(smooth(LOGISTIC), [0.1, 0.9, 0.1, 0.1]);
    }

    #[test]
    fn hyperparameters_out_of_their_ranges_are_refused() {
        let huber = || Cost::from_name("huber", IDENTITY, 3).unwrap();
        assert!(huber().with_hyperparameter(&[1.0, 2.0, 3.0]).is_ok());
        for wrong in [&[0.0][..], &[f64::NAN], &[f64::INFINITY], &[1.0, 2.0], &[]] {
            assert!(huber().with_hyperparameter(wrong).is_err(), "{wrong:?}");
        }
        let none = Cost::from_name("poisson", EXP, 3).unwrap().with_hyperparameter(&[1.0]);
        assert!(none.unwrap_err().to_string().contains("\"poisson\", which has none"));
        for wrong in [-0.1, 1.0, f64::NAN] {
            assert!(huber().smoothed(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn unknown_names_and_wrong_pairs_are_refused() {
        let unknown = Cost::from_name("hinge", LOGISTIC, 1).unwrap_err().to_string();
        assert!(unknown.contains("\"hinge\"") && unknown.contains("\"poisson\""));
        let pair = Cost::from_name("poisson", LOGISTIC, 1).unwrap_err().to_string();
        assert!(pair.contains("poisson with exp"));
    }
}
