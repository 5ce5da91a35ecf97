//! z = a w + b with w as it lies, an array in C order: for few rows, packing it would take longer than the products.
//!
//! Some rows of w at a time stay in registers, two registers wide, while all rows of a batch pass. The sums lie in memory, and a
//! block of them stays in the L1 cache while a part of the inputs passes, of which w stays in the L2 cache: w is read once from
//! memory, from front to back.

use std::ops::Range;

use ndarray::{ArrayView1, ArrayView2, s};

use crate::linalg::dense::blocks::{columns_of_few, inputs_of_few, parts};
use crate::linalg::dense::layer::Epilogue;
use crate::linalg::dense::tile::column;
use crate::linalg::kernels::{Isa, Kernel, Real, Vector, dispatch};
use crate::linalg::memory::panels::{Panels, PanelsMut, View, WIDTH, panel_cols};
use crate::linalg::memory::prefetch::prefetch_l2;

/// Registers that a block of w is wide.
const REGISTERS: usize = 2;

/// Rows of w that are in registers at once, beside the sums of a row and a number of a. They divide [`WIDTH`].
const fn steps<V: Vector>() -> usize {
    if V::MAX_ACCUMULATORS > 8 * REGISTERS { 8 } else { 4 }
}

/// Whether the rows of w are contiguous.
pub fn has_contiguous_rows<T>(w: ArrayView2<'_, T>) -> bool {
    w.strides()[1] == 1 || w.ncols() <= 1
}

/// z = a w + b for every row of `a` and the panels named, the epilogue on each of them.
pub fn affine_in_place<T: Real>(
    isa: Isa,
    a: &Panels<T>,
    w: ArrayView2<'_, T>,
    b: ArrayView1<'_, T>,
    panels: Range<usize>,
    out: PanelsMut<'_, T>,
    epilogue: impl Epilogue<T>,
) {
    assert!(a.cols() == w.nrows() && out.cols() == w.ncols() && out.rows() == a.rows());
    dispatch(isa, AffineInPlace { a, w, b, panels, out, epilogue });
}

struct AffineInPlace<'a, 'b, T, E> {
    a: &'a Panels<T>,
    w: ArrayView2<'b, T>,
    b: ArrayView1<'b, T>,
    panels: Range<usize>,
    out: PanelsMut<'a, T>,
    epilogue: E,
}

impl<T: Real, E: Epilogue<T>> Kernel<T> for AffineInPlace<'_, '_, T, E> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Scalar = T>>(self) {
        let AffineInPlace { a, w, b, panels, mut out, mut epilogue } = self;
        for panel in panels.clone() {
            let b = b.slice(s![panel * WIDTH..panel * WIDTH + panel_cols(b.len(), panel)]);
            for z in out.panel_mut(panel).chunks_exact_mut(WIDTH) {
                z.iter_mut().zip(b).for_each(|(z, &b)| *z = b);
            }
        }
        let cols = panels.start * WIDTH..b.len().min(panels.end * WIDTH);
        let stride = out.panel_stride();
        add_product_in_place::<V>(a.view(), a.rows(), w, cols, out.panels_from_mut(0), stride);
        for panel in panels {
            epilogue.apply::<V>(panel, out.panel_mut(panel));
        }
    }
}

/// `out += a w` for `rows` rows and the columns `cols`, which begin with a panel. `out` has all panels.
///
/// Each sum runs over the rows of w in order, as in [`affine`](super::affine::affine).
#[inline(always)]
pub fn add_product_in_place<V: Vector>(
    a: View<'_, V::Scalar>,
    rows: usize,
    w: ArrayView2<'_, V::Scalar>,
    cols: Range<usize>,
    out: &mut [V::Scalar],
    out_stride: usize,
) {
    let fan_in = w.nrows();
    assert!(has_contiguous_rows(w) && cols.start.is_multiple_of(WIDTH) && cols.end <= w.ncols());
    assert!(a.has(fan_in.div_ceil(WIDTH), rows));
    assert!(View { data: out, stride: out_stride }.has(cols.end.div_ceil(WIDTH), rows));
    let (w_stride, w) = (w.strides()[0], w.as_ptr());
    let job = Job::<V> { a, rows, w, w_stride, out: out.as_mut_ptr(), out_stride };
    for inputs in parts(0..fan_in, inputs_of_few::<V>(cols.len()), WIDTH) {
        for cols in parts(cols.clone(), columns_of_few::<V>(rows), WIDTH) {
            let mut k = inputs.start;
            while k < inputs.end {
                // SAFETY: rows k.. of w and columns k.. of a are there, a part of one panel; the columns were checked above.
                unsafe {
                    k += match (inputs.end - k, const { steps::<V>() }) {
                        (8.., 8) => job.add_steps::<8>(k, cols.clone()),
                        (4.., 4) => job.add_steps::<4>(k, cols.clone()),
                        _ => job.add_steps::<1>(k, cols.clone()),
                    };
                }
            }
        }
    }
}

struct Job<'a, V: Vector> {
    a: View<'a, V::Scalar>,
    rows: usize,
    w: *const V::Scalar,
    w_stride: isize,
    out: *mut V::Scalar,
    out_stride: usize,
}

impl<V: Vector> Job<'_, V> {
    /// Add the products with rows `k .. k + K` of w; K.
    ///
    /// # Safety
    /// w has these rows and columns, which are columns of one panel of a.
    #[inline(always)]
    unsafe fn add_steps<const K: usize>(&self, k: usize, cols: Range<usize>) -> usize {
        let mut col = cols.start;
        // SAFETY: the row is there.
        let w = unsafe { self.w.offset(k.cast_signed() * self.w_stride) };
        // SAFETY: as many columns as registers hold, of rows that are there; what is left over comes from a copy.
        unsafe {
            while col + REGISTERS * V::LANES <= cols.end {
                self.add_block::<K, REGISTERS>(k, col, w.add(col), self.w_stride);
                col += REGISTERS * V::LANES;
            }
            while col + V::LANES <= cols.end {
                self.add_block::<K, 1>(k, col, w.add(col), self.w_stride);
                col += V::LANES;
            }
            if col < cols.end {
                let mut last = [[V::zero(); 1]; K];
                let last: *mut V::Scalar = last.as_mut_ptr().cast();
                for p in 0..K {
                    let from = w.offset(p.cast_signed() * self.w_stride).add(col);
                    from.copy_to_nonoverlapping(last.add(p * V::LANES), cols.end - col);
                }
                self.add_block::<K, 1>(k, col, last, V::LANES.cast_signed());
            }
        }
        K
    }

    /// Add the products with the part of w at `w`, K rows of NV registers, to columns `col ..` of the result.
    ///
    /// # Safety
    /// As for [`add_steps`](Self::add_steps).
    #[inline(always)]
    unsafe fn add_block<const K: usize, const NV: usize>(
        &self,
        k: usize,
        col: usize,
        w: *const V::Scalar,
        w_stride: isize,
    ) {
        let mut block = [[V::zero(); NV]; K];
        for (p, row) in block.iter_mut().enumerate() {
            let w = w.wrapping_offset(p.cast_signed() * w_stride);
            for (j, register) in row.iter_mut().enumerate() {
                // SAFETY: the caller vouches for K rows of NV registers.
                *register = unsafe { V::load(w.add(j * V::LANES)) };
            }
            // The rows that come next.
            let next = w.wrapping_offset(K.cast_signed() * w_stride);
            prefetch_l2(next);
            prefetch_l2(next.wrapping_add(NV * V::LANES - 1));
        }
        // SAFETY: panels of a and of the result, which the caller vouches for.
        let (a, out) = unsafe {
            let at = col / WIDTH * self.out_stride + col % WIDTH;
            let a = k / WIDTH * self.a.stride + k % WIDTH;
            (self.a.data.as_ptr().add(a), self.out.add(at))
        };
        for row in 0..self.rows {
            let place = |j| row * WIDTH + column::<V>(j, self.out_stride);
            let mut sums = [V::zero(); NV];
            for (j, sum) in sums.iter_mut().enumerate() {
                // SAFETY: as above.
                *sum = unsafe { V::load(out.add(place(j))) };
            }
            for (p, w) in block.iter().enumerate() {
                // SAFETY: as above.
                let a = V::splat(unsafe { *a.add(row * WIDTH + p) });
                for (sum, &w) in sums.iter_mut().zip(w) {
                    *sum = a.mul_add(w, *sum);
                }
            }
            for (j, sum) in sums.iter().enumerate() {
                // SAFETY: as above.
                unsafe { sum.store(out.add(place(j))) };
            }
        }
    }
}
