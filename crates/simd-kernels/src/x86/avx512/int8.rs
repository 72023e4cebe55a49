//! `u8` and `i8` distances, exact.
//!
//! As in AVX2: the byte product (`vpmaddubsw`) saturates, so bytes are split into even and odd 16-bit halves and
//! multiplied by `vpmaddwd`, which cannot overflow. The tier above has a byte product that is exact.

use std::arch::x86_64::*;
use std::marker::PhantomData;

use super::{first64, shells};
use crate::drive::Step;
use crate::element::Element;
use crate::table::Distances;

/// The `n < 64` bytes at `from`, followed by zeros.
///
/// # Safety
/// `from` must be readable for `n` bytes; AVX-512 BW.
#[inline(always)]
pub(in crate::x86) unsafe fn partial(from: *const u8, n: usize) -> __m512i {
    // SAFETY: a masked load touches only the lanes whose bit is set, and those lie below `n`.
    unsafe { _mm512_maskz_loadu_epi8(first64(n), from.cast()) }
}

/// Sum of the four 128-bit lanes.
///
/// # Safety
/// AVX-512 F.
#[inline(always)]
unsafe fn sum_lanes(lanes: __m512i) -> __m128i {
    // SAFETY: the caller has AVX-512 F.
    unsafe {
        let half = _mm256_add_epi32(_mm512_castsi512_si256(lanes), _mm512_extracti64x4_epi64::<1>(lanes));
        _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256::<1>(half))
    }
}

/// Sum of the sixteen 32-bit lanes.
///
/// # Safety
/// AVX-512 F.
#[inline(always)]
pub(in crate::x86) unsafe fn sum(acc: __m512i) -> i32 {
    // SAFETY: the caller has AVX-512 F.
    unsafe {
        let half = sum_lanes(acc);
        let pairs = _mm_add_epi32(half, _mm_shuffle_epi32::<0b01_00_11_10>(half));
        _mm_cvtsi128_si32(_mm_add_epi32(pairs, _mm_shuffle_epi32::<0b10_11_00_01>(pairs)))
    }
}

/// Sums of the lanes of four registers.
///
/// # Safety
/// AVX-512 F.
#[inline(always)]
pub(in crate::x86) unsafe fn sum4([a, b, c, d]: [__m512i; 4]) -> [i32; 4] {
    // SAFETY: the caller has AVX-512 F; a register of four integers is an array of four integers.
    unsafe {
        let ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
        let cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
        let lanes = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
        std::mem::transmute::<__m128i, [i32; 4]>(sum_lanes(lanes))
    }
}

/// How bytes are widened, and how they are biased so that unsigned instructions see their order.
pub(in crate::x86) trait Byte: Element<Distance = i32> {
    /// Even and odd bytes as 16-bit integers.
    ///
    /// # Safety
    /// AVX-512 BW.
    unsafe fn widen(bytes: __m512i) -> [__m512i; 2];
    /// Differences of biased bytes equal differences of the originals.
    ///
    /// # Safety
    /// AVX-512 BW.
    unsafe fn bias(bytes: __m512i) -> __m512i;
}

impl Byte for u8 {
    #[inline(always)]
    unsafe fn widen(bytes: __m512i) -> [__m512i; 2] {
        // SAFETY: the caller has AVX-512 BW.
        unsafe { [_mm512_and_si512(bytes, _mm512_set1_epi16(0xff)), _mm512_srli_epi16::<8>(bytes)] }
    }
    #[inline(always)]
    unsafe fn bias(bytes: __m512i) -> __m512i {
        bytes
    }
}

impl Byte for i8 {
    #[inline(always)]
    unsafe fn widen(bytes: __m512i) -> [__m512i; 2] {
        // SAFETY: the caller has AVX-512 BW.
        unsafe { [_mm512_srai_epi16::<8>(_mm512_slli_epi16::<8>(bytes)), _mm512_srai_epi16::<8>(bytes)] }
    }
    #[inline(always)]
    unsafe fn bias(bytes: __m512i) -> __m512i {
        // SAFETY: the caller has AVX-512 BW.
        unsafe { _mm512_xor_si512(bytes, _mm512_set1_epi8(-128)) }
    }
}

/// How a measure holds the query and what one pair of registers adds to the sums.
trait Measure<E> {
    type Query: Copy;
    /// # Safety
    /// AVX-512 BW.
    unsafe fn query(bytes: __m512i) -> Self::Query;
    /// # Safety
    /// AVX-512 BW.
    unsafe fn combine(acc: __m512i, query: Self::Query, row: __m512i) -> __m512i;
}

struct L2Squared;
struct InnerProduct;
struct L1;

impl<E: Byte> Measure<E> for L2Squared {
    type Query = __m512i;
    #[inline(always)]
    unsafe fn query(bytes: __m512i) -> __m512i {
        // SAFETY: the same contract.
        unsafe { E::bias(bytes) }
    }
    #[inline(always)]
    unsafe fn combine(acc: __m512i, query: __m512i, row: __m512i) -> __m512i {
        // SAFETY: the caller has AVX-512 BW. |q − r| is the one of the two saturating differences that is not 0.
        unsafe {
            let row = E::bias(row);
            let difference = _mm512_or_si512(_mm512_subs_epu8(query, row), _mm512_subs_epu8(row, query));
            let [even, odd] = u8::widen(difference);
            let acc = _mm512_add_epi32(acc, _mm512_madd_epi16(even, even));
            _mm512_add_epi32(acc, _mm512_madd_epi16(odd, odd))
        }
    }
}

impl<E: Byte> Measure<E> for InnerProduct {
    type Query = [__m512i; 2];
    #[inline(always)]
    unsafe fn query(bytes: __m512i) -> [__m512i; 2] {
        // SAFETY: the same contract.
        unsafe { E::widen(bytes) }
    }
    #[inline(always)]
    unsafe fn combine(acc: __m512i, query: [__m512i; 2], row: __m512i) -> __m512i {
        // SAFETY: the caller has AVX-512 BW.
        unsafe {
            let [even, odd] = E::widen(row);
            let acc = _mm512_add_epi32(acc, _mm512_madd_epi16(query[0], even));
            _mm512_add_epi32(acc, _mm512_madd_epi16(query[1], odd))
        }
    }
}

impl<E: Byte> Measure<E> for L1 {
    type Query = __m512i;
    #[inline(always)]
    unsafe fn query(bytes: __m512i) -> __m512i {
        // SAFETY: the same contract.
        unsafe { E::bias(bytes) }
    }
    #[inline(always)]
    unsafe fn combine(acc: __m512i, query: __m512i, row: __m512i) -> __m512i {
        // SAFETY: the caller has AVX-512 BW. The eight 64-bit sums stay below 2³¹, so 32-bit additions are exact.
        unsafe { _mm512_add_epi32(acc, _mm512_sad_epu8(query, E::bias(row))) }
    }
}

struct Int<M, E>(PhantomData<(M, E)>);

// SAFETY: a full load reads 64 bytes, `partial` exactly `n`.
unsafe impl<M: Measure<E>, E: Byte> Step for Int<M, E> {
    type Query = E;
    type Elem = E;
    type Out = i32;
    type QueryVec = M::Query;
    type RowVec = __m512i;
    type Acc = __m512i;
    type Context = ();
    const WIDTH: usize = 64;

    #[inline(always)]
    unsafe fn load_query(from: *const E) -> M::Query {
        // SAFETY: the caller vouches for 64 bytes.
        unsafe { M::query(_mm512_loadu_si512(from.cast())) }
    }
    #[inline(always)]
    unsafe fn load_query_partial(from: *const E, n: usize) -> M::Query {
        // SAFETY: the same contract.
        unsafe { M::query(partial(from.cast(), n)) }
    }
    #[inline(always)]
    unsafe fn load_row(from: *const E) -> __m512i {
        // SAFETY: the caller vouches for 64 bytes.
        unsafe { _mm512_loadu_si512(from.cast()) }
    }
    #[inline(always)]
    unsafe fn load_row_partial(from: *const E, n: usize) -> __m512i {
        // SAFETY: the same contract.
        unsafe { partial(from.cast(), n) }
    }
    #[inline(always)]
    unsafe fn context(_: *const E, _: usize) {}
    #[inline(always)]
    unsafe fn zero() -> __m512i {
        // SAFETY: the caller has AVX-512 BW.
        unsafe { _mm512_setzero_si512() }
    }
    #[inline(always)]
    unsafe fn step(acc: __m512i, query: M::Query, row: __m512i) -> __m512i {
        // SAFETY: the same contract.
        unsafe { M::combine(acc, query, row) }
    }
    #[inline(always)]
    unsafe fn merge(a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: the caller has AVX-512 BW.
        unsafe { _mm512_add_epi32(a, b) }
    }
    #[inline(always)]
    unsafe fn finish(acc: __m512i, (): ()) -> i32 {
        // SAFETY: the same contract.
        unsafe { sum(acc) }
    }
    #[inline(always)]
    unsafe fn finish4(acc: [__m512i; 4], (): ()) -> [i32; 4] {
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
