//! The loss of some rows: their mean cost, and the L2 penalty of the weights.

use crate::linalg::kernels::{Kernel, Real, Scalar, Vector};
use crate::linalg::memory::panels::WIDTH;
use crate::network::Network;

/// Mean cost and L2 penalty, each batch counting by its rows, and both before that batch's update.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Loss {
    pub cost: f64,
    pub penalty: f64,
}

impl Loss {
    /// Add that of a batch to a sum.
    pub fn add(&mut self, batch: Loss, rows: usize) {
        self.cost += batch.cost * rows as f64;
        self.penalty += batch.penalty * rows as f64;
    }

    /// The mean that a sum over so many rows comes to.
    pub fn over(self, rows: usize) -> Self {
        Self { cost: self.cost / rows as f64, penalty: self.penalty / rows as f64 }
    }
}

/// Σ w² of each block of weights.
pub struct Squares<'a, T> {
    pub network: &'a Network,
    pub parameters: &'a [T],
    pub squares: &'a mut [f64],
}

impl<T: Real> Kernel<T> for Squares<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Scalar = T>>(self) {
        let blocks = self.network.blocks(0..self.network.block_count());
        for (block, square) in blocks.zip(self.squares) {
            if block.inputs.is_some() {
                *square = sum_of_squares::<V>(&self.parameters[block.range()]);
            }
        }
    }
}

/// Σ w², in the order of the registers.
#[inline(always)]
pub fn sum_of_squares<V: Vector>(w: &[V::Scalar]) -> f64 {
    let mut acc = V::zero();
    for i in (0..w.len()).step_by(V::LANES) {
        let x = V::read(w, i);
        acc = x.mul_add(x, acc);
    }
    let mut lanes = [V::Scalar::ZERO; WIDTH];
    acc.write(&mut lanes, 0);
    lanes.iter().map(|x| x.as_f64()).sum()
}
