//! The fast Walsh–Hadamard transform with sign flips: one round of a random rotation.
//!
//! x ← s · H D x, where D flips the signs that a bit mask names and H is the Hadamard matrix of ±1 in natural
//! (Sylvester) order. Stage by stage, from the largest distance h to 1, every pair (x[i], x[i + h]) becomes its
//! sum and difference (Fino and Algazi, "Unified matrix treatment of the fast Walsh–Hadamard transform", 1976).
//! D and s are applied on the first reading.
//!
//! Passes over memory are what costs. So two stages share a pass (radix 4), the last pass takes up to three at
//! once and does the stages *within* a vector before it stores: a lane swap and one multiply-add by ±1, which
//! rounds exactly as a sum or difference does. Blocks that fit the first-level cache are finished before the
//! next is begun. None of this changes an operand of any addition: every tier equals the scalar twin bit for
//! bit.

use crate::lanes::Lanes;
use crate::math::Real;
use crate::table::Kernels;
use crate::view::{ShapeError, expect_len};

/// The transform in the table: values, sign bits, scale.
pub(crate) type WalshHadamard<T> = unsafe fn(&mut [T], Option<&[u64]>, T);

/// The transforms of one tier.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WalshHadamardTable {
    pub(crate) f32: WalshHadamard<f32>,
    pub(crate) f64: WalshHadamard<f64>,
}

/// How one tier compiles the transform: a `#[target_feature]` function around [`transform`].
pub(crate) trait Shell<T: Real> {
    /// # Safety
    /// As for [`transform`]; the CPU must have the tier's features.
    unsafe fn walsh_hadamard(x: &mut [T], signs: Option<&[u64]>, scale: T);
}

impl WalshHadamardTable {
    /// The transforms as `S` compiles them.
    pub(crate) const fn of<S: Shell<f32> + Shell<f64>>() -> Self {
        Self { f32: <S as Shell<f32>>::walsh_hadamard, f64: <S as Shell<f64>>::walsh_hadamard }
    }
}

impl Kernels {
    /// The Walsh–Hadamard transform `scale · H D x` in place, in natural order.
    ///
    /// Bit `i % 64` of `signs[i / 64]` flips the sign of `x[i]` first; `None` flips nothing. A scale of 1 gives
    /// the unnormalised transform, whose square is n times the identity; 1/√n the orthonormal one, a rotation
    /// that is its own inverse. Equals [`reference::wht::walsh_hadamard`](crate::reference::wht::walsh_hadamard)
    /// bit for bit on every tier (NaN payloads aside), so the error is at most
    /// (log₂ n + 1) · ε · scale · Σ |xᵢ| for each result. Complexity O(n log n); no allocation.
    ///
    /// # Errors
    /// [`ShapeError`] if the length of `x` is not a power of two, or `signs` does not hold one bit a value.
    ///
    /// ```
    /// let kernels = simd_kernels::Kernels::active()?;
    /// let mut x = [1.0f32, 2.0, 3.0, 4.0];
    /// kernels.walsh_hadamard(&mut x, Some(&[0b1000]), 1.0)?; // flips the 4
    /// assert_eq!(x, [2.0, 6.0, 4.0, -8.0]);
    /// kernels.walsh_hadamard(&mut x, None, 0.25)?;
    /// assert_eq!(x, [1.0, 2.0, 3.0, -4.0]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn walsh_hadamard<T: Real>(
        &self,
        x: &mut [T],
        signs: Option<&[u64]>,
        scale: T,
    ) -> Result<(), ShapeError> {
        if !x.len().is_power_of_two() {
            return Err(ShapeError::PowerOfTwo { argument: "x", actual: x.len() });
        }
        if let Some(signs) = signs {
            expect_len("signs", x.len().div_ceil(64), signs.len())?;
        }
        // SAFETY: the table is only handed out when the CPU has the tier's features; the lengths were checked.
        unsafe { T::walsh_hadamard(self)(x, signs, scale) };
        Ok(())
    }
}

/// Bytes that are transformed completely before the next are touched: half of a small first-level cache.
const BLOCK_BYTES: usize = 16 << 10;

/// What happens to values as they are read for the first time.
#[derive(Clone, Copy)]
struct First<'a, V> {
    signs: Option<&'a [u64]>,
    scale: V,
}

impl<V: Copy> First<'_, V> {
    /// # Safety
    /// `signs` must have bits for the values of `v`, which begin at `at`.
    #[inline(always)]
    unsafe fn apply<T: Real, L: Lanes<T, Vector = V>>(self, l: L, mut v: V, at: usize) -> V {
        if let Some(signs) = self.signs {
            // SAFETY: the caller vouches for the word. A vector never straddles two.
            v = l.flip(v, unsafe { signs.as_ptr().add(at / 64).read() >> (at % 64) } as u32);
        }
        l.mul(v, self.scale)
    }
}

/// # Safety
/// The length of `x` must be a power of two, and `signs` must hold a bit for each value.
#[inline(always)]
pub(crate) unsafe fn transform<T: Real, L: Lanes<T>>(l: L, x: &mut [T], signs: Option<&[u64]>, scale: T) {
    let len = x.len();
    let first = First { signs, scale: l.splat(scale) };
    if len < L::WIDTH {
        // SAFETY: `x` holds `len > 0` values and `signs` a bit for each.
        unsafe {
            let v = first.apply::<T, L>(l, l.load_part(x.as_ptr(), len), 0);
            l.store_part(x.as_mut_ptr(), len, within(l, v, len));
        }
        return;
    }
    let mut block = len;
    while block * size_of::<T>() > BLOCK_BYTES {
        block /= 4;
    }
    let mut at = 0;
    while at < len {
        // A quarter of a larger stretch is begun only once the stretch had its own pass.
        let mut stretch = len;
        while stretch > block {
            if at.is_multiple_of(stretch) {
                // SAFETY: `stretch` is a power of two not above `len`, and divides `at < len`.
                unsafe {
                    if stretch == len {
                        radix4::<T, L, true>(l, x.as_mut_ptr(), at, stretch, first);
                    } else {
                        radix4::<T, L, false>(l, x.as_mut_ptr(), at, stretch, first);
                    }
                }
            }
            stretch /= 4;
        }
        // SAFETY: as above.
        unsafe {
            if block == len {
                finish::<T, L, true>(l, x.as_mut_ptr(), at, block, first);
            } else {
                finish::<T, L, false>(l, x.as_mut_ptr(), at, block, first);
            }
        }
        at += block;
    }
}

/// All stages of one block.
///
/// # Safety
/// `x` must be valid for `start + len` values, `len >= WIDTH` a power of two; `first.signs` must have a bit for
/// each.
#[inline(always)]
unsafe fn finish<T: Real, L: Lanes<T>, const FIRST: bool>(
    l: L,
    x: *mut T,
    start: usize,
    len: usize,
    first: First<'_, L::Vector>,
) {
    // Stages between vectors; an odd count ends in one pass of three (or one), an even count in one of two.
    let mut stages = (len / L::WIDTH).trailing_zeros();
    let mut stretch = len;
    // SAFETY: every stretch is a whole number of vectors within the block.
    unsafe {
        if stages > 3 {
            radix4::<T, L, FIRST>(l, x, start, len, first);
            (stages, stretch) = (stages - 2, stretch / 4);
            while stages > 3 {
                let mut at = start;
                while at < start + len {
                    radix4::<T, L, false>(l, x, at, stretch, first);
                    at += stretch;
                }
                (stages, stretch) = (stages - 2, stretch / 4);
            }
            match stages {
                2 => last::<T, L, 4, false>(l, x, start, len, first),
                _ => last::<T, L, 8, false>(l, x, start, len, first),
            }
        } else {
            match stages {
                0 => last::<T, L, 1, FIRST>(l, x, start, len, first),
                1 => last::<T, L, 2, FIRST>(l, x, start, len, first),
                2 => last::<T, L, 4, FIRST>(l, x, start, len, first),
                _ => last::<T, L, 8, FIRST>(l, x, start, len, first),
            }
        }
    }
}

/// The two largest stages of one stretch.
///
/// # Safety
/// As for [`finish`], with at least four vectors.
#[inline(always)]
unsafe fn radix4<T: Real, L: Lanes<T>, const FIRST: bool>(
    l: L,
    x: *mut T,
    start: usize,
    len: usize,
    first: First<'_, L::Vector>,
) {
    let quarter = len / 4;
    let mut at = start;
    while at < start + quarter {
        // SAFETY: the four vectors lie within the stretch.
        unsafe {
            let v = load::<T, L, 4, FIRST>(l, x, at, quarter, first);
            store(l, x, at, quarter, butterflies(l, v));
        }
        at += L::WIDTH;
    }
}

/// The last stages of every stretch of `R` vectors: those between its vectors, then those within each.
///
/// # Safety
/// As for [`finish`], with a whole number of stretches.
#[inline(always)]
unsafe fn last<T: Real, L: Lanes<T>, const R: usize, const FIRST: bool>(
    l: L,
    x: *mut T,
    start: usize,
    len: usize,
    first: First<'_, L::Vector>,
) {
    let mut at = start;
    while at < start + len {
        // SAFETY: the `R` vectors lie within the block.
        unsafe {
            let v = load::<T, L, R, FIRST>(l, x, at, L::WIDTH, first);
            let mut v = butterflies(l, v);
            // A loop: a closure would not inherit the shell's features.
            for v in &mut v {
                *v = within(l, *v, L::WIDTH);
            }
            store(l, x, at, L::WIDTH, v);
        }
        at += R * L::WIDTH;
    }
}

/// `R` vectors `step` values apart, flipped and scaled if this is the first reading.
///
/// # Safety
/// All of them must be readable, and have sign bits.
#[inline(always)]
unsafe fn load<T: Real, L: Lanes<T>, const R: usize, const FIRST: bool>(
    l: L,
    x: *const T,
    at: usize,
    step: usize,
    first: First<'_, L::Vector>,
) -> [L::Vector; R] {
    let mut v = [first.scale; R];
    for (index, v) in v.iter_mut().enumerate() {
        let at = at + index * step;
        // SAFETY: the caller vouches for the vector, and for a sign bit for each of its values.
        unsafe {
            *v = l.load(x.add(at));
            if FIRST {
                *v = first.apply::<T, L>(l, *v, at);
            }
        }
    }
    v
}

/// # Safety
/// All `R` vectors, `step` values apart, must be writable.
#[inline(always)]
unsafe fn store<T: Real, L: Lanes<T>, const R: usize>(
    l: L,
    x: *mut T,
    at: usize,
    step: usize,
    v: [L::Vector; R],
) {
    for (index, v) in v.into_iter().enumerate() {
        // SAFETY: the caller vouches for the vector.
        unsafe { l.store(x.add(at + index * step), v) };
    }
}

/// The stages between `R` vectors, in registers.
#[inline(always)]
fn butterflies<T: Real, L: Lanes<T>, const R: usize>(l: L, mut v: [L::Vector; R]) -> [L::Vector; R] {
    let mut distance = R / 2;
    while distance > 0 {
        for i in 0..R {
            if i & distance == 0 {
                let (a, b) = (v[i], v[i + distance]);
                v[i] = l.add(a, b);
                v[i + distance] = l.sub(a, b);
            }
        }
        distance /= 2;
    }
    v
}

/// The stages within each `len` lanes of one vector.
#[inline(always)]
fn within<T: Real, L: Lanes<T>>(l: L, mut v: L::Vector, len: usize) -> L::Vector {
    let mut distance = L::WIDTH / 2;
    while distance > 0 {
        if distance < len {
            // Upper lanes get partner − self, lower ones partner + self.
            v = l.mul_add(v, signs_of(l, distance), l.swap(v, distance));
        }
        distance /= 2;
    }
    v
}

/// 1 in lanes that have a partner `distance` above them, −1 in the others.
#[inline(always)]
fn signs_of<T: Real, L: Lanes<T>>(l: L, distance: usize) -> L::Vector {
    let mut upper = 0;
    for lane in 0..L::WIDTH {
        if lane & distance != 0 {
            upper |= 1 << lane;
        }
    }
    l.flip(l.splat(T::EXP.one), upper)
}
