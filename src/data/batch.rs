//! The data of a call: inputs, targets and weights of rows, checked against the network before any work.

use std::hint::black_box;

use ndarray::{ArrayView1, ArrayView2, Axis};

use crate::data::rows::Rows;
use crate::error::Error;
use crate::linalg::kernels::{Isa, Real};
use crate::linalg::memory::panels::{Panels, WIDTH, panel_count};
use crate::linalg::memory::prefetch::{LINE, prefetch, prefetch_slice};
use crate::linalg::zeros::csr::Csr;
use crate::linalg::zeros::entries::Entries;
use crate::network::Network;

/// X, shape (n, fan_in of the first layer).
#[derive(Clone, Copy)]
pub enum Input<'a, T> {
    Dense(ArrayView2<'a, T>),
    Sparse(Csr<'a, T>),
}

impl<T: Real> Input<'_, T> {
    pub fn rows(&self) -> usize {
        match self {
            Input::Dense(x) => x.nrows(),
            Input::Sparse(x) => x.rows(),
        }
    }

    pub fn cols(&self) -> usize {
        match self {
            Input::Dense(x) => x.ncols(),
            Input::Sparse(x) => x.cols(),
        }
    }

    pub fn is_finite(&self) -> bool {
        match self {
            // A sum is not finite if any number is not; if it only overflowed, each number has the last word.
            Input::Dense(x) => x.sum().is_finite() || x.iter().all(|v| v.is_finite()),
            Input::Sparse(x) => x.is_finite(),
        }
    }

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

    /// How many numbers `rows` rows have at most that are not zero.
    pub fn most_entries(&self, rows: usize) -> usize {
        match self {
            Input::Dense(x) => rows.saturating_mul(x.ncols()),
            Input::Sparse(x) => x.most_entries(rows),
        }
    }

    pub fn check(&self, network: &Network) -> Result<(), Error> {
        if self.cols() == network.sizes()[0] {
            return Ok(());
        }
        Err(Error::shape("X", &[self.rows(), network.sizes()[0]], &[self.rows(), self.cols()]))
    }
}

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

/// A row in random order is somewhere else in memory: so many rows before its turn it is asked for, line by line, while
/// the lines of another are taken.
const ROWS_AHEAD: usize = 2;

/// Call `f(i, row, ahead)` for the rows of a dense X; `ahead` is where the numbers of a later row begin.
fn each_row<'a, T: Real>(
    x: ArrayView2<'a, T>,
    rows: Rows<'_>,
    mut f: impl FnMut(usize, ArrayView1<'a, T>, *const T),
) {
    let row = |i: usize| x.index_axis_move(Axis(0), rows.get(i.min(rows.len() - 1)));
    for i in 0..rows.len().min(ROWS_AHEAD) {
        prefetch_slice(row(i).to_slice().unwrap_or_default());
    }
    for i in 0..rows.len() {
        f(i, row(i), row(i + ROWS_AHEAD).as_ptr());
    }
}

/// Rows of a dense X that will be gathered soon: their cache lines are asked for a few at a time, while arithmetic has the
/// processor busy and memory has not.
pub struct Ahead<'a, T> {
    x: Option<ArrayView2<'a, T>>,
    rows: Rows<'a>,
    row: usize,
    column: usize,
}

/// What may be asked for ahead: more would drive out of the L2 cache what the arithmetic works on.
const BYTES_AHEAD: usize = 128 << 10;

/// An X of up to so many bytes is in some cache all the time.
const CACHE: usize = 4 << 20;

impl<'a, T: Real> Ahead<'a, T> {
    /// Numbers of a cache line.
    const LINE: usize = LINE / size_of::<T>();

    pub fn new<'d: 'a>(x: &Input<'d, T>, rows: Rows<'a>) -> Self {
        let x = match x {
            Input::Dense(x) if x.stride_of(Axis(1)) == 1 && x.len() * size_of::<T>() > CACHE => {
                Some(x.reborrow())
            }
            _ => None,
        };
        let most = BYTES_AHEAD / (x.map_or(1, |x| x.ncols()) * size_of::<T>()).max(1);
        Self { x, rows: rows.slice(0, rows.len().min(most)), row: 0, column: 0 }
    }

    /// Nothing.
    pub fn nothing() -> Self {
        Self { x: None, rows: Rows::Range { first: 0, len: 0 }, row: 0, column: 0 }
    }

    /// How many lines to ask for each time in order to be done after `times`.
    pub fn share(&self, times: usize) -> usize {
        let lines = self.x.map_or(0, |x| x.ncols().div_ceil(Self::LINE) * self.rows.len());
        lines.div_ceil(times.max(1))
    }

    #[inline(always)]
    pub fn ask_for(&mut self, lines: usize) {
        let Some(x) = &self.x else { return };
        for _ in 0..lines {
            if self.row == self.rows.len() {
                return;
            }
            let row = x.index_axis(Axis(0), self.rows.get(self.row)).as_ptr();
            prefetch(row.wrapping_add(self.column));
            self.column += Self::LINE;
            if self.column >= x.ncols() {
                (self.row, self.column) = (self.row + 1, 0);
            }
        }
    }
}

/// Copy rows of a dense X into panels.
pub fn gather<T: Real>(x: ArrayView2<'_, T>, rows: Rows<'_>, out: &mut Panels<T>) {
    each_row(x, rows, |i, row, ahead| match row.as_slice() {
        Some(row) => out.set_row_ahead_of(i, row, ahead),
        None => {
            for (c, &value) in row.iter().enumerate() {
                out.set(i, c, value);
            }
        }
    });
}

/// Collect what is not zero in rows of X.
pub fn gather_entries<T: Real>(isa: Isa, x: &Input<'_, T>, rows: Rows<'_>, out: &mut Entries<T>) {
    out.clear();
    match x {
        Input::Dense(x) => each_row(*x, rows, |_, row, ahead| match row.as_slice() {
            Some(row) => out.push_dense(isa, row, ahead),
            None => out.push_strided(row.iter().copied()),
        }),
        Input::Sparse(x) => (0..rows.len()).for_each(|i| out.push_sparse(x, rows.get(i))),
    }
}

/// y: what the output layer should say.
#[derive(Clone, Copy)]
pub enum Targets<'a, T> {
    /// Shape (n, outputs).
    Dense(ArrayView2<'a, T>),
    /// Shape (n,): the index of the class, a one-hot row; with a single output, that output's 0 or 1.
    Classes(ArrayView1<'a, i64>),
}

impl<T: Real> Targets<'_, T> {
    pub fn check(&self, network: &Network, rows: usize) -> Result<(), Error> {
        let outputs = network.outputs();
        match self {
            Targets::Dense(y) if y.dim() == (rows, outputs) => Ok(()),
            Targets::Dense(y) => Err(Error::shape("y", &[rows, outputs], y.shape())),
            Targets::Classes(y) if y.len() != rows => Err(Error::shape("y", &[rows], &[y.len()])),
            Targets::Classes(y) => {
                let classes = i64::try_from(outputs.max(2)).unwrap_or(i64::MAX);
                match y.iter().find(|&&c| !(0..classes).contains(&c)) {
                    None => Ok(()),
                    Some(c) => {
                        Err(Error::value("y", format!("class indices in [0, {classes})"), c))
                    }
                }
            }
        }
    }

    /// The only output of row `row`, out of more than one, whose target is 1 where all others are 0.
    #[inline]
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "class indices are within [0, outputs), see `check`"
    )]
    pub fn class(&self, row: usize, outputs: usize) -> Option<usize> {
        match self {
            Targets::Classes(y) if outputs > 1 => Some(y[row] as usize),
            _ => None,
        }
    }

    /// Targets of row `row` out of `outputs`: as many as `out` takes, from output `first`.
    #[inline]
    pub fn copy_to(&self, row: usize, outputs: usize, first: usize, out: &mut [T]) {
        match self {
            Targets::Dense(y) => {
                for (out, &y) in out.iter_mut().zip(y.row(row).iter().skip(first)) {
                    *out = y;
                }
            }
            Targets::Classes(y) if outputs == 1 => {
                out[0] = [T::ZERO, T::ONE][usize::from(y[row] != 0)]
            }
            Targets::Classes(_) => {
                out.fill(T::ZERO);
                let class = self.class(row, outputs).and_then(|class| class.checked_sub(first));
                if let Some(out) = class.and_then(|class| out.get_mut(class)) {
                    *out = T::ONE;
                }
            }
        }
    }
}

/// Everything a pass over the data reads.
#[derive(Clone, Copy)]
pub struct Data<'a, T> {
    pub x: Input<'a, T>,
    pub y: Targets<'a, T>,
    /// Weight of each row, shape (n,); None is 1.
    pub weights: Option<ArrayView1<'a, T>>,
}

impl<T: Real> Data<'_, T> {
    pub fn check(&self, network: &Network) -> Result<(), Error> {
        self.x.check(network)?;
        self.y.check(network, self.x.rows())?;
        match self.weights {
            Some(w) if w.len() != self.x.rows() => {
                Err(Error::shape("sample_weight", &[self.x.rows()], &[w.len()]))
            }
            _ => Ok(()),
        }
    }

    /// Have the targets of rows in random order in the cache. They are read, many at a time: a processor that has enough
    /// lines on their way leaves out what it is only asked for.
    pub fn touch_targets(&self, rows: Rows<'_>) {
        for i in 0..rows.len() {
            let row = rows.get(i);
            match &self.y {
                Targets::Dense(y) => drop(black_box(y.row(row).first().copied())),
                Targets::Classes(y) => drop(black_box(y[row])),
            }
        }
    }

    #[inline]
    pub fn weight(&self, row: usize) -> T {
        self.weights.map_or(T::ONE, |w| w[row])
    }

    /// The sum of the weights of some rows, by which a batch's sums are divided.
    pub fn total_weight(&self, rows: Rows<'_>) -> Result<f64, Error> {
        let Some(weights) = self.weights else {
            return Ok(rows.len() as f64);
        };
        let total: f64 = (0..rows.len()).map(|i| weights[rows.get(i)].as_f64()).sum();
        if total == 0.0 { Err(Error::ZeroWeight) } else { Ok(total) }
    }
}

/// The order of an epoch, every row number checked.
pub fn check_order(order: &[i64], rows: usize) -> Result<(), Error> {
    match order.iter().find(|&&r| usize::try_from(r).map_or(true, |r| r >= rows)) {
        None => Ok(()),
        Some(r) => Err(Error::value("order", format!("row numbers in [0, {rows})"), r)),
    }
}
