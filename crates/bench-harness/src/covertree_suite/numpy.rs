//! The random numbers of `numpy.random.default_rng(seed)`: the gold workload is defined by them.
//!
//! SeedSequence and PCG64 (O'Neill, "PCG: a family of simple fast space-efficient statistically good algorithms for
//! random number generation", 2014; the XSL-RR output of 128 bits of state) are reproduced bit for bit, normal
//! numbers by the ziggurat of Marsaglia and Tsang (2000) with 256 layers to the last few bits: numpy has its tables
//! as constants, here they are computed.

/// A stream of random numbers.
#[derive(Clone, Debug)]
pub(crate) struct NumpyRandom {
    state: u128,
    increment: u128,
    /// The upper half of a number whose lower half was given out.
    spare: Option<u32>,
    ziggurat: Ziggurat,
}

const MULTIPLIER: u128 = 0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645;

/// The 128-bit words that a small seed is spread to.
fn seed_words(seed: u32) -> [u128; 2] {
    let mut constant = 0x43b0_d7e5u32;
    let mut hash = |value: u32| {
        let value = value ^ constant;
        constant = constant.wrapping_mul(0x931e_8875);
        let value = value.wrapping_mul(constant);
        value ^ (value >> 16)
    };
    let mut pool = [seed, 0, 0, 0].map(&mut hash);
    for from in 0..4 {
        for to in (0..4).filter(|&to| to != from) {
            let hashed = hash(pool[from]);
            let mixed = pool[to].wrapping_mul(0xca01_f9dd).wrapping_sub(hashed.wrapping_mul(0x4973_f715));
            pool[to] = mixed ^ (mixed >> 16);
        }
    }
    let mut constant = 0x8b51_f9ddu32;
    let mut words = [0u64; 4];
    for at in 0..8 {
        let value = pool[at % 4] ^ constant;
        constant = constant.wrapping_mul(0x58f3_8ded);
        let value = value.wrapping_mul(constant);
        let value = value ^ (value >> 16);
        words[at / 2] |= u64::from(value) << (32 * (at % 2));
    }
    let join = |high: u64, low: u64| u128::from(high) << 64 | u128::from(low);
    [join(words[0], words[1]), join(words[2], words[3])]
}

impl NumpyRandom {
    /// `default_rng(seed)`.
    pub(crate) fn new(seed: u32) -> Self {
        let [start, sequence] = seed_words(seed);
        let increment = sequence << 1 | 1;
        let state = increment.wrapping_add(start).wrapping_mul(MULTIPLIER).wrapping_add(increment);
        Self { state, increment, spare: None, ziggurat: Ziggurat::new() }
    }

    /// The next 64 bits.
    fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_mul(MULTIPLIER).wrapping_add(self.increment);
        ((self.state >> 64) as u64 ^ self.state as u64).rotate_right((self.state >> 122) as u32)
    }

    /// `random()`: uniform in [0, 1).
    pub(crate) fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// `integers(0, bound)` for a power of two up to 2³², where no draw is ever rejected.
    pub(crate) fn below_power_of_two(&mut self, bound: u64) -> u64 {
        let half = match self.spare.take() {
            Some(half) => half,
            None => {
                let bits = self.bits();
                self.spare = Some((bits >> 32) as u32);
                bits as u32
            }
        };
        (u64::from(half) * bound) >> 32
    }

    /// `standard_normal()`.
    pub(crate) fn normal(&mut self) -> f64 {
        loop {
            let bits = self.bits();
            let layer = (bits & 0xff) as usize;
            let sign = if bits >> 8 & 1 == 1 { -1.0 } else { 1.0 };
            let depth = bits >> 9 & ((1 << 52) - 1);
            let x = depth as f64 * self.ziggurat.width[layer];
            if depth < self.ziggurat.inside[layer] {
                return sign * x;
            }
            if layer == 0 {
                loop {
                    let beyond = -(-self.unit()).ln_1p() / TAIL;
                    let height = -(-self.unit()).ln_1p();
                    if height + height > beyond * beyond {
                        return if depth >> 8 & 1 == 1 { -(TAIL + beyond) } else { TAIL + beyond };
                    }
                }
            }
            let (below, above) = (self.ziggurat.height[layer - 1], self.ziggurat.height[layer]);
            if (below - above) * self.unit() + above < (-0.5 * x * x).exp() {
                return sign * x;
            }
        }
    }
}

/// Where the tail of the normal density begins, and the area of each of the 256 layers.
const TAIL: f64 = 3.654_152_885_361_009;
const AREA: f64 = 0.004_928_673_233_974_658;

/// The layers: width over 2⁵², the share that lies inside the density, in 2⁵², and the density at its edge.
#[derive(Clone, Debug)]
struct Ziggurat {
    width: [f64; 256],
    inside: [u64; 256],
    height: [f64; 256],
}

impl Ziggurat {
    fn new() -> Self {
        let scale = (1u64 << 52) as f64;
        let density = |x: f64| (-0.5 * x * x).exp();
        let mut table = Self { width: [0.0; 256], inside: [0; 256], height: [1.0; 256] };
        let base = AREA / density(TAIL);
        table.width[0] = base / scale;
        table.inside[0] = (TAIL / base * scale) as u64;
        table.width[255] = TAIL / scale;
        table.height[255] = density(TAIL);
        let mut edge = TAIL;
        for layer in (1..255).rev() {
            let next = (-2.0 * (AREA / edge + density(edge)).ln()).sqrt();
            table.inside[layer + 1] = (next / edge * scale) as u64;
            table.width[layer] = next / scale;
            table.height[layer] = density(next);
            edge = next;
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_streams_are_those_of_numpy() {
        let mut random = NumpyRandom::new(42);
        let bits: [u64; 3] = std::array::from_fn(|_| random.bits());
        assert_eq!(bits, [0xc621_fbcd_16d9_2688, 0x705a_5661_a791_ffc1, 0xdbcd_12c2_6eda_1624]);
        let mut random = NumpyRandom::new(43);
        let ids: Vec<u64> = (0..1024).map(|_| random.below_power_of_two(32768)).collect();
        assert_eq!((&ids[..6], ids[1023]), (&[16558, 21374, 13150, 1434, 18912, 656][..], 4844));
        let mut random = NumpyRandom::new(7);
        let unit: [f64; 3] = std::array::from_fn(|_| random.unit());
        assert!((unit[0] - 0.62509547).abs() < 1e-8 && (unit[2] - 0.77568569).abs() < 1e-8);
    }

    #[test]
    fn the_coordinates_of_the_gold_workload_are_those_of_numpy() {
        let mut random = NumpyRandom::new(42);
        let x: Vec<f64> = (0..32768 * 3).map(|_| random.normal()).collect();
        assert!((x[0] - 0.30471708).abs() < 1e-8 && (x[98303] - 1.56434137).abs() < 1e-8);
        // The whole stream, its tail beyond 3.65 included.
        assert!((x.iter().sum::<f64>() + 381.533_840_218_587_4).abs() < 1e-8);
        assert!((x.iter().map(|x| x * x).sum::<f64>() - 99_009.903_205_537_5).abs() < 1e-7);
        assert!((x[42665].abs() - 5.007_235_231_908_996_6).abs() < 1e-12);
    }
}
