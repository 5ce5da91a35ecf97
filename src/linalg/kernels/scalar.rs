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
    /// Taylor coefficients 1/(2k + 1) of artanh(s)/s in s², as many as |s| <= 1/3 needs.
    const ARTANH_SERIES: &'static [Self];
    /// P of [`normal`](crate::linalg::kernels::math::normal()), by interpolation at Chebyshev's nodes.
    const NORMAL_SERIES: &'static [Self];
    /// Adding it rounds to so few digits that the square of the result is exact.
    const SQUARE_ROUNDER: Self;
    /// The standard normal distribution is 0 or 1 beyond.
    const NORMAL_MAX: Self;

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
    const ARTANH_SERIES: &'static [f32] = &[
        1.0,
        1.0 / 3.0,
        1.0 / 5.0,
        1.0 / 7.0,
        1.0 / 9.0,
        1.0 / 11.0,
        1.0 / 13.0,
        1.0 / 15.0,
        1.0 / 17.0,
    ];
    const NORMAL_SERIES: &'static [f32] = &[
        0.188_821_29,
        0.151_974_16,
        0.096_784_346,
        0.046_630_498,
        0.015_099_161,
        0.001_884_672_2,
        -0.000_869_985_7,
        -0.000_406_061_9,
        3.341_010_6e-05,
        5.444_276_8e-05,
        -4.314_980_8e-07,
        -5.494_761e-06,
    ];
    const SQUARE_ROUNDER: f32 = 12_582_912.0 / 128.0;
    const NORMAL_MAX: f32 = 14.5;

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
    const ARTANH_SERIES: &'static [f64] = &[
        1.0,
        1.0 / 3.0,
        1.0 / 5.0,
        1.0 / 7.0,
        1.0 / 9.0,
        1.0 / 11.0,
        1.0 / 13.0,
        1.0 / 15.0,
        1.0 / 17.0,
        1.0 / 19.0,
        1.0 / 21.0,
        1.0 / 23.0,
        1.0 / 25.0,
        1.0 / 27.0,
        1.0 / 29.0,
        1.0 / 31.0,
        1.0 / 33.0,
    ];
    const NORMAL_SERIES: &'static [f64] = &[
        0.188_821_282_603_937_85,
        0.151_974_160_492_973_02,
        0.096_784_350_185_556_73,
        0.046_630_464_489_912_94,
        0.015_099_143_722_587_02,
        0.001_885_047_241_749_155_8,
        -0.000_869_923_089_112_694_4,
        -0.000_407_704_615_694_742_2,
        3.333_605_188_788_428e-05,
        5.777_374_668_713_712e-05,
        -4.769_171_283_300_536e-07,
        -8.786_247_032_900_86e-06,
        1.786_450_648_048_275_4e-07,
        1.480_322_355_528_757e-06,
        -1.562_285_420_225_164_9e-07,
        -2.560_592_247_141_351e-07,
        6.617_114_031_617_589e-08,
        3.979_109_847_948_726e-08,
        -1.968_673_607_617_709_6e-08,
        -4.354_781_294_864_728_5e-09,
        4.012_985_628_570_631e-09,
        1.044_370_963_108_356_9e-10,
        -4.214_620_484_319_719e-10,
        3.734_119_877_488_757_6e-11,
    ];
    const SQUARE_ROUNDER: f64 = 6_755_399_441_055_744.0 / 1_048_576.0;
    const NORMAL_MAX: f64 = 39.0;

    #[inline(always)]
    fn of(x: f64) -> f64 {
        x
    }

    #[inline(always)]
    fn as_f64(self) -> f64 {
        self
    }
}
