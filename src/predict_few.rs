//! The forward pass over few rows, from weights where they lie: the cost of a call follows its work, not the weights.

use ndarray::ArrayViewMut2;

use crate::backprop::{
    Masks, Weights, Workspace, activations_in_place, forward_from, rows_packed_at_once, take_in,
};
use crate::data::{Input, Layout, Rows, forward_work};
use crate::error::Error;
use crate::linalg::kernels::{Isa, Real, denormals};
use crate::linalg::memory::panels::{Aligned, panel_count};
use crate::linalg::team::{self, Team};

use crate::network::Network;
use crate::predict::each_its_rows;
use crate::training::sharing::work::{WEIGHTS_IN_CACHE, threads_to_start};

/// Rows that are taken at once. Of more than these all weights are better packed first ...
const ROWS_AT_ONCE: usize = 96;
/// ... but for weights that no cache of a core holds: packed ones take as much memory again, which the system clears.
const ROWS_OF_MANY_WEIGHTS: usize = 512;
/// Entries of a sparse X for each of its columns, below which packing the weights of all columns takes longer than reading
/// those that the entries name.
const ENTRIES_PER_COLUMN: usize = 16;
/// From so many rows for each thread on, all of them multiply for longer than they read weights, and each takes rows of its own.
const ROWS_PER_THREAD: usize = 8;
/// Multiplications that are worth a second thread: starting it takes thirty microseconds, or a hundred on some machines.
const WORK_PER_THREAD: usize = 1 << 22;
/// What reading and packing a weight takes, in multiplications.
const WORK_OF_PACKING: usize = 4;

/// Whether these rows are few for packed weights that are many: each thread then takes some of the weights, as reading them
/// takes longer than multiplying.
pub fn is_few_for_packed<T: Real>(network: &Network, x: &Input<'_, T>) -> bool {
    let many = network.packed_len() > WEIGHTS_IN_CACHE;
    matches!(x, Input::Dense(x) if x.nrows() <= ROWS_AT_ONCE && many)
}

/// Whether these rows are few for the network.
pub fn is_few<T: Real>(network: &Network, x: &Input<'_, T>) -> bool {
    match x {
        Input::Dense(x) if network.packed_len() <= WEIGHTS_IN_CACHE => x.nrows() <= ROWS_AT_ONCE,
        Input::Dense(x) => x.nrows() <= ROWS_OF_MANY_WEIGHTS,
        Input::Sparse(x) => x.len() / ENTRIES_PER_COLUMN <= network.sizes()[0],
    }
}

/// Whether even a single row is worth a second thread.
pub fn is_for_threads<T: Real>(network: &Network, x: &Input<'_, T>) -> bool {
    work(network, x) >= 2 * WORK_PER_THREAD
}

/// What a thread that computes neurons of its own has.
struct Part<T> {
    workspace: Workspace<T>,
    room: Aligned<T>,
}

/// a^L of every row, written to `out`, shape (n, outputs), C-contiguous. None when asked to stop.
///
/// The results are those of [`predict`](crate::predict::predict).
pub fn predict_few<T: Real>(
    network: &Network,
    weights: Weights<'_, '_, T>,
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
    let isa = Isa::best();
    let mut layouts = vec![Layout::Panels; network.depth()];
    if let Input::Sparse(_) = x {
        layouts[0] = x.layout(network, rows, isa);
    }
    // The first layer of a sparse X is not packed.
    let first_packed = usize::from(matches!(x, Input::Sparse(_)));
    let room = || {
        let room = match weights {
            Weights::Packed(_) => Aligned::zeros(0),
            Weights::Unpacked { .. } => {
                Aligned::zeros(rows_packed_at_once::<T>(network, first_packed))
            }
        };
        room.ok_or(Error::Memory { what: "a part of the weights" })
    };
    let (depth, at_once) = (network.depth(), rows.min(ROWS_AT_ONCE));
    let threads = threads_to_start(work(network, x) / WORK_PER_THREAD, allowed);
    team::with(threads, |team| {
        if team.threads() == 1 || rows >= team.threads() * ROWS_PER_THREAD {
            let pass = |rows: Rows<'_>, workspace: &mut Workspace<T>, room: &mut Aligned<T>| {
                take_in(isa, x, rows, workspace);
                for l in 1..=depth {
                    let all = 0..panel_count(network.sizes()[l]);
                    activations_in_place(l, network, weights, all, isa, room, workspace);
                }
                // Nothing is left but what looks at whole rows.
                forward_from(depth + 1, network, &[], isa, Masks::NONE, workspace);
            };
            return each_its_rows(team, network, x, (at_once, &layouts), out, room, pass, stop);
        }
        let part = |_| {
            let workspace = Workspace::forward_only(network, x, at_once, &layouts)?;
            Ok(Part { workspace, room: room()? })
        };
        let parts = (0..team.threads()).map(part).collect::<Result<Vec<_>, Error>>()?;
        Ok(each_its_neurons(team, network, weights, x, parts, out, stop))
    })
}

/// Each thread computes its own neurons of each layer, for all rows: reading the weights takes longer than multiplying.
fn each_its_neurons<T: Real>(
    team: &Team<'_>,
    network: &Network,
    weights: Weights<'_, '_, T>,
    x: &Input<'_, T>,
    mut parts: Vec<Part<T>>,
    out: &mut [T],
    mut stop: impl FnMut() -> bool,
) -> Option<()> {
    let (isa, depth, outputs) = (Isa::best(), network.depth(), network.outputs());
    for (i, out) in out.chunks_mut(ROWS_AT_ONCE * outputs).enumerate() {
        let rows = Rows::Range { first: i * ROWS_AT_ONCE, len: out.len() / outputs };
        for l in 1..=depth {
            if stop() {
                return None;
            }
            team.each(&mut parts, |thread, Part { workspace, room }| {
                let _mode = denormals::ignore();
                if l == 1 {
                    take_in(isa, x, rows, workspace);
                }
                let own = share(network, l, thread, team.threads());
                activations_in_place(l, network, weights, own, isa, room, workspace);
            });
            exchange(network, l, &mut parts);
        }
        let workspace = &mut parts[0].workspace;
        forward_from(depth + 1, network, &[], isa, Masks::NONE, workspace);
        for (row, out) in out.chunks_mut(outputs).enumerate() {
            workspace.a[depth].copy_row_to(row, out);
        }
    }
    Some(())
}

/// Multiplications, and what packing takes of as much.
fn work<T: Real>(network: &Network, x: &Input<'_, T>) -> usize {
    let packed = match x {
        Input::Dense(_) => network.parameter_count(),
        Input::Sparse(_) => network.parameter_count() - network.sizes()[0] * network.sizes()[1],
    };
    forward_work(network, x).saturating_add(WORK_OF_PACKING * packed)
}

/// The panels of layer `l` that a thread computes.
fn share(network: &Network, l: usize, thread: usize, threads: usize) -> std::ops::Range<usize> {
    let panels = panel_count(network.sizes()[l]);
    thread * panels / threads..(thread + 1) * panels / threads
}

/// Give every thread what the others have computed of a^l.
fn exchange<T: Real>(network: &Network, l: usize, parts: &mut [Part<T>]) {
    for from in 0..parts.len() {
        for to in (0..parts.len()).filter(|to| *to != from) {
            let own = share(network, l, from, parts.len());
            if let Ok([from, to]) = parts.get_disjoint_mut([from, to]) {
                for panel in own {
                    let values = from.workspace.a[l].panel(panel);
                    to.workspace.a[l].panel_mut(panel).copy_from_slice(values);
                }
            }
        }
    }
}
