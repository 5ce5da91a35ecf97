//! Kernels on memory whose every allocation lies between two pages that nobody may touch, once against the one behind it
//! and once against the one before it: a read or a write beyond it ends the process.
//!
//! This needs no checker that knows the instruction set, so that it holds for AVX-512 where the processor has it. An allocator
//! does it; that is why this stands by itself.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::HashMap;
use std::ffi::c_int;
use std::sync::atomic::{AtomicBool, Ordering};

use ndarray::{ArrayView1, ArrayView2, ArrayViewMut2};
use rustbp::backprop::Masks;
use rustbp::data::{Data, Input, Targets};
use rustbp::inspect::inspect;
use rustbp::linalg::kernels::{Isa, Real};
use rustbp::linalg::zeros::csr::{Csr, Indices};
use rustbp::network::Network;
use rustbp::network::activation::{Activation, Output};
use rustbp::predict::predict;
use rustbp::training::batches::Batches;
use rustbp::training::objective::Objective;
use rustbp::training::optimizer::Optimizer;
use rustbp::training::trainer::Trainer;

const PAGE: usize = 4096;
/// What is smaller may lie anywhere.
const SMALLEST: usize = 32;
/// Whether what is allocated from now on begins at a page, instead of ending at one.
static AT_FRONT: AtomicBool = AtomicBool::new(false);

unsafe extern "C" {
    fn mmap(
        at: *mut u8,
        len: usize,
        access: c_int,
        flags: c_int,
        file: c_int,
        from: i64,
    ) -> *mut u8;
    fn mprotect(at: *mut u8, len: usize, access: c_int) -> c_int;
    fn munmap(at: *mut u8, len: usize) -> c_int;
}
const NO_ACCESS: c_int = 0;
const READ_AND_WRITE: c_int = 3;
const PRIVATE_AND_ANONYMOUS: c_int = 0x22;

struct Guarded;

impl Guarded {
    /// The size up to the next multiple of the alignment, and the pages for it in bytes; None for what may lie anywhere.
    fn sizes(layout: Layout) -> Option<(usize, usize)> {
        let size = layout.pad_to_align().size();
        (size >= SMALLEST && layout.align() <= PAGE).then(|| (size, size.next_multiple_of(PAGE)))
    }
}

// SAFETY: memory is new, readable and writable, of the size and alignment asked for (pages are aligned, and so is a multiple of
// the alignment before one), and given back as a whole; or it is the system allocator's.
unsafe impl GlobalAlloc for Guarded {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some((size, pages)) = Self::sizes(layout) else {
            // SAFETY: as the caller promises.
            return unsafe { System.alloc(layout) };
        };
        // SAFETY: a new mapping, of which the pages between the first and the last are made accessible.
        unsafe {
            let null = std::ptr::null_mut();
            let all = mmap(null, pages + 2 * PAGE, NO_ACCESS, PRIVATE_AND_ANONYMOUS, -1, 0);
            if all.addr() == usize::MAX || mprotect(all.add(PAGE), pages, READ_AND_WRITE) != 0 {
                return null;
            }
            let front = AT_FRONT.load(Ordering::Relaxed);
            all.add(if front { PAGE } else { PAGE + pages - size })
        }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        match Self::sizes(layout) {
            // SAFETY: as the caller promises.
            None => unsafe { System.dealloc(pointer, layout) },
            // SAFETY: it begins in the first of its pages, which the guard stands before.
            Some((_, pages)) => unsafe {
                munmap(pointer.sub(pointer.addr() % PAGE + PAGE), pages + 2 * PAGE);
            },
        }
    }
}

#[global_allocator]
static ALLOCATOR: Guarded = Guarded;

/// `len` numbers in an allocation of just their size.
fn numbers<T: Real>(len: usize) -> Box<[T]> {
    (0..len).map(|i| T::of((i * 37 % 19) as f64 / 20.0 - 0.45)).collect()
}

/// X of every kind: all numbers, and those of every third column.
struct Inputs<T> {
    dense: Box<[T]>,
    data: Box<[T]>,
    indices: Box<[i32]>,
    indptr: Box<[i64]>,
}

impl<T: Real> Inputs<T> {
    fn new(rows: usize, cols: usize) -> Self {
        let of_row: Vec<i32> = (0..cols as i32).step_by(3).collect();
        Self {
            dense: numbers(rows * cols),
            data: numbers(rows * of_row.len()),
            indices: of_row.repeat(rows).into(),
            indptr: (0..=rows).map(|r| (r * of_row.len()) as i64).collect(),
        }
    }

    fn each(&self, cols: usize) -> [Input<'_, T>; 2] {
        let shape = (self.dense.len() / cols, cols);
        let (indices, indptr) = (Indices::I32(&self.indices), Indices::I64(&self.indptr));
        [
            Input::Dense(ArrayView2::from_shape(shape, &self.dense).unwrap()),
            Input::Sparse(Csr::new(&self.data, indices, indptr, cols).unwrap()),
        ]
    }
}

fn check<T: Real>(isa: Isa, sizes: &[usize], rows: usize, number: usize) {
    let output = [Output::Softmax, Output::from_name("logistic").unwrap()][number % 2];
    let hidden: Vec<_> = Activation::ALL.iter().filter(|a| a.is_hidden()).collect();
    let network = Network::new(sizes, *hidden[number % hidden.len()], output).unwrap();
    let cost = network.cost("log_loss").unwrap();
    let optimizers = ["sgd", "adam"].map(|name| Optimizer::from_name(name, &HashMap::new()));
    let optimizer = optimizers[number % 2].clone().unwrap();
    let vector = numbers::<T>(network.parameter_count());
    let inputs = Inputs::<T>::new(rows, sizes[0]);
    let y: Box<[i64]> = vec![0; rows].into();
    let weights = vec![T::ONE; rows].into_boxed_slice();
    let order: Box<[i64]> = (0..rows as i64).rev().collect();
    for x in inputs.each(sizes[0]) {
        let y = Targets::Classes(ArrayView1::from(&y));
        let data = Data { x, y, weights: Some(ArrayView1::from(&weights)) };
        let mut parameters = network.zeros().unwrap();
        network.pack_vector(&vector, parameters.as_mut_slice());
        let mut out = numbers(rows * network.outputs());
        let view = ArrayViewMut2::from_shape((rows, network.outputs()), &mut out).unwrap();
        predict(&network, parameters.as_slice(), &x, 2, view, || false).unwrap();
        inspect(&network, parameters.as_mut_slice(), &cost, 0.1, &data, Masks::NONE, || false)
            .unwrap();
        let mut objective = Objective::new(network.clone(), cost.clone(), 0.1).unwrap();
        let mut gradient = numbers(vector.len());
        objective.evaluate(&vector, &data, 2, &mut gradient, || false).unwrap();
        let mut trainer =
            Trainer::new(network.clone(), parameters, cost.clone(), 0.1, optimizer, 0.01).unwrap();
        trainer.set_isa(isa);
        if number.is_multiple_of(3) {
            trainer.set_dropout(vec![0.3; sizes.len() - 2]).unwrap();
        }
        for batch_size in [1 + rows / 40, 7 + rows / 10, rows] {
            let batches = Batches { order: Some(&order), size: batch_size, ..Batches::default() };
            trainer.epoch(&data, batches, 2, || false).unwrap();
        }
        assert!(trainer.is_finite());
    }
}

#[test]
#[ignore = "open fault: it ends with `memory allocation failed`; the cause is not known yet"]
fn nothing_is_touched_beyond_its_memory() {
    for front in [false, true] {
        AT_FRONT.store(front, Ordering::Relaxed);
        let mut number = 0;
        for isa in Isa::all_available() {
            for inputs in [1, 7, 16, 33] {
                for neurons in [1, 5, 16, 31] {
                    for outputs in [1, 2, 17] {
                        number += 1;
                        let rows = [1, 2, 13, 16, 35][number % 5];
                        check::<f32>(isa, &[inputs, neurons, outputs], rows, number);
                        check::<f64>(isa, &[inputs, neurons, neurons, outputs], rows, number);
                    }
                }
            }
            check::<f32>(isa, &[300, 270, 3], 1100, 0);
            check::<f64>(isa, &[300, 270, 3], 1100, 1);
            // Small batches with many inputs: threads share out neurons.
            check::<f32>(isa, &[784, 30, 10], 100, 0);
            check::<f64>(isa, &[784, 30, 10], 100, 1);
        }
    }
}

/// Names, in the environment of a child, what it shall touch.
const TOUCH: &str = "GUARD_PAGES_TOUCH";

#[test]
fn guards_are_there() {
    use std::os::unix::process::ExitStatusExt;
    if let Ok(place) = std::env::var(TOUCH) {
        AT_FRONT.store(place == "before", Ordering::Relaxed);
        let numbers = numbers::<f32>(100);
        let at = if place == "before" { -1 } else { 100 };
        // SAFETY: none; the guards are there to end this.
        println!("{}", unsafe { numbers.as_ptr().offset(at).read_volatile() });
        return;
    }
    for place in ["before", "behind"] {
        let mut itself = std::process::Command::new(std::env::current_exe().unwrap());
        itself.args(["--exact", "guards_are_there"]).env(TOUCH, place);
        let found = itself.output().unwrap();
        assert_eq!(found.status.signal(), Some(11), "{place}: {found:?}");
    }
}
