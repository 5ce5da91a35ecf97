use ndarray::{Array1, Array2};

use super::{Layer, Scratch, affine, column_sums, outer, transposed};
use crate::backprop::nothing;
use crate::linalg::dense::bfloat16::{Keep, room_for};
use crate::linalg::dense::in_place::affine_in_place;
use crate::linalg::dense::tile::{Size, panels_of_tile};
use crate::linalg::kernels::{Isa, Kernel, Operands, Real, Vector, dispatch};
use crate::linalg::memory::panels::{Panels, View, WIDTH, panel_cols, panel_count};

/// Sizes at and around the edges of tiles, registers and panels, and primes.
const SIZES: [usize; 13] = [1, 2, 3, 5, 6, 7, 13, 15, 16, 17, 31, 33, 97];

/// Some rows of a panel of a, and of one panel or more of delta.
type Part<'a, T> = (View<'a, T>, View<'a, T>, usize);

/// BP3 and BP4 for a block of each of so many panels, with instruction sets that take as many at once.
struct OuterBlock<'a, T> {
    parts: &'a [Part<'a, T>],
    panels: usize,
    inputs: usize,
    cols: usize,
    gradient: &'a mut [T],
    sums: &'a mut [T],
}
impl<T: Real> Kernel<T> for OuterBlock<'_, T> {
    type Output = bool;
    #[inline(always)]
    fn run<V: Vector<Scalar = T>>(self) -> bool {
        if self.panels > panels_of_tile::<V>() {
            return false;
        }
        for (i, &(a, delta, rows)) in self.parts.iter().enumerate() {
            let (of_a, of_delta) = (copy(a, 1, rows), copy(delta, self.panels, rows));
            let (mut for_a, mut for_delta) =
                (room_for(&of_a).unwrap(), room_for(&of_delta).unwrap());
            Keep { matrix: &of_a, pairs: &mut for_a, is_left: true }.run::<V>();
            Keep { matrix: &of_delta, pairs: &mut for_delta, is_left: false }.run::<V>();
            let a = V::Operands::kept(&of_a, Some(&for_a), 0);
            let terms = V::Operands::kept(&of_delta, Some(&for_delta), 0);
            let steps = rows.div_ceil(V::Operands::TERMS);
            let size = Size { rows: self.inputs, depth: steps, cols: self.cols };
            outer::<V>(a, terms, size, i > 0, self.gradient);
            for (panel, sums) in self.sums.chunks_mut(WIDTH).take(self.panels).enumerate() {
                let delta = &delta.data[panel * delta.stride..][..rows * WIDTH];
                let cols = WIDTH.min(self.cols - panel * WIDTH);
                column_sums::<V>(delta, cols, i > 0, sums);
            }
        }
        true
    }
}

/// Some rows of some panels, as a matrix.
fn copy<T: Real>(view: View<'_, T>, panels: usize, rows: usize) -> Panels<T> {
    let mut matrix = Panels::zeros(rows, panels * WIDTH).unwrap();
    for panel in 0..panels {
        let from = &view.data[panel * view.stride..];
        matrix.panel_mut(panel).copy_from_slice(&from[..rows * WIDTH]);
    }
    matrix
}

/// Whole numbers, so that sums are exact in any order and with or without fused multiply-add.
fn number(i: usize, j: usize, seed: usize) -> f64 {
    ((i * 7 + j * 13 + seed * 5 + i * j) % 11) as f64 - 5.0
}

fn matrix<T: Real>(rows: usize, cols: usize, seed: usize) -> Panels<T> {
    let mut panels = Panels::zeros(rows, cols).unwrap();
    for i in 0..rows {
        for j in 0..cols {
            panels.set(i, j, T::of(number(i, j, seed)));
        }
    }
    panels
}

fn parameters<T: Real>(fan_in: usize, fan_out: usize) -> Vec<T> {
    let mut data = vec![T::ZERO; panel_count(fan_out) * (fan_in + 1) * WIDTH];
    for k in 0..=fan_in {
        for n in 0..fan_out {
            data[((n / WIDTH) * (fan_in + 1) + k) * WIDTH + n % WIDTH] = T::of(number(k, n, 3));
        }
    }
    data
}

fn check<T: Real>(isa: Isa, m: usize, k: usize, n: usize) {
    let data = parameters::<T>(k, n);
    let layer = Layer { fan_in: k, fan_out: n, first: 0, data: &data };
    let at = |panels: &Panels<T>, i, j| panels.get(i, j).as_f64();
    let case = format!("{isa:?} {} m = {m}, k = {k}, n = {n}", T::NAME);

    let a = matrix::<T>(m, k, 1);
    let mut z = Panels::zeros(m, n).unwrap();
    let mut scratch = Scratch::new(isa, m, k, n).unwrap();
    affine(isa, &a, layer, &mut scratch, z.as_mut(), nothing());
    let delta = matrix::<T>(m, n, 2);
    let mut back = Panels::zeros(m, k).unwrap();
    transposed(isa, &delta, layer, &mut scratch, back.as_mut(), nothing());
    let w = Array2::from_shape_fn((k, n), |(i, j)| T::of(number(i, j, 3)));
    let b = Array1::from_shape_fn(n, |j| T::of(number(k, j, 3)));
    let mut in_place = Panels::zeros(m, n).unwrap();
    let panels = panel_count(n);
    // As two threads would have it.
    for some in [0..panels / 2, panels / 2..panels] {
        affine_in_place(isa, &a, w.view(), b.view(), some, in_place.as_mut(), nothing());
    }
    for i in 0..m {
        for j in 0..n {
            let products = (0..k).map(|p| number(i, p, 1) * number(p, j, 3));
            let expected = number(k, j, 3) + products.sum::<f64>();
            assert_eq!(at(&z, i, j), expected, "a w + b at {i}, {j}: {case}");
            assert_eq!(at(&in_place, i, j), expected, "in place at {i}, {j}: {case}");
        }
        for p in 0..k {
            let expected: f64 = (0..n).map(|j| number(i, j, 2) * number(p, j, 3)).sum();
            assert_eq!(at(&back, i, p), expected, "delta w^T at {i}, {p}: {case}");
        }
    }

    for input_panel in 0..panel_count(k) {
        for (panel, panels) in (0..panel_count(n)).flat_map(|panel| [(panel, 1), (panel, 2)]) {
            if panel + panels > panel_count(n) {
                continue;
            }
            let inputs = panel_cols(k, input_panel);
            let cols = n.min((panel + panels) * WIDTH) - panel * WIDTH;
            // Split in two, as two threads would have it.
            let (a, delta) = (a.view().from(input_panel, 0), delta.view().from(panel, 0));
            let half = m / 2;
            let parts = [(a, delta, half), (a.from(0, half), delta.from(0, half), m - half)];
            let mut gradient = [T::ONE; 2 * WIDTH * WIDTH];
            let mut sums = [T::ONE; 2 * WIDTH];
            let (parts, g, s) = (&parts[..], &mut gradient[..], &mut sums[..]);
            let block = OuterBlock { parts, panels, inputs, cols, gradient: g, sums: s };
            if !dispatch(isa, block) {
                continue;
            }
            for (j, &sum) in sums[..cols].iter().enumerate() {
                let column = panel * WIDTH + j;
                for i in 0..inputs {
                    let row = input_panel * WIDTH + i;
                    let products = (0..m).map(|r| number(r, row, 1) * number(r, column, 2));
                    let expected = products.sum::<f64>();
                    let at = j / WIDTH * WIDTH * WIDTH + i * WIDTH + j % WIDTH;
                    assert_eq!(gradient[at].as_f64(), expected, "a^T delta: {case}");
                }
                let expected = (0..m).map(|r| number(r, column, 2)).sum::<f64>();
                assert_eq!(sum.as_f64(), expected, "sums of delta: {case}");
            }
        }
    }
}

#[test]
fn every_kernel_against_plain_loops() {
    for isa in Isa::all_available() {
        for m in SIZES {
            for k in SIZES {
                for n in SIZES {
                    check::<f32>(isa, m, k, n);
                    check::<f64>(isa, m, k, n);
                }
            }
        }
    }
}

/// A thread may have no rows of a batch.
#[test]
fn no_rows() {
    for isa in Isa::all_available().chain(Isa::all_bfloat16()) {
        for (k, n) in [(1, 1), (17, 33), (300, 257)] {
            check::<f32>(isa, 0, k, n);
            if !isa.multiplies_bfloat16() {
                check::<f64>(isa, 0, k, n);
            }
        }
    }
}

/// What is multiplied has no more bits than a bfloat16 number, so that these products are exact too. A short list, for
/// processors that are slow because they are emulated.
#[test]
fn bfloat16_kernels_against_plain_loops() {
    for isa in Isa::all_bfloat16() {
        for (m, k, n) in [
            (1, 1, 1),
            (2, 3, 2),
            (3, 2, 5),
            (5, 16, 15),
            (16, 15, 16),
            (17, 17, 17),
            (15, 31, 33),
            (33, 32, 31),
            (31, 33, 47),
            (97, 13, 7),
            (7, 97, 13),
            (13, 7, 97),
            (7, 511, 17),
            (3, 1027, 5),
            (7, 17, 513),
            (259, 7, 17),
            (515, 3, 5),
        ] {
            check::<f32>(isa, m, k, n);
        }
    }
}

/// Sizes at and around the edges of blocks: of the depth, of rows, of groups of panels, and of inputs at once.
#[test]
fn sizes_that_take_several_goes() {
    for isa in Isa::all_available().chain(Isa::all_bfloat16()) {
        for k in [191, 193, 255, 256, 257, 300, 385, 513] {
            for (m, k, n) in [(7, k, 17), (7, 17, k), (k, 7, 17), (k, 17, 33)] {
                check::<f32>(isa, m, k, n);
                if !isa.multiplies_bfloat16() {
                    check::<f64>(isa, m, k, n);
                }
            }
        }
        // Several groups of panels, and several parts of the inputs; parts of the depth beside them.
        for (m, k, n) in [(1030, 67, 83), (517, 83, 243), (30, 499, 401), (259, 250, 130)] {
            check::<f32>(isa, m, k, n);
            if !isa.multiplies_bfloat16() {
                check::<f64>(isa, m, k, n);
            }
        }
    }
}
