//! The header of a run: what must be known to judge or repeat its figures, in words.

use simd_kernels::capabilities;

use crate::dataset::Dataset;
use crate::machine::Machine;
use crate::machine::limits::Limits;
use crate::number::grouped;
use crate::protocol::Threads;
use crate::run::Settings;

/// Names and values, in the order of printing.
pub(crate) fn facts(
    settings: &Settings,
    datasets: &[Dataset],
    machine: &Machine,
    limits: &Limits,
    threads: &Threads,
) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("machine", describe_machine(machine)),
        ("kernels", describe_tier(settings)),
        ("limits", describe_limits(limits)),
        ("state", describe_state(machine)),
        ("build", format!("commit {}  {}", machine.commit, machine.toolchain)),
        ("date", machine.date.clone()),
    ];
    for set in datasets {
        facts.push((
            "dataset",
            format!(
                "{} {}  {} x {} {}  queries {}  from {}",
                set.name,
                set.metric,
                grouped(set.base.len() as u64),
                set.base.dim(),
                set.base.dtype(),
                grouped(set.queries.len() as u64),
                set.source
            ),
        ));
    }
    let pinned = if threads.are_pinned() { "pinned" } else { "not pinned" };
    let plural = if threads.count() == 1 { "thread" } else { "threads" };
    facts.push((
        "protocol",
        format!(
            "ann-benchmarks: k = {}, {} {plural} {pinned}, best of {} runs, clock around the search only, batch \
             apart from single",
            settings.k,
            threads.count(),
            settings.runs
        ),
    ));
    facts
}

fn bytes(value: u64) -> String {
    match value {
        v if v >= 10 << 30 => format!("{} GiB", v >> 30),
        v if v >= 1 << 20 => format!("{} MiB", v >> 20),
        v => format!("{} KiB", v >> 10),
    }
}

fn describe_machine(machine: &Machine) -> String {
    let mut text = format!("{}  {} cores", machine.cpu, machine.cores);
    let caches = machine.caches;
    for (name, size) in
        [("L1d", caches.l1d), ("L2", caches.l2), ("L3", caches.l3), ("memory", machine.memory)]
    {
        if let Some(size) = size {
            text.push_str(&format!("  {name} {}", bytes(size)));
        }
    }
    text
}

/// The tier that searched, and why not another: the command line or `NIGH_SIMD` may have capped it.
fn describe_tier(settings: &Settings) -> String {
    let variable = std::env::var(simd_kernels::TIER_VARIABLE).unwrap_or_else(|_| "not set".to_owned());
    let dispatch = capabilities().map_or_else(
        |error| error.to_string(),
        |state| match state.active {
            active if active == settings.tier => format!("dispatch: {state}"),
            active => format!("asked for with --tier, dispatch alone takes {active}"),
        },
    );
    format!("tier {}  ({dispatch}; {} {variable})", settings.tier, simd_kernels::TIER_VARIABLE)
}

fn describe_limits(limits: &Limits) -> String {
    let rate = |value: f64| format!("{:.1} GB/s", value / 1e9);
    let mut text = format!("L1 {}", rate(limits.l1));
    if let (Some(per_cycle), Some(clock)) = (limits.l1_bytes_per_cycle(), limits.clock) {
        text.push_str(&format!(" ({per_cycle:.0} B/cycle at {:.2} GHz)", clock / 1e9));
    }
    for (name, value) in [("L2", limits.l2), ("L3", limits.l3), ("memory", Some(limits.memory))] {
        if let Some(value) = value {
            text.push_str(&format!("  {name} {}", rate(value)));
        }
    }
    if limits.threads > 1 {
        text.push_str(&format!("  memory, {} threads {}", limits.threads, rate(limits.memory_all)));
    }
    text
}

fn describe_state(machine: &Machine) -> String {
    let word = |value: &Option<String>| value.clone().unwrap_or_else(|| "unknown".to_owned());
    let smt = machine.smt.map_or("unknown", |on| if on { "on" } else { "off" });
    let load = machine.load.map_or_else(|| "unknown".to_owned(), |load| format!("{load:.2}"));
    let (governor, huge_pages) = (word(&machine.governor), word(&machine.huge_pages));
    format!("load {load}  governor {governor}  SMT {smt}  transparent huge pages {huge_pages}")
}
