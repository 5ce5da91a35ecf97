//! Every σ and σ', side by side.
//!
//! To add one: write its type with an `impl Sigma`, and name it in `activations!`. The names that Python checks parameters
//! against and the gradient tests pick it up from there.
//!
//! σ' takes the output a = σ(z), never z: every activation here allows it, and z need not be kept.

use crate::error::Error;
use crate::linalg::kernels::{Vector, math};
use crate::linalg::memory::panels::WIDTH;

/// An activation function that works on each neuron by itself.
trait Sigma {
    /// scikit-learn's name.
    const NAME: &'static str;
    /// Whether hidden layers may use it.
    const HIDDEN: bool = true;
    /// a = σ(z)
    fn sigma<V: Vector>(z: V) -> V;
    /// σ'(z), from a = σ(z)
    fn sigma_prime<V: Vector>(a: V) -> V;
}

/// σ(z) = z
struct Identity;
impl Sigma for Identity {
    const NAME: &'static str = "identity";
    #[inline(always)]
    fn sigma<V: Vector>(z: V) -> V {
        z
    }
    #[inline(always)]
    fn sigma_prime<V: Vector>(_a: V) -> V {
        V::one()
    }
}

/// σ(z) = 1 / (1 + e^-z), the sigmoid of the notes
struct Logistic;
impl Sigma for Logistic {
    const NAME: &'static str = "logistic";
    #[inline(always)]
    fn sigma<V: Vector>(z: V) -> V {
        math::logistic(z)
    }
    #[inline(always)]
    fn sigma_prime<V: Vector>(a: V) -> V {
        a * (V::one() - a)
    }
}

/// σ(z) = tanh z
struct Tanh;
impl Sigma for Tanh {
    const NAME: &'static str = "tanh";
    #[inline(always)]
    fn sigma<V: Vector>(z: V) -> V {
        math::tanh(z)
    }
    #[inline(always)]
    fn sigma_prime<V: Vector>(a: V) -> V {
        V::one() - a * a
    }
}

/// σ(z) = max(0, z); at the kink σ' is taken as 0
struct Relu;
impl Sigma for Relu {
    const NAME: &'static str = "relu";
    #[inline(always)]
    fn sigma<V: Vector>(z: V) -> V {
        z.max(V::zero())
    }
    #[inline(always)]
    fn sigma_prime<V: Vector>(a: V) -> V {
        a.nonzero()
    }
}

/// σ(z) = e^z, the inverse of the log link of Poisson regression
struct Exp;
impl Sigma for Exp {
    const NAME: &'static str = "exp";
    const HIDDEN: bool = false;
    #[inline(always)]
    fn sigma<V: Vector>(z: V) -> V {
        math::exp(z)
    }
    #[inline(always)]
    fn sigma_prime<V: Vector>(a: V) -> V {
        a
    }
}

macro_rules! activations {
    ($($name:ident),*) => {
        /// An activation of a hidden layer or of each output by itself.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Activation { $($name),* }

        impl Activation {
            pub const ALL: &'static [Activation] = &[$(Activation::$name),*];

            pub fn name(self) -> &'static str {
                match self { $(Activation::$name => <$name as Sigma>::NAME),* }
            }

            pub fn is_hidden(self) -> bool {
                match self { $(Activation::$name => <$name as Sigma>::HIDDEN),* }
            }

            /// Turn z into a, in place. The length is a multiple of a register's.
            #[inline(always)]
            pub fn apply<V: Vector>(self, z: &mut [V::Scalar]) {
                match self { $(Activation::$name => map_sigma::<$name, V>(z)),* }
            }

            /// δ ⊙ σ'(z), in place, from a = σ(z).
            #[inline(always)]
            pub fn times_derivative<V: Vector>(self, a: &[V::Scalar], delta: &mut [V::Scalar]) {
                match self { $(Activation::$name => map_sigma_prime::<$name, V>(a, delta)),* }
            }
        }
    };
}

activations!(Identity, Logistic, Tanh, Relu, Exp);

#[inline(always)]
fn map_sigma<S: Sigma, V: Vector>(z: &mut [V::Scalar]) {
    for i in (0..z.len()).step_by(V::LANES) {
        S::sigma(V::read(z, i)).write(z, i);
    }
}

#[inline(always)]
fn map_sigma_prime<S: Sigma, V: Vector>(a: &[V::Scalar], delta: &mut [V::Scalar]) {
    for i in (0..delta.len()).step_by(V::LANES) {
        (V::read(delta, i) * S::sigma_prime(V::read(a, i))).write(delta, i);
    }
}

impl Activation {
    /// The activation of hidden layers that a name stands for.
    pub fn hidden(name: &str) -> Result<Self, Error> {
        let mut hidden = Self::ALL.iter().copied().filter(|a| a.is_hidden());
        hidden
            .clone()
            .find(|a| a.name() == name)
            .ok_or_else(|| Error::name("activation", hidden.by_ref().map(Activation::name), name))
    }
}

/// The activation of the output layer: softmax looks at a whole row, all others at each output by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    Each(Activation),
    /// a_j = e^(z_j) / Σ e^(z_k)
    Softmax,
}

impl Output {
    pub fn all() -> impl Iterator<Item = Output> {
        Activation::ALL.iter().map(|&a| Output::Each(a)).chain([Output::Softmax])
    }

    pub fn name(self) -> &'static str {
        match self {
            Output::Each(activation) => activation.name(),
            Output::Softmax => "softmax",
        }
    }

    pub fn from_name(name: &str) -> Result<Self, Error> {
        Self::all()
            .find(|o| o.name() == name)
            .ok_or_else(|| Error::name("output_activation", Self::all().map(Output::name), name))
    }
}

/// Softmax of a register of rows, in place; the largest z of a row is taken off first, so that no e^z overflows.
///
/// `z` holds one output after another, each with the numbers of [`WIDTH`] rows, of which those from `first` are taken.
#[inline(always)]
pub fn softmax<V: Vector>(z: &mut [V::Scalar], first: usize) {
    let mut highest = V::read(z, first);
    for i in (first..z.len()).step_by(WIDTH) {
        highest = V::read(z, i).max(highest);
    }
    let mut sum = V::zero();
    for i in (first..z.len()).step_by(WIDTH) {
        // A NaN makes the sum one, and ends in the loss, where it is seen.
        let e = math::exp(V::read(z, i) - highest);
        sum = sum + e;
        e.write(z, i);
    }
    for i in (first..z.len()).step_by(WIDTH) {
        (V::read(z, i) / sum).write(z, i);
    }
}
