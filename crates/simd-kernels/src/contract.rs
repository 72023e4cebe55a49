//! What the machine code of every kernel must look like, as data: the first proof of `cargo xtask dispatch-check`.
//!
//! A [`Family`] lists the tiers on which its kernels have a body of their own. On every other tier the table
//! inherits the best body below, and that inheritance is thereby *declared*; a table that inherits where a body
//! is listed, or has a body where none is, fails the check. For each body the contract says which instructions
//! must stand inside one of its loops, and at which register width, and how much faster than the scalar twin it
//! must at least be. What is forbidden is the same for all: instructions above the tier, gathers, compressing
//! stores, calls, x87, divisions, and leaving dirty upper registers behind.
//!
//! The floors are about half of what was measured for the slowest form of the family on the lowest tier that has
//! the body (two cores of a Zen 5 server CPU, busy); the twin sums in `f64`, one value after the other, which is
//! why they are large. A floor of 1.5 on aarch64, where nothing could be timed, says no more than "not scalar".
//!
//! Whoever adds a body adds a line here; nothing else needs to know.

use crate::tier::Tier;

/// An instruction that must stand inside a loop of the kernel.
#[derive(Clone, Copy, Debug)]
pub struct Need {
    /// Mnemonics of which one suffices, by their beginnings: `vfmadd` covers `vfmadd231ps`.
    pub any: &'static [&'static str],
    /// The width of its widest register.
    pub bits: u16,
}

/// The contract of one body: the code of a family's kernels on one tier.
#[derive(Clone, Copy, Debug)]
pub struct Body {
    /// The tier that the code is written for.
    pub tier: Tier,
    /// Each of these must be found.
    pub must: &'static [Need],
    /// Functions that it may call, by the names that the linker knows.
    pub may_call: &'static [&'static str],
    /// The least speed-up over the scalar twin, on rows that stay in the first-level cache.
    pub floor: f64,
}

/// Kernels whose code follows the same plan.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// Kernel names, or their beginnings up to an underscore.
    pub kernels: &'static [&'static str],
    /// Whether its arithmetic contains a floating-point division.
    pub divides: bool,
    /// The bodies, lowest tier first.
    pub bodies: &'static [Body],
}

/// The contract of `kernel` in the table of `tier`: its family and the body that the table must hold.
/// `None` if no family names the kernel.
pub fn find(kernel: &str, tier: Tier) -> Option<(&'static Family, &'static Body)> {
    let family = FAMILIES.iter().find(|family| family.kernels.iter().any(|name| names(name, kernel)))?;
    let body = family.bodies.iter().rev().find(|body| is_at_or_below(body.tier, tier))?;
    Some((family, body))
}

/// Whether `name` is `kernel`, or its beginning up to an underscore.
fn names(name: &str, kernel: &str) -> bool {
    kernel.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
}

/// Whether a CPU that runs `tier` runs `body`: the two must be of one architecture.
pub fn is_at_or_below(body: Tier, tier: Tier) -> bool {
    let is_arm = |tier: Tier| tier >= Tier::Neon;
    body == Tier::Baseline || (is_arm(body) == is_arm(tier) && body <= tier)
}

const fn need(any: &'static [&'static str], bits: u16) -> Need {
    Need { any, bits }
}

const fn body(tier: Tier, floor: f64, must: &'static [Need]) -> Body {
    Body { tier, must, may_call: &[], floor }
}

/// The portable floor copies its tails with `memcpy`; it is compiled for SSE2 and for NEON.
const fn baseline(floor: f64, must: &'static [Need]) -> Body {
    Body { tier: Tier::Baseline, must, may_call: &["memcpy"], floor }
}

/// Every kernel of the library.
pub const FAMILIES: &[Family] = &[
    Family { kernels: &["l2_squared_f32", "inner_product_f32"], divides: false, bodies: SINGLE },
    Family { kernels: &["cosine_f32"], divides: true, bodies: SINGLE },
    Family { kernels: &["l2_squared_f64", "inner_product_f64"], divides: false, bodies: DOUBLE },
    Family { kernels: &["cosine_f64"], divides: true, bodies: DOUBLE },
    Family {
        kernels: &["l1_f32", "l1_f64"],
        divides: false,
        bodies: &[
            baseline(8.0, &[need(&["addps", "addpd", "fadd"], 128)]),
            body(
                Tier::Avx2,
                18.0,
                &[
                    need(&["vaddps", "vaddpd"], 256),
                    need(&["vandps", "vandpd", "vandnps", "vandnpd", "vpand"], 256),
                ],
            ),
            body(
                Tier::Avx512,
                18.0,
                &[need(&["vaddps", "vaddpd"], 512), need(&["vandps", "vandpd", "vpand"], 512)],
            ),
            body(Tier::Neon, 1.5, &[need(&["fabd"], 128), need(&["fadd"], 128)]),
        ],
    },
    Family { kernels: &["l2_squared_f16", "inner_product_f16"], divides: false, bodies: HALF },
    Family { kernels: &["cosine_f16"], divides: true, bodies: HALF },
    Family {
        kernels: &["l1_f16"],
        divides: false,
        bodies: &[
            baseline(0.7, &[need(&["addps", "fadd"], 128)]),
            body(Tier::Avx2, 20.0, &[need(&["vcvtph2ps"], 256), need(&["vaddps"], 256)]),
            body(Tier::Avx512, 26.0, &[need(&["vcvtph2ps"], 512), need(&["vaddps"], 512)]),
            body(Tier::Neon, 1.5, &[need(&["fcvtl"], 128), need(&["fadd"], 128)]),
        ],
    },
    Family { kernels: &["inner_product_bf16"], divides: false, bodies: BF16_DOT },
    Family { kernels: &["cosine_bf16"], divides: true, bodies: BF16_DOT },
    Family {
        kernels: &["l2_squared_bf16"],
        divides: false,
        bodies: &[
            baseline(4.0, &[need(&["mulps", "fmul", "fmla"], 128)]),
            body(Tier::Avx2, 35.0, &[need(&["vfmadd"], 256)]),
            body(Tier::Avx512, 45.0, &[need(&["vfmadd"], 512)]),
            body(Tier::Neon, 1.5, &[need(&["fmla"], 128)]),
        ],
    },
    Family {
        kernels: &["l1_bf16"],
        divides: false,
        bodies: &[
            baseline(4.0, &[need(&["addps", "fadd"], 128)]),
            body(Tier::Avx2, 28.0, &[need(&["vaddps"], 256)]),
            body(Tier::Avx512, 45.0, &[need(&["vaddps"], 512)]),
            body(Tier::Neon, 1.5, &[need(&["fadd"], 128)]),
        ],
    },
    Family {
        kernels: &["l2_squared_u8", "inner_product_u8", "l2_squared_i8", "inner_product_i8"],
        divides: false,
        bodies: INT8,
    },
    Family { kernels: &["cosine_u8", "cosine_i8"], divides: true, bodies: INT8 },
    Family {
        kernels: &["l1_u8", "l1_i8"],
        divides: false,
        bodies: &[
            baseline(20.0, &[need(&["pmaddwd", "paddd", "smlal", "saba", "add"], 128)]),
            body(Tier::Avx2, 80.0, &[need(&["vpsadbw"], 256)]),
            body(Tier::Avx512, 75.0, &[need(&["vpsadbw"], 512)]),
            body(Tier::Neon, 1.5, &[need(&["uabd", "sabd", "uaba", "saba"], 128)]),
            body(Tier::NeonDot, 1.5, &[need(&["udot"], 128)]),
        ],
    },
    Family { kernels: &["codes_u8"], divides: false, bodies: CODES_U8 },
    Family { kernels: &["codes_u4"], divides: false, bodies: CODES_U4 },
    Family { kernels: &["codes_mixed"], divides: false, bodies: CODES_MIXED },
    Family { kernels: &["hamming_bits"], divides: false, bodies: BITS },
    Family { kernels: &["jaccard_bits"], divides: true, bodies: BITS },
    Family {
        kernels: &[
            "panel_inner_product_f32",
            "panel_l2_squared_f32",
            "panel_inner_product_f64",
            "panel_l2_squared_f64",
        ],
        divides: false,
        bodies: &[
            baseline(12.0, &[need(&["mulps", "mulpd", "fmul", "fmla"], 128)]),
            body(Tier::Avx2, 20.0, &[need(&["vfmadd"], 256)]),
            body(Tier::Avx512, 90.0, &[need(&["vfmadd"], 512)]),
            body(Tier::Neon, 1.5, &[need(&["fmla"], 128)]),
        ],
    },
    Family {
        kernels: &[
            "panel_inner_product_u8",
            "panel_l2_squared_u8",
            "panel_inner_product_i8",
            "panel_l2_squared_i8",
        ],
        divides: false,
        bodies: &[
            baseline(25.0, &[need(&["pmaddwd", "pmull", "smlal", "smull"], 128)]),
            body(Tier::Avx2, 100.0, &[need(&["vpmaddwd"], 256)]),
            body(Tier::Avx512, 230.0, &[need(&["vpmaddwd"], 512)]),
            body(Tier::Avx512Icl, 500.0, &[need(&["vpdpbusd"], 512)]),
            body(Tier::Neon, 1.5, &[need(&["smlal", "smull", "umlal", "umull"], 128)]),
            body(Tier::NeonDot, 1.5, &[need(&["sdot", "udot"], 128)]),
        ],
    },
    Family {
        kernels: &["word_panels"],
        divides: false,
        bodies: &[
            baseline(16.0, &[need(&["pmaddwd", "pmull", "smlal", "smull"], 128)]),
            body(Tier::Avx2, 40.0, &[need(&["vpmaddwd"], 256)]),
            body(Tier::Avx512, 80.0, &[need(&["vpmaddwd"], 512)]),
            body(Tier::Avx512Icl, 90.0, &[need(&["vpdpwssd"], 512)]),
            body(Tier::Neon, 1.5, &[need(&["smlal"], 128)]),
        ],
    },
    Family { kernels: &["code_panels_u2", "code_panels_u4"], divides: false, bodies: CODE_PANELS_SMALL },
    Family { kernels: &["code_panels_u8"], divides: false, bodies: CODE_PANELS_U8 },
    Family { kernels: &["lookup_u4"], divides: false, bodies: LOOKUP_U4 },
    Family { kernels: &["lookup_u6"], divides: false, bodies: LOOKUP_U6 },
    Family { kernels: &["lookup_u8"], divides: false, bodies: LOOKUP_U8 },
    Family {
        kernels: &["exp", "rbf", "matern12", "matern32", "matern52"],
        divides: false,
        bodies: &[
            baseline(0.6, &[need(&["mulps", "mulpd", "fmul", "fmla"], 128)]),
            body(Tier::Avx2, 2.0, &[need(&["vfmadd"], 256)]),
            body(Tier::Avx512, 3.7, &[need(&["vfmadd"], 512)]),
            body(Tier::Neon, 1.5, &[need(&["fmla"], 128)]),
        ],
    },
    Family {
        kernels: &["sqrt"],
        divides: false,
        bodies: &[
            baseline(1.0, &[need(&["sqrtps", "sqrtpd", "fsqrt"], 128)]),
            body(Tier::Avx2, 2.2, &[need(&["vsqrtps", "vsqrtpd"], 256)]),
            body(Tier::Avx512, 3.9, &[need(&["vsqrtps", "vsqrtpd"], 512)]),
            body(Tier::Neon, 1.2, &[need(&["fsqrt"], 128)]),
        ],
    },
    Family {
        kernels: &["walsh_hadamard"],
        divides: false,
        bodies: &[
            baseline(1.2, &[need(&["addps", "addpd", "fadd"], 128)]),
            body(Tier::Avx2, 2.4, &[need(&["vaddps", "vaddpd"], 256), need(&["vsubps", "vsubpd"], 256)]),
            body(Tier::Avx512, 2.6, &[need(&["vaddps", "vaddpd"], 512), need(&["vsubps", "vsubpd"], 512)]),
            body(Tier::Neon, 1.5, &[need(&["fadd"], 128), need(&["fsub"], 128)]),
        ],
    },
    Family {
        kernels: &["panel_within", "panel_nearest", "box_bounds"],
        divides: false,
        bodies: &[
            baseline(1.2, &[need(&["mulps", "mulpd", "fmul"], 128)]),
            body(Tier::Avx2, 2.0, &[need(&["vmulps", "vmulpd"], 256), need(&["vaddps", "vaddpd"], 256)]),
            body(Tier::Avx512, 2.8, &[need(&["vmulps", "vmulpd"], 512), need(&["vaddps", "vaddpd"], 512)]),
            body(Tier::Neon, 1.5, &[need(&["fmul"], 128), need(&["fadd"], 128)]),
        ],
    },
    Family {
        kernels: &["select_estimates_below"],
        divides: false,
        bodies: &[
            baseline(0.7, &[need(&["cvtdq2ps", "scvtf"], 128), need(&["cmp", "fcm"], 128)]),
            body(Tier::Avx2, 1.4, &[need(&["vcvtdq2ps"], 256), need(&["vcmp"], 256)]),
            body(Tier::Avx512, 1.8, &[need(&["vcvtdq2ps"], 512), need(&["vcmp"], 512)]),
            body(Tier::Neon, 1.2, &[need(&["scvtf"], 128), need(&["fcm"], 128)]),
        ],
    },
    Family {
        kernels: &["select_bands_reaching"],
        divides: false,
        bodies: &[
            baseline(1.6, &[need(&["mulps", "fmul"], 128), need(&["cmp", "fcm"], 128)]),
            body(Tier::Avx2, 3.6, &[need(&["vmulps"], 256), need(&["vcmp"], 256)]),
            body(Tier::Avx512, 5.0, &[need(&["vmulps"], 512), need(&["vcmp"], 512)]),
            body(Tier::Neon, 1.2, &[need(&["fmul"], 128), need(&["fcm"], 128)]),
        ],
    },
    Family {
        kernels: &["least_estimates"],
        divides: false,
        bodies: &[
            baseline(0.7, &[need(&["cvtdq2ps", "scvtf"], 128), need(&["min", "cmp", "fcm"], 128)]),
            body(Tier::Avx2, 1.4, &[need(&["vcvtdq2ps"], 256), need(&["vmin"], 256)]),
            body(Tier::Avx512, 1.8, &[need(&["vcvtdq2ps"], 512), need(&["vmin"], 512)]),
            body(Tier::Neon, 1.2, &[need(&["scvtf"], 128), need(&["fmin", "fcm"], 128)]),
        ],
    },
    Family {
        kernels: &["select_below", "argmin", "top_k"],
        divides: false,
        bodies: &[
            baseline(0.7, &[need(&["cmp", "pcmp", "fcm", "cmgt"], 128)]),
            body(Tier::Avx2, 1.4, &[need(&["vcmp", "vpcmp"], 256)]),
            body(Tier::Avx512, 1.8, &[need(&["vcmp", "vpcmp"], 512)]),
            body(Tier::Neon, 1.2, &[need(&["fcm", "cmgt", "cmhi"], 128)]),
        ],
    },
];

const CODES_U8: &[Body] = &[
    baseline(1.2, &[need(&["pmaddwd", "smlal", "smull"], 128)]),
    body(Tier::Avx2, 2.4, &[need(&["vpmaddwd", "vpmaddubsw"], 256)]),
    body(Tier::Avx512, 3.2, &[need(&["vpmaddwd", "vpmaddubsw"], 512)]),
    body(Tier::Avx512Icl, 3.8, &[need(&["vpdpbusd"], 512)]),
    body(Tier::Neon, 1.5, &[need(&["smlal", "smull"], 128)]),
    body(Tier::NeonDot, 1.5, &[need(&["sdot", "udot"], 128)]),
    body(Tier::NeonI8mm, 1.5, &[need(&["usdot", "usmmla"], 128)]),
];

/// Codes below 16 are within the signed range, where `sdot` does what `usdot` does.
const CODES_U4: &[Body] = &[
    baseline(8.0, &[need(&["pmaddwd", "smlal", "smull"], 128)]),
    body(Tier::Avx2, 20.0, &[need(&["vpmaddwd", "vpmaddubsw"], 256)]),
    body(Tier::Avx512, 25.0, &[need(&["vpmaddwd", "vpmaddubsw"], 512)]),
    body(Tier::Avx512Icl, 30.0, &[need(&["vpdpbusd"], 512)]),
    body(Tier::Neon, 1.5, &[need(&["smlal", "smull"], 128)]),
    body(Tier::NeonDot, 1.5, &[need(&["sdot", "udot"], 128)]),
];

const CODE_PANELS_SMALL: &[Body] = &[
    baseline(18.0, &[need(&["pmaddwd", "smlal", "smull", "mul"], 128)]),
    body(Tier::Avx2, 100.0, &[need(&["vpmaddubsw"], 256), need(&["vpmaddwd"], 256)]),
    body(Tier::Avx512, 180.0, &[need(&["vpmaddubsw"], 512), need(&["vpmaddwd"], 512)]),
    body(Tier::Avx512Icl, 280.0, &[need(&["vpdpbusd"], 512)]),
    body(Tier::Neon, 1.5, &[need(&["smlal", "smull"], 128)]),
    body(Tier::NeonDot, 1.5, &[need(&["sdot"], 128)]),
];

const CODE_PANELS_U8: &[Body] = &[
    baseline(18.0, &[need(&["pmaddwd", "smlal", "smull"], 128)]),
    body(Tier::Avx2, 60.0, &[need(&["vpmaddwd"], 256)]),
    body(Tier::Avx512, 110.0, &[need(&["vpmaddwd"], 512)]),
    body(Tier::Avx512Icl, 240.0, &[need(&["vpdpbusd"], 512)]),
    body(Tier::Neon, 1.5, &[need(&["smlal", "smull"], 128)]),
    body(Tier::NeonDot, 1.5, &[need(&["sdot"], 128)]),
    body(Tier::NeonI8mm, 1.5, &[need(&["usdot"], 128)]),
];

/// Look-ups are scalar on the floor, whatever becomes of the sums: there is nothing to insist on but the speed.
const LOOKUP_FLOOR: Body = baseline(2.0, &[]);

const LOOKUP_U4: &[Body] = &[
    LOOKUP_FLOOR,
    body(Tier::Avx2, 75.0, &[need(&["vpshufb"], 256), need(&["vpaddw"], 256)]),
    body(Tier::Avx512, 130.0, &[need(&["vpshufb"], 512), need(&["vpaddw"], 512)]),
    body(Tier::Neon, 1.5, &[need(&["tbl"], 128), need(&["uaddw"], 128)]),
];

const LOOKUP_U6: &[Body] = &[
    LOOKUP_FLOOR,
    body(Tier::Avx2, 25.0, &[need(&["vpshufb"], 256), need(&["vpaddw"], 256)]),
    body(Tier::Avx512, 50.0, &[need(&["vpshufb"], 512), need(&["vpaddw"], 512)]),
    body(Tier::Avx512Icl, 140.0, &[need(&["vpermb"], 512), need(&["vpaddw"], 512)]),
    body(Tier::Neon, 1.5, &[need(&["tbl"], 128), need(&["uaddw"], 128)]),
];

const LOOKUP_U8: &[Body] = &[
    LOOKUP_FLOOR,
    body(Tier::Avx2, 6.0, &[need(&["vpshufb"], 256), need(&["vpaddw"], 256)]),
    body(Tier::Avx512, 11.0, &[need(&["vpshufb"], 512), need(&["vpaddw"], 512)]),
    body(Tier::Avx512Icl, 55.0, &[need(&["vpermi2b", "vpermt2b"], 512), need(&["vpaddw"], 512)]),
    body(Tier::Neon, 1.5, &[need(&["tbl"], 128), need(&["tbx"], 128), need(&["uaddw"], 128)]),
];

const CODES_MIXED: &[Body] = &[
    baseline(2.0, &[need(&["pmaddwd", "pmull", "smlal", "smull"], 128)]),
    body(Tier::Avx2, 8.0, &[need(&["vpmaddubsw"], 256), need(&["vpmaddwd"], 256)]),
    body(Tier::Avx512, 10.0, &[need(&["vpmaddubsw"], 512), need(&["vpmaddwd"], 512)]),
    body(Tier::Avx512Icl, 10.0, &[need(&["vpdpbusd"], 512), need(&["vpsllvd"], 512)]),
    body(Tier::Neon, 1.5, &[need(&["smull", "smlal"], 128), need(&["mls", "mla"], 128)]),
    body(Tier::NeonDot, 1.5, &[need(&["sdot"], 128), need(&["mls", "mla"], 128)]),
];

const SINGLE: &[Body] = &[
    baseline(15.0, &[need(&["mulps", "mulpd", "fmul", "fmla"], 128)]),
    body(Tier::Avx2, 28.0, &[need(&["vfmadd"], 256)]),
    body(Tier::Avx512, 38.0, &[need(&["vfmadd"], 512)]),
    body(Tier::Neon, 1.5, &[need(&["fmla"], 128)]),
];

const DOUBLE: &[Body] = &[
    baseline(8.0, &[need(&["mulps", "mulpd", "fmul", "fmla"], 128)]),
    body(Tier::Avx2, 15.0, &[need(&["vfmadd"], 256)]),
    body(Tier::Avx512, 18.0, &[need(&["vfmadd"], 512)]),
    body(Tier::Neon, 1.5, &[need(&["fmla"], 128)]),
];

const HALF: &[Body] = &[
    baseline(0.7, &[need(&["mulps", "fmul", "fmla"], 128)]),
    body(Tier::Avx2, 28.0, &[need(&["vcvtph2ps"], 256), need(&["vfmadd"], 256)]),
    body(Tier::Avx512, 35.0, &[need(&["vcvtph2ps"], 512), need(&["vfmadd"], 512)]),
    body(Tier::Neon, 1.5, &[need(&["fcvtl"], 128), need(&["fmla"], 128)]),
];

const BF16_DOT: &[Body] = &[
    baseline(7.0, &[need(&["mulps", "fmul", "fmla"], 128)]),
    body(Tier::Avx2, 60.0, &[need(&["vfmadd"], 256)]),
    body(Tier::Avx512, 85.0, &[need(&["vfmadd"], 512)]),
    body(Tier::Avx512Bf16, 95.0, &[need(&["vdpbf16ps"], 512)]),
    body(Tier::Neon, 1.5, &[need(&["fmla"], 128)]),
];

const INT8: &[Body] = &[
    baseline(20.0, &[need(&["pmaddwd", "smlal", "smull", "umlal", "umull"], 128)]),
    body(Tier::Avx2, 50.0, &[need(&["vpmaddwd"], 256)]),
    body(Tier::Avx512, 70.0, &[need(&["vpmaddwd"], 512)]),
    body(Tier::Avx512Icl, 75.0, &[need(&["vpdpbusd"], 512)]),
    body(Tier::Neon, 1.5, &[need(&["smlal", "smull", "umlal", "umull"], 128)]),
    body(Tier::NeonDot, 1.5, &[need(&["sdot", "udot"], 128)]),
];

const BITS: &[Body] = &[
    baseline(2.7, &[need(&["pand", "pxor", "cnt"], 128)]),
    body(Tier::Avx2, 10.0, &[need(&["vpshufb"], 256), need(&["vpsadbw"], 256)]),
    body(Tier::Avx512, 16.0, &[need(&["vpshufb"], 512), need(&["vpsadbw"], 512)]),
    body(Tier::Avx512Icl, 20.0, &[need(&["vpopcntq"], 512)]),
    body(Tier::Neon, 1.0, &[need(&["cnt"], 128)]),
    body(Tier::NeonDot, 1.0, &[need(&["cnt"], 128), need(&["udot"], 128)]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_stand_in_order_and_begin_with_the_floor() {
        for family in FAMILIES {
            assert_eq!(family.bodies[0].tier, Tier::Baseline);
            assert!(family.bodies.windows(2).all(|pair| pair[0].tier < pair[1].tier), "{:?}", family.kernels);
            assert!(
                family
                    .bodies
                    .iter()
                    .all(|body| body.floor > 0.0 && (body.tier == Tier::Baseline || !body.must.is_empty()))
            );
        }
    }

    #[test]
    fn a_tier_without_a_body_inherits_the_one_below_of_its_architecture() {
        let origin = |kernel, tier| find(kernel, tier).map(|(_, body)| body.tier);
        assert_eq!(origin("l2_squared_f32_rows", Tier::Avx512Icl), Some(Tier::Avx512));
        assert_eq!(origin("l2_squared_f32_rows", Tier::NeonDot), Some(Tier::Neon));
        assert_eq!(origin("l2_squared_f3", Tier::Avx2), None);
        assert_eq!(origin("cosine_bf16", Tier::Avx512Bf16), Some(Tier::Avx512Bf16));
    }
}
