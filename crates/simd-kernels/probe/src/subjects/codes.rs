//! Scans of packed codes and of words, with their scalar twins.

use std::cell::RefCell;
use std::hint::black_box;
use std::rc::Rc;

use simd_kernels::{
    BLOCK_ROWS, CodeBlocks, CodePanelForms, CodePanels, Kernels, LookupForms, LookupTables, PANEL_ROWS, Rows,
    WordPanels, reference,
};

use super::{BYTES, DIM, Subject, elements};

/// All of them, of one table.
pub(super) fn of_table(kernels: &'static Kernels, list: &mut Vec<Subject>) {
    panels("code_panels_u2", kernels.code_panels_u2(), list);
    panels("code_panels_u4", kernels.code_panels_u4(), list);
    panels("code_panels_u8", kernels.code_panels_u8(), list);
    words(kernels, list);
    for (form, limit) in [("small", 64), ("any", 256)] {
        lookups(&format!("lookup_u4_{form}"), limit, kernels.lookup_u4(), list);
        lookups(&format!("lookup_u6_{form}"), limit, kernels.lookup_u6(), list);
        lookups(&format!("lookup_u8_{form}"), limit, kernels.lookup_u8(), list);
    }
}

fn panels<const BITS: usize>(name: &str, forms: &'static CodePanelForms<BITS>, list: &mut Vec<Subject>) {
    /// Less than a tile on some tiers, and what a search that is given a few queries has.
    const QUERIES: usize = 5;
    let panel = DIM / CodePanels::<BITS>::GROUP * 64;
    let count = BYTES / panel;
    let queries = Rc::new(elements::<i8>(QUERIES * DIM));
    let data = Rc::new(elements::<u8>(count * panel));
    let (twin_queries, twin_data) = (queries.clone(), data.clone());
    let out = RefCell::new(vec![0; QUERIES * count * PANEL_ROWS]);
    let work = move || {
        let out = &mut out.borrow_mut()[..];
        let queries = Rows::new(black_box(&queries), DIM).expect("whole queries");
        let panels = CodePanels::<BITS>::new(black_box(&data), DIM).expect("whole panels");
        forms.inner_product(queries, panels, out).expect("equal lengths");
        black_box(out);
    };
    let twin = move || {
        for query in black_box(&*twin_queries).chunks_exact(DIM) {
            for panel in black_box(&*twin_data).chunks_exact(panel) {
                for row in 0..PANEL_ROWS {
                    black_box(reference::codes::code_panel(BITS, query, panel, row));
                }
            }
        }
    };
    list.push(Subject { kernel: name.to_owned(), work: Box::new(work), twin: Box::new(twin) });
}

fn words(kernels: &'static Kernels, list: &mut Vec<Subject>) {
    /// Two full tiles on every tier.
    const QUERIES: usize = 24;
    const PANEL: usize = PANEL_ROWS * DIM;
    let word = |index: usize| (index * 7_919 % 20_001) as i16 - 10_000;
    let count = BYTES / (PANEL * size_of::<i16>());
    let queries: Rc<Vec<i16>> = Rc::new((0..QUERIES * DIM).map(word).collect());
    let data: Rc<Vec<i16>> = Rc::new((0..count * PANEL).map(word).collect());
    let (twin_queries, twin_data) = (queries.clone(), data.clone());
    let out = RefCell::new(vec![0; QUERIES * count * PANEL_ROWS]);
    let work = move || {
        let out = &mut out.borrow_mut()[..];
        let panels = WordPanels::new(black_box(&data), DIM).expect("whole panels");
        kernels.word_panels().inner_product(black_box(&queries), panels, out).expect("equal lengths");
        black_box(out);
    };
    let twin = move || {
        for query in black_box(&*twin_queries).chunks_exact(DIM) {
            for panel in black_box(&*twin_data).chunks_exact(PANEL) {
                for row in 0..PANEL_ROWS {
                    black_box(reference::codes::word_panel(query, panel, row));
                }
            }
        }
    };
    list.push(Subject { kernel: "word_panels".to_owned(), work: Box::new(work), twin: Box::new(twin) });
}

/// Tables of entries below `limit`.
fn lookups<const BITS: usize>(
    name: &str,
    limit: usize,
    forms: &'static LookupForms<BITS>,
    list: &mut Vec<Subject>,
) {
    const QUERIES: usize = 5;
    /// Codes of a row; the tables of a few queries fit the first-level cache.
    const GROUPS: usize = 16;
    let block = GROUPS * 8 * BITS;
    let count = BYTES / block;
    let tables: Rc<Vec<u8>> =
        Rc::new((0..(QUERIES * GROUPS) << BITS).map(|index| (index * 7 % limit) as u8).collect());
    let data: Rc<Vec<u8>> = Rc::new((0..count * block).map(|index| (index * 37 % 251) as u8).collect());
    let (twin_tables, twin_data) = (tables.clone(), data.clone());
    let out = RefCell::new(vec![0; QUERIES * count * BLOCK_ROWS]);
    let work = move || {
        let out = &mut out.borrow_mut()[..];
        let tables = LookupTables::<BITS>::new(black_box(&tables), GROUPS).expect("whole tables");
        let blocks = CodeBlocks::<BITS>::new(black_box(&data), GROUPS).expect("whole blocks");
        forms.sums(tables, blocks, out).expect("equal lengths");
        black_box(out);
    };
    let twin = move || {
        for tables in black_box(&*twin_tables).chunks_exact(GROUPS << BITS) {
            for block in black_box(&*twin_data).chunks_exact(block) {
                for row in 0..BLOCK_ROWS {
                    black_box(reference::lookups::lookup(BITS, tables, block, row));
                }
            }
        }
    };
    list.push(Subject { kernel: name.to_owned(), work: Box::new(work), twin: Box::new(twin) });
}
