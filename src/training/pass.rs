//! Forward, backward, BP3 and BP4 over some rows, in one thread.

use crate::backprop::{Masks, Workspace, backward, forward};
use crate::data::{Ahead, Data, Rows};
use crate::linalg::kernels::{Isa, Real, dispatch};
use crate::network::{Cost, Network};
use crate::training::gradient_step::{GradientStep, Share, Step, Then};

/// What a pass over one batch needs to know.
#[derive(Clone, Copy)]
pub struct Pass<'a, 'd, T> {
    pub network: &'a Network,
    pub isa: Isa,
    pub cost: &'a Cost,
    pub data: &'a Data<'d, T>,
    /// What the batch drops.
    pub masks: Masks,
}

impl<T: Real> Pass<'_, '_, T> {
    /// Forward, backward, BP3 and BP4 for rows that one thread has for itself: their cost, and their gradient in `sums`,
    /// added to what is there if it is to `accumulate`. `next` are the rows it will have after these.
    pub fn gradient(
        &self,
        parameters: &[T],
        [rows, next]: [Rows<'_>; 2],
        workspace: &mut Workspace<T>,
        sums: &mut [T],
        accumulate: bool,
    ) -> f64 {
        if rows.is_empty() {
            if !accumulate {
                sums.fill(T::ZERO);
            }
            return 0.0;
        }
        let Pass { network, isa, cost, data, masks } = *self;
        forward(network, parameters, isa, &data.x, rows, masks, workspace);
        backward(network, parameters, isa, cost, data, rows, workspace);
        let share = &mut Share { gradient: sums, ..Share::of_all(network, &mut []) };
        let step = Step { accumulate, then: Then::Keep };
        let (workspaces, ahead) = (std::slice::from_ref(&*workspace), Ahead::new(&data.x, next));
        dispatch(isa, GradientStep { network, workspaces, share, step, ahead });
        workspace.costs().iter().sum()
    }
}
