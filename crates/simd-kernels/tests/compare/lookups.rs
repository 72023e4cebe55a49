//! Scans by table: codes of 4, 6 and 8 bits, any byte being codes, small entries and any entries.

use simd_kernels::{BLOCK_ROWS, CodeBlocks, Kernels, LookupForms, LookupTables, reference};

use super::{Random, Tally};

/// A tile of queries, a rest of two and one of one.
const QUERIES: usize = 7;
/// More than any tier walks together, and a rest.
const BLOCKS: usize = 3;

/// All widths of one table.
pub(super) fn of_table(kernels: &'static Kernels, tally: &mut Tally) {
    compare("lookup_u4", kernels.lookup_u4(), tally);
    compare("lookup_u6", kernels.lookup_u6(), tally);
    compare("lookup_u8", kernels.lookup_u8(), tally);
}

fn compare<const BITS: usize>(name: &str, forms: &LookupForms<BITS>, tally: &mut Tally) {
    for groups in [4, 8, 12, 64, 260, 1044] {
        let mut random = Random(groups as u64);
        let data: Vec<u8> = (0..BLOCKS * groups * 8 * BITS).map(|_| random.next() as u8).collect();
        // The largest entries of either kind, where sums of four fill a byte and sums of all wrap, and random ones.
        for (least, most) in [(0, 63), (63, 63), (0, 64), (0, 255), (255, 255)] {
            let queries = if groups > 64 { 1 } else { QUERIES };
            let mut draw = || least + random.next() % (most - least + 1);
            let tables: Vec<u8> = (0..(queries * groups) << BITS).map(|_| draw() as u8).collect();
            for (queries, blocks) in [(queries, BLOCKS), (1, 2), (1, 1), (0, 1), (1, 0)] {
                let views = LookupTables::<BITS>::new(&tables[..(queries * groups) << BITS], groups)
                    .and_then(|tables| {
                        Ok((tables, CodeBlocks::<BITS>::new(&data[..blocks * groups * 8 * BITS], groups)?))
                    });
                match views {
                    Ok((tables, blocks)) => check(name, forms, tables, &data, blocks, tally),
                    Err(error) => {
                        return tally.failures.push(format!("{name}: a valid shape was refused: {error}"));
                    }
                }
            }
        }
    }
}

/// One call, whose results lie between canaries.
fn check<const BITS: usize>(
    name: &str,
    forms: &LookupForms<BITS>,
    tables: LookupTables<'_, BITS>,
    data: &[u8],
    blocks: CodeBlocks<'_, BITS>,
    tally: &mut Tally,
) {
    const CANARIES: usize = 40;
    let (groups, rows) = (blocks.groups(), blocks.rows());
    let mut out = vec![0xabcd; tables.len() * rows + 2 * CANARIES];
    let places = CANARIES..out.len() - CANARIES;
    if let Err(error) = forms.sums(tables, blocks, &mut out[places.clone()]) {
        tally.failures.push(format!("{name} refused a valid shape: {error}"));
    }
    let block = groups * 8 * BITS;
    for (at, &sum) in out[places.clone()].iter().enumerate() {
        let tables = &tables.data()[at / rows * (groups << BITS)..][..groups << BITS];
        let codes = &data[at % rows / BLOCK_ROWS * block..][..block];
        let truth = reference::lookups::lookup(BITS, tables, codes, at % BLOCK_ROWS);
        tally.comparisons += 1;
        if sum != truth {
            tally.failures.push(format!("{name} of {groups} groups: [{at}] is {sum}, expected {truth}"));
        }
    }
    if out[..CANARIES].iter().chain(&out[places.end..]).any(|&value| value != 0xabcd) {
        tally.failures.push(format!("{name} wrote outside its results"));
    }
}
