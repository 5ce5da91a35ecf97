//! The header of a model file: what arrays there are, and where.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

use crate::format::array::{Array, Dtype, length};
use crate::format::error::FormatError;

const METADATA: &str = "__metadata__";
/// The document's name in a file's `__metadata__`.
pub const KEY: &str = "rustbp";
/// Bytes before the header: its length.
pub const PREFIX: u64 = 8;
/// Bytes of a header at most, as in safetensors.
pub const MOST: u64 = 100_000_000;
/// Bytes of a string in the header at most, as it is written. The longest is the document.
const LONGEST_STRING: usize = 48 << 10;
/// Bytes of a number in the header at most.
const LONGEST_NUMBER: usize = 40;
/// No entry is shorter: `"a":{"dtype":"U8","shape":[],"data_offsets":[0,0]}`
const SHORTEST_ENTRY: usize = 50;

/// One array.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    pub name: &'a str,
    pub dtype: Dtype,
    rank: u8,
    dims: [u64; 2],
    /// Where it begins, counted from the end of the header.
    start: u64,
}

impl Entry<'_> {
    pub fn shape(&self) -> &[u64] {
        self.dims.get(..usize::from(self.rank)).unwrap_or_default()
    }

    /// What its numbers take. No product or sum here overflows: they were checked when the entry was parsed.
    pub fn bytes(&self) -> u64 {
        let size = self.dtype.size();
        self.shape().iter().fold(size, |n, &dim| n.saturating_mul(dim))
    }

    /// Refuse an array of another dtype or shape.
    pub fn require(&self, dtype: Dtype, shape: &[u64]) -> Result<(), FormatError> {
        if self.dtype == dtype && self.shape() == shape {
            return Ok(());
        }
        Err(FormatError::invalid(format!(
            "{} must be {} of shape {shape:?}; got {} of shape {:?}",
            self.name,
            dtype.name(),
            self.dtype.name(),
            self.shape()
        )))
    }

    fn end(&self) -> u64 {
        self.start.saturating_add(self.bytes())
    }
}

/// A header whose arrays follow one another without gaps.
#[derive(Debug)]
pub struct Header<'a> {
    pub document: Cow<'a, str>,
    /// In the order of names.
    entries: Vec<Entry<'a>>,
    data_len: u64,
}

impl<'a> Header<'a> {
    pub fn parse(text: &'a [u8]) -> Result<Self, FormatError> {
        check_tokens(text)?;
        let most = text.len() / SHORTEST_ENTRY;
        let mut json = serde_json::Deserializer::from_slice(text);
        let (document, mut entries) = Arrays { most }
            .deserialize(&mut json)
            .and_then(|parsed| json.end().map(|()| parsed))
            .map_err(|e| FormatError::invalid(format!("its header is malformed: {e}")))?;
        let Some(document) = document else {
            return Err(FormatError::invalid("it is a safetensors file, but not one of rustbp"));
        };
        entries.sort_unstable_by_key(|e| (e.start, e.bytes()));
        let mut data_len = 0;
        for entry in &entries {
            if entry.start != data_len {
                return Err(FormatError::invalid(format!(
                    "array {:?} begins at {}, but the one before it ends at {data_len}",
                    entry.name, entry.start
                )));
            }
            data_len = entry.end();
        }
        entries.sort_unstable_by_key(|e| e.name);
        if !entries.is_sorted_by(|a, b| a.name < b.name) {
            return Err(FormatError::invalid("two of its arrays have the same name"));
        }
        Ok(Self { document, entries, data_len })
    }

    /// Bytes of all arrays.
    pub fn data_len(&self) -> u64 {
        self.data_len
    }

    /// How many arrays there are.
    pub fn count(&self) -> usize {
        self.entries.len()
    }

    pub fn find(&self, name: &str) -> Option<&Entry<'a>> {
        let found = self.entries.binary_search_by_key(&name, |e| e.name);
        self.entries.get(found.ok()?)
    }

    /// The array of this name, which has to be there.
    pub fn needed(&self, name: &str) -> Result<&Entry<'a>, FormatError> {
        self.find(name).ok_or_else(|| FormatError::invalid(format!("it lacks the array {name:?}")))
    }

    pub fn into_file_order(mut self) -> Vec<Entry<'a>> {
        self.entries.sort_unstable_by_key(|e| (e.start, e.bytes()));
        self.entries
    }
}

/// The text of a header, padded to whole numbers of 8 bytes; the arrays are in the order of the file.
pub fn text(document: &str, arrays: &[&Array<'_>]) -> Result<Vec<u8>, FormatError> {
    let invalid = |error: serde_json::Error| FormatError::invalid(error.to_string());
    let quote = |text: &str| serde_json::to_string(text).map_err(invalid);
    let mut text = format!("{{{METADATA:?}:{{{}:{}}}", quote(KEY)?, quote(document)?);
    let mut start = 0u64;
    for array in arrays {
        let end = start.saturating_add(length(array.data));
        text += &format!(
            ",{}:{{\"dtype\":\"{}\",\"shape\":{:?},\"data_offsets\":[{start},{end}]}}",
            quote(array.name)?,
            array.dtype.name(),
            array.shape
        );
        start = end;
    }
    text.push('}');
    while !text.len().is_multiple_of(8) {
        text.push(' ');
    }
    if length(text.as_bytes()) > MOST {
        return Err(FormatError::invalid("there are too many arrays"));
    }
    Ok(text.into_bytes())
}

/// Refuse long strings and numbers: what a parser makes of one, it makes beside the header.
fn check_tokens(text: &[u8]) -> Result<(), FormatError> {
    let mut bytes = text.iter();
    let mut number = 0usize;
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => {
                number = 0;
                let mut string = 0usize;
                while let Some(&byte) = bytes.next().filter(|&&byte| byte != b'"') {
                    if byte == b'\\' {
                        bytes.next();
                    }
                    string = string.saturating_add(1);
                }
                if string > LONGEST_STRING {
                    return Err(FormatError::invalid("a string in its header is too long"));
                }
            }
            b',' | b':' | b'[' | b']' | b'{' | b'}' | b' ' | b'\t' | b'\n' | b'\r' => number = 0,
            _ => number = number.saturating_add(1),
        }
        if number > LONGEST_NUMBER {
            return Err(FormatError::invalid("a number in its header is too long"));
        }
    }
    Ok(())
}

/// Reads the whole header: the document, if there is one, and `most` entries at most.
struct Arrays {
    most: usize,
}

impl<'de> DeserializeSeed<'de> for Arrays {
    type Value = (Option<Cow<'de, str>>, Vec<Entry<'de>>);

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Arrays {
    type Value = (Option<Cow<'de, str>>, Vec<Entry<'de>>);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of arrays")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut document = None;
        let mut entries = Vec::new();
        entries.try_reserve_exact(self.most).map_err(|_| A::Error::custom("not enough memory"))?;
        while let Some(name) = map.next_key::<&str>()? {
            if name == METADATA {
                let Metadata(found) = map.next_value()?;
                if document.is_some() {
                    return Err(A::Error::custom("there are two documents"));
                }
                document = found;
            } else if entries.len() < self.most {
                entries.push(map.next_value::<Info>()?.entry(name).map_err(A::Error::custom)?);
            } else {
                return Err(A::Error::custom("there are too many arrays"));
            }
        }
        Ok((document, entries))
    }
}

/// `__metadata__`: the document, and what others may have added.
struct Metadata<'a>(Option<Cow<'a, str>>);

#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Deserialize<'de> for Metadata<'de> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct Map;
        impl<'de> Visitor<'de> for Map {
            type Value = Metadata<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of texts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut document = None;
                while let Some(Text(key)) = map.next_key()? {
                    if key != KEY {
                        map.next_value::<IgnoredAny>()?;
                    } else if document.is_none() {
                        let Text(text) = map.next_value()?;
                        document = Some(text);
                    } else {
                        return Err(A::Error::custom("there are two documents"));
                    }
                }
                Ok(Metadata(document))
            }
        }
        json.deserialize_map(Map)
    }
}

/// What a header says of one array.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Info<'a> {
    dtype: &'a str,
    shape: Dims,
    data_offsets: (u64, u64),
}

impl Info<'_> {
    fn entry<'a>(&self, name: &'a str) -> Result<Entry<'a>, FormatError> {
        let dtype = Dtype::from_name(self.dtype)?;
        let Dims { rank, dims } = self.shape;
        let (start, end) = self.data_offsets;
        let len = dims
            .iter()
            .take(usize::from(rank))
            .try_fold(dtype.size(), |len, &dim| len.checked_mul(dim));
        match len {
            Some(len) if start.checked_add(len) == Some(end) => {
                Ok(Entry { name, dtype, rank, dims, start })
            }
            _ => Err(FormatError::invalid(format!(
                "the shape of array {name:?} does not go with its place, {start} to {end}"
            ))),
        }
    }
}

/// A shape of up to two dimensions.
#[derive(Clone, Copy)]
struct Dims {
    rank: u8,
    dims: [u64; 2],
}

impl<'de> Deserialize<'de> for Dims {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct Seq;
        impl<'de> Visitor<'de> for Seq {
            type Value = Dims;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("one or two dimensions")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Dims, A::Error> {
                let first = seq.next_element()?;
                let second = seq.next_element()?;
                let (rank, dims) = match (first, second) {
                    (Some(first), Some(second)) => (2, [first, second]),
                    (Some(first), None) => (1, [first, 1]),
                    _ => return Err(A::Error::invalid_length(0, &self)),
                };
                if seq.next_element::<IgnoredAny>()?.is_some() {
                    return Err(A::Error::invalid_length(3, &self));
                }
                Ok(Dims { rank, dims })
            }
        }
        json.deserialize_seq(Seq)
    }
}
