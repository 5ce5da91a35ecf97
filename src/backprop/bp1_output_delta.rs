//! BP1, the error of the output layer.

use crate::backprop::workspace::Workspace;
use crate::data::{Data, Rows};
use crate::linalg::kernels::{Isa, Kernel, Real, Vector, dispatch};
use crate::linalg::memory::panels::{Panels, WIDTH, panel_cols};
use crate::network::{Activation, Cost, Network, Output};

/// BP1: δ^L = ∇_a C ⊙ σ'(z^L), times the weight of the row; and the cost of each row.
pub fn output_delta<T: Real>(
    network: &Network,
    isa: Isa,
    cost: &Cost,
    data: &Data<'_, T>,
    rows: Rows<'_>,
    workspace: &mut Workspace<T>,
) {
    let (depth, outputs) = (network.depth(), network.outputs());
    let (a, delta) = (&workspace.a[depth], &mut workspace.delta[depth - 1]);
    data.touch_targets(rows);
    for i in 0..rows.len() {
        let row = rows.get(i);
        let weight = data.weight(row);
        // Without a branch on the class, which the processor could not foresee.
        let class = data.y.class(row, outputs).filter(|_| cost.is_of_class_alone());
        let mut row_cost = class
            .map_or(T::ZERO, |class| cost.add_to(T::ZERO, class, &[a.get(i, class)], &[T::ONE]));
        for panel in 0..a.panel_count() {
            let columns = i * WIDTH..i * WIDTH + panel_cols(outputs, panel);
            let (a, delta) =
                (&a.panel(panel)[columns.clone()], &mut delta.panel_mut(panel)[columns]);
            let y = &mut [T::ZERO; WIDTH][..a.len()];
            let first = panel * WIDTH;
            data.y.copy_to(row, outputs, first, y);
            cost.smooth(y);
            if class.is_none() {
                row_cost = cost.add_to(row_cost, first, a, y);
            }
            cost.output_delta(first, a, y, weight, delta);
        }
        // 0 times an infinite cost of a row that does not count is not a number.
        workspace.cost[i] =
            if weight == T::ZERO { 0.0 } else { weight.as_f64() * row_cost.as_f64() };
    }
    if let Output::Each(sigma) = network.output
        && cost.needs_derivative()
    {
        dispatch(isa, Derivative { sigma, a, delta });
    }
}

/// The error of the output layer where the cost is output k itself: ∂a^L_k / ∂z^L.
pub fn unit_delta<T: Real>(network: &Network, isa: Isa, k: usize, workspace: &mut Workspace<T>) {
    let depth = network.depth();
    let (a, delta) = (&workspace.a[depth], &mut workspace.delta[depth - 1]);
    for row in 0..a.rows() {
        for j in 0..network.outputs() {
            let unit = if j == k { T::ONE } else { T::ZERO };
            delta.set(
                row,
                j,
                match network.output {
                    Output::Each(_) => unit,
                    Output::Softmax => a.get(row, k) * (unit - a.get(row, j)),
                },
            );
        }
    }
    if let Output::Each(sigma) = network.output {
        dispatch(isa, Derivative { sigma, a, delta });
    }
}

struct Derivative<'a, T> {
    sigma: Activation,
    a: &'a Panels<T>,
    delta: &'a mut Panels<T>,
}

impl<T: Real> Kernel<T> for Derivative<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Scalar = T>>(self) {
        for panel in 0..self.a.panel_count() {
            self.sigma.times_derivative::<V>(self.a.panel(panel), self.delta.panel_mut(panel));
        }
    }
}
