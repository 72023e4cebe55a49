//! Vectors of floats whatever holds them: the vocabulary in which float kernels are written once.
//!
//! [`pulp`] has most of it for every instruction set, and its tokens are the proof that the CPU can run it. What
//! it lacks (powers of two, sign flips by bit mask, lane swaps, partial loads that stay in line) is [`Missing`],
//! a few lines in each tier's `lanes.rs`. The floor tier implements [`Lanes`] on the `wide` crate instead.
//!
//! Nothing here calls `pulp`'s own dispatch: a kernel is compiled whole inside a `#[target_feature]` shell, so
//! that the function in the table is a leaf.

use pulp::Simd;

use crate::element::Element;

/// The most lanes that any tier has.
const MAX_WIDTH: usize = 16;

/// Vectors of `T`. The value itself stands for the CPU features, so it exists only inside a tier's shells.
///
/// # Safety
/// `Vector` must be exactly `WIDTH` values of `T`, `WIDTH` a power of two not above 16, with no padding and no
/// invalid bit patterns.
pub(crate) unsafe trait Lanes<T: Element>: Copy {
    type Vector: Copy;
    const WIDTH: usize;

    fn splat(self, value: T) -> Self::Vector;
    fn add(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    fn sub(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    fn mul(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// `a · b + c`, fused on every tier but the floor of x86-64.
    fn mul_add(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;
    /// `c − a · b`, fused likewise.
    fn sub_mul(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;
    fn sqrt(self, a: Self::Vector) -> Self::Vector;
    /// `x`, but not below `floor`; NaN stays NaN.
    fn at_least(self, x: Self::Vector, floor: Self::Vector) -> Self::Vector;
    /// `x`, but not above `ceiling`; NaN stays NaN.
    fn at_most(self, x: Self::Vector, ceiling: Self::Vector) -> Self::Vector;

    /// `p · 2ⁿ` where `t` is n plus the [rounding constant](crate::math::ExpConstants::round) of the type;
    /// underflow is gradual. n may leave the range of exponents by half of it.
    fn ldexp(self, p: Self::Vector, t: Self::Vector) -> Self::Vector;
    /// The same for n not above 0, where the first n below the normal exponents gives 0.
    fn ldexp_flushing(self, p: Self::Vector, t: Self::Vector) -> Self::Vector;
    /// Lane i negated where bit i is set.
    fn flip(self, x: Self::Vector, bits: u32) -> Self::Vector;
    /// Lane i taken from lane `i ^ distance`; `distance` must be a power of two below `WIDTH`.
    fn swap(self, x: Self::Vector, distance: usize) -> Self::Vector;

    /// # Safety
    /// `from` must be readable for `WIDTH` values.
    #[inline(always)]
    unsafe fn load(self, from: *const T) -> Self::Vector {
        // SAFETY: a vector is `WIDTH` values of `T`, which the caller vouches for.
        unsafe { from.cast::<Self::Vector>().read_unaligned() }
    }

    /// # Safety
    /// `to` must be writable for `WIDTH` values.
    #[inline(always)]
    unsafe fn store(self, to: *mut T, x: Self::Vector) {
        // SAFETY: a vector is `WIDTH` values of `T`, for which the caller vouches.
        unsafe { to.cast::<Self::Vector>().write_unaligned(x) }
    }

    /// The first `n` values; what the other lanes hold is unspecified.
    ///
    /// # Safety
    /// `from` must be readable for `n` values, `0 < n < WIDTH`.
    #[inline(always)]
    unsafe fn load_part(self, from: *const T, n: usize) -> Self::Vector {
        // SAFETY: the caller vouches for `n`; a vector is `WIDTH` values of `T`.
        unsafe { load_part(from, n) }
    }

    /// Writes the first `n` lanes.
    ///
    /// # Safety
    /// `to` must be writable for `n` values, `0 < n < WIDTH`.
    #[inline(always)]
    unsafe fn store_part(self, to: *mut T, n: usize, x: Self::Vector) {
        // SAFETY: the caller vouches for `n`; a vector is `WIDTH` values of `T`.
        unsafe { store_part(to, n, x) }
    }
}

/// [`Lanes::load_part`] without masked instructions. The last value is repeated: that needs no branch, and no
/// call that copies a run of unknown length.
///
/// # Safety
/// As for [`Lanes::load_part`]; `V` must be whole values of `T`, at most 16.
#[inline(always)]
unsafe fn load_part<T: Element, V>(from: *const T, n: usize) -> V {
    let mut lanes = [T::zeroed(); MAX_WIDTH];
    for (lane, value) in lanes.iter_mut().enumerate().take(size_of::<V>() / size_of::<T>()) {
        // SAFETY: the offset is below `n`.
        *value = unsafe { from.add(lane.min(n - 1)).read() };
    }
    // SAFETY: `lanes` holds at least one `V`.
    unsafe { lanes.as_ptr().cast::<V>().read_unaligned() }
}

/// [`Lanes::store_part`] likewise.
///
/// # Safety
/// As for [`Lanes::store_part`]; `V` must be whole values of `T`, at most 16.
#[inline(always)]
unsafe fn store_part<T: Element, V>(to: *mut T, n: usize, x: V) {
    let mut lanes = [T::zeroed(); MAX_WIDTH];
    // SAFETY: `lanes` holds at least one `V`; the offsets are below `n`.
    unsafe {
        lanes.as_mut_ptr().cast::<V>().write_unaligned(x);
        for lane in 0..size_of::<V>() / size_of::<T>() {
            let lane = lane.min(n - 1);
            to.add(lane).write(lanes[lane]);
        }
    }
}

/// What `pulp` lacks, for vectors of `T`: see the methods of the same names in [`Lanes`].
pub(crate) trait Missing<T: Element>: Simd {
    type Vector: Copy;

    fn ldexp(self, p: Self::Vector, t: Self::Vector) -> Self::Vector;
    fn ldexp_flushing(self, p: Self::Vector, t: Self::Vector) -> Self::Vector;
    fn flip(self, x: Self::Vector, bits: u32) -> Self::Vector;
    fn swap(self, x: Self::Vector, distance: usize) -> Self::Vector;

    /// # Safety
    /// As for [`Lanes::load_part`].
    #[inline(always)]
    unsafe fn load_part(self, from: *const T, n: usize) -> Self::Vector {
        // SAFETY: the caller vouches for `n`.
        unsafe { load_part(from, n) }
    }

    /// # Safety
    /// As for [`Lanes::store_part`].
    #[inline(always)]
    unsafe fn store_part(self, to: *mut T, n: usize, x: Self::Vector) {
        // SAFETY: the caller vouches for `n`.
        unsafe { store_part(to, n, x) }
    }
}

/// [`Lanes`] of every `pulp` token, from the methods that `pulp` names after each element type.
macro_rules! lanes {
    ($($type:ty, $vector:ident, $splat:ident, $add:ident, $sub:ident, $mul:ident, $mul_add:ident,
       $sub_mul:ident, $sqrt:ident, $max:ident, $min:ident;)+) => {$(
        // SAFETY: `pulp`'s vectors are arrays of their element as long as the register is.
        unsafe impl<S> Lanes<$type> for S
        where
            S: Simd + Missing<$type, Vector = <S as Simd>::$vector>,
        {
            type Vector = <S as Simd>::$vector;
            const WIDTH: usize = size_of::<Self::Vector>() / size_of::<$type>();

            #[inline(always)]
            fn splat(self, value: $type) -> Self::Vector {
                self.$splat(value)
            }
            #[inline(always)]
            fn add(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
                self.$add(a, b)
            }
            #[inline(always)]
            fn sub(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
                self.$sub(a, b)
            }
            #[inline(always)]
            fn mul(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
                self.$mul(a, b)
            }
            #[inline(always)]
            fn mul_add(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector {
                self.$mul_add(a, b, c)
            }
            #[inline(always)]
            fn sub_mul(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector {
                self.$sub_mul(a, b, c)
            }
            #[inline(always)]
            fn sqrt(self, a: Self::Vector) -> Self::Vector {
                self.$sqrt(a)
            }
            #[inline(always)]
            fn at_least(self, x: Self::Vector, floor: Self::Vector) -> Self::Vector {
                // In this order: x86 returns its second operand when either is NaN; aarch64 returns NaN.
                self.$max(floor, x)
            }
            #[inline(always)]
            fn at_most(self, x: Self::Vector, ceiling: Self::Vector) -> Self::Vector {
                self.$min(ceiling, x)
            }
            #[inline(always)]
            fn ldexp(self, p: Self::Vector, t: Self::Vector) -> Self::Vector {
                Missing::ldexp(self, p, t)
            }
            #[inline(always)]
            fn ldexp_flushing(self, p: Self::Vector, t: Self::Vector) -> Self::Vector {
                Missing::ldexp_flushing(self, p, t)
            }
            #[inline(always)]
            fn flip(self, x: Self::Vector, bits: u32) -> Self::Vector {
                Missing::flip(self, x, bits)
            }
            #[inline(always)]
            fn swap(self, x: Self::Vector, distance: usize) -> Self::Vector {
                Missing::swap(self, x, distance)
            }
            #[inline(always)]
            unsafe fn load_part(self, from: *const $type, n: usize) -> Self::Vector {
                // SAFETY: the same contract.
                unsafe { Missing::load_part(self, from, n) }
            }
            #[inline(always)]
            unsafe fn store_part(self, to: *mut $type, n: usize, x: Self::Vector) {
                // SAFETY: the same contract.
                unsafe { Missing::store_part(self, to, n, x) }
            }
        }
    )+};
}
lanes! {
    f32, f32s, splat_f32s, add_f32s, sub_f32s, mul_f32s, mul_add_f32s, negate_mul_add_f32s, sqrt_f32s, max_f32s, min_f32s;
    f64, f64s, splat_f64s, add_f64s, sub_f64s, mul_f64s, mul_add_f64s, negate_mul_add_f64s, sqrt_f64s, max_f64s, min_f64s;
}
