//! BP2, the error of a hidden layer from that of the next one.

use crate::linalg::dense::{self, Epilogue, Layer, Scratch};
use crate::linalg::kernels::{Isa, Real, Vector};
use crate::linalg::memory::panels::{Panels, PanelsMut};
use crate::network::Activation;

/// Where σ'(z^l) comes from.
#[derive(Clone, Copy)]
pub enum SigmaPrime<'a, T> {
    /// It follows from a^l = σ(z^l).
    Of(Activation, &'a Panels<T>),
    /// The forward pass has kept it.
    Kept(&'a Panels<T>),
    /// It is 1, as that of the inputs.
    One,
}

/// BP2: δ^l = ((w^(l+1))ᵀ δ^(l+1)) ⊙ σ'(z^l), for the neurons that `delta` has.
pub fn hidden_delta<T: Real>(
    isa: Isa,
    sigma_prime: SigmaPrime<'_, T>,
    next_layer: Layer<'_, T>,
    next_delta: &Panels<T>,
    scratch: &mut Scratch<T>,
    delta: PanelsMut<'_, T>,
) {
    dense::transposed(isa, next_delta, next_layer, scratch, delta, sigma_prime);
}

/// ⊙ σ'(z^l) on each panel of the error.
impl<T: Real> Epilogue<T> for SigmaPrime<'_, T> {
    #[inline(always)]
    fn apply<V: Vector<Scalar = T>>(&mut self, panel: usize, delta: &mut [T]) {
        match self {
            SigmaPrime::Of(sigma, a) => sigma.times_derivative::<V>(a.panel(panel), delta),
            SigmaPrime::One => {}
            SigmaPrime::Kept(derivative) => {
                let derivative = derivative.panel(panel);
                for i in (0..delta.len()).step_by(V::LANES) {
                    (V::read(delta, i) * V::read(derivative, i)).write(delta, i);
                }
            }
        }
    }
}
