//! Every tier's panel kernels compute what the scalar truth computes: integers exactly, floats within
//! `(dim + 16) · ε` of the sum of absolute terms (for distances: of the two squared norms), for every tail of a
//! group, several counts of queries and of panels.
#![allow(clippy::unwrap_used, reason = "a shape that is refused fails the test")]
use simd_kernels::{
    Distance, Element, Kernels, Measure, PANEL_ROWS, PanelElement, Panels, Rows, ShapeError, Tier,
    WordPanels, reference,
};

/// An element from a counter: any value of an integer type, a number of moderate size otherwise.
fn element<T: Element>(seed: usize) -> T {
    let bits = (seed as u64).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
    match T::NAME {
        "u8" => T::from_f64((bits % 256) as f64),
        "i8" => T::from_f64((bits % 256) as f64 - 128.0),
        _ => T::from_f64((bits % 20_001) as f64 / 2_500.0 - 4.0),
    }
}

/// Rows in the order that [`Panels`] documents, padded with zeros.
fn pack<T: PanelElement>(rows: &[T], dim: usize) -> Vec<T> {
    let count = (rows.len() / dim).next_multiple_of(PANEL_ROWS);
    let padded = dim.next_multiple_of(T::GROUP);
    let mut panels = vec![T::from_f64(0.0); count * padded];
    for (row, values) in rows.chunks_exact(dim).enumerate() {
        let panel = &mut panels[row / PANEL_ROWS * PANEL_ROWS * padded..];
        for (j, &value) in values.iter().enumerate() {
            panel[(j / T::GROUP * PANEL_ROWS + row % PANEL_ROWS) * T::GROUP + j % T::GROUP] = value;
        }
    }
    panels
}

/// The squared norm, in the type and with the wrapping that the kernels document.
fn norm<T: Element>(row: &[T]) -> T::Distance {
    T::Distance::from_f64(reference::measure(Measure::InnerProduct, row, row))
}

fn check<T: PanelElement>(kernels: &'static Kernels, dim: usize, queries: usize, rows: usize) {
    let epsilon = match T::NAME {
        "f64" => f64::EPSILON,
        "f32" => f64::from(f32::EPSILON),
        _ => 0.0,
    };
    let query_data: Vec<T> = (0..queries * dim).map(element).collect();
    let row_data: Vec<T> = (0..rows * dim).map(|at| element(at + 7919)).collect();
    let packed = pack(&row_data, dim);
    let panels = Panels::new(&packed, dim).unwrap();
    let query_view = Rows::new(&query_data, dim).unwrap();
    let query_norms: Vec<_> = query_data.chunks_exact(dim).map(norm).collect();
    let mut row_norms: Vec<_> = row_data.chunks_exact(dim).map(norm).collect();
    row_norms.resize(panels.rows(), T::Distance::default());
    let mut products = vec![T::Distance::default(); queries * panels.rows()];
    let mut distances = products.clone();
    let forms = kernels.panels::<T>();
    forms.inner_product(query_view, panels, &mut products).unwrap();
    forms.l2_squared(query_view, &query_norms, panels, &row_norms, &mut distances).unwrap();
    for (q, query) in query_data.chunks_exact(dim).enumerate() {
        for (r, row) in row_data.chunks_exact(dim).enumerate() {
            let at = q * panels.rows() + r;
            let what =
                format!("{} {} dim {dim}, {queries} queries, pair ({q}, {r})", kernels.tier(), T::NAME);
            let steps = dim as f64 + 16.0;
            let truth = reference::measure(Measure::InnerProduct, query, row);
            let bound = steps * epsilon * reference::magnitude(Measure::InnerProduct, query, row);
            let product = products[at].to_f64();
            assert!((product - truth).abs() <= bound, "{what}: product {product}, not {truth}");
            let truth = reference::measure(Measure::L2Squared, query, row);
            let bound = steps * epsilon * (query_norms[q].to_f64() + row_norms[r].to_f64());
            let distance = distances[at].to_f64();
            assert!((distance - truth).abs() <= bound, "{what}: distance {distance}, not {truth}");
        }
        for row in rows..panels.rows() {
            assert_eq!(products[q * panels.rows() + row], T::Distance::default(), "padding");
        }
    }
}

#[test]
fn every_available_tier_equals_the_scalar_truth() {
    for kernels in Tier::ALL.iter().filter_map(|&tier| Kernels::for_tier(tier)) {
        for dim in (1..=37).chain([64, 96, 100, 127, 257]) {
            for (queries, rows) in [(1, 1), (2, 16), (3, 17), (7, 40), (13, 80)] {
                check::<f32>(kernels, dim, queries, rows);
                check::<f64>(kernels, dim, queries, rows);
                check::<u8>(kernels, dim, queries, rows);
                check::<i8>(kernels, dim, queries, rows);
            }
        }
    }
}

#[test]
fn word_panels_of_other_shapes_are_refused() {
    assert!(matches!(WordPanels::new(&[0; 32], 0), Err(ShapeError::Dimension { dim: 0, .. })));
    assert_eq!(WordPanels::new(&[0; 48], 3).unwrap_err(), ShapeError::Granule { dim: 3, granule: 2 });
    assert_eq!(WordPanels::new(&[0; 33], 2).unwrap_err(), ShapeError::Data { expected: 64, actual: 33 });
    let panels = WordPanels::new(&[0; 64], 2).unwrap();
    assert_eq!((panels.len(), panels.rows(), panels.dim(), panels.is_empty()), (2, 32, 2, false));
    let forms = Kernels::active().unwrap().word_panels();
    let mut out = [7; 32];
    let refused = forms.inner_product(&[1; 3], panels, &mut out);
    assert_eq!(refused, Err(ShapeError::Length { argument: "queries", expected: 4, actual: 3 }));
    let refused = forms.inner_product(&[1; 4], panels, &mut out);
    assert_eq!(refused, Err(ShapeError::Length { argument: "out", expected: 64, actual: 32 }));
    assert_eq!(out, [7; 32]);
    // No query and no panel are shapes, too.
    assert_eq!(forms.inner_product(&[], panels, &mut []), Ok(()));
    assert_eq!(forms.inner_product(&[1, 2], WordPanels::new(&[], 2).unwrap(), &mut []), Ok(()));
}
