//! Softmax over the rows of an output layer, several rows at a time.

use crate::linalg::kernels::{Kernel, Real, Scalar, Vector};
use crate::linalg::memory::panels::{BLOCK, Panels, WIDTH};
use crate::network::activation::softmax;

pub(super) struct Softmax<'a, T> {
    pub a: &'a mut Panels<T>,
    /// [`WIDTH`] rows of outputs, transposed.
    pub lanes: &'a mut [T],
}

impl<T: Real> Kernel<T> for Softmax<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Scalar = T>>(self) {
        let Softmax { a, lanes } = self;
        let outputs = a.cols();
        for row in (0..a.rows()).step_by(WIDTH) {
            for (panel, lanes) in lanes.chunks_exact_mut(BLOCK).enumerate() {
                transpose_to::<V>(a, panel, row, lanes);
            }
            for first in (0..WIDTH).step_by(V::LANES) {
                softmax::<V>(&mut lanes[..outputs * WIDTH], first);
            }
            for (panel, lanes) in lanes.chunks_exact(BLOCK).enumerate() {
                transpose_from::<V>(a, panel, row, lanes);
            }
        }
    }
}

/// The transpose of the rows from `row` on of one panel, of as many of WIDTH as there are, and zeros.
#[inline(always)]
fn transpose_to<V: Vector>(a: &Panels<V::Scalar>, panel: usize, row: usize, out: &mut [V::Scalar]) {
    let rows = &a.panel(panel)[row * WIDTH..];
    if let Some(block) = rows.get(..BLOCK) {
        V::transpose(block, out);
    } else {
        let mut block = [V::Scalar::ZERO; BLOCK];
        block[..rows.len()].copy_from_slice(rows);
        V::transpose(&block, out);
    }
}

/// The reverse of [`transpose_to`].
#[inline(always)]
fn transpose_from<V: Vector>(
    a: &mut Panels<V::Scalar>,
    panel: usize,
    row: usize,
    from: &[V::Scalar],
) {
    let rows = &mut a.panel_mut(panel)[row * WIDTH..];
    if let Some(block) = rows.get_mut(..BLOCK) {
        V::transpose(from, block);
    } else {
        let mut block = [V::Scalar::ZERO; BLOCK];
        V::transpose(from, &mut block);
        let len = rows.len();
        rows.copy_from_slice(&block[..len]);
    }
}
