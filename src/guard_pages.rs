//! Kernels on memory whose every allocation lies between two pages that nobody may touch, once against the one behind it
//! and once against the one before it: a read or a write beyond it, or after it was given back, ends the process.
//!
//! This needs no checker that knows the instruction set, so that it holds for AVX-512 where the processor has it. An allocator
//! does it, in processes that the tests start for it; in all others it is the system's.

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::HashMap;
use std::ffi::c_int;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output as Ended};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use ndarray::{ArrayView1, ArrayView2, ArrayViewMut2};

use crate::backprop::Masks;
use crate::data::{Data, Input, Targets};
use crate::inspect::inspect;
use crate::linalg::kernels::{Isa, Real};
use crate::linalg::zeros::csr::{Csr, Indices};
use crate::network::Network;
use crate::network::activation::{Activation, Output};
use crate::predict::predict;
use crate::training::batches::Batches;
use crate::training::objective::Objective;
use crate::training::optimizer::Optimizer;
use crate::training::sharing::split::Split;
use crate::training::trainer::Trainer;

const PAGE: usize = 4096;
/// What is smaller may lie anywhere.
const SMALLEST: usize = 32;
/// Addresses that are set aside. None is used twice, so that those of memory that was given back stay closed.
const ADDRESSES: usize = 1 << 40;
/// The first of them that has not been used, or 0 as long as nothing is guarded.
static NEXT: AtomicUsize = AtomicUsize::new(0);
static END: AtomicUsize = AtomicUsize::new(0);
/// Whether an allocation begins at a page, instead of ending at one.
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
    fn madvise(at: *mut u8, len: usize, advice: c_int) -> c_int;
}
const NO_ACCESS: c_int = 0;
const READ_AND_WRITE: c_int = 3;
/// Private, anonymous, and not counted as memory before it is written.
const ADDRESSES_ALONE: c_int = 0x4022;
const NOT_NEEDED: c_int = 4;

/// Guard what is allocated from now on.
fn guard(front: bool) {
    AT_FRONT.store(front, Ordering::Relaxed);
    // SAFETY: new addresses that nobody may use yet.
    let first = unsafe {
        mmap(std::ptr::null_mut(), ADDRESSES, NO_ACCESS, ADDRESSES_ALONE, -1, 0).expose_provenance()
    };
    assert!(first != usize::MAX, "addresses were refused");
    END.store(first + ADDRESSES, Ordering::Relaxed);
    NEXT.store(first + PAGE, Ordering::Release);
}

struct Guarded;

impl Guarded {
    /// The size up to the next multiple of the alignment, and the pages for it in bytes.
    fn sizes(layout: Layout) -> (usize, usize) {
        let size = layout.pad_to_align().size();
        (size, size.next_multiple_of(PAGE))
    }
}

// SAFETY: memory is new, readable and writable, of the size and alignment asked for (pages are aligned, and so is a multiple of
// the alignment before one), and given back as a whole; or it is the system allocator's.
unsafe impl GlobalAlloc for Guarded {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let (size, pages) = Self::sizes(layout);
        if NEXT.load(Ordering::Acquire) == 0 || size < SMALLEST || layout.align() > PAGE {
            // SAFETY: as the caller promises.
            return unsafe { System.alloc(layout) };
        }
        let first = NEXT.fetch_add(pages + PAGE, Ordering::Relaxed);
        let at = std::ptr::with_exposed_provenance_mut::<u8>(first);
        if first + pages >= END.load(Ordering::Relaxed) {
            return std::ptr::null_mut();
        }
        // SAFETY: pages that were set aside and that nobody else has had.
        if unsafe { mprotect(at, pages, READ_AND_WRITE) } != 0 {
            return std::ptr::null_mut();
        }
        let front = AT_FRONT.load(Ordering::Relaxed);
        at.wrapping_add(if front { 0 } else { pages - size })
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        let end = END.load(Ordering::Relaxed);
        if !(end.saturating_sub(ADDRESSES)..end).contains(&pointer.addr()) {
            // SAFETY: as the caller promises; it is not one of ours.
            return unsafe { System.dealloc(pointer, layout) };
        }
        let (_, pages) = Self::sizes(layout);
        // SAFETY: it begins in the first of its pages, which are its own.
        unsafe {
            let first = pointer.sub(pointer.addr() % PAGE);
            mprotect(first, pages, NO_ACCESS);
            madvise(first, pages, NOT_NEEDED);
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
    // A single softmax unit is always 1: away from a target of 0 it would grow for ever.
    let output = match number.is_multiple_of(2) && !sizes.ends_with(&[1]) {
        true => Output::Softmax,
        false => Output::from_name("logistic").unwrap(),
    };
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
        predict(&network, parameters.as_slice(), &x, || 2, view, || false).unwrap();
        inspect(&network, parameters.as_mut_slice(), &cost, 0.1, &data, Masks::NONE, || false)
            .unwrap();
        let mut objective = Objective::new(network.clone(), cost.clone(), 0.1).unwrap();
        let mut gradient = numbers(vector.len());
        objective.evaluate(&vector, &data, || 2, &mut gradient, || false).unwrap();
        let mut trainer =
            Trainer::new(network.clone(), parameters, cost.clone(), 0.1, optimizer, 0.01).unwrap();
        trainer.set_isa(isa);
        if number.is_multiple_of(3) {
            trainer.set_dropout(vec![0.3; sizes.len() - 2]).unwrap();
        }
        if network.packed_len() > 1 << 16 {
            trainer.split_to_test = Some(Split { rows: 1, neurons: 2 });
        }
        for batch_size in [1 + rows / 40, 7 + rows / 10, rows] {
            let batches = Batches { order: Some(&order), size: batch_size, ..Batches::default() };
            trainer.epoch(&data, batches, 2, || false).unwrap();
        }
        let wrong = trainer.parameters().iter().position(|w| !w.is_finite());
        assert!(wrong.is_none(), "{wrong:?} {isa:?} {} {sizes:?} {rows} {number}", T::NAME);
    }
}

/// Tells a process that a test has started what to do: its place, "before" or "behind".
const PLACE: &str = "RUSTBP_TEST_GUARDS";

/// Run this test in a process of its own, with guards; None in that process itself.
fn with_guards(test: &str, place: &str) -> Option<Ended> {
    if let Ok(place) = std::env::var(PLACE) {
        guard(place == "before");
        return None;
    }
    let mut itself = Command::new(std::env::current_exe().unwrap());
    itself.args(["--exact", &format!("guard_pages::{test}"), "--nocapture"]).env(PLACE, place);
    Some(itself.output().unwrap())
}

#[test]
fn nothing_is_touched_beyond_its_memory() {
    for place in ["behind", "before"] {
        match with_guards("nothing_is_touched_beyond_its_memory", place) {
            Some(ended) => assert!(ended.status.success(), "{place}: {ended:?}"),
            None => return check_all(),
        }
    }
}

fn check_all() {
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
    for isa in Isa::all_bfloat16().filter(|isa| *isa != Isa::Bfloat16Model) {
        for (number, sizes) in
            [[1, 1, 1], [7, 5, 2], [16, 16, 17], [33, 31, 1], [47, 70, 3]].iter().enumerate()
        {
            for rows in [1, 2, 13, 35, 70] {
                check::<f32>(isa, sizes, rows, number);
            }
        }
        check::<f32>(isa, &[300, 270, 3], 1100, 0);
    }
}

#[test]
fn guards_are_there() {
    for place in ["behind", "before"] {
        match with_guards("guards_are_there", place) {
            Some(ended) => assert_eq!(ended.status.signal(), Some(11), "{place}: {ended:?}"),
            None => {
                let numbers = numbers::<f32>(100);
                let at = if AT_FRONT.load(Ordering::Relaxed) { -1 } else { 100 };
                // SAFETY: none; the guards are there to end this.
                println!("{}", unsafe { numbers.as_ptr().offset(at).read_volatile() });
                return;
            }
        }
    }
}
