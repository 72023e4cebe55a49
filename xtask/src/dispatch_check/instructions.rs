//! Proof 1: the machine code of every kernel on every tier is what its contract says.

use std::collections::{BTreeMap, HashMap};

use simd_kernels::Tier;
use simd_kernels::contract::{self, Body, Family, is_at_or_below};

use super::arm::{self, Listing};
use super::code::Code;
use super::probe::{LANDMARK, Probe, Table};
use super::program::{Function, Program};
use super::report::Proof;
use super::x86;
use crate::process::Outcome;

/// How functions of a program are read.
pub(crate) enum Reader {
    X86,
    Arm(Listing),
}

impl Reader {
    pub(crate) fn read(&self, program: &Program, function: Function<'_>) -> Code {
        match self {
            Reader::X86 => x86::read(program, function),
            Reader::Arm(listing) => listing.read(function),
        }
    }
}

/// Checks the table that the probe lists, with a planted fault or without.
pub(crate) fn check(probe: &Probe, reader: &Reader, fault: Option<&str>) -> Outcome<Proof> {
    let table = probe.table(fault)?;
    let program = Program::open(&probe.path)?;
    let landmark = program.address_of(LANDMARK).ok_or_else(|| format!("the probe has no {LANDMARK}"))?;
    let mut proof = Proof::new(match reader {
        Reader::X86 => "1 instructions, x86-64",
        Reader::Arm(_) => "1 instructions, aarch64",
    });
    let places = places(&table, landmark);
    let mut cells: BTreeMap<(usize, String), Vec<Cell>> = BTreeMap::new();
    let mut order = Vec::new();
    let mut read = 0;
    for kernel in &table.kernels {
        let place = format!("{} on {}", kernel.name, kernel.tier);
        let before = proof.violations.len();
        let mut own = None;
        match contract::find(&kernel.name, kernel.tier) {
            None => proof.violation("no contract", &place, "no family of contract.rs names this kernel"),
            Some((family, body)) => {
                if let Some(code) = check_kernel(
                    &mut proof,
                    &program,
                    reader,
                    &places,
                    (&kernel.name, kernel.tier),
                    family,
                    body,
                ) {
                    read += 1;
                    own = Some(code.widest_in_loop());
                }
            }
        }
        let group = kernel.name.rsplit_once('_').map_or(kernel.name.as_str(), |(group, form)| {
            if ["pair", "rows", "ids", "tile"].contains(&form) { group } else { &kernel.name }
        });
        if !order.contains(&group.to_owned()) {
            order.push(group.to_owned());
        }
        let index = order.iter().position(|known| known == group).unwrap_or(0);
        cells.entry((index, kernel.tier.to_string())).or_default().push(Cell {
            width: own,
            from: contract::find(&kernel.name, kernel.tier).map(|(_, body)| body.tier),
            violations: proof.violations.len() - before,
        });
    }
    proof.columns = std::iter::once("kernel".to_owned())
        .chain(
            table
                .tiers
                .iter()
                .map(|(tier, available)| if *available { tier.to_string() } else { format!("{tier}*") }),
        )
        .collect();
    for (index, group) in order.iter().enumerate() {
        let mut row = vec![group.clone()];
        for (tier, _) in &table.tiers {
            row.push(
                cells.get(&(index, tier.to_string())).map_or_else(String::new, |cells| Cell::show(cells)),
            );
        }
        proof.rows.push(row);
    }
    proof.summary = format!(
        "{} kernels in {} tables, {read} bodies disassembled",
        table.kernels.len(),
        table.tiers.len()
    );
    Ok(proof)
}

/// One kernel of one tier in the overview.
struct Cell {
    /// The widest register in a loop of its own body; none if it is inherited.
    width: Option<u16>,
    from: Option<Tier>,
    violations: usize,
}

impl Cell {
    fn show(cells: &[Cell]) -> String {
        let failed = cells.iter().filter(|cell| cell.violations > 0).count();
        if failed > 0 {
            return format!("FAILED {failed}/{}", cells.len());
        }
        match (cells.iter().filter_map(|cell| cell.width).max(), cells.first().and_then(|cell| cell.from)) {
            (Some(width), _) => format!("{width} bit"),
            (None, Some(from)) => format!("= {from}"),
            (None, None) => String::new(),
        }
    }
}

type Places = HashMap<(Tier, String), u64>;

fn places(table: &Table, landmark: u64) -> Places {
    let place = |offset: i64| landmark.wrapping_add_signed(offset);
    table.kernels.iter().map(|kernel| ((kernel.tier, kernel.name.clone()), place(kernel.offset))).collect()
}

/// Checks one kernel; returns its code if it has a body of its own.
fn check_kernel(
    proof: &mut Proof,
    program: &Program,
    reader: &Reader,
    places: &Places,
    (kernel, tier): (&str, Tier),
    family: &Family,
    body: &Body,
) -> Option<Code> {
    let place = format!("{kernel} on {tier}");
    let address_on = |tier: Tier| places.get(&(tier, kernel.to_owned())).copied();
    let address = address_on(tier)?;
    if body.tier != tier {
        if address_on(body.tier) != Some(address) {
            let found = program.name_at(address);
            proof.violation(
                "body undeclared",
                &place,
                format!("the contract says it inherits {}, the table holds {found}", body.tier),
            );
        }
        return None;
    }
    let twin = Tier::ALL
        .iter()
        .chain(&[Tier::Neon, Tier::NeonDot, Tier::NeonI8mm])
        .find(|&&lower| lower < tier && is_at_or_below(lower, tier) && address_on(lower) == Some(address));
    if let Some(lower) = twin {
        let found = format!("the table silently holds the function of {lower}: {}", program.name_at(address));
        proof.violation("inherits undeclared", &place, found);
    }
    let Some(function) = program.function_at(address) else {
        proof.violation("no symbol", &place, format!("no function begins at {address:#x}"));
        return None;
    };
    let code = reader.read(program, function);
    proof.details.push(format!(
        "  {place}: {}, {} instructions, widest {}",
        code.name,
        code.lines.len(),
        code.widest_in_loop()
    ));
    judge(proof, &place, &code, (tier, matches!(reader, Reader::Arm(_))), family, body);
    Some(code)
}

/// Compares code with its contract.
fn judge(
    proof: &mut Proof,
    place: &str,
    code: &Code,
    (tier, is_arm): (Tier, bool),
    family: &Family,
    body: &Body,
) {
    for need in body.must {
        if !code.has_in_loop(need.any, need.bits) {
            let found = format!("no {} on {} bits in a loop of {}", need.any.join("/"), need.bits, code.name);
            proof.violation("missing", place, found);
        }
    }
    let allowed = |feature: &str, mnemonic: &str| {
        if is_arm { arm::allows(tier, feature) } else { x86::allows(tier, feature, mnemonic) }
    };
    let mut above: Vec<String> = Vec::new();
    for line in &code.lines {
        if x86::is_x87(line) && !is_arm {
            proof.violation("x87", place, &line.text);
        } else if let Some(feature) = line.features.iter().find(|feature| !allowed(feature, &line.mnemonic)) {
            above.push(format!("{} ({feature})", line.text));
        }
        let is_gather = line.mnemonic.starts_with("vgather") || line.mnemonic.starts_with("vpgather");
        if is_gather {
            proof.violation("gathers", place, &line.text);
        }
        let divides = ["div", "idiv", "udiv", "sdiv"].contains(&line.mnemonic.as_str());
        let float_divides =
            ["divp", "divs", "vdivp", "vdivs", "fdiv"].iter().any(|name| line.mnemonic.starts_with(name));
        if divides || (float_divides && !family.divides) {
            proof.violation("divides", place, &line.text);
        }
    }
    if let Some(first) = above.first() {
        proof.violation(
            "above tier",
            place,
            format!("{} instructions that {tier} does not have, first {first}", above.len()),
        );
    }
    let mut calls: BTreeMap<&str, usize> = BTreeMap::new();
    for call in code.calls.iter().filter(|call| !body.may_call.contains(&call.as_str())) {
        *calls.entry(call).or_default() += 1;
    }
    for (call, places) in calls {
        proof.violation("calls", place, format!("{} calls {call} in {places} places", code.name));
    }
    for store in &code.compressing_stores {
        proof.violation("compresses to memory", place, store);
    }
    for exit in &code.dirty_exits {
        proof.violation("dirty upper halves", place, format!("no vzeroupper before {exit}"));
    }
}
