//! [`Lanes`] on the `wide` crate.

use bytemuck::cast;
use wide::{f32x8, f64x4, u32x8, u64x4};

use crate::lanes::Lanes;

/// `wide` needs no proof of CPU features: it uses those that it was compiled for.
#[derive(Clone, Copy)]
pub(super) struct Wide;

macro_rules! lanes {
    ($elem:ty, $vec:ident, $uint:ty, $uvec:ident, $width:literal, $exponent:literal, $one:expr) => {
        // SAFETY: `wide`'s vectors are arrays of their element.
        unsafe impl Lanes<$elem> for Wide {
            type Vector = $vec;
            const WIDTH: usize = $width;

            #[inline(always)]
            fn splat(self, value: $elem) -> $vec {
                $vec::splat(value)
            }
            #[inline(always)]
            fn add(self, a: $vec, b: $vec) -> $vec {
                a + b
            }
            #[inline(always)]
            fn sub(self, a: $vec, b: $vec) -> $vec {
                a - b
            }
            #[inline(always)]
            fn mul(self, a: $vec, b: $vec) -> $vec {
                a * b
            }
            #[inline(always)]
            fn mul_add(self, a: $vec, b: $vec, c: $vec) -> $vec {
                a.mul_add(b, c)
            }
            #[inline(always)]
            fn sub_mul(self, a: $vec, b: $vec, c: $vec) -> $vec {
                a.mul_neg_add(b, c)
            }
            #[inline(always)]
            fn sqrt(self, a: $vec) -> $vec {
                a.sqrt()
            }
            #[inline(always)]
            fn at_least(self, x: $vec, floor: $vec) -> $vec {
                x.simd_lt(floor).bitselect(floor, x)
            }
            #[inline(always)]
            fn at_most(self, x: $vec, ceiling: $vec) -> $vec {
                x.simd_gt(ceiling).bitselect(ceiling, x)
            }
            #[inline(always)]
            fn ldexp(self, p: $vec, t: $vec) -> $vec {
                // In two steps, because the powers at both ends of the range are not normal numbers.
                let n: $uvec = cast(t);
                let half = n >> 1;
                let power = |n: $uvec| -> $vec { cast((n << $exponent) + $uvec::splat($one)) };
                p * power(half) * power(n - half)
            }
            #[inline(always)]
            fn ldexp_flushing(self, p: $vec, t: $vec) -> $vec {
                let n: $uvec = cast(t);
                let power: $vec = cast((n << $exponent) + $uvec::splat($one));
                p * power
            }
            #[inline(always)]
            fn flip(self, x: $vec, bits: u32) -> $vec {
                let mut lane = [0; $width];
                for (index, lane) in lane.iter_mut().enumerate() {
                    *lane = 1 << index;
                }
                let lane = $uvec::from(lane);
                let chosen = ($uvec::splat(bits.into()) & lane).simd_eq(lane);
                cast(cast::<_, $uvec>(x) ^ (chosen & $uvec::splat(1 << (<$uint>::BITS - 1))))
            }
            #[inline(always)]
            fn swap(self, x: $vec, distance: usize) -> $vec {
                let from = x.to_array();
                let mut to = from;
                for (lane, to) in to.iter_mut().enumerate() {
                    *to = from[lane ^ distance];
                }
                to.into()
            }
        }
    };
}
lanes!(f32, f32x8, u32, u32x8, 8, 23, 127 << 23);
lanes!(f64, f64x4, u64, u64x4, 4, 52, 1023 << 52);
