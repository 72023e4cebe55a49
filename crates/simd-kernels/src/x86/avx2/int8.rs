//! `u8` and `i8` distances, exact.
//!
//! AVX2's own byte product (`vpmaddubsw`) saturates, so bytes are split into even and odd 16-bit halves and
//! multiplied by `vpmaddwd`, which cannot overflow.

use std::arch::x86_64::*;
use std::marker::PhantomData;

use super::shells;
use crate::drive::{Step, read_partial_32};
use crate::element::Element;
use crate::table::Distances;

/// The `n <= 32` bytes at `from`, followed by zeros.
///
/// # Safety
/// `from` must be readable for `n` bytes; AVX2.
#[inline(always)]
pub(super) unsafe fn partial(from: *const u8, n: usize) -> __m256i {
    // SAFETY: the caller vouches for `n` bytes.
    unsafe {
        let [low, high] = read_partial_32(from, n);
        _mm256_set_epi64x((high >> 64) as i64, high as i64, (low >> 64) as i64, low as i64)
    }
}

/// Sum of the eight 32-bit lanes.
///
/// # Safety
/// AVX2.
#[inline(always)]
pub(super) unsafe fn sum(acc: __m256i) -> i32 {
    // SAFETY: the caller has AVX2.
    unsafe {
        let half = _mm_add_epi32(_mm256_castsi256_si128(acc), _mm256_extracti128_si256::<1>(acc));
        let pairs = _mm_add_epi32(half, _mm_shuffle_epi32::<0b01_00_11_10>(half));
        _mm_cvtsi128_si32(_mm_add_epi32(pairs, _mm_shuffle_epi32::<0b10_11_00_01>(pairs)))
    }
}

/// Sums of the lanes of four registers.
///
/// # Safety
/// AVX2.
#[inline(always)]
pub(super) unsafe fn sum4([a, b, c, d]: [__m256i; 4]) -> [i32; 4] {
    // SAFETY: the caller has AVX2; a register of four integers is an array of four integers.
    unsafe {
        let ab = _mm256_add_epi32(_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
        let cd = _mm256_add_epi32(_mm256_unpacklo_epi32(c, d), _mm256_unpackhi_epi32(c, d));
        let lanes = _mm256_add_epi32(_mm256_unpacklo_epi64(ab, cd), _mm256_unpackhi_epi64(ab, cd));
        let sums = _mm_add_epi32(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256::<1>(lanes));
        std::mem::transmute::<__m128i, [i32; 4]>(sums)
    }
}

/// How bytes are widened, and how they are biased so that unsigned instructions see their order.
pub(super) trait Byte: Element<Distance = i32> {
    /// Even and odd bytes as 16-bit integers.
    ///
    /// # Safety
    /// AVX2.
    unsafe fn widen(bytes: __m256i) -> [__m256i; 2];
    /// Differences of biased bytes equal differences of the originals.
    ///
    /// # Safety
    /// AVX2.
    unsafe fn bias(bytes: __m256i) -> __m256i;
}

impl Byte for u8 {
    #[inline(always)]
    unsafe fn widen(bytes: __m256i) -> [__m256i; 2] {
        // SAFETY: the caller has AVX2.
        unsafe { [_mm256_and_si256(bytes, _mm256_set1_epi16(0xff)), _mm256_srli_epi16::<8>(bytes)] }
    }
    #[inline(always)]
    unsafe fn bias(bytes: __m256i) -> __m256i {
        bytes
    }
}

impl Byte for i8 {
    #[inline(always)]
    unsafe fn widen(bytes: __m256i) -> [__m256i; 2] {
        // SAFETY: the caller has AVX2.
        unsafe { [_mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(bytes)), _mm256_srai_epi16::<8>(bytes)] }
    }
    #[inline(always)]
    unsafe fn bias(bytes: __m256i) -> __m256i {
        // SAFETY: the caller has AVX2.
        unsafe { _mm256_xor_si256(bytes, _mm256_set1_epi8(-128)) }
    }
}

/// How a measure holds the query and what one pair of registers adds to the sums.
trait Measure<E> {
    type Query: Copy;
    /// # Safety
    /// AVX2.
    unsafe fn query(bytes: __m256i) -> Self::Query;
    /// # Safety
    /// AVX2.
    unsafe fn combine(acc: __m256i, query: Self::Query, row: __m256i) -> __m256i;
}

struct L2Squared;
struct InnerProduct;
struct L1;

impl<E: Byte> Measure<E> for L2Squared {
    type Query = __m256i;
    #[inline(always)]
    unsafe fn query(bytes: __m256i) -> __m256i {
        // SAFETY: the same contract.
        unsafe { E::bias(bytes) }
    }
    #[inline(always)]
    unsafe fn combine(acc: __m256i, query: __m256i, row: __m256i) -> __m256i {
        // SAFETY: the caller has AVX2. |q − r| is the one of the two saturating differences that is not 0.
        unsafe {
            let row = E::bias(row);
            let difference = _mm256_or_si256(_mm256_subs_epu8(query, row), _mm256_subs_epu8(row, query));
            let [even, odd] = u8::widen(difference);
            let acc = _mm256_add_epi32(acc, _mm256_madd_epi16(even, even));
            _mm256_add_epi32(acc, _mm256_madd_epi16(odd, odd))
        }
    }
}

impl<E: Byte> Measure<E> for InnerProduct {
    type Query = [__m256i; 2];
    #[inline(always)]
    unsafe fn query(bytes: __m256i) -> [__m256i; 2] {
        // SAFETY: the same contract.
        unsafe { E::widen(bytes) }
    }
    #[inline(always)]
    unsafe fn combine(acc: __m256i, query: [__m256i; 2], row: __m256i) -> __m256i {
        // SAFETY: the caller has AVX2.
        unsafe {
            let [even, odd] = E::widen(row);
            let acc = _mm256_add_epi32(acc, _mm256_madd_epi16(query[0], even));
            _mm256_add_epi32(acc, _mm256_madd_epi16(query[1], odd))
        }
    }
}

impl<E: Byte> Measure<E> for L1 {
    type Query = __m256i;
    #[inline(always)]
    unsafe fn query(bytes: __m256i) -> __m256i {
        // SAFETY: the same contract.
        unsafe { E::bias(bytes) }
    }
    #[inline(always)]
    unsafe fn combine(acc: __m256i, query: __m256i, row: __m256i) -> __m256i {
        // SAFETY: the caller has AVX2. The four 64-bit sums stay below 2³¹, so 32-bit additions are exact.
        unsafe { _mm256_add_epi32(acc, _mm256_sad_epu8(query, E::bias(row))) }
    }
}

struct Int<M, E>(PhantomData<(M, E)>);

// SAFETY: a full load reads 32 bytes, `partial` exactly `n`.
unsafe impl<M: Measure<E>, E: Byte> Step for Int<M, E> {
    type Query = E;
    type Elem = E;
    type Out = i32;
    type QueryVec = M::Query;
    type RowVec = __m256i;
    type Acc = __m256i;
    type Context = ();
    const WIDTH: usize = 32;

    #[inline(always)]
    unsafe fn load_query(from: *const E) -> M::Query {
        // SAFETY: the caller vouches for 32 bytes.
        unsafe { M::query(_mm256_loadu_si256(from.cast())) }
    }
    #[inline(always)]
    unsafe fn load_query_partial(from: *const E, n: usize) -> M::Query {
        // SAFETY: the same contract.
        unsafe { M::query(partial(from.cast(), n)) }
    }
    #[inline(always)]
    unsafe fn load_row(from: *const E) -> __m256i {
        // SAFETY: the caller vouches for 32 bytes.
        unsafe { _mm256_loadu_si256(from.cast()) }
    }
    #[inline(always)]
    unsafe fn load_row_partial(from: *const E, n: usize) -> __m256i {
        // SAFETY: the same contract.
        unsafe { partial(from.cast(), n) }
    }
    #[inline(always)]
    unsafe fn context(_: *const E, _: usize) {}
    #[inline(always)]
    unsafe fn zero() -> __m256i {
        // SAFETY: the caller has AVX2.
        unsafe { _mm256_setzero_si256() }
    }
    #[inline(always)]
    unsafe fn step(acc: __m256i, query: M::Query, row: __m256i) -> __m256i {
        // SAFETY: the same contract.
        unsafe { M::combine(acc, query, row) }
    }
    #[inline(always)]
    unsafe fn merge(a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: the caller has AVX2.
        unsafe { _mm256_add_epi32(a, b) }
    }
    #[inline(always)]
    unsafe fn finish(acc: __m256i, (): ()) -> i32 {
        // SAFETY: the same contract.
        unsafe { sum(acc) }
    }
    #[inline(always)]
    unsafe fn finish4(acc: [__m256i; 4], (): ()) -> [i32; 4] {
        // SAFETY: the same contract.
        unsafe { sum4(acc) }
    }
}

pub(super) const U8: Distances<u8> = Distances {
    l2_squared: shells!(Int<L2Squared, u8>),
    inner_product: shells!(Int<InnerProduct, u8>),
    l1: shells!(Int<L1, u8>),
    cosine: shells!(cosine Int<InnerProduct, u8>),
};

pub(super) const I8: Distances<i8> = Distances {
    l2_squared: shells!(Int<L2Squared, i8>),
    inner_product: shells!(Int<InnerProduct, i8>),
    l1: shells!(Int<L1, i8>),
    cosine: shells!(cosine Int<InnerProduct, i8>),
};
