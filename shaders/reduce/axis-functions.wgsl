// Fragment: a tensor as [OUTER, SIZE, INNER] around one axis. A row is the SIZE elements along that axis, INNER elements apart.
// Provides the overrides and `rowStart`.

override OUTER: u32;
override SIZE: u32;
override INNER: u32;

// Index of the first element of a row, which counts from 0 to OUTER * INNER - 1.
fn rowStart(row: u32) -> u32 {
  return row / INNER * (SIZE * INNER) + row % INNER;
}
