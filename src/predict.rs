//! The forward pass over many rows: a^L, and what it costs.

use std::sync::atomic::{AtomicBool, Ordering};

use ndarray::{ArrayView1, ArrayView2, ArrayViewMut2};

use crate::allocate::vector_of;
use crate::backprop::{Masks, Workspace, add_multiple, forward, layouts};
use crate::data::{Data, Input, Layout, Rows, forward_work, work_per_row};
use crate::error::Error;
use crate::linalg::dense::in_place::{add_product_in_place, has_contiguous_rows};
use crate::linalg::kernels::{Isa, Kernel, Real, Vector, denormals, dispatch};
use crate::linalg::memory::panels::{View, WIDTH};
use crate::linalg::team::{self, Team};
use crate::network::activation::softmax;
use crate::network::{Cost, Network};
use crate::training::sharing::work::{WEIGHTS_IN_CACHE, threads_to_start, worth_starting};

/// Rows that a thread takes at once: enough to make use of the weights it has loaded, few enough for its cache ...
const ROWS_AT_ONCE: usize = 96;
/// ... and where no cache of a core holds the weights, enough that reading them takes less than the products.
const ROWS_OF_MANY_WEIGHTS: usize = 256;
/// Fewer, down to this, where they take more than some tenth of a second: nobody is asked in between whether to stop.
const FEWEST_ROWS_AT_ONCE: usize = 16;
const MAX_WORK_AT_ONCE: usize = 1 << 33;

/// What one thread does.
struct Part<'a, T, R, S> {
    first: usize,
    out: &'a mut [T],
    workspace: Workspace<T>,
    room: R,
    /// The leader's alone: only the thread that called may ask.
    stop: Option<&'a mut S>,
}

/// a^L of every row, written to `out`, shape (n, outputs), C-contiguous. None when asked to stop.
pub fn predict<T: Real>(
    network: &Network,
    parameters: &[T],
    x: &Input<'_, T>,
    allowed: impl FnOnce() -> usize,
    mut out: ArrayViewMut2<'_, T>,
    stop: impl FnMut() -> bool + Send,
) -> Result<Option<()>, Error> {
    x.check(network)?;
    let (rows, outputs) = (x.rows(), network.outputs());
    let Some(out) = out.as_slice_mut().filter(|out| out.len() == rows * outputs) else {
        return Err(Error::shape("out", &[rows, outputs], &[]));
    };
    if rows == 0 {
        return Ok(Some(()));
    }
    let isa = Isa::best();
    let threads = threads_to_start(worth_starting::<T>(3 * forward_work(network, x)), allowed);
    let most =
        if network.packed_len() <= WEIGHTS_IN_CACHE { ROWS_AT_ONCE } else { ROWS_OF_MANY_WEIGHTS };
    let at_once = most.min(rows.div_ceil(threads));
    let all = Rows::Range { first: 0, len: rows };
    let layouts = layouts(network, parameters, isa, x, all, at_once, Masks::NONE)?;
    let at_once = MAX_WORK_AT_ONCE / work_per_row(network, &layouts).max(1);
    let at_once = at_once.clamp(FEWEST_ROWS_AT_ONCE, most);
    team::with(threads, |team| {
        let pass = |rows: Rows<'_>, workspace: &mut Workspace<T>, (): &mut ()| {
            forward(network, parameters, isa, x, rows, Masks::NONE, workspace);
        };
        each_its_rows(team, network, x, (at_once, &layouts), out, || Ok(()), pass, stop)
    })
}

/// Each thread takes rows of its own through the network, up to `at_once` at a time, with room that `pass` needs: a^L of every
/// row, written to `out`. None when asked to stop.
#[allow(clippy::too_many_arguments, reason = "what the two ways to predict have in common")]
pub fn each_its_rows<T: Real, R: Send>(
    team: &Team<'_>,
    network: &Network,
    x: &Input<'_, T>,
    (at_once, layouts): (usize, &[Layout]),
    out: &mut [T],
    room: impl Fn() -> Result<R, Error>,
    pass: impl Fn(Rows<'_>, &mut Workspace<T>, &mut R) + Sync,
    mut stop: impl FnMut() -> bool + Send,
) -> Result<Option<()>, Error> {
    let stopped = AtomicBool::new(false);
    let outputs = network.outputs();
    // As many threads as there are, which is fewer where the system refused some.
    let own_rows = x.rows().div_ceil(team.threads());
    let at_once = at_once.min(own_rows);
    let mut stop = Some(&mut stop);
    let mut parts = Vec::new();
    for (i, out) in out.chunks_mut((own_rows * outputs).max(1)).enumerate() {
        let workspace = Workspace::forward_only(network, x, at_once, layouts)?;
        let (first, stop) = (i * own_rows, stop.take());
        parts.push(Part { first, out, workspace, room: room()?, stop });
    }
    team.each(&mut parts, |_, Part { first, out, workspace, room, stop }| {
        let _mode = denormals::ignore();
        for (i, out) in out.chunks_mut(at_once * outputs).enumerate() {
            if stop.as_mut().is_some_and(|stop| stop()) {
                stopped.store(true, Ordering::Relaxed);
            }
            if stopped.load(Ordering::Relaxed) {
                return;
            }
            let own = Rows::Range { first: *first + i * at_once, len: out.len() / outputs };
            pass(own, workspace, room);
            for (row, out) in out.chunks_mut(outputs).enumerate() {
                workspace.a[network.depth()].copy_row_to(row, out);
            }
        }
    });
    Ok((!stopped.into_inner()).then_some(()))
}

/// The mean cost of rows whose a^L is known, shape (n, outputs): what BP1 adds up in training.
pub fn mean_cost<T: Real>(
    network: &Network,
    cost: &Cost,
    data: &Data<'_, T>,
    a: ArrayView2<'_, T>,
) -> Result<f64, Error> {
    // There are as many rows as have been predicted.
    data.check(network, || false)?;
    let (rows, outputs) = (data.x.rows(), network.outputs());
    let Some(a) = a.to_slice().filter(|a| a.len() == rows * outputs) else {
        return Err(Error::shape("a", &[rows, outputs], a.shape()));
    };
    if rows == 0 {
        return Err(Error::value("number of rows", "at least 1", 0));
    }
    let total = data.total_weight(Rows::Range { first: 0, len: rows })?;
    let mut y = vector_of(T::ZERO, outputs, "the targets of a row")?;
    let mut sum = 0.0;
    for (row, a) in a.chunks_exact(outputs).enumerate() {
        let weight = data.weight(row);
        // 0 times an infinite cost of a row that does not count is not a number.
        if weight == T::ZERO {
            continue;
        }
        let class = data.y.class(row, outputs).filter(|_| cost.is_of_class_alone());
        let of_row = if let Some(class) = class {
            cost.add_to(T::ZERO, class, &[a[class]], &[T::ONE])
        } else {
            data.y.copy_to(row, outputs, 0, &mut y);
            cost.add_to(T::ZERO, 0, a, &y)
        };
        sum += weight.as_f64() * of_row.as_f64();
    }
    Ok(sum / total)
}

/// a^L of one row, straight from weights in C order: for a single row, packing them would take longer than the products.
///
/// Sums run in the order of [`predict`]'s, so that the results are the same to the last bit.
pub fn predict_row<T: Real>(
    network: &Network,
    coefs: &[ArrayView2<'_, T>],
    intercepts: &[ArrayView1<'_, T>],
    x: &[T],
    out: &mut [T],
) -> Result<(), Error> {
    let widest = network.sizes().iter().copied().max().unwrap_or(0);
    // Arrays with strides of zero can be wider than any memory.
    let len = widest.checked_next_multiple_of(WIDTH).and_then(|n| n.checked_mul(2));
    let what = "one row of the widest layer";
    let mut buffers = vector_of(T::ZERO, len.ok_or(Error::Memory { what })?, what)?;
    let lanes = network.outputs().checked_mul(WIDTH);
    let mut lanes = vector_of(T::ZERO, lanes.ok_or(Error::Memory { what })?, what)?;
    let (buffers, lanes) = (&mut buffers[..], &mut lanes[..]);
    let _mode = denormals::ignore();
    dispatch(Isa::best(), PredictRow { network, coefs, intercepts, x, out, buffers, lanes });
    Ok(())
}

struct PredictRow<'a, 'b, T> {
    network: &'a Network,
    coefs: &'a [ArrayView2<'b, T>],
    intercepts: &'a [ArrayView1<'b, T>],
    x: &'a [T],
    out: &'a mut [T],
    /// Two rows of the widest layer, in whole panels.
    buffers: &'a mut [T],
    /// The outputs as [`softmax`] takes them: those of the row are the first of [`WIDTH`].
    lanes: &'a mut [T],
}

impl<T: Real> Kernel<T> for PredictRow<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Scalar = T>>(self) {
        let PredictRow { network, coefs, intercepts, x, out, buffers, lanes } = self;
        let (mut a, mut z) = buffers.split_at_mut(buffers.len() / 2);
        a[..x.len()].copy_from_slice(x);
        for l in 1..=network.depth() {
            let (fan_in, fan_out) = (network.sizes()[l - 1], network.sizes()[l]);
            for (z, &b) in z.iter_mut().zip(intercepts[l - 1]) {
                *z = b;
            }
            let w = coefs[l - 1];
            if has_contiguous_rows(w) {
                let a = View { data: a, stride: WIDTH };
                add_product_in_place::<V>(a, 1, w, 0..fan_out, z, WIDTH);
            } else {
                for (&a, w) in a[..fan_in].iter().zip(w.rows()) {
                    let z = &mut z[..fan_out.next_multiple_of(WIDTH)];
                    for (panel, z) in z.chunks_exact_mut(WIDTH).enumerate() {
                        add_multiple::<V>(a, w, panel, z);
                    }
                }
            }
            let padded = &mut z[..fan_out.next_multiple_of(WIDTH)];
            match network.sigma(l) {
                Some(activation) => activation.apply::<V>(padded),
                None => {
                    for (z, lanes) in padded.iter().zip(lanes.chunks_exact_mut(WIDTH)) {
                        lanes[0] = *z;
                    }
                    let _mode = denormals::keep();
                    softmax::<V>(lanes, 0);
                    for (a, lanes) in padded.iter_mut().zip(lanes.chunks_exact(WIDTH)) {
                        *a = lanes[0];
                    }
                }
            }
            std::mem::swap(&mut a, &mut z);
        }
        out.copy_from_slice(&a[..out.len()]);
    }
}
