//! Panel kernels: many queries against interleaved rows, packed here by the definition of the layout.

use simd_kernels::{Distance, Element, Kernels, Measure, PANEL_ROWS, PanelElement, Panels, Rows, reference};

use super::measures::truth;
use super::{Judge, Random, Tally, Truth, element};

/// More than two tiles of queries and a rest, on every tier.
const QUERIES: usize = 27;
/// One more than the panels that any tier walks together.
const PANELS: usize = 3;

/// All panel kernels of one table.
pub(super) fn of_table(kernels: &'static Kernels, tally: &mut Tally) {
    compare::<f32>(kernels, tally);
    compare::<f64>(kernels, tally);
    compare::<u8>(kernels, tally);
    compare::<i8>(kernels, tally);
}

fn compare<T: PanelElement>(kernels: &'static Kernels, tally: &mut Tally) {
    let forms = kernels.panels::<T>();
    for dim in (1..=40).chain([63, 64, 65, 100, 128, 257]) {
        let mut random = Random(dim as u64);
        let stride = dim + dim % 3;
        let mut draw = |count: usize| -> Vec<T> { (0..count).map(|_| element(random.next())).collect() };
        // Fewer rows than the panels hold: the rest is padding.
        let (queries, rows) = (draw(QUERIES * stride), draw((PANELS * PANEL_ROWS - 5) * dim));
        let packed = pack(&rows, dim);
        let row = |index: usize| rows.get(index * dim..(index + 1) * dim);
        let zeros = vec![T::from_f64(0.0); dim];
        for panels in [PANELS, 1 + dim % 2] {
            let count = QUERIES - dim % 5;
            let queries = match Rows::with_stride(&queries, count, dim, stride) {
                Ok(queries) => queries,
                Err(error) => return tally.failures.push(format!("a valid shape was refused: {error}")),
            };
            let panel = packed.len() / PANELS;
            let view = match Panels::new(&packed[..panels * panel], dim) {
                Ok(view) => view,
                Err(error) => return tally.failures.push(format!("a valid shape was refused: {error}")),
            };
            let norm = |vector: &[T]| {
                T::Distance::from_f64(reference::measure(Measure::InnerProduct, vector, vector))
            };
            let query_norms: Vec<_> = queries.iter().map(norm).collect();
            let row_norms: Vec<_> =
                (0..view.rows()).map(|index| row(index).map_or_else(T::Distance::default, norm)).collect();
            let name = format!("panel_{}", T::NAME);
            let mut judge = Judge { name: &name, dim, tally };
            let places = count * view.rows();
            let products = judge.call("inner_product", places, |out| forms.inner_product(queries, view, out));
            let distances = judge.call("l2_squared", places, |out| {
                forms.l2_squared(queries, &query_norms, view, &row_norms, out)
            });
            for (at, (product, distance)) in products.into_iter().zip(distances).enumerate() {
                let (query, index) = (queries.row(at / view.rows()).unwrap_or(&zeros), at % view.rows());
                let other = row(index).unwrap_or(&zeros);
                judge.value("inner_product", at, product, truth(Measure::InnerProduct, query, other));
                judge.value("l2_squared", at, distance, l2_truth(query, other));
            }
        }
    }
}

/// The distance from stored norms: the bound is relative to the norms, which cancel.
fn l2_truth<T: Element>(query: &[T], row: &[T]) -> Truth {
    let square = |vector: &[T]| truth(Measure::InnerProduct, vector, vector).tolerance;
    let value = reference::measure(Measure::L2Squared, query, row);
    Truth { value, tolerance: square(query) + square(row) }
}

/// Panels of rows, padded with zeros.
fn pack<T: PanelElement>(rows: &[T], dim: usize) -> Vec<T> {
    let group = T::GROUP;
    let panel = PANEL_ROWS * dim.next_multiple_of(group);
    let mut packed = vec![T::from_f64(0.0); PANELS * panel];
    for (r, row) in rows.chunks_exact(dim).enumerate() {
        for (j, &value) in row.iter().enumerate() {
            packed
                [r / PANEL_ROWS * panel + ((j / group) * PANEL_ROWS + r % PANEL_ROWS) * group + j % group] =
                value;
        }
    }
    packed
}
