//! Planted faults: functions that are wrong on purpose, presented under a kernel's name, so that
//! `cargo xtask dispatch-check --self-test` can see each of them caught. None is reachable from the library.

use std::hint::black_box;

use simd_kernels::inventory::Entry;
#[cfg(target_arch = "x86_64")]
use simd_kernels::inventory::inventory;
use simd_kernels::{Forms, Kernels, Measure, Rows, ShapeError, Tier, reference};

use crate::equality::{Plan, Subject, Tally, Truth, element, measure};
use crate::subjects;

#[cfg(target_arch = "x86_64")]
mod x86;

/// A function that takes another's place in the table of one tier.
pub(crate) struct Fault {
    pub(crate) name: &'static str,
    pub(crate) kernel: &'static str,
    pub(crate) tier: Tier,
    pub(crate) address: fn() -> usize,
}

/// Every fault that shows in machine code.
#[cfg(target_arch = "x86_64")]
pub(crate) const ALL: &[Fault] = x86::ALL;
#[cfg(not(target_arch = "x86_64"))]
pub(crate) const ALL: &[Fault] = &[];

/// Puts the fault's function where it does not belong.
pub(crate) fn plant(fault: Option<&str>, tier: Tier, entries: &mut [Entry]) {
    for fault in ALL.iter().filter(|known| Some(known.name) == fault && known.tier == tier) {
        for entry in entries.iter_mut().filter(|entry| entry.kernel == fault.kernel) {
            entry.address = (fault.address)();
        }
    }
}

/// The function that the table of `tier` holds for `kernel`.
#[cfg(target_arch = "x86_64")]
fn address_of(kernel: &str, tier: Tier) -> usize {
    inventory(tier).iter().find(|entry| entry.kernel == kernel).map_or(0, |entry| entry.address)
}

/// A scalar body in the place of a fast one, for the ratio: every call of it does what the twin does.
pub(crate) fn slow_down(fault: Option<&str>, tier: Tier, list: &mut [subjects::Subject]) {
    let planted = fault == Some("scalar-body") && Some(&tier) == Tier::ALL.get(1);
    for subject in list.iter_mut().filter(|subject| planted && subject.kernel == "inner_product_f32_rows") {
        let block: Vec<f32> = (0..16 * 256).map(|index| index as f32).collect();
        subject.work = Box::new(move || {
            for row in black_box(&block).chunks_exact(256) {
                black_box(reference::measure(Measure::InnerProduct, black_box(&block[..256]), row));
            }
        });
    }
}

/// Compares a kernel that forgets the last elements of a row whose length is no multiple of eight.
pub(crate) fn compare(fault: &str) -> Tally {
    let mut tally = Tally::default();
    if let ("wrong-tail", Some(kernels)) = (fault, Kernels::for_tier(Tier::Baseline)) {
        let truth =
            |a: &[u8], b: &[u8]| Truth { value: reference::measure(Measure::L1, a, b), tolerance: 0.0 };
        let plan = Plan {
            name: "l1_u8".to_owned(),
            pack: 1,
            granule: 1,
            query: element::<u8>,
            row: element::<u8>,
            truth: &truth,
        };
        measure(&plan, &ForgetsTail(kernels.forms::<u8>(Measure::L1)), &mut tally);
    }
    tally
}

struct ForgetsTail<'a>(&'a Forms<u8, u8, i32>);

impl Subject<u8, u8, i32> for ForgetsTail<'_> {
    fn pair(&self, query: &[u8], row: &[u8]) -> Result<i32, ShapeError> {
        let whole = (query.len() / 8 * 8).max(1);
        self.0.pair(&query[..whole], &row[..whole])
    }
    fn rows(&self, query: &[u8], rows: Rows<'_, u8>, out: &mut [i32]) -> Result<(), ShapeError> {
        self.0.rows(query, rows, out)
    }
    fn ids(&self, query: &[u8], rows: Rows<'_, u8>, ids: &[u32], out: &mut [i32]) -> Result<(), ShapeError> {
        self.0.ids(query, rows, ids, out)
    }
    fn tile(&self, queries: Rows<'_, u8>, rows: Rows<'_, u8>, out: &mut [i32]) -> Result<(), ShapeError> {
        self.0.tile(queries, rows, out)
    }
}
