//! BP2, the error of a hidden layer from that of the next one.

use crate::linalg::dense::{self, Epilogue, Layer, Scratch};
use crate::linalg::kernels::{Isa, Real, Vector};
use crate::linalg::memory::panels::Panels;
use crate::network::Activation;

/// BP2: δ^l = ((w^(l+1))ᵀ δ^(l+1)) ⊙ σ'(z^l), from a^l = σ(z^l).
pub fn hidden_delta<T: Real>(
    isa: Isa,
    sigma: Activation,
    next_layer: Layer<'_, T>,
    next_delta: &Panels<T>,
    a: &Panels<T>,
    scratch: &mut Scratch<T>,
    delta: &mut Panels<T>,
) {
    let times_sigma_prime = TimesSigmaPrime { sigma, a };
    dense::transposed(isa, next_delta, next_layer, scratch, delta, times_sigma_prime);
}

/// ⊙ σ'(z^l) on each panel of the error, from a^l.
struct TimesSigmaPrime<'a, T> {
    sigma: Activation,
    a: &'a Panels<T>,
}

impl<T: Real> Epilogue<T> for TimesSigmaPrime<'_, T> {
    #[inline(always)]
    fn apply<V: Vector<Scalar = T>>(&mut self, panel: usize, delta: &mut [T]) {
        self.sigma.times_derivative::<V>(self.a.panel(panel), delta);
    }
}
