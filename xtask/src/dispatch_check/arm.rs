//! Reads aarch64 machine code, from what the cross objdump prints.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use simd_kernels::Tier;

use super::code::{Code, Line, diverges, mark_loops};
use super::program::Function;
use crate::process::{Outcome, capture};

/// A disassembled program: operation and operands by address.
#[derive(Debug)]
pub(crate) struct Listing(BTreeMap<u64, (String, String)>);

impl Listing {
    /// Disassembles a whole program with the given objdump.
    pub(crate) fn of(mut objdump: Command, program: &Path) -> Outcome<Self> {
        Ok(Self::parse(&capture(objdump.args(["-d", "--no-show-raw-insn"]).arg(program))?))
    }

    fn parse(text: &str) -> Self {
        let line = |line: &str| {
            let (address, rest) = line.split_once(":\t")?;
            let address = u64::from_str_radix(address.trim(), 16).ok()?;
            let (mnemonic, operands) = rest.split_once('\t').unwrap_or((rest, ""));
            Some((address, (mnemonic.trim().to_owned(), operands.trim().to_owned())))
        };
        Self(text.lines().filter_map(line).collect())
    }

    /// Reads one function.
    pub(crate) fn read(&self, function: Function<'_>) -> Code {
        let mut code = Code { name: function.name.to_owned(), ..Code::default() };
        let end = function.address + function.bytes.len() as u64;
        let body: Vec<_> = self.0.range(function.address..end).collect();
        let mut backward = Vec::new();
        for (at, (_, (mnemonic, operands))) in body.iter().enumerate() {
            if let Some((target, name)) = branch_target(mnemonic, operands) {
                if mnemonic == "bl" || !(function.address..end).contains(&target) {
                    code.calls.push(name);
                } else if let Some(to) = body.iter().position(|(address, _)| **address == target)
                    && to <= at
                {
                    backward.push((at, to));
                }
            } else if mnemonic == "blr" {
                code.calls.push(format!("an address in a register ({mnemonic} {operands})"));
            }
            code.lines.push(Line {
                mnemonic: mnemonic.clone(),
                bits: width(operands),
                in_loop: false,
                features: feature_of(mnemonic, operands).map(str::to_owned).into_iter().collect(),
                text: format!("{mnemonic} {operands}"),
            });
        }
        code.calls.retain(|name| !diverges(name));
        mark_loops(&mut code.lines, &backward);
        code
    }
}

/// Where a branch leads, and the name of that place.
fn branch_target(mnemonic: &str, operands: &str) -> Option<(u64, String)> {
    let is_branch = mnemonic == "b"
        || mnemonic == "bl"
        || mnemonic.starts_with("b.")
        || ["cbz", "cbnz", "tbz", "tbnz"].contains(&mnemonic);
    let (before, name) = operands.split_once(" <")?;
    let address = before.rsplit([',', ' ']).next()?;
    let name = name.trim_end_matches('>').trim_end_matches("@plt");
    let name = format!("{:#}", rustc_demangle::demangle(name));
    is_branch.then_some((u64::from_str_radix(address, 16).ok()?, name))
}

/// The width of the widest vector register among the operands.
fn width(operands: &str) -> u16 {
    let has = |shapes: &[&str]| shapes.iter().any(|shape| operands.contains(shape));
    let is_q = |word: &str| word.strip_prefix('q').is_some_and(|number| number.parse::<u8>().is_ok());
    if has(&[".16b", ".8h", ".4s", ".2d"]) || operands.split([',', ' ']).any(is_q) {
        128
    } else if has(&[".8b", ".4h", ".2s", ".1d"]) {
        64
    } else {
        0
    }
}

/// The feature that an instruction needs beyond the baseline, which has Advanced SIMD.
fn feature_of(mnemonic: &str, operands: &str) -> Option<&'static str> {
    match mnemonic {
        "sdot" | "udot" => Some("dotprod"),
        "usdot" | "sudot" | "smmla" | "ummla" | "usmmla" => Some("i8mm"),
        "bfdot" | "bfmmla" | "bfcvt" | "bfcvtn" | "bfcvtn2" | "bfmlalb" | "bfmlalt" => Some("bf16"),
        "fmlal" | "fmlal2" | "fmlsl" | "fmlsl2" => Some("fp16fml"),
        _ if operands.starts_with("z") && operands[1..].starts_with(|c: char| c.is_ascii_digit()) => {
            Some("sve")
        }
        "fadd" | "fmul" | "fmla" | "fsub" | "fabd"
            if operands.contains(".8h") || operands.contains(".4h") =>
        {
            Some("fp16")
        }
        _ => None,
    }
}

/// Whether code of `tier` may contain an instruction that needs `feature`.
pub(crate) fn allows(tier: Tier, feature: &str) -> bool {
    match feature {
        "dotprod" => tier >= Tier::NeonDot,
        "i8mm" => tier >= Tier::NeonI8mm,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTING: &str = "\
0000000000001000 <simd_kernels::dot>:
    1000:\tmovi\tv0.4s, #0x0
    1004:\tldp\tq1, q2, [x0], #32
    1008:\tfmla\tv0.4s, v1.4s, v2.4s
    100c:\tsubs\tx2, x2, #0x1
    1010:\tb.ne\t1004 <simd_kernels::dot+0x4>
    1014:\tbl\t2000 <memcpy@plt>
    1018:\tbl\t2100 <core::panicking::panic_bounds_check>
    101c:\tsdot\tv0.4s, v1.16b, v2.16b
    1020:\tret
";

    #[test]
    fn loops_calls_widths_and_features_are_read() {
        let function = Function { name: "dot", address: 0x1000, bytes: &[0; 0x24] };
        let code = Listing::parse(LISTING).read(function);
        assert_eq!(code.lines.len(), 9);
        assert!(code.has_in_loop(&["fmla"], 128));
        assert!(!code.has_in_loop(&["sdot", "movi"], 128));
        assert_eq!(code.calls, ["memcpy"]);
        assert_eq!(code.lines[7].features, ["dotprod"]);
        assert!(
            !allows(Tier::Neon, "dotprod")
                && allows(Tier::NeonI8mm, "dotprod")
                && !allows(Tier::NeonI8mm, "sve")
        );
    }
}
