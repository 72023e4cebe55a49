//! Scans of packed codes with their scalar twins.

use std::cell::RefCell;
use std::hint::black_box;
use std::rc::Rc;

use simd_kernels::{CodePanelForms, CodePanels, Kernels, PANEL_ROWS, Rows, reference};

use super::{BYTES, DIM, Subject, elements};

/// All of them, of one table.
pub(super) fn of_table(kernels: &'static Kernels, list: &mut Vec<Subject>) {
    panels("code_panels_u2", kernels.code_panels_u2(), list);
    panels("code_panels_u4", kernels.code_panels_u4(), list);
    panels("code_panels_u8", kernels.code_panels_u8(), list);
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
