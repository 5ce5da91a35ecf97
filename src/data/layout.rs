//! The layout of the rows that a layer's products multiply, as torch has the word: all numbers, or those that are not zero.

use ndarray::{ArrayView2, Axis};

use crate::data::input::Input;
use crate::linalg::kernels::{Isa, Real};
use crate::linalg::memory::panels::{WIDTH, panel_count};
use crate::network::Network;

/// How a workspace keeps the rows of a^l that the products of layer l + 1 multiply; the results are the same.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Layout {
    /// All numbers.
    Panels,
    /// Those of X that are not zero: about `density` of all.
    Entries { density: f64 },
    /// All numbers, and which are not zero: about `density` of all.
    Masked { density: f64 },
    /// All numbers of X, and which columns are not zero: about `share` of all.
    Columns { share: f64 },
}

impl<T: Real> Input<'_, T> {
    /// How a workspace of `network` should keep rows of this X, of which it takes `at_once`, for products on `isa`.
    pub fn layout(&self, network: &Network, at_once: usize, isa: Isa) -> Layout {
        match self {
            Input::Sparse(x) => {
                Layout::entries(x.len() as f64 / (x.rows() as f64 * x.cols() as f64).max(1.0))
            }
            Input::Dense(x) if Layout::may_be_sparse(network, 0, at_once) => {
                let density = density_of_some(*x);
                // Products without zeros are of numbers as they are, which takes twice as long as of bfloat16 and more.
                let bfloat16 = isa.multiplies_bfloat16();
                let counts = if bfloat16 { 3.0 * density } else { density };
                match Layout::pays(network, 0, counts) {
                    true if density < FEW || bfloat16 => Layout::entries(density),
                    true => Layout::masked(density),
                    false => Layout::Panels,
                }
            }
            Input::Dense(x) if Layout::may_have_columns(*x, network, at_once, isa) => {
                match share_of_columns(*x, at_once) {
                    share if share <= MOST_COLUMNS => Layout::columns(share),
                    _ => Layout::Panels,
                }
            }
            Input::Dense(_) => Layout::Panels,
        }
    }
}

impl Layout {
    /// Those of so many numbers out of all that are not zero.
    pub fn entries(density: f64) -> Self {
        // A power of two, so that batches of like data have the same layout.
        Layout::Entries { density: density.clamp(1e-9, 1.0).log2().ceil().exp2() }
    }

    /// All numbers, so many out of which are not zero.
    pub fn masked(density: f64) -> Self {
        // As above.
        Layout::Masked { density: (8.0 * density).ceil() / 8.0 }
    }

    /// All numbers of X, so many out of whose columns are not zero.
    pub fn columns(share: f64) -> Self {
        Layout::Columns { share: (8.0 * share).ceil() / 8.0 }
    }

    /// Whether products go through a list for each row or column, which takes about as long for some panels of neurons as for
    /// one.
    pub fn is_of_lists(self) -> bool {
        matches!(self, Layout::Entries { .. } | Layout::Masked { .. })
    }

    /// Whether leaving out columns of X can pay, and there are rows enough to tell.
    fn may_have_columns<T>(
        x: ArrayView2<'_, T>,
        network: &Network,
        at_once: usize,
        isa: Isa,
    ) -> bool {
        let (neurons, inputs) = (network.sizes()[1], network.sizes()[0]);
        at_once < MIN_ROWS
            && x.nrows() >= ROWS_LOOKED_AT
            && neurons >= WIDTH
            && u32::try_from(inputs).is_ok()
            && !isa.multiplies_bfloat16()
    }

    /// Whether leaving out zeros of a^l can pay at all, with so many rows at once.
    pub fn may_be_sparse(network: &Network, l: usize, at_once: usize) -> bool {
        at_once >= MIN_ROWS
            && network.sizes()[l + 1] >= MIN_NEURONS
            && u32::try_from(network.sizes()[l]).is_ok()
    }

    /// Whether the products without the zeros of a^l are the faster ones: each term costs about as much as one and a third
    /// of a dense product's, and finding it as much as one and a half panels of neurons.
    pub fn pays(network: &Network, l: usize, density: f64) -> bool {
        let panels = panel_count(network.sizes()[l + 1]) as f64;
        density <= 0.75 * panels / (panels + 1.5)
    }

    /// The work of products with a^l, as a share of what it would be with all numbers.
    pub fn work(self) -> f64 {
        match self {
            Layout::Panels => 1.0,
            Layout::Entries { density } | Layout::Masked { density } => {
                (0.2 + 1.5 * density).min(1.0)
            }
            Layout::Columns { share } => share.min(1.0),
        }
    }
}

/// Rows that make lists of entries along columns worth beginning ...
const MIN_ROWS: usize = 16;
/// ... and neurons that share what an entry costs.
const MIN_NEURONS: usize = 2 * WIDTH + 1;
/// Up to this density lists of entries are faster than bits, most of which would be looked at in vain.
const FEW: f64 = 0.1;
/// The share of columns up to which the others are worth leaving out.
const MOST_COLUMNS: f64 = 0.8;
/// Rows from which the density of a dense X is estimated.
const ROWS_LOOKED_AT: usize = 64;

/// The share of numbers that are not zero in some rows, evenly spread.
fn density_of_some<T: Real>(x: ArrayView2<'_, T>) -> f64 {
    let step = x.nrows().div_ceil(ROWS_LOOKED_AT).max(1);
    let some = x.axis_iter(Axis(0)).step_by(step);
    let counts = some.map(|row| row.iter().filter(|v| **v != T::ZERO).count());
    let (rows, count) = counts.fold((0, 0), |(rows, sum), n| (rows + 1, sum + n));
    count as f64 / (f64::from(rows) * x.ncols() as f64).max(1.0)
}

/// The share of columns that are not zero in all of `at_once` rows, as some rows have it that are evenly spread.
fn share_of_columns<T: Real>(x: ArrayView2<'_, T>, at_once: usize) -> f64 {
    let step = x.nrows() / ROWS_LOOKED_AT;
    let batches = (ROWS_LOOKED_AT / at_once).max(1);
    let columns = (0..batches).flat_map(|batch| (0..x.ncols()).map(move |column| (batch, column)));
    let count = columns.filter(|&(batch, column)| {
        (0..at_once).any(|i| x[((batch * at_once + i) * step, column)] != T::ZERO)
    });
    count.count() as f64 / (batches * x.ncols()).max(1) as f64
}

/// Multiplications of one row in all three products, for deciding how to share out work; `layouts` are those of a^0,
/// a^1 and so on, where they do not hold all numbers.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a positive number, and an estimate; too large a one becomes the largest"
)]
pub fn work_per_row(network: &Network, layouts: &[Layout]) -> usize {
    let work = network.sizes().windows(2).enumerate().map(|(l, s)| {
        let share = layouts.get(l).map_or(1.0, |layout| layout.work());
        // The error of a hidden layer comes from all numbers.
        let products = if l == 0 { 3.0 * share } else { 2.0 * share + 1.0 };
        products * s[0] as f64 * s[1] as f64
    });
    work.sum::<f64>() as usize
}

/// Multiplications of a forward pass of all rows; of a sparse X, with what it stores.
pub fn forward_work<T: Real>(network: &Network, x: &Input<'_, T>) -> usize {
    let sizes = network.sizes();
    let of_row: usize = sizes[1..].windows(2).map(|s| s[0] * s[1]).sum();
    let (rows, of_first) = match x {
        Input::Dense(x) => (x.nrows(), x.len().saturating_mul(sizes[1])),
        Input::Sparse(x) => (x.rows(), x.len().saturating_mul(sizes[1])),
    };
    of_first.saturating_add(rows.saturating_mul(of_row))
}
