//! Clipping: a gradient whose norm over all parameters is too large is scaled down before the update.
//!
//! Pascanu, Mikolov and Bengio, On the difficulty of training recurrent neural networks (2013), in the form of PyTorch's
//! `clip_grad_norm_`. No block can be updated before all are known, so the sums are kept in memory, and the update is a pass of
//! its own.

use crate::linalg::kernels::{Real, dispatch};
use crate::linalg::memory::panels::Aligned;
use crate::linalg::team::Team;
use crate::training::gradient_step::{FromSums, Share, Then};
use crate::training::optimizer::Updates;
use crate::training::sharing::shares::cut;
use crate::training::trainer::Trainer;

/// Keeps the quotient finite.
const TINY: f64 = 1e-6;

/// What becomes of the sums over a batch.
pub(super) fn then<T>(max_grad_norm: Option<f64>, update: &Updates<T>) -> Then<'_, T> {
    match max_grad_norm {
        None => Then::Update(update),
        Some(_) => Then::Measure(update),
    }
}

impl<T: Real> Trainer<T> {
    /// If the gradient is to be clipped: the update from the sums over a batch of this weight, which have been measured. Each
    /// thread has the blocks up to one of `ends`.
    pub(super) fn clip(&mut self, team: &Team<'_>, weight: f64, ends: &[usize]) {
        let Some(most) = self.max_grad_norm else { return };
        let norm = self.norms.iter().sum::<f64>().sqrt();
        self.ready_update((most / (norm + TINY)).min(1.0) / weight);
        let (network, isa, then) = (&self.network, self.isa, Then::Update(&self.update));
        let whole = Share {
            state: self.state.each_mut().map(Aligned::as_mut_slice),
            gradient: self.gradient.as_mut_slice(),
            squares: &mut self.squares,
            ..Share::of_all(network, self.parameters.as_mut_slice())
        };
        let mut shares = cut(network, whole, ends.iter().copied());
        team.each(&mut shares, |_, share| {
            dispatch(isa, FromSums { network, share, more: None, then });
        });
    }
}
