//! Every quantity of one backward pass, for people to look at: the same code as in training, over all rows as one batch.

use ndarray::{Array1, Array2};

use crate::backprop::{Masks, Workspace, layouts};
use crate::data::{Data, Rows};
use crate::error::Error;
use crate::linalg::kernels::{Isa, Real};
use crate::linalg::memory::panels::Panels;
use crate::network::{Cost, Network};
use crate::training::loss::Loss;
use crate::training::pass::Pass;
use crate::training::sharing::work::rows_at_once;

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

/// Forward, BP1 and BP2, BP3 and BP4 over all rows, without the neurons that `masks` drop. None when asked to stop.
pub fn inspect<T: Real>(
    network: &Network,
    parameters: &[T],
    cost: &Cost,
    alpha: f64,
    data: &Data<'_, T>,
    masks: Masks,
    mut stop: impl FnMut() -> bool,
) -> Result<Option<Inspection<T>>, Error> {
    if data.check(network, &mut stop)?.is_none() {
        return Ok(None);
    }
    let isa = Isa::best();

    let n = data.x.rows();
    let rows = Rows::Range { first: 0, len: n };
    if n == 0 {
        return Err(Error::value("number of rows", "at least 1", 0));
    }
    let weight = data.total_weight(rows)?;
    let at_once = rows_at_once(network, n);
    let layouts = layouts(network, parameters, isa, &data.x, rows, at_once, masks)?;
    let mut workspace = Workspace::new(network, &data.x, at_once, &layouts, isa)?;
    let mut z = Matrices::with_room(network, n)?;
    let mut a = Matrices::with_room(network, n)?;
    let mut delta = Matrices::with_room(network, n)?;
    let mut sums = network.zeros()?;
    let mut total_cost = 0.0;
    let mut done = 0;
    while done < n {
        if stop() {
            return Ok(None);
        }
        let part = rows.slice(done, at_once.min(n - done));
        let masks = masks.from_row(done);
        let pass = Pass { network, isa, cost, data, masks };
        let parts = [part, rows.slice(done + part.len(), 0)];
        let adds = done > 0;
        total_cost += pass.gradient(parameters, parts, &mut workspace, sums.as_mut_slice(), adds);
        for l in 1..=network.depth() {
            let memory = Error::Memory { what: "z" };
            z.push(l, &workspace.z(network, parameters, isa, l).ok_or(memory)?);
            a.push(l, &workspace.a[l]);
            delta.push(l, &workspace.delta[l - 1]);
        }
        done += part.len();
    }

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
    Ok(Some(Inspection {
        loss: Loss { cost: total_cost / weight, penalty: 0.5 * alpha * squares / weight },
        z: z.finish(network, n)?,
        a: a.finish(network, n)?,
        delta: delta.finish(network, n)?,
        gradient,
    }))
}

/// The rows of one matrix for each layer from 1 to L, as they come.
struct Matrices<T>(Vec<Vec<T>>);

const COPY: Error = Error::Memory { what: "a copy of a layer's numbers" };

impl<T: Real> Matrices<T> {
    /// Room for n rows each, which the system need not give before they come.
    fn with_room(network: &Network, n: usize) -> Result<Self, Error> {
        let room = |&neurons: &usize| {
            let mut numbers = Vec::new();
            numbers.try_reserve_exact(n.checked_mul(neurons)?).ok()?;
            Some(numbers)
        };
        Ok(Self(network.sizes()[1..].iter().map(room).collect::<Option<_>>().ok_or(COPY)?))
    }

    fn push(&mut self, l: usize, from: &Panels<T>) {
        let numbers = &mut self.0[l - 1];
        let start = numbers.len();
        numbers.resize(start + from.rows() * from.cols(), T::ZERO);
        for (i, row) in numbers[start..].chunks_mut(from.cols()).enumerate() {
            from.copy_row_to(i, row);
        }
    }

    fn finish(self, network: &Network, n: usize) -> Result<Vec<Array2<T>>, Error> {
        let matrix = |(numbers, &neurons)| Array2::from_shape_vec((n, neurons), numbers);
        let all = self.0.into_iter().zip(&network.sizes()[1..]).map(matrix);
        all.collect::<Result<_, _>>().map_err(|_| COPY)
    }
}
