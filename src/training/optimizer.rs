//! From parameters, gradient and state to parameters: stochastic gradient descent and what grew out of it.
//!
//! An optimizer knows no layers: it sees stretches of parameters and the same stretches of the gradient and of its state.
//! To add one: an arm in each `match` here; names and state reach Python from this file.

use std::collections::HashMap;

use crate::error::Error;
use crate::linalg::kernels::{Real, Vector};
use crate::linalg::memory::panels::WIDTH;

/// How parameters follow the gradient.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Optimizer {
    /// v <- μ v - η g; w <- w + v, or with Nesterov's look ahead w <- w + μ v - η g.
    Sgd { momentum: f64, nesterov: bool },
    /// Kingma and Ba, Adam: a method for stochastic optimization (2015), algorithm 1 in the efficient form of section 2.
    Adam { beta_1: f64, beta_2: f64, epsilon: f64 },
}

/// State vectors that any optimizer needs at most.
pub const MAX_SLOTS: usize = 2;

impl Optimizer {
    pub const NAMES: &'static [&'static str] = &["sgd", "adam"];

    /// The optimizer of this name, its hyperparameters taken by name; those not given are scikit-learn's defaults.
    pub fn from_name(name: &str, given: &HashMap<String, f64>) -> Result<Self, Error> {
        let mut known = Vec::new();
        let mut take = |key: &'static str, default: f64, valid: fn(f64) -> bool, range: &str| {
            known.push(key);
            let value = given.get(key).copied().unwrap_or(default);
            if valid(value) { Ok(value) } else { Err(Error::value(key, range, value)) }
        };
        let unit = |x: f64| (0.0..1.0).contains(&x);
        let optimizer = match name {
            "sgd" => Optimizer::Sgd {
                momentum: take("momentum", 0.9, |x| (0.0..=1.0).contains(&x), "in [0, 1]")?,
                nesterov: take("nesterov", 1.0, |x| x == 0.0 || x == 1.0, "0 or 1")? == 1.0,
            },
            "adam" => Optimizer::Adam {
                beta_1: take("beta_1", 0.9, unit, "in [0, 1)")?,
                beta_2: take("beta_2", 0.999, unit, "in [0, 1)")?,
                epsilon: take("epsilon", 1e-8, |x| x > 0.0 && x.is_finite(), "positive")?,
            },
            _ => return Err(Error::name("optimizer", Self::NAMES.iter().copied(), name)),
        };
        match given.keys().find(|key| !known.contains(&key.as_str())) {
            Some(key) => Err(Error::name("hyperparameters", known.into_iter(), key)),
            None => Ok(optimizer),
        }
    }

    /// Names of the state vectors, each as long as the parameters.
    pub fn slots(&self) -> &'static [&'static str] {
        match self {
            Optimizer::Sgd { momentum: 0.0, .. } => &[],
            Optimizer::Sgd { .. } => &["velocity"],
            Optimizer::Adam { .. } => &["m", "v"],
        }
    }

    /// What update `t` (counted from 1) does with a step of this size.
    pub fn rule<T: Real>(&self, learning_rate: f64, t: u64) -> Rule<T> {
        match *self {
            Optimizer::Sgd { momentum: 0.0, .. } => {
                Rule::Plain { learning_rate: T::of(learning_rate) }
            }
            Optimizer::Sgd { momentum, nesterov } => Rule::Momentum {
                learning_rate: T::of(learning_rate),
                momentum: T::of(momentum),
                nesterov,
            },
            Optimizer::Adam { beta_1, beta_2, epsilon } => {
                let t = t as f64;
                let step = learning_rate * (1.0 - beta_2.powf(t)).sqrt() / (1.0 - beta_1.powf(t));
                Rule::Adam {
                    step: T::of(step),
                    beta_1: T::of(beta_1),
                    rest_1: T::of(1.0 - beta_1),
                    beta_2: T::of(beta_2),
                    rest_2: T::of(1.0 - beta_2),
                    // Squares of gradients below this root are flushed to 0 in v, and their root with them.
                    epsilon: T::of(epsilon).max(T::min_positive_value().sqrt()),
                }
            }
        }
    }
}

/// From a gradient to a step.
#[derive(Clone, Copy, Debug)]
pub enum Rule<T> {
    Plain { learning_rate: T },
    Momentum { learning_rate: T, momentum: T, nesterov: bool },
    Adam { step: T, beta_1: T, rest_1: T, beta_2: T, rest_2: T, epsilon: T },
}

impl<T: Real> Rule<T> {
    /// The same with a step so many times as large.
    pub fn times(mut self, factor: f64) -> Self {
        let (Rule::Plain { learning_rate: step }
        | Rule::Momentum { learning_rate: step, .. }
        | Rule::Adam { step, .. }) = &mut self;
        *step *= T::of(factor);
        self
    }
}

/// One update of the weights of a layer, or of its biases, ready to be applied to any stretch of them.
///
/// The gradient is (sum over the batch + alpha w) * scale.
#[derive(Clone, Copy, Debug)]
pub struct Update<T> {
    pub rule: Rule<T>,
    /// The L2 penalty; 0 for biases.
    pub alpha: T,
    /// 1 / (weight of the batch), less where the gradient is clipped.
    pub scale: T,
    /// The factor that weight decay puts on a weight before its step: Loshchilov and Hutter, Decoupled weight decay
    /// regularization (2019), in PyTorch's form, 1 - learning rate * decay. It is 1 for biases.
    pub keep: T,
}

/// What an update does with the weights and with the biases of each layer.
pub type Updates<T> = [[Update<T>; 2]];

/// A stretch of the sums over a batch, and how they become the gradient.
struct Gradient<'a, T> {
    sum: &'a [T],
    alpha: T,
    scale: T,
}

impl<T: Real> Gradient<'_, T> {
    #[inline(always)]
    fn read<V: Vector<Scalar = T>>(&self, w: V, i: usize) -> V {
        w.mul_add(V::splat(self.alpha), V::read(self.sum, i)) * V::splat(self.scale)
    }
}

impl<T: Real> Update<T> {
    /// Whether weights stay as they are where the gradient's sum is 0.
    pub fn rests_at_zero(&self) -> bool {
        matches!(self.rule, Rule::Plain { .. }) && self.alpha == T::ZERO && self.keep == T::ONE
    }

    /// Update `w` and the same stretch of the state. The length is a multiple of a register's. The sums are used up.
    #[inline(always)]
    pub fn apply<V: Vector<Scalar = T>>(
        &self,
        w: &mut [T],
        sum: &mut [T],
        state: [&mut [T]; MAX_SLOTS],
    ) {
        // Of one length, and each step within it, as the loops say it: so the compiler drops the checks of every read.
        let n = w.len();
        let [first, second] = state;
        let sum = &mut sum[..n];
        let decays = self.keep != T::ONE;
        if decays {
            self.decay::<V>(w, sum);
        }
        let alpha = if decays { T::ZERO } else { self.alpha };
        let gradient = Gradient { sum, alpha, scale: self.scale };
        match self.rule {
            Rule::Plain { learning_rate } => {
                let rate = V::splat(-learning_rate);
                let mut i = 0;
                while i + V::LANES <= n {
                    let x = V::read(w, i);
                    rate.mul_add(gradient.read(x, i), x).write(w, i);
                    i += V::LANES;
                }
            }
            Rule::Momentum { learning_rate, momentum, nesterov } => {
                let (rate, momentum) = (V::splat(-learning_rate), V::splat(momentum));
                let velocities = &mut first[..n];
                let mut i = 0;
                while i + V::LANES <= n {
                    let x = V::read(w, i);
                    let push = rate * gradient.read(x, i);
                    let velocity = momentum.mul_add(V::read(velocities, i), push);
                    velocity.write(velocities, i);
                    let step = if nesterov { momentum.mul_add(velocity, push) } else { velocity };
                    (x + step).write(w, i);
                    i += V::LANES;
                }
            }
            Rule::Adam { step, beta_1, rest_1, beta_2, rest_2, epsilon } => {
                let (beta_1, rest_1) = (V::splat(beta_1), V::splat(rest_1));
                let (beta_2, rest_2) = (V::splat(beta_2), V::splat(rest_2));
                let (step, epsilon) = (V::splat(step), V::splat(epsilon));
                let (ms, vs) = (&mut first[..n], &mut second[..n]);
                let mut i = 0;
                while i + V::LANES <= n {
                    let x = V::read(w, i);
                    let g = gradient.read(x, i);
                    let m = beta_1.mul_add(V::read(ms, i), rest_1 * g);
                    let v = beta_2.mul_add(V::read(vs, i), rest_2 * (g * g));
                    m.write(ms, i);
                    v.write(vs, i);
                    (x - step * m / (v.sqrt() + epsilon)).write(w, i);
                    i += V::LANES;
                }
            }
        }
    }

    /// Decay the weights. The penalty, whose gradient is that of the weights before, goes into the sums.
    #[inline(always)]
    fn decay<V: Vector<Scalar = T>>(&self, w: &mut [T], sum: &mut [T]) {
        let (alpha, keep) = (V::splat(self.alpha), V::splat(self.keep));
        let mut i = 0;
        while i + V::LANES <= w.len() {
            let x = V::read(w, i);
            x.mul_add(alpha, V::read(sum, i)).write(sum, i);
            (x * keep).write(w, i);
            i += V::LANES;
        }
    }

    /// The sum of squares of the gradient of `w`, in an order of its own.
    #[inline(always)]
    pub fn square_of_gradient(&self, w: &[T], sum: &[T]) -> f64 {
        let (alpha, scale) = (self.alpha.as_f64(), self.scale.as_f64());
        let mut lanes = [0.0; WIDTH];
        for (w, sum) in w.chunks_exact(WIDTH).zip(sum.chunks_exact(WIDTH)) {
            for i in 0..WIDTH {
                let g = (sum[i].as_f64() + alpha * w[i].as_f64()) * scale;
                lanes[i] += g * g;
            }
        }
        lanes.iter().sum()
    }
}
