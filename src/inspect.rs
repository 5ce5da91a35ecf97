//! Every quantity of one backward pass, for people to look at: the same code as in training, over all rows as one batch.

use ndarray::{Array1, Array2};

use crate::backprop::{Goal, Gradients, Share, Workspace, backward, forward};
use crate::batch::{Data, Input, Layout};
use crate::cost::Cost;
use crate::error::Error;
use crate::linalg::dispatch::{Isa, dispatch};
use crate::linalg::panels::Panels;
use crate::linalg::real::Real;
use crate::linalg::rows::Rows;
use crate::network::{Network, matrix_of};
use crate::rounds::Loss;

/// Matrices of layers 1 to L, (n, neurons) each, and the gradients of cost + penalty.
pub struct Inspection<T> {
    pub loss: Loss,
    pub z: Vec<Array2<T>>,
    pub a: Vec<Array2<T>>,
    /// With the weight of the row, not divided by the weight of the batch.
    pub delta: Vec<Array2<T>>,
    /// Shapes (fan_in, fan_out) and (fan_out,).
    pub gradient: Vec<(Array2<T>, Array1<T>)>,
}

/// Forward, BP1 and BP2, BP3 and BP4 over all rows.
pub fn inspect<T: Real>(
    network: &Network,
    parameters: &mut [T],
    cost: Cost,
    alpha: f64,
    data: &Data<'_, T>,
) -> Result<Inspection<T>, Error> {
    data.check(network)?;
    let isa = Isa::best();
    let n = data.x.rows();
    let rows = Rows::Range { first: 0, len: n };
    if n == 0 {
        return Err(Error::value("number of rows", "at least 1", 0));
    }
    let weight = data.total_weight(rows)?;
    // All rows are in it at once.
    let layout = match data.x {
        Input::Dense(_) => Layout::Panels,
        Input::Sparse(_) => data.x.layout(network, n),
    };
    let mut workspace = Workspace::new(network, &data.x, n, layout)?;
    forward(network, parameters, isa, &data.x, rows, &mut workspace);
    backward(network, parameters, isa, cost, data, rows, &mut workspace);

    let mut z = Vec::new();
    for l in 1..=network.depth() {
        let memory = Error::Memory { what: "z" };
        z.push(matrix(&workspace.z(network, parameters, isa, l).ok_or(memory)?)?);
    }

    let mut sums = network.zeros()?;
    let mut share = Share {
        blocks: 0..network.block_count(),
        parameters,
        state: [&mut [], &mut []],
        gradient: sums.as_mut_slice(),
        squares: &mut [],
    };
    let goal = Goal { resume: false, update: None };
    let workspaces = std::slice::from_ref(&workspace);
    dispatch(isa, Gradients { network, workspaces, share: &mut share, goal });

    let scale = T::of(1.0 / weight);
    let mut squares = 0.0;
    let gradient = (1..=network.depth())
        .map(|l| {
            let (w, _) = network.unpack_layer(l, parameters)?;
            squares += w.iter().map(|w| w.as_f64() * w.as_f64()).sum::<f64>();
            let (grad_w, grad_b) = network.unpack_layer(l, sums.as_slice())?;
            Ok(((grad_w + w * T::of(alpha)) * scale, grad_b * scale))
        })
        .collect::<Result<_, Error>>()?;
    Ok(Inspection {
        loss: Loss {
            cost: workspace.cost.iter().sum::<f64>() / weight,
            penalty: 0.5 * alpha * squares / weight,
        },
        z,
        a: workspace.a[1..].iter().map(matrix).collect::<Result<_, _>>()?,
        delta: workspace.delta.iter().map(matrix).collect::<Result<_, _>>()?,
        gradient,
    })
}

fn matrix<T: Real>(panels: &Panels<T>) -> Result<Array2<T>, Error> {
    let at = |row, col| panels.get(row, col);
    matrix_of(panels.rows(), panels.cols(), at, "a copy of a layer's numbers")
}
