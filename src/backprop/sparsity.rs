//! Which layers' inputs have so many zeros that the products do better without them.
//!
//! Those of X are many in images, one-hot codes and counts; those of a hidden layer where a rectifier sets half of its
//! neurons to zero, and more and more of them as it learns. A look at a few rows decides, once for all rows of a call: the
//! products that leave out zeros give the same sums.

use crate::backprop::dropout::Masks;
use crate::backprop::forward::forward;
use crate::backprop::workspace::Workspace;
use crate::data::{Input, Layout, Rows};
use crate::error::Error;
use crate::linalg::kernels::{Isa, Real};
use crate::linalg::memory::panels::Panels;
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
    masks: Masks,
) -> Result<Vec<Layout>, Error> {
    let mut layouts = vec![Layout::Panels; network.depth()];
    layouts[0] = x.layout(network, at_once, isa);
    let candidates = (1..network.depth()).filter(|&l| Layout::may_be_sparse(network, l, at_once));
    let candidates: Vec<_> = candidates.collect();
    // Products without zeros are of numbers as they are.
    if candidates.is_empty() || rows.len() < MIN_ROWS || isa.multiplies_bfloat16() {
        return Ok(layouts);
    }
    let rows = rows.slice(0, ROWS_LOOKED_AT);
    let mut workspace = Workspace::forward_only(network, x, rows.len(), &layouts)?;
    forward(network, parameters, isa, x, rows, masks, &mut workspace);
    for l in candidates {
        let density = density(&workspace.a[l]);
        if Layout::pays(network, l, density) {
            layouts[l] = Layout::masked(density);
        }
    }
    Ok(layouts)
}

/// The share of numbers that are not zero.
fn density<T: Real>(a: &Panels<T>) -> f64 {
    let numbers = (0..a.rows()).flat_map(|row| (0..a.cols()).map(move |col| a.get(row, col)));
    numbers.filter(|a| *a != T::ZERO).count() as f64 / (a.rows() * a.cols()) as f64
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, Array2};

    use super::*;
    use crate::backprop::backward;
    use crate::data::{Ahead, Data, Targets};
    use crate::linalg::kernels::dispatch;
    use crate::network::{Activation, Output};
    use crate::training::gradient_step::{GradientStep, Share, Step, Then};

    const SIZES: [usize; 5] = [20, 150, 101, 70, 3];

    /// Columns 3 and 7 are zero.
    fn x<T: Real>(rows: usize) -> Array2<T> {
        Array2::from_shape_fn((rows, SIZES[0]), |(i, j)| match j {
            3 | 7 => T::ZERO,
            _ => T::of(((i * 31 + j * 7) % 23) as f64 - 11.0),
        })
    }

    /// Weights of about the same size, and biases that keep most neurons at zero.
    fn network<T: Real>(hidden: &str, bias: f64) -> (Network, Vec<T>) {
        let hidden = Activation::hidden(hidden).unwrap();
        let network = Network::new(&SIZES, hidden, Output::Softmax).unwrap();
        let mut parameters = network.zeros().unwrap();
        for l in 1..=network.depth() {
            let (fan_in, fan_out) = (SIZES[l - 1], SIZES[l]);
            let scale = 0.01 / (fan_in as f64).sqrt();
            let coefs = Array2::from_shape_fn((fan_in, fan_out), |(i, j)| {
                T::of((((i * 7919 + j * 104_729) % 97) as f64 - 48.0) * scale)
            });
            let intercepts = Array1::from_elem(fan_out, T::of(bias));
            network.pack_layer(l, coefs.view(), intercepts.view(), parameters.as_mut_slice());
        }
        (network, parameters.as_slice().to_vec())
    }

    fn of<T: Real>(hidden: &str, bias: f64, rows: usize, at_once: usize, isa: Isa) -> Vec<Layout> {
        let (network, parameters) = network::<T>(hidden, bias);
        let x = x(rows);
        let all = Rows::Range { first: 0, len: rows };
        layouts(&network, &parameters, isa, &Input::Dense(x.view()), all, at_once, Masks::NONE)
            .unwrap()
    }

    #[test]
    fn zeros_of_rectified_layers_are_left_out_where_they_are_most() {
        use Layout::{Masked, Panels};
        let isa = Isa::best();
        let found = of::<f32>("relu", -1.0, 300, 32, isa);
        // The last product has but three neurons.
        assert!(matches!(found[..], [Panels, Masked { .. }, Masked { .. }, Panels]), "{found:?}");
        assert_eq!(found, of::<f64>("relu", -1.0, 300, 32, isa));
        // All neurons at work; no zeros; too few rows in a batch, or to look at.
        for dense in [
            of::<f32>("relu", 9.0, 300, 32, isa),
            of::<f32>("tanh", -1.0, 300, 32, isa),
            of::<f32>("relu", -1.0, 300, 15, isa),
            of::<f32>("relu", -1.0, 200, 32, isa),
        ] {
            assert_eq!(dense, [Panels; 4]);
        }
    }

    #[test]
    fn zeros_of_x_are_left_out_where_they_are_most() {
        let isa = Isa::best();
        let (network, _) = network::<f32>("relu", 0.0);
        let of = |rows: usize, at_once: usize, zeros: usize, columns: usize| {
            let x = Array2::from_shape_fn((rows, SIZES[0]), |(i, j)| {
                if (i * 7 + j * 3) % 10 < zeros || j < columns { 0.0f32 } else { 1.0 }
            });
            Input::Dense(x.view()).layout(&network, at_once, isa)
        };
        assert!(matches!(of(300, 100, 0, 0), Layout::Panels));
        assert!(matches!(of(300, 100, 5, 0), Layout::Masked { .. }));
        assert!(matches!(of(300, 100, 0, 19), Layout::Entries { .. }));
        // In a batch of ten each column has a number somewhere, if it is not zero in all rows.
        assert!(matches!(of(300, 10, 5, 0), Layout::Panels));
        assert!(matches!(of(300, 10, 5, 10), Layout::Columns { share: 0.5 }));
        assert!(matches!(of(300, 1, 5, 0), Layout::Columns { share: 0.5 }));
        // Too few rows to tell.
        assert!(matches!(of(60, 10, 5, 10), Layout::Panels));
    }

    /// All activations but a^0, errors and gradients of some rows.
    fn pass<T: Real>(isa: Isa, layouts: &[Layout]) -> Vec<T> {
        const ROWS: usize = 37;
        let (network, mut parameters) = network::<T>("relu", -0.2);
        let cost = network.cost("log_loss").unwrap();
        let (x, y) = (x(ROWS), Array1::from_shape_fn(ROWS, |i| (i % 3) as i64));
        let (x, y) = (Input::Dense(x.view()), Targets::Classes(y.view()));
        let data = Data { x, y, weights: None };
        let rows = Rows::Range { first: 0, len: ROWS };
        let mut workspace = Workspace::new(&network, &x, ROWS, layouts, isa).unwrap();
        forward(&network, &parameters, isa, &x, rows, Masks::NONE, &mut workspace);
        backward(&network, &parameters, isa, &cost, &data, rows, &mut workspace);
        let mut sums = network.zeros().unwrap();
        let gradient = sums.as_mut_slice();
        let mut share = Share { gradient, ..Share::of_all(&network, &mut parameters) };
        let step = Step { accumulate: false, then: Then::Keep };
        let workspaces = std::slice::from_ref(&workspace);
        let (network, share) = (&network, &mut share);
        let ahead = Ahead::nothing();
        dispatch(isa, GradientStep { network, workspaces, share, step, ahead });
        let panels = workspace.a[1..].iter().chain(&workspace.delta);
        let numbers = panels.flat_map(|p| (0..p.rows()).map(move |row| (p, row)));
        let mut all: Vec<T> =
            numbers.flat_map(|(p, row)| (0..p.cols()).map(move |col| p.get(row, col))).collect();
        all.extend(sums.as_slice());
        all
    }

    #[test]
    fn zeros_left_out_change_nothing() {
        fn check<T: Real>(isa: Isa) {
            let dense = pass::<T>(isa, &[Layout::Panels; 4]);
            assert!(dense.iter().filter(|x| **x != T::ZERO).count() > dense.len() / 8);
            let layouts = [
                Layout::Panels,
                Layout::Masked { density: 0.3 },
                Layout::Columns { share: 0.9 },
                Layout::Entries { density: 1.0 },
            ];
            for which in [[0, 1, 0, 0], [0, 0, 1, 0], [1, 1, 1, 1], [2, 0, 0, 0], [3, 0, 1, 0]] {
                let layouts = which.map(|l| layouts[l]);
                let found = pass::<T>(isa, &layouts);
                assert!(found == dense, "{isa:?} {} {layouts:?}", T::NAME);
            }
        }
        for isa in Isa::all_available().filter(|isa| !isa.multiplies_bfloat16()) {
            check::<f32>(isa);
            check::<f64>(isa);
        }
    }
}
