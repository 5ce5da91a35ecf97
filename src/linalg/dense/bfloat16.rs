//! Matrix products of bfloat16 numbers with sums in float32: what `compute="bfloat16"` trains with.
//!
//! Weights, activations, errors and gradients stay float32. Only what a product multiplies is rounded to bfloat16 (8
//! significant bits, the exponents of float32), for an instruction that adds two products to each of 16 sums:
//!
//! ```text
//! sum[i] <- sum[i] + a[i].1 b[i].1 + a[i].0 b[i].0      (vdpbf16ps, one rounding at each +)
//! ```
//!
//! A lane therefore holds a [`Pair`]: two consecutive terms of the sum. What was one row of a panel is two rows now, and
//! the tile, its blocking and its prefetching stay those of [`tile`](crate::linalg::dense::tile): 12 rows x 32 columns, each step two
//! loads of 16 pairs of the right matrix and one broadcast pair of each row of the left one, at twice the terms a step.
//!
//! | product | terms along | left matrix | right matrix |
//! |---|---|---|---|
//! | a w | inputs | a, pairs along its columns | w, pairs along its rows |
//! | δ wᵀ | outputs | δ, pairs along its columns | wᵀ, pairs along its rows |
//! | aᵀ δ | rows of the batch | a, pairs along its rows | δ, pairs along its rows |
//!
//! Pairs along columns are neighbours already: converting two panels gives one of 16 pairs. Pairs along rows are two rows of
//! a panel, interleaved. An odd number of terms is filled up with zero. A panel of weights is converted into a buffer that
//! stays in the L1 or L2 cache for all rows of the batch (a 1/m of the work), a and δ are converted once for each product
//! (1/n, 1/k), those along rows by the thread that has computed them.
//!
//! Where the processor has AMX, the three products are of its [tiles](crate::linalg::kernels::tiles), of the same pairs: it is
//! only that aᵀ δ takes a in blocks of 16 rows of pairs, each transposed.
//!
//! Rounding is to nearest, ties to even; numbers beyond the largest bfloat16 number (3.39e38) become infinite, which ends,
//! as any overflow does, in parameters that are not finite; denormal numbers count as zero.

use crate::linalg::kernels::{Isa, Kernel, Operands, Pair, Real, Vector, dispatch};
use crate::linalg::memory::panels::{Panels, WIDTH};

/// Matrices with their rows in pairs, kept for the products that sum over the rows.
#[derive(Default)]
pub struct Kept(Vec<Panels<Pair>>);

impl Kept {
    /// Room for these matrices, or None where memory is refused.
    pub fn with_room_for<T: Real>(matrices: &[Panels<T>]) -> Option<Self> {
        Some(Self(matrices.iter().map(room_for).collect::<Option<_>>()?))
    }

    /// Take over as many of these matrices as there is room for, which are the right ones of a product or the left ones.
    pub fn keep<T: Real>(&mut self, isa: Isa, matrices: &[Panels<T>], are_left: bool) {
        for (pairs, matrix) in self.0.iter_mut().zip(matrices) {
            pairs.set_rows(whole_blocks(matrix.rows()));
            dispatch(isa, Keep { matrix, pairs, is_left: are_left });
        }
    }

    #[inline(always)]
    pub fn get(&self, matrix: usize) -> Option<&Panels<Pair>> {
        self.0.get(matrix)
    }
}

/// Room for a matrix with its rows in pairs.
pub(super) fn room_for<T: Real>(matrix: &Panels<T>) -> Option<Panels<Pair>> {
    Panels::zeros(whole_blocks(matrix.rows()), matrix.cols())
}

/// Pairs of so many rows, filled up to blocks.
fn whole_blocks(rows: usize) -> usize {
    rows.div_ceil(2).next_multiple_of(WIDTH)
}

pub(super) struct Keep<'a, T> {
    pub matrix: &'a Panels<T>,
    pub pairs: &'a mut Panels<Pair>,
    pub is_left: bool,
}

impl<T: Real> Kernel<T> for Keep<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Scalar = T>>(self) {
        for panel in 0..self.matrix.panel_count() {
            let pairs = self.pairs.panel_mut(panel);
            V::Operands::rows(self.matrix.panel(panel), pairs);
            pairs[self.matrix.rows().div_ceil(2) * WIDTH..].fill(Pair::ZERO);
            if self.is_left {
                V::Operands::left_tiles(pairs);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backprop::nothing;
    use crate::linalg::dense::tile::Size;
    use crate::linalg::dense::{Layer, Scratch, affine, outer, transposed};
    use crate::linalg::kernels::bfloat16_model::{self as model, rounded};
    use crate::linalg::memory::panels::{panel_cols, panel_count};

    /// A fixed sequence of bits (SplitMix64).
    struct Bits(u64);

    impl Bits {
        fn next(&mut self) -> u64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        }

        /// 24 random bits times a power of two between 2^-8 and 2^8.
        fn number(&mut self) -> f32 {
            let bits = self.next();
            let mantissa = (bits >> 40) as f32 / (1u32 << 23) as f32 - 1.0;
            mantissa * ((bits % 17) as f32 - 8.0).exp2()
        }

        fn matrix(&mut self, rows: usize, cols: usize) -> Panels<f32> {
            let mut panels = Panels::zeros(rows, cols).unwrap();
            for row in 0..rows {
                for col in 0..cols {
                    panels.set(row, col, self.number());
                }
            }
            panels
        }
    }

    #[test]
    fn the_model_rounds_to_the_nearest() {
        let mut bits = Bits(1);
        for _ in 0..50_000 {
            let x = f32::from_bits(bits.next() as u32);
            if !x.is_normal() {
                continue;
            }
            // The candidates, in f64, where the one above the largest number is as far away as the others.
            let below = f64::from(f32::from_bits(x.to_bits() & 0xffff_0000));
            let step = 2f64.powi(((x.to_bits() >> 23 & 0xff) as i32) - 127 - 7).copysign(below);
            let (low, high) = ((f64::from(x) - below).abs(), (below + step - f64::from(x)).abs());
            let is_even = x.to_bits() >> 16 & 1 == 0;
            let nearest = if low < high || (low == high && is_even) { below } else { below + step };
            assert_eq!(model::number(rounded(x)), nearest as f32, "{x:e}");
        }
    }

    #[test]
    fn the_model_adds_as_f64_does_rounded_twice() {
        let mut bits = Bits(2);
        for _ in 0..50_000 {
            let numbers: [f32; 4] = std::array::from_fn(|_| model::number(rounded(bits.number())));
            let sum = bits.number();
            let pair = |i: usize| {
                let (first, second) = (numbers[i].to_bits() >> 16, numbers[i + 1].to_bits() >> 16);
                Pair(first | second << 16)
            };
            let [a0, a1, b0, b1] = numbers.map(f64::from);
            // Products of 16 bits and sums of numbers so close to each other are exact in f64.
            let first = (f64::from(sum) + a1 * b1) as f32;
            let expected = (f64::from(first) + a0 * b0) as f32;
            assert_eq!(model::dot(pair(0), pair(2), sum).to_bits(), expected.to_bits());
        }
    }

    struct Convert<'a> {
        matrix: &'a Panels<f32>,
        rows: &'a mut Vec<Pair>,
        columns: &'a mut Panels<Pair>,
    }
    impl Kernel<f32> for Convert<'_> {
        type Output = ();
        #[inline(always)]
        fn run<V: Vector<Scalar = f32>>(self) {
            V::Operands::rows(self.matrix.panel(0), self.rows);
            V::Operands::columns(self.matrix, self.columns);
        }
    }

    #[test]
    fn conversion() {
        // Number, and the bits that the format's definition gives.
        let cases = [
            (0.0, 0x0000),
            (-0.0, 0x8000),
            (1.0, 0x3f80),
            (-2.5, 0xc020),
            (1.0 + 1.0 / 256.0, 0x3f80), // a tie, to even: down
            (1.0 + 3.0 / 256.0, 0x3f82), // a tie, to even: up
            (1.0 + 1.0 / 256.0 + f32::EPSILON, 0x3f81),
            (1.0 + 1.0 / 256.0 - f32::EPSILON, 0x3f80),
            (1.998, 0x4000), // a carry into the exponent
            (f32::from_bits(0x7f7f_0000), 0x7f7f),
            (f32::from_bits(0x7f7f_7fff), 0x7f7f),
            (f32::from_bits(0x7f7f_8000), 0x7f80), // half a step beyond the largest: infinity
            (f32::MIN, 0xff80),
            (f32::INFINITY, 0x7f80),
            (f32::NEG_INFINITY, 0xff80),
            (f32::NAN, 0x7fc0),
            (f32::from_bits(0x7f80_0001), 0x7fc0), // a signalling NaN stays NaN
            (f32::from_bits(0xff81_0000), 0xffc1),
            (f32::MIN_POSITIVE, 0x0080),
            (f32::from_bits(0x007f_ffff), 0x0000), // denormal numbers are zero
            (-1e-40, 0x8000),
        ];
        let n = cases.len();
        for isa in Isa::all_bfloat16() {
            // Column 0 is what is looked at, as rows of a panel; row 0 as columns.
            let mut matrix = Panels::zeros(n, n).unwrap();
            for (i, &(x, _)) in cases.iter().enumerate() {
                matrix.set(i, 0, x);
                matrix.set(0, i, x);
            }
            let mut rows = vec![Pair::default(); n.div_ceil(2) * WIDTH];
            let mut columns = Panels::zeros(n, n.div_ceil(2)).unwrap();
            dispatch(isa, Convert { matrix: &matrix, rows: &mut rows, columns: &mut columns });
            for (i, two) in cases.chunks(2).enumerate() {
                let expected = two[0].1 | two.get(1).map_or(0, |x| x.1) << 16;
                assert_eq!(rows[i * WIDTH].0, expected, "{isa:?}, rows {i}");
                assert_eq!(columns.get(0, i).0, expected, "{isa:?}, columns {i}");
            }
        }
    }

    struct OuterBlock<'a> {
        a: &'a Panels<f32>,
        delta: &'a Panels<f32>,
        input_panel: usize,
        panel: usize,
        inputs: usize,
        cols: usize,
        gradient: &'a mut [f32],
    }
    impl Kernel<f32> for OuterBlock<'_> {
        type Output = ();
        #[inline(always)]
        fn run<V: Vector<Scalar = f32>>(self) {
            let rows = self.a.rows();
            let [mut for_a, mut for_delta] = [self.a, self.delta].map(|m| room_for(m).unwrap());
            Keep { matrix: self.a, pairs: &mut for_a, is_left: true }.run::<V>();
            Keep { matrix: self.delta, pairs: &mut for_delta, is_left: false }.run::<V>();
            let a = V::Operands::kept(self.a, Some(&for_a), self.input_panel);
            let delta = V::Operands::kept(self.delta, Some(&for_delta), self.panel);
            let steps = rows.div_ceil(2);
            let size = Size { rows: self.inputs, depth: steps, cols: self.cols };
            outer::<V>(a, delta, size, true, self.gradient);
        }
    }

    /// start + Σ a b over the terms in order, by pairs or by tiles, as the model rounds.
    fn expected(
        isa: Isa,
        start: f32,
        terms: usize,
        a: impl Fn(usize) -> f32,
        b: impl Fn(usize) -> f32,
    ) -> f32 {
        let pair = |of: &dyn Fn(usize) -> f32, i: usize| {
            let second = if i + 1 < terms { rounded(of(i + 1)) } else { 0 };
            Pair(u32::from(rounded(of(i))) | u32::from(second) << 16)
        };
        if isa.rows_together() == 2 {
            return (0..terms)
                .step_by(2)
                .fold(start, |sum, i| model::dot(pair(&a, i), pair(&b, i), sum));
        }
        (0..terms).step_by(32).fold(start, |sum, first| {
            let (mut even, mut odd) = (0.0, 0.0);
            for i in (first..terms.min(first + 32)).step_by(2) {
                let (a, b) = (pair(&a, i), pair(&b, i));
                let half = |pair: Pair, shift: u32| model::number((pair.0 >> shift) as u16);
                even = half(a, 0).mul_add(half(b, 0), even);
                odd = half(a, 16).mul_add(half(b, 16), odd);
            }
            sum + (even + odd)
        })
    }

    fn same(isa: Isa, got: f32, expected: f32) -> bool {
        if isa.is_model() || model::is_exact() {
            got.to_bits() == expected.to_bits()
        } else {
            // Terms are below 2^16, and there are fewer than 2^10.
            (got - expected).abs() <= 2.0f32.powi(26 - 23)
        }
    }

    #[test]
    fn products_bit_for_bit() {
        let sizes = [
            (1, 1, 1),
            (2, 3, 5),
            (5, 16, 15),
            (16, 15, 17),
            (17, 33, 16),
            (3, 31, 33),
            (33, 2, 47),
            (3, 515, 5),
            (5, 3, 515),
            (259, 5, 3),
        ];
        for isa in Isa::all_bfloat16() {
            for (m, k, n) in sizes {
                let case = format!("{isa:?} m = {m}, k = {k}, n = {n}");
                let mut bits = Bits(3);
                let (a, delta) = (bits.matrix(m, k), bits.matrix(m, n));
                let mut data = vec![0.0; panel_count(n) * (k + 1) * WIDTH];
                let at = |p: usize, j: usize| ((j / WIDTH) * (k + 1) + p) * WIDTH + j % WIDTH;
                for p in 0..=k {
                    for j in 0..n {
                        data[at(p, j)] = bits.number();
                    }
                }
                let layer = Layer { fan_in: k, fan_out: n, first: 0, data: &data };
                let mut scratch = Scratch::new(isa, m, k, n).unwrap();
                let mut z = Panels::zeros(m, n).unwrap();
                affine(isa, &a, layer, &mut scratch, z.as_mut(), nothing());
                let mut back = Panels::zeros(m, k).unwrap();
                transposed(isa, &delta, layer, &mut scratch, back.as_mut(), nothing());
                for i in 0..m {
                    for j in 0..n {
                        let sum =
                            expected(isa, data[at(k, j)], k, |p| a.get(i, p), |p| data[at(p, j)]);
                        assert!(same(isa, z.get(i, j), sum), "a w + b at {i}, {j}: {case}");
                    }
                    for p in 0..k {
                        let sum = expected(isa, 0.0, n, |j| delta.get(i, j), |j| data[at(p, j)]);
                        assert!(same(isa, back.get(i, p), sum), "delta w^T at {i}, {p}: {case}");
                    }
                }
                for (inputs, panel) in
                    (0..panel_count(k)).flat_map(|i| (0..panel_count(n)).map(move |j| (i, j)))
                {
                    let mut gradient = [0.5; WIDTH * WIDTH];
                    let block = OuterBlock {
                        a: &a,
                        delta: &delta,
                        input_panel: inputs,
                        panel,
                        inputs: panel_cols(k, inputs),
                        cols: panel_cols(n, panel),
                        gradient: &mut gradient,
                    };
                    let (rows, cols) = (block.inputs, block.cols);
                    dispatch(isa, block);
                    for p in 0..rows {
                        for j in 0..cols {
                            let (input, output) = (inputs * WIDTH + p, panel * WIDTH + j);
                            let sum = expected(
                                isa,
                                0.5,
                                m,
                                |i| a.get(i, input),
                                |i| delta.get(i, output),
                            );
                            let got = gradient[p * WIDTH + j];
                            assert!(same(isa, got, sum), "a^T delta at {input}, {output}: {case}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn what_fills_up_a_panel_does_not_count() {
        for isa in Isa::all_bfloat16() {
            let mut a = Panels::zeros(2, 3).unwrap();
            a.panel_mut(0).fill(f32::INFINITY);
            for (row, col) in [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)] {
                a.set(row, col, 1.0);
            }
            let data: Vec<f32> =
                (0..4 * WIDTH).map(|i| if i % WIDTH == 0 { 2.0 } else { 0.0 }).collect();
            let layer = Layer { fan_in: 3, fan_out: 1, first: 0, data: &data };
            let mut scratch = Scratch::new(isa, 2, 3, 1).unwrap();
            let mut z = Panels::zeros(2, 1).unwrap();
            affine(isa, &a, layer, &mut scratch, z.as_mut(), nothing());
            assert_eq!((z.get(0, 0), z.get(1, 0)), (8.0, 8.0));
        }
    }
}
