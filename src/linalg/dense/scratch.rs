//! Room for what the products put together on their way.

use crate::linalg::dense::blocks::{MOST_INPUTS, MOST_STEPS};
use crate::linalg::kernels::{Isa, Pair, Scalar};
use crate::linalg::memory::panels::{Aligned, Panels, WIDTH, panel_count};

/// Panels of a right matrix that a tile takes at most.
const PANELS: usize = 2;

/// Rows of all panels of weights that are taken at once.
const MOST_WEIGHTS: usize = MOST_STEPS / WIDTH * (MOST_INPUTS + 1);

/// Room for what the products put together on their way.
pub struct Scratch<T> {
    /// Transposed weights, or errors and what their product with the weights is.
    pub(super) transposed: Aligned<T>,
    /// bfloat16 numbers of the left matrix, and of the panels of the right one.
    pub(super) left: Panels<Pair>,
    pub(super) right: Aligned<Pair>,
    /// bfloat16 numbers of the weights where these are the left matrix.
    pub(super) weights: Aligned<Pair>,
}

impl<T: Scalar> Scratch<T> {
    /// Nothing: enough for a w + b where numbers are multiplied as they are. None where memory is refused.
    pub fn none() -> Option<Self> {
        Some(Self {
            transposed: Aligned::zeros(0)?,
            left: Panels::zeros(0, 0)?,
            right: Aligned::zeros(0)?,
            weights: Aligned::zeros(0)?,
        })
    }

    /// Room for products of up to `rows` rows in layers of up to so many inputs and outputs. None where memory is refused.
    pub fn new(isa: Isa, rows: usize, fan_in: usize, fan_out: usize) -> Option<Self> {
        let mut scratch = Self::none()?;
        let weights = weights_len(fan_out).checked_mul(PANELS)?;
        let (errors, products) = errors_len(rows, fan_out);
        scratch.transposed = Aligned::zeros(weights.max(errors.checked_add(products)?))?;
        if isa.multiplies_bfloat16() {
            let widest = fan_in.max(fan_out);
            scratch.left = Panels::zeros(rows, widest.div_ceil(2))?;
            let panels = PANELS.max(panel_count(rows));
            scratch.right = Aligned::zeros(panels.checked_mul(widest.div_ceil(2))?)?;
            scratch.weights = Aligned::zeros(MOST_WEIGHTS)?;
        }
        Some(scratch)
    }
}

/// Rows of a panel of transposed weights.
pub(super) fn weights_len(fan_out: usize) -> usize {
    panel_count(fan_out) * WIDTH
}

/// Rows between panels of transposed errors; odd, as those of [`Panels`].
pub(super) fn errors_stride(fan_out: usize) -> usize {
    weights_len(fan_out) + 1
}

/// Rows between panels of what they are multiplied to.
pub(super) const PRODUCTS_STRIDE: usize = MOST_INPUTS + 1;

/// Rows of the transposed errors of so many rows of a batch, and of the products.
pub(super) fn errors_len(rows: usize, fan_out: usize) -> (usize, usize) {
    let panels = panel_count(rows);
    (panels.saturating_mul(errors_stride(fan_out)), panels.saturating_mul(PRODUCTS_STRIDE))
}
