//! The random order, from a seed.

use layouts::Permutation;

use super::error::{OrderingError, ids};

/// The numbers `0..n` in random order, the same for the same seed on every machine and in every version.
///
/// The order that Vecchia approximations take when nothing is known about the points: any prefix is an unbiased
/// sample of them, so that early points are far apart on average. `n` = 0 gives the empty permutation. O(n).
///
/// Fisher and Yates' shuffle, fed by SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
/// generators", 2014); the bias of a single choice is below n / 2⁶⁴.
///
/// ```
/// let order = covertree::ordering::random(5, 42)?;
/// assert_eq!(order.order(), covertree::ordering::random(5, 42)?.order());
/// assert_ne!(order.order(), covertree::ordering::random(5, 43)?.order());
/// # Ok::<(), covertree::ordering::OrderingError>(())
/// ```
///
/// # Errors
/// [`OrderingError::TooMany`] if 32-bit ids cannot name `n` points; [`OrderingError::Layout`] without memory.
pub fn random(n: usize, seed: u64) -> Result<Permutation, OrderingError> {
    if n >= u32::MAX as usize {
        return Err(OrderingError::TooMany { rows: n });
    }
    let mut order = ids(n)?;
    let mut counter = seed;
    for end in (1..n).rev() {
        let bits = split_mix(&mut counter);
        let at = ((u128::from(bits) * (end as u128 + 1)) >> 64) as usize;
        order.swap(at, end);
    }
    Ok(Permutation::new(order)?)
}

/// The next output of SplitMix64.
fn split_mix(counter: &mut u64) -> u64 {
    *counter = counter.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = *counter;
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_the_published_one() {
        let mut counter = 1_234_567;
        assert_eq!(split_mix(&mut counter), 6_457_827_717_110_365_317);
        assert_eq!(split_mix(&mut counter), 3_203_168_211_198_807_973);
    }

    #[test]
    fn every_place_is_equally_likely() {
        // Where number 0 ends up among 8, over 8,000 seeds: 1,000 each, within five standard deviations.
        let mut counts = [0u32; 8];
        for seed in 0..8000 {
            let order = random(8, seed).unwrap();
            counts[order.order().iter().position(|&id| id == 0).unwrap()] += 1;
        }
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
        assert!(random(0, 1).unwrap().is_empty());
        assert!(matches!(random(usize::MAX, 1), Err(OrderingError::TooMany { rows: usize::MAX })));
    }
}
