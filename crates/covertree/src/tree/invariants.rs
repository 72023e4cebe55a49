//! That trees are what their modules say they are: nesting, covering, radii, and the numbers of the shape.

use super::{BuildOptions, CoverTree, ItemTree, Reference, VectorTree};
use crate::metric::Metric;
use crate::space::{FANOUT, Items, Space, VectorMetric, Vectors};

/// A reproducible stream of numbers in 0..1.
fn numbers(n: usize) -> impl Iterator<Item = f64> {
    let mut state = 7u64;
    (0..n).map(move |_| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 11) as f64 / (1u64 << 53) as f64
    })
}

/// All slots below a child.
fn below<S>(tree: &CoverTree<S>, reference: Reference, slots: &mut Vec<usize>) {
    match reference {
        Reference::Empty => {}
        Reference::Leaf(leaf) => slots.extend(tree.shape.leaves[leaf as usize].range()),
        Reference::Inner(node) => {
            slots.extend(tree.shape.centres(node));
            for child in 0..tree.shape.nodes[node as usize].count as usize {
                below(tree, tree.shape.child(node, child), slots);
            }
        }
    }
}

fn check_items<P: Send + Sync, M: Metric<P>>(tree: &ItemTree<P, M>) {
    tree.shape.validate(Items::<P, M>::LANES).unwrap();
    let Items { metric, points, to_centre, radii } = &tree.space;
    for node in 0..tree.shape.nodes.len() {
        for (child, centre) in tree.shape.centres(node as u32).enumerate() {
            let reference = tree.shape.child(node as u32, child);
            let mut slots = Vec::new();
            below(tree, reference, &mut slots);
            let measure = |slot: usize| metric.distance(&points[centre], &points[slot]);
            // Covering: everything below lies in the ball, whose radius is reached. Nesting: each slot once, which
            // `validate` counted.
            let farthest = slots.iter().map(|&slot| measure(slot)).fold(0.0, f64::max);
            let radius = radii[node * FANOUT + child];
            assert!(farthest <= radius, "{farthest} beyond {radius}");
            // The distance to the centre above is stored for what lies directly below it, in order.
            let own = match reference {
                Reference::Empty => 0..0,
                Reference::Leaf(leaf) => tree.shape.leaves[leaf as usize].range(),
                Reference::Inner(inner) => tree.shape.centres(inner),
            };
            for slot in own.clone() {
                assert_eq!(to_centre[slot], measure(slot));
            }
            assert!(to_centre[own].is_sorted());
        }
    }
}

#[test]
fn of_balls() {
    let plane: Vec<[f64; 2]> = numbers(4000).collect::<Vec<_>>().as_chunks::<2>().0.to_vec();
    let metric = |a: &[f64; 2], b: &[f64; 2]| (a[0] - b[0]).hypot(a[1] - b[1]);
    let mut tree = CoverTree::from_items(plane.clone(), metric).unwrap();
    check_items(&tree);
    // Freshly built, radii are tight: together they are not much more than those of a net.
    assert!(tree.depth() <= 6);
    // Beyond the balls there are: their radii must grow.
    tree.insert(plane[..500].iter().map(|point| point.map(|x| 3.0 * x - 1.0)).collect()).unwrap();
    check_items(&tree);
    tree.remove(&(0..2500).step_by(3).collect::<Vec<_>>()).unwrap();
    check_items(&tree);

    // Where centres tell nothing apart the depth stays logarithmic.
    let equal =
        CoverTree::from_items_with(vec![1u8; 5000], |_: &u8, _: &u8| 0.0, BuildOptions::new().leaf(4));
    let equal = equal.unwrap();
    check_items(&equal);
    assert!(equal.depth() <= 6, "{}", equal.depth());
}

#[test]
fn of_boxes() {
    let rows: Vec<f64> = numbers(9000).collect();
    let mut tree = VectorTree::from_rows(&rows, 3, VectorMetric::L2).unwrap();
    let check = |tree: &VectorTree| {
        tree.shape.validate(Vectors::<f64>::LANES).unwrap();
        let mut frame = crate::space::Frame::new();
        let mut prepared = Default::default();
        for slot in (0..tree.shape.ids.len()).step_by(29).filter(|&slot| tree.shape.ids[slot] != u32::MAX) {
            tree.space.prepare_slot(slot, &mut prepared);
            for node in 0..tree.shape.nodes.len() as u32 {
                frame.node = node;
                tree.space.open(&tree.shape, &[], &mut prepared, 0.0, 0.0, &mut frame, &mut Vec::new());
                for child in 0..tree.shape.nodes[node as usize].count as usize {
                    let mut slots = Vec::new();
                    below(tree, tree.shape.child(node, child), &mut slots);
                    let inside = frame.open >> child & 1 != 0 && frame.bounds[child] == 0.0;
                    // A point's own box is at distance 0.
                    assert!(inside || !slots.contains(&slot));
                }
            }
        }
    };
    check(&tree);
    // 3000 points fill 94 leaves: three levels, and no leaf but the last of each node has room.
    assert_eq!((tree.depth(), tree.shape.leaves.len()), (3, 94));
    tree.insert(&rows[..900]).unwrap();
    tree.remove(&(0..3300).step_by(2).collect::<Vec<_>>()).unwrap();
    check(&tree);
}
