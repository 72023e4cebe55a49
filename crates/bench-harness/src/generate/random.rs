//! Random numbers that are the same on every platform and in every version: xoshiro256++ seeded by SplitMix64.
//!
//! Nothing here calls a transcendental function: `ln` and `cos` differ between platforms in the last bit, and
//! a data set must not. Sources: Blackman and Vigna, "Scrambled linear pseudorandom number generators" (2021);
//! Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (2014).

/// A stream of random numbers.
#[derive(Clone, Debug)]
pub struct Random {
    state: [u64; 4],
}

/// The step of SplitMix64: a bijective scrambling of a counter.
fn split_mix(counter: &mut u64) -> u64 {
    *counter = counter.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *counter;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Random {
    /// The stream of a seed. `stream` tells apart the streams that one seed gives to different uses.
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut counter = seed;
        let offset = split_mix(&mut counter);
        let mut counter = offset ^ stream.wrapping_mul(0xd1b5_4a32_d192_ed03);
        Self { state: std::array::from_fn(|_| split_mix(&mut counter)) }
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        let [a, b, c, d] = self.state;
        let result = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
        let (c2, d2) = (c ^ a, d ^ b);
        self.state = [a ^ d2, b ^ c2, c2 ^ (b << 17), d2.rotate_left(45)];
        result
    }

    /// Uniform in [0, 1), a multiple of 2⁻⁵³.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Uniform in `0..bound`, with a bias below `bound` / 2⁶⁴. 0 when `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(bound)) >> 64) as u64
    }

    /// Nearly normal, mean 0 and variance 1: the sum of twelve uniform numbers less six (Irwin-Hall).
    /// Never beyond ±6.
    pub fn normal(&mut self) -> f64 {
        let mut sum = 0u64;
        for _ in 0..6 {
            let bits = self.bits();
            sum += (bits >> 32) + (bits & 0xffff_ffff);
        }
        sum as f64 * (1.0 / (1u64 << 32) as f64) - 6.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_of_a_seed_never_changes() {
        // The published test vectors of both algorithms.
        let mut counter = 1234567;
        assert_eq!(split_mix(&mut counter), 6457827717110365317);
        assert_eq!(split_mix(&mut counter), 3203168211198807973);
        let mut random = Random { state: [1, 2, 3, 4] };
        let first: [u64; 4] = std::array::from_fn(|_| random.bits());
        assert_eq!(first, [41943041, 58720359, 3588806011781223, 3591011842654386]);
        assert_eq!(Random::new(42, 0).bits(), Random::new(42, 0).bits());
        assert_ne!(Random::new(42, 0).bits(), Random::new(42, 1).bits());
        assert_ne!(Random::new(42, 0).bits(), Random::new(43, 0).bits());
    }

    #[test]
    fn moments_are_those_of_the_distributions() {
        let mut random = Random::new(7, 0);
        let n = 100_000;
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let square = |values: &[f64]| values.iter().map(|x| x * x).sum::<f64>() / values.len() as f64;
        let normal: Vec<f64> = (0..n).map(|_| random.normal()).collect();
        assert!(mean(&normal).abs() < 0.02 && (square(&normal) - 1.0).abs() < 0.02);
        let unit: Vec<f64> = (0..n).map(|_| random.unit()).collect();
        assert!((mean(&unit) - 0.5).abs() < 0.01 && unit.iter().all(|x| (0.0..1.0).contains(x)));
        assert!((0..1000).all(|_| random.below(3) < 3));
        assert_eq!(random.below(0), 0);
    }
}
