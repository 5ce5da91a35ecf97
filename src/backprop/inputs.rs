//! What is known of the zeros in the inputs of a layer, and the form in which its products then take them.

use crate::data::Layout;
use crate::linalg::kernels::{Isa, Real};
use crate::linalg::memory::panels::Panels;
use crate::linalg::zeros::columns::{Columns, InColumns};
use crate::linalg::zeros::entries::Entries;
use crate::linalg::zeros::masks::{Masked, Masks};

/// What is known of the zeros of a^l.
pub enum Zeros<T> {
    /// Nothing: they are numbers like others.
    Unknown,
    Entries(Entries<T>),
    Masks(Masks),
    Columns(Columns),
}

impl<T: Real> Zeros<T> {
    /// Room for what `layout` says of up to `rows` rows of `cols` numbers, `most` of which are not zero; or None where memory
    /// is refused.
    pub fn with_capacity(layout: Layout, rows: usize, cols: usize, most: usize) -> Option<Self> {
        Some(match layout {
            Layout::Panels => Zeros::Unknown,
            Layout::Entries { density } => {
                Zeros::Entries(Entries::with_capacity(rows, cols, most, density)?)
            }
            Layout::Masked { .. } => Zeros::Masks(Masks::with_capacity(rows, cols)?),
            Layout::Columns { .. } => Zeros::Columns(Columns::with_capacity(cols)?),
        })
    }

    /// Find them.
    pub fn find(&mut self, isa: Isa, a: &Panels<T>) {
        match self {
            Zeros::Unknown | Zeros::Entries(_) => {}
            Zeros::Masks(masks) => masks.find(isa, a),
            Zeros::Columns(columns) => columns.find(isa, a),
        }
    }
}

/// a^l as the products of layer l + 1 multiply it.
pub enum Inputs<'a, T> {
    Panels(&'a Panels<T>),
    Entries(&'a Entries<T>),
    Masked(Masked<'a, T>),
    Columns(InColumns<'a, T>),
}

impl<'a, T: Real> Inputs<'a, T> {
    #[inline(always)]
    pub fn of(a: &'a Panels<T>, zeros: &'a Zeros<T>) -> Self {
        match zeros {
            Zeros::Unknown => Inputs::Panels(a),
            Zeros::Entries(entries) => Inputs::Entries(entries),
            Zeros::Masks(masks) => Inputs::Masked(Masked::new(a, masks)),
            Zeros::Columns(columns) => Inputs::Columns(InColumns::new(a, columns)),
        }
    }
}
