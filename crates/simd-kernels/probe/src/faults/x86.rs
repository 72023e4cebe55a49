//! Faulty machine code for x86-64, each function wrong in one way and otherwise as its contract asks.

use std::arch::x86_64::*;
use std::hint::black_box;

use simd_kernels::Tier;

use super::{Fault, address_of};

type Body = unsafe fn(&[f32], &[f32]) -> f32;

/// The faults, by name.
pub(crate) const ALL: &[Fault] = &[
    fault("compiled-without-its-feature", Tier::Avx2, || without_feature as Body as usize),
    fault("above-its-tier", Tier::Avx2, || dot_avx512 as Body as usize),
    fault("scalar-under-avx512", Tier::Avx512, || scalar_avx512 as Body as usize),
    fault("calls-a-helper", Tier::Avx2, || calls_a_helper as Body as usize),
    fault("gathers", Tier::Avx2, || gathers as Body as usize),
    fault("compresses-to-memory", Tier::Avx512, || compresses as Body as usize),
    fault("leaves-upper-halves-dirty", Tier::Avx2, || leaves_dirty as Body as usize),
    fault("divides", Tier::Avx2, || divides as Body as usize),
    fault("inherits-undeclared", Tier::Avx512, || address_of(KERNEL, Tier::Avx2)),
    fault("body-undeclared", Tier::Avx512Icl, || dot_avx512 as Body as usize),
];

const KERNEL: &str = "inner_product_f32_rows";

const fn fault(name: &'static str, tier: Tier, address: fn() -> usize) -> Fault {
    Fault { name, kernel: KERNEL, tier, address }
}

fn without_feature(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0; 8];
    for (x, y) in a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0) {
        for (sum, (x, y)) in sums.iter_mut().zip(x.iter().zip(y)) {
            *sum += x * y;
        }
    }
    sums.iter().sum()
}

/// The sum of all lanes; correct, and not what is wrong here.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn sum8(sums: __m256) -> f32 {
    let sums = _mm_add_ps(_mm256_castps256_ps128(sums), _mm256_extractf128_ps::<1>(sums));
    let sums = _mm_add_ps(sums, _mm_movehl_ps(sums, sums));
    _mm_cvtss_f32(_mm_add_ss(sums, _mm_movehdup_ps(sums)))
}

/// One correct step of the loop.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn step8(sums: __m256, x: &[f32; 8], y: &[f32; 8]) -> __m256 {
    // SAFETY: both arrays hold eight values.
    unsafe { _mm256_fmadd_ps(_mm256_loadu_ps(x.as_ptr()), _mm256_loadu_ps(y.as_ptr()), sums) }
}

#[target_feature(enable = "avx2,fma,avx512f")]
fn dot_avx512(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = _mm512_setzero_ps();
    for (x, y) in a.as_chunks::<16>().0.iter().zip(b.as_chunks::<16>().0) {
        // SAFETY: both arrays hold sixteen values.
        sums = unsafe { _mm512_fmadd_ps(_mm512_loadu_ps(x.as_ptr()), _mm512_loadu_ps(y.as_ptr()), sums) };
    }
    _mm512_reduce_add_ps(sums)
}

#[target_feature(enable = "avx2,fma,avx512f,avx512vl")]
fn scalar_avx512(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).fold(0.0, |sum, (x, y)| x.mul_add(*y, sum))
}

#[inline(never)]
fn helper(value: f32) -> f32 {
    black_box(value).sqrt()
}

#[target_feature(enable = "avx2,fma")]
fn calls_a_helper(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = _mm256_setzero_ps();
    for (x, y) in a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0) {
        sums = step8(sums, x, y);
    }
    sum8(sums) + helper(a.len() as f32)
}

#[target_feature(enable = "avx2,fma")]
fn gathers(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = _mm256_setzero_ps();
    let places = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    for (x, y) in a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0) {
        // SAFETY: both arrays hold eight values, and the places are below eight.
        unsafe {
            let x = _mm256_i32gather_ps::<4>(x.as_ptr(), black_box(places));
            sums = _mm256_fmadd_ps(x, _mm256_loadu_ps(y.as_ptr()), sums);
        }
    }
    sum8(sums)
}

#[target_feature(enable = "avx2,fma,avx512f")]
fn compresses(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = _mm512_setzero_ps();
    let mut kept = [0.0f32; 16];
    for (x, y) in a.as_chunks::<16>().0.iter().zip(b.as_chunks::<16>().0) {
        // SAFETY: all three arrays hold sixteen values.
        unsafe {
            let (x, y) = (_mm512_loadu_ps(x.as_ptr()), _mm512_loadu_ps(y.as_ptr()));
            _mm512_mask_compressstoreu_ps(kept.as_mut_ptr(), _mm512_cmplt_ps_mask(x, y), x);
            sums = _mm512_fmadd_ps(x, y, sums);
        }
    }
    _mm512_reduce_add_ps(sums) + black_box(kept)[0]
}

#[target_feature(enable = "avx2,fma")]
fn leaves_dirty(a: &[f32], b: &[f32]) -> f32 {
    let mut sum = 0.0f32;
    for (x, y) in a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0) {
        // SAFETY: both arrays hold eight values. The compiler is told of 128 bits of the registers that this
        // changes, so it does not know that it would have to clear the others: that is the fault.
        unsafe {
            std::arch::asm!(
                "vmovups {t:y}, [{x}]",
                "vfmadd231ps {s:y}, {t:y}, [{y}]",
                x = in(reg) x.as_ptr(), y = in(reg) y.as_ptr(), t = out(xmm_reg) _, s = inout(xmm_reg) sum,
                options(readonly, nostack, preserves_flags)
            );
        }
    }
    sum
}

#[target_feature(enable = "avx2,fma")]
fn divides(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = _mm256_setzero_ps();
    for (x, y) in a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0) {
        sums = step8(sums, x, y);
    }
    sum8(sums) / (a.len() / black_box(3)) as f32
}
