//! How each output changes with each input: the error of layer 0, which training has no use for.

use crate::backprop::{Masks, Workspace, forward, hidden_deltas, input_delta, layouts, unit_delta};
use crate::data::{Input, Rows};
use crate::error::Error;
use crate::linalg::kernels::{Isa, Real};
use crate::linalg::memory::panels::Panels;
use crate::network::Network;
use crate::training::sharing::work::rows_at_once;

/// ∂a^L_k / ∂a^0_i of every row, written to `out`, which has n x outputs x inputs numbers in C order. None when asked to stop.
///
/// One backward pass for each output k, from the error that it has where the cost is a^L_k itself.
pub fn input_gradients<T: Real>(
    network: &Network,
    parameters: &[T],
    x: &Input<'_, T>,
    out: &mut [T],
    mut stop: impl FnMut() -> bool,
) -> Result<Option<()>, Error> {
    x.check(network)?;
    let (n, outputs, inputs) = (x.rows(), network.outputs(), network.inputs());
    if out.len() / inputs != n * outputs {
        return Err(Error::shape("out", &[n, outputs, inputs], &[out.len()]));
    }
    if network.sigma(network.depth()).is_some_and(|sigma| sigma.takes_z()) {
        let expected = "one whose derivative follows from the output";
        return Err(Error::value("output_activation", expected, network.output.name()));
    }
    if n == 0 {
        return Ok(Some(()));
    }
    let isa = Isa::best();
    let all = Rows::Range { first: 0, len: n };
    let at_once = rows_at_once(network, n);
    let layouts = layouts(network, parameters, isa, x, all, at_once, Masks::NONE)?;
    let mut workspace = Workspace::new(network, x, at_once, &layouts, isa)?;
    let memory = Error::Memory { what: "the errors of the inputs" };
    let mut delta = Panels::zeros(at_once, inputs).ok_or(memory)?;
    let mut done = 0;
    while done < n {
        let rows = all.slice(done, at_once.min(n - done));
        forward(network, parameters, isa, x, rows, Masks::NONE, &mut workspace);
        delta.set_rows(rows.len());
        for k in 0..outputs {
            if stop() {
                return Ok(None);
            }
            unit_delta(network, isa, k, &mut workspace);
            hidden_deltas(network, parameters, isa, &mut workspace);
            input_delta(network, parameters, isa, &mut workspace, &mut delta);
            for i in 0..rows.len() {
                let start = ((done + i) * outputs + k) * inputs;
                delta.copy_row_to(i, &mut out[start..start + inputs]);
            }
        }
        done += rows.len();
    }
    Ok(Some(()))
}
