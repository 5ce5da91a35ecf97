//! Class labels: any dtype that NumPy sorts and scikit-learn takes, stored as numbers.

use std::cmp::Ordering;

use crate::format::array::{Array, Dtype, numbers};
use crate::format::error::FormatError;
use crate::format::header::Header;

/// Check labels of this dtype of NumPy's, and return how many there are.
pub fn check_labels(header: &Header<'_>, name: &str, dtype: &str) -> Result<u64, FormatError> {
    let entry = header.needed(name)?;
    let Some((stored, width)) = storage(dtype) else {
        return Err(FormatError::invalid(format!("{name} of dtype {dtype:?} cannot be stored")));
    };
    let count = entry.shape().first().copied().unwrap_or(0);
    match width {
        Some(width) => entry.require(stored, &[count, width])?,
        None => entry.require(stored, &[count])?,
    }
    if count == 0 {
        return Err(FormatError::invalid(format!("{name} is empty")));
    }
    Ok(count)
}

/// How labels of a dtype of NumPy's are stored, and how many code points a text has.
fn storage(dtype: &str) -> Option<(Dtype, Option<u64>)> {
    let number = match dtype {
        "|b1" => Dtype::Bool,
        "|u1" => Dtype::U8,
        "|i1" => Dtype::I8,
        "<u2" => Dtype::U16,
        "<i2" => Dtype::I16,
        "<f2" => Dtype::F16,
        "<u4" => Dtype::U32,
        "<i4" => Dtype::I32,
        "<f4" => Dtype::F32,
        "<u8" => Dtype::U64,
        "<i8" => Dtype::I64,
        "<f8" => Dtype::F64,
        _ => return text(dtype).or_else(|| time(dtype)),
    };
    Some((number, None))
}

/// `"<U3"`: texts of up to three code points.
fn text(dtype: &str) -> Option<(Dtype, Option<u64>)> {
    let digits = dtype.strip_prefix("<U")?;
    Some((Dtype::U32, Some(u64::from(positive(digits)?))))
}

/// `"<M8[D]"` or `"<m8[25s]"`: dates, or differences of dates, in numbers of a unit.
fn time(dtype: &str) -> Option<(Dtype, Option<u64>)> {
    const UNITS: [&str; 13] =
        ["Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "ps", "fs", "as"];
    let inner =
        dtype.strip_prefix("<M8[").or_else(|| dtype.strip_prefix("<m8["))?.strip_suffix(']')?;
    let unit = inner.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = inner.strip_suffix(unit)?;
    let valid = UNITS.contains(&unit) && (digits.is_empty() || positive(digits).is_some());
    valid.then_some((Dtype::I64, None))
}

/// A number from 1 on that NumPy takes, as NumPy writes it.
fn positive(digits: &str) -> Option<u32> {
    let number = digits.parse::<i32>().ok()?;
    let plain = digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
    u32::try_from(number).ok().filter(|_| plain)
}

/// Whether labels are valid and each is greater than the one before, as `numpy.unique` gives them.
pub fn are_valid(labels: &Array<'_>) -> bool {
    let data = labels.data;
    fn increase<const N: usize, T: PartialOrd>(data: &[u8], number: fn([u8; N]) -> T) -> bool {
        // A single NaN, too, is no label.
        let first = numbers(data).next().map(number);
        first.is_none_or(|x| x.partial_cmp(&x) == Some(Ordering::Equal))
            && numbers(data).map(number).is_sorted_by(|a, b| a < b)
    }
    match labels.dtype {
        Dtype::Bool => data.iter().all(|&b| b <= 1) && increase(data, u8::from_le_bytes),
        Dtype::U8 => increase(data, u8::from_le_bytes),
        Dtype::I8 => increase(data, i8::from_le_bytes),
        Dtype::U16 => increase(data, u16::from_le_bytes),
        Dtype::I16 => increase(data, i16::from_le_bytes),
        Dtype::F16 => increase(data, |x| half(u16::from_le_bytes(x))),
        Dtype::U32 => match labels.shape {
            [_, width] => are_texts(data, *width),
            _ => increase(data, u32::from_le_bytes),
        },
        Dtype::I32 => increase(data, i32::from_le_bytes),
        Dtype::F32 => increase(data, f32::from_le_bytes),
        Dtype::U64 => increase(data, u64::from_le_bytes),
        Dtype::I64 => increase(data, i64::from_le_bytes),
        Dtype::F64 => increase(data, f64::from_le_bytes),
    }
}

/// Whether rows of `width` code points are texts in increasing order.
fn are_texts(data: &[u8], width: u64) -> bool {
    let code_points = |bytes| numbers(bytes).map(u32::from_le_bytes);
    let row = usize::try_from(width.saturating_mul(4)).unwrap_or(usize::MAX);
    code_points(data).all(|c| c <= u32::from(char::MAX))
        && data.chunks_exact(row.max(4)).is_sorted_by(|a, b| code_points(a).lt(code_points(b)))
}

/// A number of half precision.
fn half(bits: u16) -> f32 {
    let magnitude = f32::from(bits & 0x3ff);
    let (exponent, sign) = ((bits >> 10) & 0x1f, if bits >> 15 == 0 { 1.0 } else { -1.0 });
    sign * match exponent {
        0 => magnitude * 2f32.powi(-24),
        0x1f if magnitude == 0.0 => f32::INFINITY,
        0x1f => f32::NAN,
        _ => (1024.0 + magnitude) * 2f32.powi(i32::from(exponent).saturating_sub(25)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_every_dtype_are_compared_as_such() {
        let valid = |code: &str, size: usize, data: &[u8]| {
            let (dtype, count) = (Dtype::from_name(code).unwrap(), (data.len() / size) as u64);
            are_valid(&Array { name: "classes_", dtype, shape: &[count], data })
        };
        assert!(valid("BOOL", 1, &[0, 1]) && !valid("BOOL", 1, &[1, 2]));
        assert!(valid("I8", 1, &[255, 1]) && !valid("U8", 1, &[255, 1]));
        assert!(valid("I64", 8, &[[255; 8], [0; 8]].concat()));
        assert!(!valid("U8", 1, &[3, 3]));
        // In half precision -2, -0, 2^-24, 1, 65504, infinity; then NaN.
        let halves = [0xc000u16, 0x8000, 0x0001, 0x3c00, 0x7bff, 0x7c00, 0x7e00];
        let halves: Vec<u8> = halves.iter().flat_map(|x| x.to_le_bytes()).collect();
        assert!(valid("F16", 2, &halves[..12]) && !valid("F16", 2, &halves));
        assert!(!valid("F64", 8, &f64::NAN.to_le_bytes()));
    }
}
