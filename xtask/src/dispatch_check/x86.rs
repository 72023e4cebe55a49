//! Reads x86-64 machine code.

use std::collections::HashMap;

use iced_x86::{
    CpuidFeature, Decoder, DecoderOptions, FlowControl, Formatter, Instruction, InstructionInfoFactory,
    IntelFormatter, OpAccess, OpKind,
};
use simd_kernels::Tier;

use super::code::{Code, Line, diverges, mark_loops};
use super::program::{Function, Program};

/// Reads one function.
pub(crate) fn read(program: &Program, function: Function<'_>) -> Code {
    let decoder = Decoder::with_ip(64, function.bytes, function.address, DecoderOptions::NONE);
    let instructions: Vec<Instruction> = decoder.into_iter().collect();
    let places: HashMap<u64, usize> =
        instructions.iter().enumerate().map(|(at, instruction)| (instruction.ip(), at)).collect();
    let mut code = Code { name: function.name.to_owned(), ..Code::default() };
    let mut backward = Vec::new();
    let mut formatter = IntelFormatter::new();
    for (at, instruction) in instructions.iter().enumerate() {
        let mut text = String::new();
        formatter.format(instruction, &mut text);
        let target = near_target(instruction);
        match instruction.flow_control() {
            FlowControl::ConditionalBranch | FlowControl::UnconditionalBranch => {
                match target.and_then(|target| places.get(&target)) {
                    Some(&to) if to <= at => backward.push((at, to)),
                    Some(_) => {}
                    None => code.calls.push(program.name_at(target.unwrap_or(0))),
                }
            }
            FlowControl::Call => code.calls.push(program.name_at(target.unwrap_or(0))),
            FlowControl::IndirectCall | FlowControl::IndirectBranch
                if instruction.is_ip_rel_memory_operand() =>
            {
                code.calls.push(program.linked_at(instruction.ip_rel_memory_address()));
            }
            FlowControl::IndirectCall => code.calls.push(format!("an address in a register ({text})")),
            _ => {}
        }
        let mnemonic = format!("{:?}", instruction.mnemonic()).to_lowercase();
        if mnemonic.contains("compress") && instruction.op0_kind() == OpKind::Memory {
            code.compressing_stores.push(text.clone());
        }
        code.lines.push(Line {
            features: instruction.cpuid_features().iter().map(|feature| format!("{feature:?}")).collect(),
            bits: width(instruction),
            mnemonic,
            in_loop: false,
            text,
        });
    }
    code.calls.retain(|name| !diverges(name));
    mark_loops(&mut code.lines, &backward);
    code.dirty_exits = dirty_exits(&instructions, &places)
        .into_iter()
        .map(|at| format!("{:#x}: {}", instructions[at].ip() - function.address, code.lines[at].text))
        .collect();
    code
}

fn near_target(instruction: &Instruction) -> Option<u64> {
    matches!(instruction.op0_kind(), OpKind::NearBranch16 | OpKind::NearBranch32 | OpKind::NearBranch64)
        .then(|| instruction.near_branch_target())
}

/// The width of the widest vector register among the operands.
fn width(instruction: &Instruction) -> u16 {
    (0..instruction.op_count())
        .filter(|&operand| instruction.op_kind(operand) == OpKind::Register)
        .map(|operand| instruction.op_register(operand))
        .map(|register| match register {
            register if register.is_zmm() => 512,
            register if register.is_ymm() => 256,
            register if register.is_xmm() => 128,
            _ => 0,
        })
        .max()
        .unwrap_or(0)
}

/// Ways out of the function on which an upper half of registers 0 to 15 is still dirty: baseline code that runs
/// next would pay for it. Follows every path, so that one `vzeroupper` on another path does not hide it.
fn dirty_exits(instructions: &[Instruction], places: &HashMap<u64, usize>) -> Vec<usize> {
    let mut factory = InstructionInfoFactory::new();
    let mut reached = vec![[false; 2]; instructions.len()];
    let mut paths = vec![(0, false)];
    let mut exits = Vec::new();
    while let Some((at, dirty)) = paths.pop() {
        let Some(instruction) = instructions.get(at) else { continue };
        if std::mem::replace(&mut reached[at][usize::from(dirty)], true) {
            continue;
        }
        let cleared =
            matches!(instruction.mnemonic(), iced_x86::Mnemonic::Vzeroupper | iced_x86::Mnemonic::Vzeroall);
        let dirty = !cleared && (dirty || writes_upper_half(instruction, &mut factory));
        let target = near_target(instruction).map(|target| places.get(&target).copied());
        match (instruction.flow_control(), target) {
            (FlowControl::Return, _) | (FlowControl::UnconditionalBranch, Some(None)) if dirty => {
                exits.push(at)
            }
            (FlowControl::Return | FlowControl::Exception, _) => {}
            (FlowControl::UnconditionalBranch, Some(Some(to))) => paths.push((to, dirty)),
            (FlowControl::ConditionalBranch, Some(Some(to))) => {
                paths.push((to, dirty));
                paths.push((at + 1, dirty));
            }
            (FlowControl::UnconditionalBranch | FlowControl::IndirectBranch, _) => {}
            _ => paths.push((at + 1, dirty)),
        }
    }
    exits.sort_unstable();
    exits.dedup();
    exits
}

/// Whether bits above the 128th of a register are written with anything but zeros.
fn writes_upper_half(instruction: &Instruction, factory: &mut InstructionInfoFactory) -> bool {
    let register = instruction.op0_register();
    let writes = matches!(
        factory.info(instruction).op0_access(),
        OpAccess::Write | OpAccess::CondWrite | OpAccess::ReadWrite | OpAccess::ReadCondWrite
    );
    writes && (register.is_ymm() || register.is_zmm()) && register.number() < 16
}

/// Whether code of `tier` may contain an instruction that needs `feature`.
pub(crate) fn allows(tier: Tier, feature: &str, mnemonic: &str) -> bool {
    const BASELINE: &[CpuidFeature] = &[
        CpuidFeature::INTEL8086,
        CpuidFeature::INTEL186,
        CpuidFeature::INTEL286,
        CpuidFeature::INTEL386,
        CpuidFeature::INTEL486,
        CpuidFeature::X64,
        CpuidFeature::CMOV,
        CpuidFeature::MULTIBYTENOP,
        CpuidFeature::PAUSE,
        CpuidFeature::CET_IBT,
        CpuidFeature::SSE,
        CpuidFeature::SSE2,
    ];
    const AVX2: &[CpuidFeature] = &[
        CpuidFeature::SSE3,
        CpuidFeature::SSSE3,
        CpuidFeature::SSE4_1,
        CpuidFeature::SSE4_2,
        CpuidFeature::POPCNT,
        CpuidFeature::AVX,
        CpuidFeature::AVX2,
        CpuidFeature::FMA,
        CpuidFeature::F16C,
        CpuidFeature::BMI1,
        CpuidFeature::BMI2,
        CpuidFeature::LZCNT,
    ];
    const AVX512: &[CpuidFeature] = &[
        CpuidFeature::AVX512F,
        CpuidFeature::AVX512BW,
        CpuidFeature::AVX512CD,
        CpuidFeature::AVX512DQ,
        CpuidFeature::AVX512VL,
    ];
    const ICL: &[CpuidFeature] = &[
        CpuidFeature::AVX512_VNNI,
        CpuidFeature::AVX512_VBMI,
        CpuidFeature::AVX512_VBMI2,
        CpuidFeature::AVX512_BITALG,
        CpuidFeature::AVX512_VPOPCNTDQ,
    ];
    const BF16: &[CpuidFeature] = &[CpuidFeature::AVX512_BF16];
    let known = |features: &[CpuidFeature]| features.iter().any(|known| format!("{known:?}") == feature);
    // `rep bsf` counts trailing zeros on every CPU, and reads as `tzcnt` on newer ones.
    known(BASELINE)
        || mnemonic == "tzcnt"
        || (tier >= Tier::Avx2 && known(AVX2))
        || (tier >= Tier::Avx512 && known(AVX512))
        || (tier >= Tier::Avx512Icl && known(ICL))
        || (tier >= Tier::Avx512Bf16 && known(BF16))
}

/// Whether a register is one of x87's.
pub(crate) fn is_x87(line: &Line) -> bool {
    line.features.iter().any(|feature| feature.starts_with("FPU")) || line.text.contains(" st")
}
