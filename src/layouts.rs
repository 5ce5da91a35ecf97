//! Which layers' inputs have so many zeros that the products do better without them.
//!
//! Those of X are many in images, one-hot codes and counts; those of a hidden layer where a rectifier sets half of its
//! neurons to zero, and more and more of them as it learns. A look at a few rows decides, once for all rows of a call: the
//! products that leave out zeros give the same sums.

use crate::backprop::{Workspace, forward};
use crate::batch::{Input, Layout};
use crate::error::Error;
use crate::linalg::dispatch::Isa;
use crate::linalg::panels::Panels;
use crate::linalg::real::Real;
use crate::linalg::rows::Rows;
use crate::network::Network;

/// Rows that are looked at ...
const ROWS_LOOKED_AT: usize = 16;
/// ... out of no fewer than these: going forward with them should cost nothing to speak of.
const MIN_ROWS: usize = 16 * ROWS_LOOKED_AT;

/// The layouts of a^0, a^1 ... a^(L-1), for products on `isa` with `at_once` of the rows at a time.
pub fn layouts<T: Real>(
    network: &Network,
    parameters: &[T],
    isa: Isa,
    x: &Input<'_, T>,
    rows: Rows<'_>,
    at_once: usize,
) -> Result<Vec<Layout>, Error> {
    let mut layouts = vec![Layout::Panels; network.depth()];
    layouts[0] = x.layout(network, at_once, isa);
    let candidates = (1..network.depth()).filter(|&l| Layout::may_be_entries(network, l, at_once));
    let candidates: Vec<_> = candidates.collect();
    // Products over entries are of numbers as they are.
    if candidates.is_empty() || rows.len() < MIN_ROWS || isa.multiplies_bfloat16() {
        return Ok(layouts);
    }
    let rows = rows.slice(0, ROWS_LOOKED_AT);
    let mut workspace = Workspace::forward_only(network, x, rows.len(), &layouts)?;
    forward(network, parameters, isa, x, rows, &mut workspace);
    for l in candidates {
        let density = density(&workspace.a[l]);
        if Layout::pays(network, l, density) {
            layouts[l] = Layout::entries(density);
        }
    }
    Ok(layouts)
}

/// The share of numbers that are not zero.
fn density<T: Real>(a: &Panels<T>) -> f64 {
    let numbers = (0..a.rows()).flat_map(|row| (0..a.cols()).map(move |col| a.get(row, col)));
    numbers.filter(|a| *a != T::ZERO).count() as f64 / (a.rows() * a.cols()) as f64
}
