//! Code panels: `i8` queries against interleaved codes of 2, 4 and 8 bits, any byte being codes. Word panels: any words.

use simd_kernels::{CodePanelForms, CodePanels, Kernels, PANEL_ROWS, Rows, WordPanels, reference};

use super::{Judge, Random, Tally, Truth};

/// A tile of queries, the rests of four, two and one, on every tier.
const QUERIES: usize = 15;
/// More than the panels that any tier walks together, and a rest.
const PANELS: usize = 7;

/// All widths of one table.
pub(super) fn of_table(kernels: &'static Kernels, tally: &mut Tally) {
    compare("code_panels_u2", kernels.code_panels_u2(), tally);
    compare("code_panels_u4", kernels.code_panels_u4(), tally);
    compare("code_panels_u8", kernels.code_panels_u8(), tally);
    words(kernels, tally);
}

fn words(kernels: &'static Kernels, tally: &mut Tally) {
    for dim in (2..=70).step_by(2).chain([256, 1000]) {
        let mut random = Random(dim as u64);
        let panel = PANEL_ROWS * dim;
        // The largest products in turn with any: sums wrap, on every tier alike.
        let extreme = dim / 2 % 4;
        let mut word = || match extreme {
            0 => i16::MIN,
            1 => i16::MAX,
            _ => random.next() as i16,
        };
        let queries: Vec<i16> = (0..QUERIES * dim).map(|_| word()).collect();
        let data: Vec<i16> = (0..PANELS * panel).map(|_| word()).collect();
        for (count, panels) in [(QUERIES, PANELS), (1, 5), (2, 2), (4, 1), (12, 3), (0, 2), (3, 0)] {
            let view = match WordPanels::new(&data[..panels * panel], dim) {
                Ok(view) => view,
                Err(error) => return tally.failures.push(format!("a valid shape was refused: {error}")),
            };
            let queries = &queries[..count * dim];
            let mut judge = Judge { name: "word_panels", dim, tally };
            let out = judge
                .call("", count * view.rows(), |out| kernels.word_panels().inner_product(queries, view, out));
            for (at, value) in out.into_iter().enumerate() {
                let (query, row) = (at / view.rows(), at % view.rows());
                let (query, words) =
                    (&queries[query * dim..][..dim], &data[row / PANEL_ROWS * panel..][..panel]);
                let truth = reference::codes::word_panel(query, words, row % PANEL_ROWS);
                judge.value("", at, value, Truth { value: f64::from(truth), tolerance: 0.0 });
            }
        }
    }
}

fn compare<const BITS: usize>(name: &str, forms: &CodePanelForms<BITS>, tally: &mut Tally) {
    let group = CodePanels::<BITS>::GROUP;
    // Every rest of the chunks that are summed in 16 bits, and many chunks.
    for dim in (1..=23).chain([64, 100]).map(|groups| groups * group) {
        let mut random = Random(dim as u64);
        let stride = dim + dim / group % 3;
        let panel = dim / group * 64;
        // The largest sums in turn with any: both ends of the codes and of the query.
        let extreme = dim / group % 4;
        let queries: Vec<i8> = (0..QUERIES * stride)
            .map(|_| match extreme {
                0 => -128,
                1 => 127,
                _ => random.next() as i8,
            })
            .collect();
        let data: Vec<u8> =
            (0..PANELS * panel).map(|_| if extreme < 2 { 255 } else { random.next() as u8 }).collect();
        for (count, panels) in [(QUERIES, PANELS), (1, 5), (2, 2), (4, 1), (8, 3), (0, 2), (3, 0)] {
            let views = Rows::with_stride(&queries, count, dim, stride)
                .and_then(|queries| Ok((queries, CodePanels::<BITS>::new(&data[..panels * panel], dim)?)));
            let (queries, view) = match views {
                Ok(views) => views,
                Err(error) => return tally.failures.push(format!("a valid shape was refused: {error}")),
            };
            let mut judge = Judge { name, dim, tally };
            let out = judge.call("", count * view.rows(), |out| forms.inner_product(queries, view, out));
            for (at, value) in out.into_iter().enumerate() {
                let (query, row) = (at / view.rows(), at % view.rows());
                let codes = &data[row / PANEL_ROWS * panel..][..panel];
                let query = queries.row(query).unwrap_or_default();
                let truth = reference::codes::code_panel(BITS, query, codes, row % PANEL_ROWS);
                judge.value("", at, value, Truth { value: f64::from(truth), tolerance: 0.0 });
            }
        }
    }
}
