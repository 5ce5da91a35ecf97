//! Products in tiles: 16 rows of 32 bfloat16 numbers and 32 rows of 16 columns in one instruction.
//!
//! A [tile](crate::linalg::kernels::tile_registers) is a register of 16 rows of 64 bytes. In the form that
//! `linalg::dense::bfloat16` gives to the matrices, 16 rows of a panel are such a register already, of each matrix: the left
//! one has 16 pairs of terms in a row, the right one in each row a pair of terms of 16 columns.
//!
//! ```text
//! even[i][j] = Σ a[i][p].0 b[p][j].0, p = 0 .. 15          odd[i][j] = Σ a[i][p].1 b[p][j].1
//! sum[i][j] <- sum[i][j] + (even[i][j] + odd[i][j])
//! ```
//!
//! A sum therefore takes 32 terms at a time, counted from the first one: threads share out rows 32 at a time
//! (`Isa::rows_together`), so that results are the same for any number.

use crate::linalg::kernels::operands::Pair;
use crate::linalg::kernels::tile_registers::{ROW, TileRegisters};
use crate::linalg::memory::panels::{BLOCK, WIDTH};

/// A tile put together where a matrix has less than a whole one.
#[repr(C, align(64))]
struct Tile<T>([T; BLOCK]);

/// Rows of a left matrix times one panel or two of a right one, for up to [`Product::ROWS`] rows.
#[derive(Clone, Copy)]
pub struct Product {
    /// The first row, of 16 pairs; the next row is behind it, and so many pairs further the row's next 16.
    pub left: (*const Pair, usize),
    /// The first row of the first panel; the next row is behind it, and the other panel so many pairs further.
    pub right: (*const Pair, usize),
    /// Pairs in a sum.
    pub steps: usize,
    pub rows: usize,
    pub panels: usize,
    /// What the sums begin from: numbers of the first row, to the next row, and to the other panel. None: 0.
    pub start: Option<(*const f32, usize, usize)>,
    /// The first row of the first panel, and how far the other panel is.
    pub out: (*mut f32, usize),
}

impl Product {
    pub const ROWS: usize = 2 * WIDTH;

    /// Compute it; `meanwhile` is called once for 16 steps.
    ///
    /// # Safety
    /// This thread has tiles; all of these rows are there, `steps` of the panels on the right, and rows of panels are
    /// whole.
    #[inline(always)]
    pub unsafe fn run<T: TileRegisters>(self, meanwhile: impl FnMut()) {
        // SAFETY: as the caller vouches.
        unsafe {
            match (self.rows > WIDTH, self.panels > 1) {
                (false, false) => self.with::<T, 1, 1>(meanwhile),
                (false, true) => self.with::<T, 1, 2>(meanwhile),
                (true, false) => self.with::<T, 2, 1>(meanwhile),
                (true, true) => self.with::<T, 2, 2>(meanwhile),
            }
        }
    }

    /// Tiles 0 to 3 are sums, 4 and 5 rows of the left matrix, 6 and 7 panels of the right one.
    ///
    /// # Safety
    /// As of [`Product::run`].
    #[inline(always)]
    unsafe fn with<T: TileRegisters, const ROWS: usize, const PANELS: usize>(
        self,
        mut meanwhile: impl FnMut(),
    ) {
        let mut tiles = T::new();
        let Self { left: (mut left, left_stride), right: (mut right, right_stride), .. } = self;
        // Rows of the last tile on the left.
        let last = self.rows - (ROWS - 1) * WIDTH;
        // SAFETY: whole tiles are read and written where all of their rows and pairs are there, as the caller vouches, and
        // else copied to and from one that is.
        unsafe {
            self.start::<T, 0, ROWS, PANELS>(&mut tiles, last);
            self.start::<T, 1, ROWS, PANELS>(&mut tiles, last);
            self.start::<T, 2, ROWS, PANELS>(&mut tiles, last);
            self.start::<T, 3, ROWS, PANELS>(&mut tiles, last);
            let mut done = 0;
            while done < self.steps {
                meanwhile();
                let steps = (self.steps - done).min(WIDTH);
                load_left::<T, 4>(&mut tiles, left, if ROWS > 1 { WIDTH } else { last }, steps);
                load_right::<T, 6>(&mut tiles, right, steps);
                tiles.multiply::<0, 4, 6>();
                if PANELS > 1 {
                    load_right::<T, 7>(&mut tiles, right.wrapping_add(right_stride), steps);
                    tiles.multiply::<1, 4, 7>();
                }
                if ROWS > 1 {
                    load_left::<T, 5>(&mut tiles, left.add(BLOCK), last, steps);
                    tiles.multiply::<2, 5, 6>();
                }
                if ROWS > 1 && PANELS > 1 {
                    tiles.multiply::<3, 5, 7>();
                }
                left = left.wrapping_add(left_stride);
                right = right.wrapping_add(BLOCK);
                done += steps;
            }
            self.finish::<T, 0, ROWS, PANELS>(&tiles, last);
            self.finish::<T, 1, ROWS, PANELS>(&tiles, last);
            self.finish::<T, 2, ROWS, PANELS>(&tiles, last);
            self.finish::<T, 3, ROWS, PANELS>(&tiles, last);
        }
    }

    /// What the sums of a tile begin from.
    ///
    /// # Safety
    /// As of [`Product::run`].
    #[inline(always)]
    unsafe fn start<T: TileRegisters, const TILE: usize, const ROWS: usize, const PANELS: usize>(
        &self,
        tiles: &mut T,
        last: usize,
    ) {
        let (i, j) = (TILE / 2, TILE % 2);
        if i >= ROWS || j >= PANELS {
            return;
        }
        let rows = if i + 1 < ROWS { WIDTH } else { last };
        // SAFETY: a row for all rows, or the rows of `out`, as the caller vouches; those of part of a tile are copied.
        unsafe {
            let Some((from, step, stride)) = self.start else {
                return tiles.zero::<TILE>();
            };
            let from = from.wrapping_add(i * WIDTH * step + j * stride);
            if step == 0 || rows == WIDTH {
                return tiles.load::<TILE>(from.cast(), step * size_of::<f32>());
            }
            let mut edge = Tile([0.0f32; BLOCK]);
            edge.0.as_mut_ptr().copy_from_nonoverlapping(from, rows * WIDTH);
            tiles.load::<TILE>(edge.0.as_ptr().cast(), ROW);
        }
    }

    /// Where the sums of a tile go.
    ///
    /// # Safety
    /// As of [`Product::run`].
    #[inline(always)]
    unsafe fn finish<
        T: TileRegisters,
        const TILE: usize,
        const ROWS: usize,
        const PANELS: usize,
    >(
        &self,
        tiles: &T,
        last: usize,
    ) {
        let (i, j) = (TILE / 2, TILE % 2);
        if i >= ROWS || j >= PANELS {
            return;
        }
        let rows = if i + 1 < ROWS { WIDTH } else { last };
        let (out, stride) = self.out;
        let to = out.wrapping_add(i * BLOCK + j * stride);
        // SAFETY: `out` has the rows, as the caller vouches; those of part of a tile are copied.
        unsafe {
            if rows == WIDTH {
                return tiles.store::<TILE>(to.cast());
            }
            let mut edge = Tile([0.0f32; BLOCK]);
            tiles.store::<TILE>(edge.0.as_mut_ptr().cast());
            to.copy_from_nonoverlapping(edge.0.as_ptr(), rows * WIDTH);
        }
    }
}

/// So many steps of so many rows of the left matrix; the rest is 0.
///
/// # Safety
/// As of [`TileRegisters::load`], for what is there.
#[inline(always)]
unsafe fn load_left<T: TileRegisters, const TILE: usize>(
    tiles: &mut T,
    from: *const Pair,
    rows: usize,
    steps: usize,
) {
    // SAFETY: as the caller vouches.
    unsafe {
        if steps == WIDTH && rows == WIDTH {
            return tiles.load::<TILE>(from.cast(), ROW);
        }
        let mut edge = Tile([Pair::ZERO; BLOCK]);
        for row in 0..rows {
            let to = edge.0.as_mut_ptr().add(row * WIDTH);
            to.copy_from_nonoverlapping(from.add(row * WIDTH), steps);
        }
        tiles.load::<TILE>(edge.0.as_ptr().cast(), ROW);
    }
}

/// So many steps of a panel of the right matrix; the rest is 0.
///
/// # Safety
/// As of [`TileRegisters::load`], for what is there.
#[inline(always)]
unsafe fn load_right<T: TileRegisters, const TILE: usize>(
    tiles: &mut T,
    from: *const Pair,
    steps: usize,
) {
    // SAFETY: as the caller vouches.
    unsafe {
        if steps == WIDTH {
            return tiles.load::<TILE>(from.cast(), ROW);
        }
        let mut edge = Tile([Pair::ZERO; BLOCK]);
        edge.0.as_mut_ptr().copy_from_nonoverlapping(from, steps * WIDTH);
        tiles.load::<TILE>(edge.0.as_ptr().cast(), ROW);
    }
}
