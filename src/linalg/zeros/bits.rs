//! Words whose bits say what counts.

/// Bits of a word.
pub const BITS: usize = u64::BITS as usize;

/// The number of the lowest bit that is set, which is cleared.
#[inline(always)]
pub fn take_lowest(bits: &mut u64) -> Option<usize> {
    if *bits == 0 {
        return None;
    }
    let lowest = bits.trailing_zeros() as usize;
    *bits &= *bits - 1;
    Some(lowest)
}

/// Bit j of word i becomes bit i of word j: halves of the block change places, then halves of each half and so on (Warren,
/// Hacker's Delight, 2nd ed., section 7-3).
pub fn transpose(block: &mut [u64; BITS]) {
    let (mut width, mut low) = (BITS / 2, u64::MAX >> (BITS / 2));
    while width > 0 {
        for pair in block.chunks_exact_mut(2 * width) {
            let (upper, lower) = pair.split_at_mut(width);
            for (a, b) in upper.iter_mut().zip(lower) {
                let differ = (*a >> width ^ *b) & low;
                *a ^= differ << width;
                *b ^= differ;
            }
        }
        width /= 2;
        low ^= low << width;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_change_places_with_words() {
        let block: [u64; BITS] =
            std::array::from_fn(|i| 0x9e37_79b9_7f4a_7c15u64.wrapping_pow(i as u32 + 1));
        let mut transposed = block;
        transpose(&mut transposed);
        for (i, row) in block.iter().enumerate() {
            for (j, column) in transposed.iter().enumerate() {
                assert_eq!(column >> i & 1, row >> j & 1, "{i} {j}");
            }
        }
    }

    #[test]
    fn bits_are_taken_from_the_lowest_up() {
        let mut bits = 1 << 63 | 1 << 5 | 1;
        let taken: Vec<_> = std::iter::from_fn(|| take_lowest(&mut bits)).collect();
        assert_eq!(taken, [0, 5, 63]);
    }
}
