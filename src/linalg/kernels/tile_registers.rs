//! What the products in [tiles](crate::linalg::kernels::tiles) ask of a processor.

/// Bytes of a row of a tile.
pub const ROW: usize = 64;

/// Eight tiles of a thread.
pub trait TileRegisters {
    /// Whether a processor has them.
    const THERE: bool;

    fn new() -> Self;

    /// # Safety
    /// This thread has tiles.
    unsafe fn zero<const T: usize>(&mut self);

    /// # Safety
    /// This thread has tiles; 16 rows of 64 bytes are readable, `row` bytes apart.
    unsafe fn load<const T: usize>(&mut self, from: *const u8, row: usize);

    /// # Safety
    /// This thread has tiles; 16 rows of 64 bytes are writable, one after the other.
    unsafe fn store<const T: usize>(&self, to: *mut u8);

    /// Add the products of a tile of the left matrix and one of the right one.
    ///
    /// # Safety
    /// This thread has tiles.
    unsafe fn multiply<const SUM: usize, const LEFT: usize, const RIGHT: usize>(&mut self);
}

/// No tiles.
impl TileRegisters for () {
    const THERE: bool = false;

    fn new() -> Self {}
    unsafe fn zero<const T: usize>(&mut self) {}
    unsafe fn load<const T: usize>(&mut self, _from: *const u8, _row: usize) {}
    unsafe fn store<const T: usize>(&self, _to: *mut u8) {}
    unsafe fn multiply<const SUM: usize, const LEFT: usize, const RIGHT: usize>(&mut self) {}
}
