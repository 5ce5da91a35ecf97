//! The two number types, f32 and f64, and the constants that arithmetic on them needs.

use std::fmt::{Debug, Display};
use std::ops::{AddAssign, MulAssign, SubAssign};

use ndarray::ScalarOperand;
use num_traits::Float;

/// f32 or f64.
pub trait Scalar:
    Float
    + ScalarOperand
    + AddAssign
    + SubAssign
    + MulAssign
    + Default
    + Debug
    + Display
    + Send
    + Sync
    + 'static
{
    const ZERO: Self;
    const ONE: Self;
    /// NumPy's name of the type, for error messages.
    const NAME: &'static str;
    /// Taylor coefficients 1/k! of e^r, k = 2, 3, ..., enough for |r| <= ln(2)/2 to round correctly within an ULP.
    const EXP_SERIES: &'static [Self];
    /// ln 2 in two parts: `LN2_HI` has trailing zeros, so that whole multiples of it are exact.
    const LN2_HI: Self;
    const LN2_LO: Self;
    /// 1.5 * 2^(mantissa bits): adding it rounds to a whole number and leaves that number in the low bits.
    const ROUNDER: Self;
    /// Beyond these e^x is 0 or infinity.
    const EXP_MIN: Self;
    const EXP_MAX: Self;
    /// tanh(x) rounds to 1 from here on.
    const TANH_ONE: Self;

    fn of(x: f64) -> Self;
    fn as_f64(self) -> f64;
}

impl Scalar for f32 {
    const ZERO: f32 = 0.0;
    const ONE: f32 = 1.0;
    const NAME: &'static str = "float32";
    const EXP_SERIES: &'static [f32] =
        &[1.0 / 2.0, 1.0 / 6.0, 1.0 / 24.0, 1.0 / 120.0, 1.0 / 720.0, 1.0 / 5040.0];
    const LN2_HI: f32 = 0.693_359_4; // 355/512: ten bits
    const LN2_LO: f32 = -2.121_944_4e-4;
    const ROUNDER: f32 = 12_582_912.0;
    const EXP_MIN: f32 = -104.0;
    const EXP_MAX: f32 = 89.0;
    const TANH_ONE: f32 = 9.5;

    #[inline(always)]
    #[allow(clippy::cast_possible_truncation, reason = "rounding is what it is for")]
    fn of(x: f64) -> f32 {
        x as f32
    }

    #[inline(always)]
    fn as_f64(self) -> f64 {
        f64::from(self)
    }
}

impl Scalar for f64 {
    const ZERO: f64 = 0.0;
    const ONE: f64 = 1.0;
    const NAME: &'static str = "float64";
    const EXP_SERIES: &'static [f64] = &[
        1.0 / 2.0,
        1.0 / 6.0,
        1.0 / 24.0,
        1.0 / 120.0,
        1.0 / 720.0,
        1.0 / 5040.0,
        1.0 / 40320.0,
        1.0 / 362_880.0,
        1.0 / 3_628_800.0,
        1.0 / 39_916_800.0,
        1.0 / 479_001_600.0,
        1.0 / 6_227_020_800.0,
    ];
    const LN2_HI: f64 = 0.693_147_180_369_123_8; // the low 20 bits are zero
    const LN2_LO: f64 = 1.908_214_929_270_587_7e-10;
    const ROUNDER: f64 = 6_755_399_441_055_744.0;
    const EXP_MIN: f64 = -746.0;
    const EXP_MAX: f64 = 710.0;
    const TANH_ONE: f64 = 20.0;

    #[inline(always)]
    fn of(x: f64) -> f64 {
        x
    }

    #[inline(always)]
    fn as_f64(self) -> f64 {
        self
    }
}
