//! Tiers: the instruction sets that kernels are written for, how one is detected and how it is capped.
//!
//! A tier names a *set* of CPU features, chosen so that real CPUs fall cleanly into one: Haswell to Zen 3 are
//! [`Tier::Avx2`], Skylake-X is [`Tier::Avx512`], Ice Lake is [`Tier::Avx512Icl`], Zen 4 and Sapphire Rapids
//! are [`Tier::Avx512Bf16`]. The CPU is asked once per process; the environment variable `NIGH_SIMD` may lower
//! the answer, never raise it. A name that is unknown, or a tier that this CPU lacks, is an error and not a
//! silent fallback: an index that runs on the wrong tier is several times slower and says nothing.

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

/// The environment variable that caps the tier: `NIGH_SIMD=avx2`.
pub const TIER_VARIABLE: &str = "NIGH_SIMD";

/// An instruction-set tier, ordered from the least to the most capable within one architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Tier {
    /// What every CPU of the architecture has (SSE2 on x86-64); portable code on the `wide` crate.
    Baseline,
    /// x86-64: AVX2, FMA, F16C, POPCNT, BMI1, BMI2, LZCNT.
    Avx2,
    /// x86-64: AVX-512 F, BW, CD, DQ, VL on top of [`Tier::Avx2`].
    Avx512,
    /// x86-64: VNNI, VBMI, VBMI2, BITALG, VPOPCNTDQ on top of [`Tier::Avx512`] (Ice Lake and later).
    Avx512Icl,
    /// x86-64: BF16 on top of [`Tier::Avx512Icl`] (Zen 4, Sapphire Rapids and later).
    Avx512Bf16,
    /// aarch64: Advanced SIMD.
    Neon,
    /// aarch64: the dot-product instructions (`sdot`, `udot`) on top of [`Tier::Neon`].
    NeonDot,
    /// aarch64: 8-bit matrix multiplication (`smmla`, `ummla`, `usdot`) on top of [`Tier::NeonDot`].
    NeonI8mm,
}

impl Tier {
    /// Every tier of the architecture that this code was compiled for, lowest first.
    pub const ALL: &'static [Tier] = if cfg!(target_arch = "x86_64") {
        &[Tier::Baseline, Tier::Avx2, Tier::Avx512, Tier::Avx512Icl, Tier::Avx512Bf16]
    } else if cfg!(target_arch = "aarch64") {
        &[Tier::Baseline, Tier::Neon, Tier::NeonDot, Tier::NeonI8mm]
    } else {
        &[Tier::Baseline]
    };

    /// The name used by `NIGH_SIMD`, by benchmark records and by `dispatch-check`.
    pub const fn name(self) -> &'static str {
        match self {
            Tier::Baseline => "baseline",
            Tier::Avx2 => "avx2",
            Tier::Avx512 => "avx512",
            Tier::Avx512Icl => "avx512icl",
            Tier::Avx512Bf16 => "avx512bf16",
            Tier::Neon => "neon",
            Tier::NeonDot => "neondot",
            Tier::NeonI8mm => "neoni8mm",
        }
    }

    /// Whether this CPU has every feature of the tier.
    pub fn is_available(self) -> bool {
        first_missing_feature(self).is_none()
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Tier {
    type Err = TierError;

    fn from_str(name: &str) -> Result<Self, TierError> {
        let all = [
            Tier::Baseline,
            Tier::Avx2,
            Tier::Avx512,
            Tier::Avx512Icl,
            Tier::Avx512Bf16,
            Tier::Neon,
            Tier::NeonDot,
            Tier::NeonI8mm,
        ];
        all.into_iter()
            .find(|tier| tier.name() == name)
            .ok_or_else(|| TierError::Unknown { name: name.to_owned(), known: tier_names() })
    }
}

fn tier_names() -> String {
    let names: Vec<_> = Tier::ALL.iter().map(|tier| tier.name()).collect();
    names.join(", ")
}

/// Why a tier cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TierError {
    /// The name is not that of a tier.
    #[error("unknown SIMD tier {name:?}: this build knows {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// The names that exist on this architecture.
        known: String,
    },
    /// The tier exists, but not on this CPU or architecture.
    #[error("SIMD tier {tier} is not available here: the CPU lacks {missing}")]
    Unavailable {
        /// The tier that was asked for.
        tier: Tier,
        /// The first feature that is missing.
        missing: &'static str,
    },
}

macro_rules! first_missing {
    ($detect:ident: $($feature:tt),+) => {
        $(if !std::arch::$detect!($feature) { return Some($feature); })+
    };
}

/// The first feature of `tier` that this CPU lacks, or `None` when it has them all.
fn first_missing_feature(tier: Tier) -> Option<&'static str> {
    #[cfg(target_arch = "x86_64")]
    {
        if tier > Tier::Avx512Bf16 {
            return Some("the aarch64 architecture");
        }
        if tier >= Tier::Avx2 {
            first_missing!(is_x86_feature_detected: "avx2", "fma", "f16c", "popcnt", "bmi1", "bmi2", "lzcnt");
        }
        if tier >= Tier::Avx512 {
            first_missing!(is_x86_feature_detected:
                "avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl");
        }
        if tier >= Tier::Avx512Icl {
            first_missing!(is_x86_feature_detected:
                "avx512vnni", "avx512vbmi", "avx512vbmi2", "avx512bitalg", "avx512vpopcntdq");
        }
        if tier >= Tier::Avx512Bf16 {
            first_missing!(is_x86_feature_detected: "avx512bf16");
        }
        None
    }
    #[cfg(target_arch = "aarch64")]
    {
        if tier == Tier::Baseline {
            return None;
        }
        if tier < Tier::Neon {
            return Some("the x86-64 architecture");
        }
        first_missing!(is_aarch64_feature_detected: "neon");
        if tier >= Tier::NeonDot {
            first_missing!(is_aarch64_feature_detected: "dotprod");
        }
        if tier >= Tier::NeonI8mm {
            first_missing!(is_aarch64_feature_detected: "i8mm");
        }
        None
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    {
        (tier != Tier::Baseline).then_some("an architecture with kernels of its own")
    }
}

/// What the CPU can do, what was asked for, and which tier is therefore in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// The tier whose kernels [`crate::Kernels::active`] returns.
    pub active: Tier,
    /// The best tier that the CPU could run.
    pub best: Tier,
    /// The cap taken from `NIGH_SIMD`, if it was set.
    pub cap: Option<Tier>,
    /// Every tier above `active`, with why it was not taken: a missing feature, or the cap.
    pub not_taken: Vec<(Tier, String)>,
}

impl fmt::Display for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.active)?;
        if self.cap.is_some() {
            write!(f, " (capped by {TIER_VARIABLE}, the CPU could run {})", self.best)?;
        }
        for (tier, reason) in self.not_taken.iter().filter(|_| self.cap.is_none()) {
            write!(f, " (no {tier}: {reason})")?;
        }
        Ok(())
    }
}

/// Which tier is in use, and why no better one is.
///
/// The environment is read at the first call of the process and the answer kept.
///
/// # Errors
/// [`TierError`] if `NIGH_SIMD` holds an unknown name or a tier that this CPU cannot run.
///
/// ```
/// let capabilities = simd_kernels::capabilities()?;
/// println!("running on {capabilities}");
/// assert!(capabilities.active <= capabilities.best);
/// # Ok::<(), simd_kernels::TierError>(())
/// ```
pub fn capabilities() -> Result<&'static Capabilities, TierError> {
    static ANSWER: OnceLock<Result<Capabilities, TierError>> = OnceLock::new();
    let answer = ANSWER.get_or_init(|| match std::env::var_os(TIER_VARIABLE) {
        None => decide(None),
        Some(name) => decide(Some(&name.to_string_lossy())),
    });
    answer.as_ref().map_err(Clone::clone)
}

/// The decision behind [`capabilities`], with the value of the variable as an argument.
fn decide(asked: Option<&str>) -> Result<Capabilities, TierError> {
    let best = Tier::ALL.iter().rev().copied().find(|tier| tier.is_available()).unwrap_or(Tier::Baseline);
    let cap = asked.map(Tier::from_str).transpose()?;
    if let Some(tier) = cap
        && let Some(missing) = first_missing_feature(tier)
    {
        return Err(TierError::Unavailable { tier, missing });
    }
    let active = cap.unwrap_or(best);
    let not_taken = Tier::ALL
        .iter()
        .filter(|&&tier| tier > active)
        .map(|&tier| match first_missing_feature(tier) {
            Some(feature) => (tier, format!("the CPU lacks {feature}")),
            None => (tier, format!("{TIER_VARIABLE}={active}")),
        })
        .collect();
    Ok(Capabilities { active, best, cap, not_taken })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_survive_a_round_trip() {
        for &tier in Tier::ALL {
            assert_eq!(tier.name().parse::<Tier>(), Ok(tier));
        }
    }

    #[test]
    fn without_a_cap_the_best_tier_is_active() {
        let capabilities = decide(None).unwrap();
        assert_eq!(capabilities.active, capabilities.best);
        assert!(capabilities.not_taken.iter().all(|(tier, _)| !tier.is_available()));
    }

    #[test]
    fn a_cap_lowers_the_tier_and_says_so() {
        let capabilities = decide(Some("baseline")).unwrap();
        assert_eq!(capabilities.active, Tier::Baseline);
        if capabilities.best > Tier::Baseline {
            assert!(capabilities.to_string().contains("NIGH_SIMD"), "{capabilities}");
        }
    }

    #[test]
    fn nonsense_is_an_error_that_lists_the_names() {
        let message = decide(Some("nonsense")).unwrap_err().to_string();
        assert!(message.contains("nonsense") && message.contains("baseline"), "{message}");
        assert!(decide(Some("")).is_err());
        assert!(decide(Some("AVX2")).is_err());
    }

    #[test]
    fn a_tier_of_another_architecture_is_unavailable() {
        let foreign = if cfg!(target_arch = "aarch64") { "avx2" } else { "neon" };
        assert!(matches!(decide(Some(foreign)), Err(TierError::Unavailable { .. })));
    }
}
