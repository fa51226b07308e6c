// Fragment: the indices of the elements of a reduction, for kept positions k and reduced positions r of up to three axes each:
// kept K0 x K1 x K2 with strides SK0, SK1, SK2; reduced R0 x R1 x R2 with strides SR0, SR1, SR2.
// Provides the overrides, `keptIndex` and `reducedIndex`; element (k, r) has the index keptIndex(k) + reducedIndex(r).

override K1: u32;
override K2: u32;
override SK0: u32;
override SK1: u32;
override SK2: u32;
override R1: u32;
override R2: u32;
override SR0: u32;
override SR1: u32;
override SR2: u32;
override KEPT: u32;     // K0 * K1 * K2
override REDUCED: u32;  // R0 * R1 * R2
override CHUNK: u32;    // reduced positions per part of a row
override PARTS: u32;    // parts of a row

fn keptIndex(k: u32) -> u32 {
  return (k / (K1 * K2)) * SK0 + ((k / K2) % K1) * SK1 + (k % K2) * SK2;
}

fn reducedIndex(r: u32) -> u32 {
  return (r / (R1 * R2)) * SR0 + ((r / R2) % R1) * SR1 + (r % R2) * SR2;
}
