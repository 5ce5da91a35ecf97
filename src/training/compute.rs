//! What the matrix products of training multiply: the choice that is called `compute`.

use crate::error::Error;
use crate::linalg::kernels::{Isa, Real, Scalar};

/// The one choice but None: products multiply bfloat16 numbers, see [`bfloat16`](crate::linalg::dense::bfloat16).
const BFLOAT16: &str = "bfloat16";

/// The instruction set to train on: the best, or one whose matrix products multiply what `compute` names.
pub fn isa<T: Real>(compute: Option<&str>) -> Result<Isa, Error> {
    match compute {
        None => Ok(Isa::best()),
        Some(BFLOAT16) if T::NAME != f32::NAME => Err(Error::Compute {
            needed: "X in float32",
            has: format!("X, or the model with it, is {}", T::NAME),
            way_out: "pass X.astype(numpy.float32), or use compute=None",
        }),
        Some(BFLOAT16) => Isa::bfloat16().ok_or_else(|| Error::Compute {
            needed: "a processor with AVX512-BF16 (the instruction vdpbf16ps)",
            has: format!("this one has no more than {}", best_of_processor()),
            way_out: "use compute=None, which trains in float32",
        }),
        Some(other) => Err(Error::name("compute", ["None", BFLOAT16].into_iter(), other)),
    }
}

/// As its maker calls the best instruction set of this processor.
fn best_of_processor() -> &'static str {
    match Isa::all_available().last() {
        #[cfg(target_arch = "x86_64")]
        Some(Isa::Avx512) => "AVX-512 without BF16",
        #[cfg(target_arch = "x86_64")]
        Some(Isa::Avx2) => "AVX2",
        _ => "its basic instructions",
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;
    use crate::data::{Data, Input, Targets};
    use crate::linalg::kernels::bfloat16_model::is_exact;
    use crate::linalg::zeros::csr::{Csr, Indices};
    use crate::network::{Activation, Network, Output};
    use crate::predict::predict;
    use crate::training::batches::Batches;
    use crate::training::objective::Objective;
    use crate::training::optimizer::Optimizer;
    use crate::training::trainer::{Epoch, Trainer};

    #[test]
    fn bfloat16_is_refused_where_it_is_not_to_be_had() {
        assert_eq!(isa::<f32>(None), Ok(Isa::best()));
        let of_f64 = isa::<f64>(Some("bfloat16")).unwrap_err().to_string();
        assert!(of_f64.contains("needs X in float32") && of_f64.contains("is float64"), "{of_f64}");
        let unknown = isa::<f32>(Some("float8")).unwrap_err().to_string();
        assert!(unknown.contains("bfloat16") && unknown.contains("float8"), "{unknown}");
        match isa::<f32>(Some("bfloat16")) {
            Ok(isa) => assert!(isa.available() && isa.multiplies_bfloat16()),
            Err(error) => {
                assert!(Isa::bfloat16().is_none());
                let message = error.to_string();
                assert!(message.starts_with("compute=\"bfloat16\" needs a processor with AVX512"));
                assert!(message.contains("this one has") && message.contains("compute=None"));
            }
        }
    }

    /// A fixed sequence of numbers between -1 and 1 (SplitMix64).
    fn numbers(seed: u64) -> impl FnMut() -> f32 {
        let mut state = seed;
        move || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((z ^ (z >> 31)) >> 40) as f32 / (1u32 << 23) as f32 - 1.0
        }
    }

    /// Three classes around centres, of which each number of a row tells a little.
    struct Classes {
        x: Array2<f32>,
        y: Vec<i64>,
    }

    impl Classes {
        fn new(rows: usize, features: usize, seed: u64) -> Self {
            let mut centres = numbers(1);
            let centres = Array2::from_shape_simple_fn((3, features), &mut centres);
            let mut noise = numbers(seed);
            let y: Vec<i64> = (0..rows as i64).map(|i| i % 3).collect();
            let x = Array2::from_shape_fn((rows, features), |(i, j)| {
                0.5 * centres[(y[i] as usize, j)] + noise()
            });
            Self { x, y }
        }

        fn data(&self) -> Data<'_, f32> {
            let y = Targets::Classes(self.y.as_slice().into());
            Data { x: Input::Dense(self.x.view()), y, weights: None }
        }
    }

    fn network(sizes: &[usize], hidden: Activation) -> (Network, Vec<f32>) {
        let network = Network::new(sizes, hidden, Output::Softmax).unwrap();
        let mut number = numbers(7);
        let vector = (0..network.parameter_count()).map(|_| 0.3 * number()).collect();
        (network, vector)
    }

    fn trainer(sizes: &[usize], hidden: Activation, optimizer: &str, isa: Isa) -> Trainer<f32> {
        let (network, vector) = network(sizes, hidden);
        let mut parameters = network.zeros().unwrap();
        network.pack_vector(&vector, parameters.as_mut_slice());
        let cost = network.cost("log_loss").unwrap();
        let optimizer = Optimizer::from_name(optimizer, &Default::default()).unwrap();
        let mut trainer = Trainer::new(network, parameters, cost, 1e-3, optimizer, 0.01).unwrap();
        trainer.set_isa(isa);
        trainer
    }

    /// A trainer after a few epochs in batches of an odd number of rows.
    fn trained(
        mut trainer: Trainer<f32>,
        classes: &Classes,
        epochs: i64,
        threads: usize,
    ) -> Trainer<f32> {
        let rows = classes.y.len() as i64;
        for epoch in 0..epochs {
            let order: Vec<i64> = (0..rows).map(|i| (i * 7 + epoch) % rows).collect();
            let batches = Batches { order: Some(&order), size: 101, ..Batches::default() };
            let end = trainer.epoch(&classes.data(), batches, threads, || false);
            assert!(matches!(end, Ok(Epoch::Finished(_))));
        }
        trainer
    }

    fn gradient(isa: Isa, data: &Data<'_, f32>, sizes: &[usize], hidden: Activation) -> Vec<f32> {
        let (network, vector) = network(sizes, hidden);
        let cost = network.cost("log_loss").unwrap();
        let mut objective = Objective::new(network, cost, 0.0).unwrap();
        objective.set_isa(isa);
        let mut gradient = vec![0.0; vector.len()];
        objective.evaluate(&vector, data, || 1, &mut gradient, || false).unwrap().unwrap();
        gradient
    }

    /// |x - y| / |y|
    fn distance(x: &[f32], y: &[f32]) -> f64 {
        let norm = |x: &mut dyn Iterator<Item = f64>| x.map(|x| x * x).sum::<f64>().sqrt();
        let both = x.iter().zip(y);
        norm(&mut both.map(|(&x, &y)| f64::from(x) - f64::from(y)))
            / norm(&mut y.iter().map(|&y| f64::from(y)))
    }

    #[test]
    fn gradients_are_those_of_float32_to_the_precision_of_bfloat16() {
        let classes = Classes::new(37, 19, 3);
        let sizes = [19, 33, 17, 3];
        // Smooth ones: a relu whose z changes sign changes its error by all of it.
        for hidden in [Activation::Tanh, Activation::Logistic] {
            let exact = gradient(Isa::best(), &classes.data(), &sizes, hidden);
            for isa in Isa::all_bfloat16() {
                let rounded = gradient(isa, &classes.data(), &sizes, hidden);
                // Half a unit in the last of 8 places is 2^-9 of a number; some of these meet in each of six products.
                let distance = distance(&rounded, &exact);
                assert!((1e-4..0.02).contains(&distance), "{isa:?} {hidden:?}: {distance}");
            }
        }
    }

    #[test]
    fn sparse_rows_are_as_good_as_dense_ones() {
        let (rows, features) = (37, 19);
        let mut classes = Classes::new(rows, features, 3);
        classes.x.map_inplace(|x| *x = if *x > 0.5 { *x } else { 0.0 });
        let mut csr = (Vec::new(), Vec::new(), vec![0i32]);
        for row in classes.x.rows() {
            for (j, &x) in row.iter().enumerate().filter(|(_, x)| **x != 0.0) {
                csr.0.push(x);
                csr.1.push(j as i32);
            }
            csr.2.push(csr.0.len() as i32);
        }
        let (values, indices, indptr) = (&csr.0[..], Indices::I32(&csr.1), Indices::I32(&csr.2));
        let x = Csr::new(values, indices, indptr, features).unwrap();
        let sparse = Data { x: Input::Sparse(x), ..classes.data() };
        let sizes = [features, 33, 3];
        let exact = gradient(Isa::best(), &classes.data(), &sizes, Activation::Relu);
        for isa in Isa::all_bfloat16() {
            let rounded = gradient(isa, &sparse, &sizes, Activation::Relu);
            let distance = distance(&rounded, &exact);
            assert!((1e-4..0.02).contains(&distance), "{isa:?}: {distance}");
        }
    }

    #[test]
    fn the_same_bits_for_any_number_of_threads() {
        let classes = Classes::new(203, 40, 5);
        for isa in Isa::all_bfloat16() {
            for optimizer in Optimizer::NAMES {
                let of = |threads| {
                    let trainer = trainer(&[40, 64, 64, 3], Activation::Relu, optimizer, isa);
                    trained(trainer, &classes, 2, threads)
                };
                let one = of(1);
                for threads in [2, 3] {
                    assert_eq!(of(threads).parameters(), one.parameters(), "{isa:?} {optimizer}");
                }
            }
        }
    }

    #[test]
    fn the_processor_trains_as_the_model_does() {
        let classes = Classes::new(203, 23, 5);
        for (hidden, optimizer) in [(Activation::Relu, "adam"), (Activation::Tanh, "sgd")] {
            let of = |isa| {
                let trainer = trainer(&[23, 33, 17, 3], hidden, optimizer, isa);
                trained(trainer, &classes, 2, 1)
            };
            for model in Isa::all_bfloat16().filter(|isa| isa.is_model()) {
                let expected = of(model);
                assert!(expected.is_finite());
                // Tiles have another order of sums.
                let has_tiles = |isa: &Isa| isa.rows_together() == model.rows_together();
                for isa in Isa::all_bfloat16().filter(|isa| is_exact() && has_tiles(isa)) {
                    assert_eq!(of(isa).parameters(), expected.parameters(), "{hidden:?} {isa:?}");
                }
            }
        }
    }

    #[test]
    fn it_learns_what_float32_learns() {
        let (train, test) = (Classes::new(303, 20, 5), Classes::new(600, 20, 6));
        let accuracy = |isa: Isa| {
            let trainer = trainer(&[20, 24, 24, 3], Activation::Relu, "adam", isa);
            let trainer = trained(trainer, &train, 10, 1);
            let mut out = Array2::zeros((test.y.len(), 3));
            let (network, parameters) = (trainer.network(), trainer.parameters());
            predict(network, parameters, &test.data().x, || 1, out.view_mut(), || false).unwrap();
            let right = out
                .rows()
                .into_iter()
                .zip(&test.y)
                .filter(|(p, y)| (0..3).all(|class| p[class] <= p[**y as usize]));
            right.count() as f64 / test.y.len() as f64
        };
        let exact = accuracy(Isa::best());
        assert!((0.8..0.999).contains(&exact), "{exact}");
        for isa in Isa::all_bfloat16() {
            let rounded = accuracy(isa);
            assert!((rounded - exact).abs() <= 0.015, "{isa:?}: {rounded}, float32: {exact}");
        }
    }

    #[test]
    fn numbers_beyond_the_largest_show_in_the_parameters() {
        let mut classes = Classes::new(37, 19, 3);
        // Finite in float32, infinite in bfloat16.
        classes.x[(5, 2)] = f32::MAX;
        for isa in Isa::all_bfloat16() {
            for hidden in [Activation::Relu, Activation::Tanh, Activation::Logistic] {
                let trainer = trainer(&[19, 17, 3], hidden, "sgd", isa);
                let trainer = trained(trainer, &classes, 1, 1);
                assert!(!trainer.is_finite(), "{isa:?} {hidden:?}");
            }
        }
    }
}
