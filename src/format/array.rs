//! An array that is to be written, what its numbers are, and how to read them from bytes.

use crate::format::error::FormatError;

macro_rules! dtypes {
    ($($name:ident, $code:literal, $size:literal;)*) => {
        /// What the numbers of an array are.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Dtype { $($name),* }

        impl Dtype {
            pub const ALL: &'static [Dtype] = &[$(Dtype::$name),*];

            /// The name safetensors has for it.
            pub fn name(self) -> &'static str {
                match self { $(Dtype::$name => $code),* }
            }

            /// Bytes of one number.
            pub fn size(self) -> u64 {
                match self { $(Dtype::$name => $size),* }
            }
        }
    };
}

dtypes! {
    Bool, "BOOL", 1;
    U8, "U8", 1;
    I8, "I8", 1;
    U16, "U16", 2;
    I16, "I16", 2;
    F16, "F16", 2;
    U32, "U32", 4;
    I32, "I32", 4;
    F32, "F32", 4;
    U64, "U64", 8;
    I64, "I64", 8;
    F64, "F64", 8;
}

impl Dtype {
    pub fn from_name(name: &str) -> Result<Self, FormatError> {
        Self::ALL
            .iter()
            .copied()
            .find(|dtype| dtype.name() == name)
            .ok_or_else(|| FormatError::invalid(format!("unknown dtype {name:?}")))
    }
}

/// One array to be written: its numbers row by row, little-endian.
#[derive(Clone, Copy, Debug)]
pub struct Array<'a> {
    pub name: &'a str,
    pub dtype: Dtype,
    pub shape: &'a [u64],
    pub data: &'a [u8],
}

pub fn length(bytes: &[u8]) -> u64 {
    // No machine has a longer slice.
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// Numbers of `N` bytes.
pub fn numbers<const N: usize>(data: &[u8]) -> impl Iterator<Item = [u8; N]> + '_ {
    let (numbers, _) = data.as_chunks::<N>();
    numbers.iter().copied()
}
