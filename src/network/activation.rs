//! Every σ and σ', side by side.
//!
//! To add one: write its type with an `impl Sigma`, and name it in `activations!`. The names that Python checks parameters
//! against and the gradient tests pick it up from there.
//!
//! σ' takes the output a = σ(z) where it follows from it, and z need not be kept. For the others (`TAKES_Z`) the forward pass
//! stores σ'(z) while z is at hand.
//!
//! Names, formulas and constants are PyTorch's.

use crate::allocate::vector_of;
use crate::error::Error;
use crate::linalg::kernels::{Scalar, Vector, math};
use crate::linalg::memory::panels::WIDTH;

/// An activation function that works on each neuron by itself.
trait Sigma {
    /// scikit-learn's name, or PyTorch's.
    const NAME: &'static str;
    /// Whether hidden layers may use it.
    const HIDDEN: bool = true;
    /// Whether σ' takes z, since it does not follow from a.
    const TAKES_Z: bool = false;
    /// a = σ(z)
    fn sigma<V: Vector>(z: V) -> V;
    /// σ'(z), from a = σ(z), or from z if it `TAKES_Z`
    fn sigma_prime<V: Vector>(of: V) -> V;
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

/// σ(z) = z for z > 0, else e^z - 1: Clevert et al. (2016), with α = 1
struct Elu;
impl Sigma for Elu {
    const NAME: &'static str = "elu";
    #[inline(always)]
    fn sigma<V: Vector>(z: V) -> V {
        z.max(V::zero()) + math::expm1(z.min(V::zero()))
    }
    #[inline(always)]
    fn sigma_prime<V: Vector>(a: V) -> V {
        a.min(V::zero()) + V::one()
    }
}

/// σ(z) = λ z for z > 0, else λ α (e^z - 1): Klambauer et al. (2017), appendix A1
struct Selu;
impl Selu {
    const LAMBDA: f64 = 1.050_700_987_355_480_5;
    const LAMBDA_ALPHA: f64 = Self::LAMBDA * 1.673_263_242_354_377_2;
}
impl Sigma for Selu {
    const NAME: &'static str = "selu";
    #[inline(always)]
    fn sigma<V: Vector>(z: V) -> V {
        let below = constant::<V>(Self::LAMBDA_ALPHA) * math::expm1(z.min(V::zero()));
        z.max(V::zero()).mul_add(constant(Self::LAMBDA), below)
    }
    #[inline(always)]
    fn sigma_prime<V: Vector>(a: V) -> V {
        let below = a.min(V::zero()) + constant(Self::LAMBDA_ALPHA);
        where_positive(a, constant(Self::LAMBDA), below)
    }
}

/// σ(z) = z for z > 0, else 0.01 z; at the kink σ' is taken as 0.01
struct LeakyRelu;
impl LeakyRelu {
    const SLOPE: f64 = 0.01;
}
impl Sigma for LeakyRelu {
    const NAME: &'static str = "leaky_relu";
    #[inline(always)]
    fn sigma<V: Vector>(z: V) -> V {
        z.max(z * constant(Self::SLOPE))
    }
    #[inline(always)]
    fn sigma_prime<V: Vector>(a: V) -> V {
        where_positive(a, V::one(), constant(Self::SLOPE))
    }
}

/// σ(z) = ln(1 + e^z), for every z (PyTorch's is z itself from 20 on, which is 2e-9 less)
struct Softplus;
impl Sigma for Softplus {
    const NAME: &'static str = "softplus";
    #[inline(always)]
    fn sigma<V: Vector>(z: V) -> V {
        z.max(V::zero()) + math::ln_1p_exp(-z.abs())
    }
    #[inline(always)]
    fn sigma_prime<V: Vector>(a: V) -> V {
        // σ'(z) = 1 / (1 + e^-z) = 1 - e^-a
        -math::expm1(-a)
    }
}

/// σ(z) = z Φ(z), Φ the standard normal distribution: Hendrycks and Gimpel (2016), exactly, by erf
struct Gelu;
impl Sigma for Gelu {
    const NAME: &'static str = "gelu";
    const TAKES_Z: bool = true;
    #[inline(always)]
    fn sigma<V: Vector>(z: V) -> V {
        z * math::normal(z).0
    }
    #[inline(always)]
    fn sigma_prime<V: Vector>(z: V) -> V {
        let (distribution, density) = math::normal(z);
        z.mul_add(density, distribution)
    }
}

/// σ(z) = z / (1 + e^-z): Elfwing et al. (2018)
struct Silu;
impl Sigma for Silu {
    const NAME: &'static str = "silu";
    const TAKES_Z: bool = true;
    #[inline(always)]
    fn sigma<V: Vector>(z: V) -> V {
        z * math::logistic(z)
    }
    #[inline(always)]
    fn sigma_prime<V: Vector>(z: V) -> V {
        let s = math::logistic(z);
        s * z.mul_add(V::one() - s, V::one())
    }
}

/// σ(z) = z tanh(ln(1 + e^z)): Misra (2019)
struct Mish;
impl Mish {
    /// tanh(ln(1 + e^z)) is 1 from here on.
    const ONE: f64 = 20.0;
    /// e = e^z and m = e (e + 2), of which tanh(ln(1 + e)) is m / (m + 2)
    #[inline(always)]
    fn terms<V: Vector>(z: V) -> (V, V) {
        let e = math::exp(z);
        (e, e * (e + constant(2.0)))
    }
}
impl Sigma for Mish {
    const NAME: &'static str = "mish";
    const TAKES_Z: bool = true;
    #[inline(always)]
    fn sigma<V: Vector>(z: V) -> V {
        let (_, m) = Self::terms(z.min(constant(Self::ONE)));
        z * (m / (m + constant(2.0)))
    }
    #[inline(always)]
    fn sigma_prime<V: Vector>(z: V) -> V {
        let z = z.min(constant(Self::ONE));
        let (e, m) = Self::terms(z);
        let d = V::one() / (m + constant(2.0));
        // tanh' is 4 (1 + e)² / (m + 2)², and the derivative of ln(1 + e^z) is e / (1 + e).
        let slope = constant::<V>(4.0) * e * (e + V::one()) * d * d;
        z.mul_add(slope, m * d)
    }
}

#[inline(always)]
fn constant<V: Vector>(x: f64) -> V {
    V::splat(V::Scalar::of(x))
}

/// `above` where x > 0, else `below`.
#[inline(always)]
fn where_positive<V: Vector>(x: V, above: V, below: V) -> V {
    let positive = x.max(V::zero()).nonzero();
    positive * above + (V::one() - positive) * below
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

            /// Whether σ' does not follow from a.
            pub fn takes_z(self) -> bool {
                match self { $(Activation::$name => <$name as Sigma>::TAKES_Z),* }
            }

            /// Turn z into a, in place, and keep σ'(z).
            #[inline(always)]
            pub fn apply_with_derivative<V: Vector>(
                self,
                z: &mut [V::Scalar],
                derivative: &mut [V::Scalar],
            ) {
                match self { $(Activation::$name => map_both::<$name, V>(z, derivative)),* }
            }

            /// δ ⊙ σ'(z), in place, from a = σ(z).
            #[inline(always)]
            pub fn times_derivative<V: Vector>(self, a: &[V::Scalar], delta: &mut [V::Scalar]) {
                match self { $(Activation::$name => map_sigma_prime::<$name, V>(a, delta)),* }
            }
        }
    };
}

activations!(Identity, Logistic, Tanh, Relu, Elu, Selu, LeakyRelu, Softplus, Gelu, Silu, Mish, Exp);

#[inline(always)]
fn map_sigma<S: Sigma, V: Vector>(z: &mut [V::Scalar]) {
    for i in (0..z.len()).step_by(V::LANES) {
        S::sigma(V::read(z, i)).write(z, i);
    }
}

#[inline(always)]
fn map_both<S: Sigma, V: Vector>(z: &mut [V::Scalar], derivative: &mut [V::Scalar]) {
    for i in (0..z.len()).step_by(V::LANES) {
        let of = V::read(z, i);
        let a = S::sigma(of);
        a.write(z, i);
        S::sigma_prime(if S::TAKES_Z { of } else { a }).write(derivative, i);
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

/// The activations of the hidden layers.
#[derive(Clone, Debug)]
pub enum Hidden {
    /// The same for all.
    All(Activation),
    /// One for each.
    Each(Vec<Activation>),
}

impl From<Activation> for Hidden {
    fn from(activation: Activation) -> Self {
        Hidden::All(activation)
    }
}

impl Hidden {
    /// One for each of so many layers.
    pub fn of_layers(self, layers: usize) -> Result<Vec<Activation>, Error> {
        match self {
            Hidden::All(activation) => vector_of(activation, layers, "the layers"),
            Hidden::Each(each) if each.len() == layers => Ok(each),
            Hidden::Each(each) => {
                let expected = format!("a name, or {layers} names, one for each hidden layer");
                Err(Error::value("activation", expected, format!("{} names", each.len())))
            }
        }
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
