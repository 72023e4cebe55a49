//! Every structure in memory, driven at random, does what the plainest model of it does.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::{HashMap, HashSet};

use layouts::{
    Adjacency, AlignedVec, ChildrenArena, Error, HUGE_PAGE, HugePages, IdMap, LinearPool, Matrix, Neighbor,
    Permutation, Pushed, RowPadding, Span, TopK, VisitedBits, VisitedSet,
};
use proptest::prelude::*;
use simd_kernels::Rows;

#[derive(Clone, Debug)]
enum VecStep {
    Push(u16),
    Extend(Vec<u16>),
    Resize(usize, u16),
    Truncate(usize),
    Reserve(usize),
    Clear,
}

fn vec_step() -> impl Strategy<Value = VecStep> {
    prop_oneof![
        any::<u16>().prop_map(VecStep::Push),
        prop::collection::vec(any::<u16>(), 0..200).prop_map(VecStep::Extend),
        (0usize..500, any::<u16>()).prop_map(|(len, value)| VecStep::Resize(len, value)),
        (0usize..500).prop_map(VecStep::Truncate),
        (0usize..300).prop_map(VecStep::Reserve),
        Just(VecStep::Clear),
    ]
}

/// Distances with many ties, both zeros, infinities and NaN.
fn distance() -> impl Strategy<Value = f32> {
    prop_oneof![
        8 => (-3i8..20).prop_map(f32::from),
        1 => Just(-0.0),
        1 => Just(f32::INFINITY),
        1 => Just(f32::NEG_INFINITY),
        1 => Just(f32::NAN),
        1 => Just(-f32::NAN),
    ]
}

fn bits(neighbors: impl IntoIterator<Item = Neighbor>) -> Vec<(u32, u32)> {
    neighbors.into_iter().map(|n| (n.id, n.distance.to_bits())).collect()
}

fn permutation(n: usize) -> impl Strategy<Value = Vec<u32>> {
    Just((0..n as u32).collect::<Vec<_>>()).prop_shuffle()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn aligned_vec_is_a_vec(steps in prop::collection::vec(vec_step(), 0..40)) {
        let (mut vec, mut model) = (AlignedVec::new(), Vec::new());
        for step in steps {
            match step {
                VecStep::Push(value) => { vec.push(value).unwrap(); model.push(value); }
                VecStep::Extend(values) => { vec.extend_from_slice(&values).unwrap(); model.extend(values); }
                VecStep::Resize(len, value) => { vec.resize(len, value).unwrap(); model.resize(len, value); }
                VecStep::Truncate(len) => { vec.truncate(len); model.truncate(len); }
                VecStep::Reserve(more) => {
                    vec.reserve(more).unwrap();
                    prop_assert!(vec.capacity() >= vec.len() + more);
                }
                VecStep::Clear => { vec.clear(); model.clear(); }
            }
            prop_assert_eq!(&vec[..], &model[..]);
            prop_assert_eq!(vec.as_ptr().align_offset(64), 0);
        }
        prop_assert_eq!(&vec.try_clone().unwrap()[..], &model[..]);
    }

    #[test]
    fn top_k_is_sort_and_truncate(
        pushes in prop::collection::vec((0u32..50, distance(), prop::bool::weighted(0.1)), 0..200),
        k in 1usize..40,
    ) {
        let mut best = TopK::new(k).unwrap();
        let mut model: Vec<Neighbor> = Vec::new();
        for (id, distance, look) in pushes {
            let neighbor = Neighbor::new(id, distance);
            let worst = (model.len() == k).then(|| model[k - 1]);
            let expected = !distance.is_nan() && worst.is_none_or(|worst| neighbor < worst);
            prop_assert_eq!(best.push(neighbor), expected);
            if expected {
                model.push(neighbor);
                model.sort();
                model.truncate(k);
            }
            let threshold = if model.len() == k { model[k - 1].distance } else { f32::INFINITY };
            prop_assert_eq!(best.threshold(), threshold);
            if look {
                prop_assert_eq!(best.sorted(), &model[..]); // and pushing goes on
            }
        }
        prop_assert_eq!(best.len(), model.len());
        prop_assert_eq!(best.into_sorted(), model);
    }

    #[test]
    fn top_k_does_not_depend_on_the_order_of_pushes(
        distances in prop::collection::vec((0i8..5).prop_map(i32::from), 1..100), k in 1usize..30, seed in any::<u64>(),
    ) {
        let neighbors: Vec<_> = (0..).zip(&distances).map(|(id, &d)| Neighbor::new(id, d)).collect();
        let mut shuffled = neighbors.clone();
        shuffled.sort_by_key(|n| (u64::from(n.id) ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let find = |list: &[Neighbor<i32>]| {
            let mut best = TopK::new(k).unwrap();
            for &neighbor in list { best.push(neighbor); }
            best.into_sorted()
        };
        let mut all = neighbors.clone();
        all.sort();
        all.truncate(k);
        prop_assert_eq!(find(&neighbors), all.clone());
        prop_assert_eq!(find(&shuffled), all);
    }

    #[test]
    fn linear_pool_is_a_sorted_list_with_marks(
        steps in prop::collection::vec(prop::option::weighted(0.8, (0u32..40, distance())), 0..200),
        capacity in 1usize..30,
    ) {
        let mut pool = LinearPool::new(capacity).unwrap();
        let mut model: Vec<(Neighbor, bool)> = Vec::new();
        for step in steps {
            match step {
                Some((id, distance)) => {
                    let neighbor = Neighbor::new(id, distance);
                    let held = model.iter().any(|(other, _)| *other == neighbor);
                    let mut place = None;
                    if !distance.is_nan() && !held {
                        model.push((neighbor, false));
                        model.sort_by_key(|(neighbor, _)| *neighbor);
                        model.truncate(capacity);
                        place = model.iter().position(|(other, _)| *other == neighbor);
                    }
                    prop_assert_eq!(pool.insert(neighbor), place);
                }
                None => {
                    let next = model.iter_mut().find(|(_, expanded)| !expanded);
                    let expected = next.map(|(neighbor, expanded)| { *expanded = true; *neighbor });
                    prop_assert_eq!(pool.peek_unexpanded(), expected);
                    prop_assert_eq!(pool.next_unexpanded(), expected);
                }
            }
            prop_assert_eq!(bits(pool.iter()), bits(model.iter().map(|(neighbor, _)| *neighbor)));
            let full = model.len() == capacity;
            prop_assert_eq!(pool.threshold(), if full { model[capacity - 1].0.distance } else { f32::INFINITY });
            prop_assert_eq!(pool.get(0), model.first().map(|(neighbor, _)| *neighbor));
        }
    }

    #[test]
    fn visited_sets_are_sets(
        n in 1usize..3000,
        steps in prop::collection::vec(prop::option::weighted(0.7, 0u32..3200), 0..1500),
    ) {
        let (mut bytes, mut bits) = (VisitedSet::new(n).unwrap(), VisitedBits::new(n).unwrap());
        let mut model = HashSet::new();
        for step in steps { // clears often enough for the epoch to wrap
            match step {
                Some(id) => {
                    let new = (id as usize) < n && model.insert(id);
                    prop_assert_eq!(bytes.insert(id), new);
                    prop_assert_eq!(bits.insert(id), new);
                    prop_assert_eq!(bytes.contains(id ^ 1), model.contains(&(id ^ 1)));
                    prop_assert_eq!(bits.contains(id ^ 1), model.contains(&(id ^ 1)));
                }
                None => { bytes.clear(); bits.clear(); model.clear(); }
            }
        }
    }

    #[test]
    fn visited_bits_are_cleared_however_many_there_were(n in 1usize..5000, every in 1u32..200, next in 1usize..5000) {
        let mut bits = VisitedBits::new(n).unwrap();
        for id in (0..n as u32).step_by(every as usize) { prop_assert!(bits.insert(id)); }
        bits.reset(next).unwrap();
        prop_assert!((0..next as u32).all(|id| !bits.contains(id) && bits.insert(id)));
        prop_assert!(!bits.insert(next as u32));
    }

    #[test]
    fn id_map_is_a_pair_of_maps(ids in prop::collection::vec(0u64..60, 0..80)) {
        let (mut map, mut model) = (IdMap::new(), HashMap::new());
        for &id in &ids {
            let next = model.len() as u32;
            match map.push(id) {
                Ok(internal) => { prop_assert_eq!(internal, next); model.insert(id, internal); }
                Err(error) => {
                    prop_assert_eq!(error, Error::Duplicate { argument: "external", value: id });
                    prop_assert!(model.contains_key(&id));
                }
            }
        }
        for id in 0..60 { prop_assert_eq!(map.internal(id), model.get(&id).copied()); }
        for row in 0..map.len() as u32 { prop_assert_eq!(model[&map.external(row).unwrap()], row); }
        prop_assert_eq!(map.external(map.len() as u32), None);
        prop_assert_eq!(IdMap::from_external(&ids).is_ok(), model.len() == ids.len());
    }

    #[test]
    fn reordering_moves_everything_alike(order in (0usize..60).prop_flat_map(permutation), dim in 1usize..20) {
        let permutation = Permutation::new(order.clone()).unwrap();
        let inverse = permutation.inverse().unwrap();
        let n = order.len() as u32;
        let ids: Vec<u64> = (0..u64::from(n)).map(|id| id * 7).collect();
        let moved = IdMap::from_external(&ids).unwrap().reorder(&permutation).unwrap();
        let data: Vec<f32> = (0..n * dim as u32).map(|at| at as f32).collect();
        let rows = Rows::new(&data, dim).unwrap();
        let matrix = Matrix::from_rows(rows, RowPadding::CacheLine).unwrap().reorder(&permutation).unwrap();
        let mut graph = Adjacency::new(n as usize, 3).unwrap();
        for node in 0..n { if n > 1 { graph.set(node, &[(node + 1) % n]).unwrap(); } }
        let graph = graph.reorder(&permutation).unwrap();
        graph.validate().unwrap();
        for (new, &old) in (0u32..).zip(&order) {
            prop_assert_eq!(inverse.order()[old as usize], new);
            prop_assert_eq!(moved.external(new), Some(u64::from(old) * 7));
            prop_assert_eq!(matrix.row(new as usize), rows.row(old as usize));
            let expected: Vec<u32> = if n > 1 { vec![inverse.order()[((old + 1) % n) as usize]] } else { vec![] };
            prop_assert_eq!(graph.neighbors(new), expected);
        }
        prop_assert_eq!(inverse.inverse().unwrap(), permutation);
    }

    #[test]
    fn only_permutations_are_permutations(order in prop::collection::vec(0u32..8, 0..8)) {
        let distinct: HashSet<_> = order.iter().collect();
        let is_one = distinct.len() == order.len() && order.iter().all(|&id| (id as usize) < order.len());
        prop_assert_eq!(Permutation::new(order).is_ok(), is_one);
    }

    #[test]
    fn adjacency_is_a_list_of_lists(
        n in 1usize..20, degree in 1usize..40,
        steps in prop::collection::vec((0u32..22, 0usize..42, prop::collection::vec(0u32..22, 0..42)), 0..60),
    ) {
        let mut graph = Adjacency::new(n, degree).unwrap();
        let mut model = vec![Vec::<u32>::new(); n];
        for (node, slot, ids) in steps {
            let valid = |id: u32| (id as usize) < n && id != node;
            let row = model.get_mut(node as usize);
            match (slot % 3, ids.first()) {
                (0, _) => {
                    let ok = row.is_some() && ids.len() <= degree && ids.iter().all(|&id| valid(id));
                    prop_assert_eq!(graph.set(node, &ids).is_ok(), ok);
                    if ok { model[node as usize] = ids; }
                }
                (1, Some(&id)) => {
                    let expected = row.filter(|_| valid(id)).map(|row| {
                        if row.contains(&id) { return Pushed::Present; }
                        if row.len() == degree { return Pushed::Full; }
                        row.push(id);
                        Pushed::Added
                    });
                    prop_assert_eq!(graph.push(node, id).ok(), expected);
                }
                (_, Some(&id)) => {
                    let place = row.and_then(|row| row.get_mut(slot)).filter(|_| valid(id));
                    prop_assert_eq!(graph.replace(node, slot, id).is_ok(), place.is_some());
                    if let Some(place) = place { *place = id; }
                }
                _ => {}
            }
            graph.validate().unwrap();
        }
        for (node, row) in (0..).zip(&model) {
            prop_assert_eq!(graph.neighbors(node), &row[..]);
            prop_assert!(graph.row(node)[row.len()..].iter().all(|&id| id == Adjacency::NONE));
            // No row straddles more lines than it must.
            let start = graph.row(node).as_ptr() as usize % 64;
            prop_assert!(start == 0 || start + graph.stride() * 4 <= 64);
        }
        prop_assert_eq!(graph.neighbors(n as u32), &[] as &[u32]);
        let again = Adjacency::from_storage(graph.as_slice(), n, degree).unwrap();
        prop_assert_eq!(again.as_slice(), graph.as_slice());
        graph.grow(n + 3).unwrap();
        prop_assert_eq!(graph.neighbors(n as u32 + 2), &[] as &[u32]);
        prop_assert_eq!(graph.neighbors(0), &model[0][..]);
    }

    #[test]
    fn damaged_graphs_are_refused(slots in prop::collection::vec(prop_oneof![0u32..5, Just(u32::MAX)], 16)) {
        // 4 nodes of up to 3 neighbours, in rows of 4 slots.
        let ok = slots.chunks(4).enumerate().all(|(node, row)| {
            let count = row.iter().position(|&id| id == u32::MAX).unwrap_or(4);
            count <= 3
                && row[..count].iter().all(|&id| id < 4 && id as usize != node)
                && row[count..].iter().all(|&id| id == u32::MAX)
        });
        prop_assert_eq!(Adjacency::from_storage(&slots[..], 4, 3).is_ok(), ok);
    }

    #[test]
    fn children_follow_their_parents(
        (parents, order) in (0usize..60).prop_flat_map(|n| {
            // Node i hangs below an earlier one, or below none; then the nodes are shuffled.
            let parents: Vec<_> = (0..n as u32).map(|i| prop::option::weighted(0.8, 0..i.max(1))).collect();
            (parents, permutation(n))
        }),
    ) {
        let name = Permutation::new(order.clone()).unwrap().inverse().unwrap();
        let named = |old: u32| name.order()[old as usize];
        let shuffled: Vec<u32> = order.iter().map(|&old| match parents[old as usize] {
            Some(parent) if parent < old => named(parent),
            _ => ChildrenArena::NO_PARENT,
        }).collect();
        let (tree, order) = ChildrenArena::from_parents(&shuffled).unwrap();
        let new_of = order.inverse().unwrap();
        let mut depth = vec![0; tree.len()];
        for (new, &old) in (0u32..).zip(order.order()) {
            let parent = shuffled[old as usize];
            let expected = (parent != ChildrenArena::NO_PARENT).then(|| new_of.order()[parent as usize]);
            prop_assert_eq!(tree.parent(new), expected);
            match expected {
                Some(parent) => {
                    prop_assert!(tree.children(parent).contains(&(new as usize)));
                    depth[new as usize] = depth[parent as usize] + 1;
                }
                None => prop_assert!(tree.roots().contains(&(new as usize))),
            }
            let siblings = &order.order()[tree.children(new)];
            prop_assert!(siblings.is_sorted());
            prop_assert_eq!(siblings.len(), shuffled.iter().filter(|&&parent| parent == old).count());
        }
        for (level, ends) in tree.levels().windows(2).enumerate() {
            prop_assert!(ends[0] < ends[1]);
            prop_assert!(depth[ends[0] as usize..ends[1] as usize].iter().all(|&depth| depth == level));
        }
        prop_assert_eq!(tree.levels().last().copied(), Some(tree.len() as u32));
        let again = ChildrenArena::from_storage(tree.as_slice()).unwrap();
        prop_assert_eq!(again.levels(), tree.levels());
    }

    #[test]
    fn trees_are_found_in_any_parents(parents in prop::collection::vec(prop_oneof![0u32..9, Just(u32::MAX)], 0..9)) {
        let reaches_a_root = |mut node: usize| (0..=parents.len()).any(|_| match parents.get(node) {
            Some(&u32::MAX) => true,
            Some(&parent) => { node = parent as usize; false }
            None => false,
        });
        let ok = (0..parents.len()).all(reaches_a_root);
        prop_assert_eq!(ChildrenArena::from_parents(&parents).is_ok(), ok);
    }

    #[test]
    fn damaged_trees_are_refused(spans in prop::collection::vec((0u32..6, 0u32..4), 0..6)) {
        let spans: Vec<Span> = spans.into_iter().map(|(start, len)| Span { start, len }).collect();
        // A tree is what building one from the parents it states gives back.
        let mut parents = vec![u32::MAX; spans.len()];
        let mut fits = true;
        for (node, span) in (0..).zip(&spans) {
            for child in span.range() {
                match parents.get_mut(child) {
                    Some(parent) if *parent == u32::MAX => *parent = node,
                    _ => fits = false,
                }
            }
        }
        let rebuilt = fits.then(|| ChildrenArena::from_parents(&parents).ok()).flatten();
        let ok = rebuilt.is_some_and(|(tree, _)| tree.as_slice() == spans);
        prop_assert_eq!(ChildrenArena::from_storage(&spans[..]).is_ok(), ok);
    }

    #[test]
    fn matrices_hold_their_rows(len in 0usize..40, dim in 1usize..40, lines in any::<bool>()) {
        let padding = if lines { RowPadding::CacheLine } else { RowPadding::None };
        let data: Vec<u8> = (0..len * dim).map(|at| at as u8).collect();
        let rows = Rows::new(&data, dim).unwrap();
        let mut pushed = Matrix::new(dim, padding).unwrap();
        for row in rows.iter() { pushed.push(row).unwrap(); }
        let copied = Matrix::from_rows(rows, padding).unwrap();
        prop_assert_eq!(pushed.as_slice(), copied.as_slice());
        prop_assert!(pushed.rows().iter().eq(rows.iter()));
        prop_assert_eq!(pushed.row(len), None);
        prop_assert!(pushed.push(&vec![0; dim + 1]).is_err());
        let again = Matrix::<u8, _>::from_storage(copied.as_slice(), len, dim, padding).unwrap();
        prop_assert!(again.rows().iter().eq(rows.iter()));
        prop_assert!(Matrix::<u8, _>::from_storage(copied.as_slice(), len + 1, dim, padding).is_err());
        for row in again.rows().iter().filter(|_| lines) {
            let start = row.as_ptr() as usize % 64;
            prop_assert!(start == 0 || start + dim <= 64);
        }
        if len > 0 {
            pushed.set(len - 1, &vec![9; dim]).unwrap();
            pushed.row_mut(0).unwrap()[0] = 7;
            prop_assert_eq!(pushed.row(0).unwrap()[0], 7);
            prop_assert_eq!(pushed.row(len - 1).unwrap()[dim - 1], if len * dim == 1 { 7 } else { 9 });
        }
        prop_assert!(pushed.set(len, &vec![9; dim]).is_err());
    }

    #[test]
    fn neighbours_are_in_a_total_order(list in prop::collection::vec((0u32..4, distance()), 3)) {
        let [a, b, c] = [0, 1, 2].map(|at| Neighbor::new(list[at].0, list[at].1));
        prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
        prop_assert_eq!(a == b, a.cmp(&b).is_eq());
        prop_assert!(!(a <= b && b <= c) || a <= c);
        prop_assert!(!a.distance.is_nan() || b.distance.is_nan() || b < a);
    }
}

#[test]
fn large_storage_starts_a_huge_page_and_keeps_its_contents() {
    let mut vec = AlignedVec::<u64>::new();
    for value in 0..3 * HUGE_PAGE as u64 / 8 + 5 {
        vec.push(value).unwrap();
    }
    assert!((0..).zip(vec.iter()).all(|(expected, &value)| value == expected));
    assert_eq!(vec.as_ptr().align_offset(HUGE_PAGE), 0);
    assert_ne!(vec.huge_pages(), HugePages::Small);
    let last = vec.len() - 1;
    vec[last] = 1;
    assert_eq!(vec.memory_bytes() % 8, 0);

    let exact = AlignedVec::<u8>::zeroed(HUGE_PAGE + 1).unwrap();
    assert_eq!(exact.as_ptr().align_offset(HUGE_PAGE), 0);
    assert!(exact.iter().all(|&byte| byte == 0));
    assert_eq!(AlignedVec::<u8>::zeroed(10).unwrap().huge_pages(), HugePages::Small);
}

#[test]
fn memory_that_cannot_be_had_is_an_error_and_changes_nothing() {
    let mut vec = AlignedVec::from_slice(&[1u64, 2]).unwrap();
    for more in [usize::MAX, usize::MAX / 8, isize::MAX as usize / 8] {
        assert!(matches!(vec.reserve(more), Err(Error::Memory { .. })));
        assert!(matches!(vec.resize(more, 0), Err(Error::Memory { .. })));
    }
    assert_eq!(vec[..], [1, 2]);
    assert!(matches!(AlignedVec::<u64>::zeroed(usize::MAX), Err(Error::Memory { .. })));
    assert!(matches!(TopK::<f32>::new(usize::MAX), Err(Error::Memory { .. })));
    assert!(matches!(LinearPool::<f32>::new(usize::MAX), Err(Error::Memory { .. })));
    assert!(matches!(VisitedSet::new(isize::MAX as usize), Err(Error::Memory { .. })));
    let mut best = TopK::new(1).unwrap();
    best.push(Neighbor::new(1, 1.0f32));
    assert!(best.reset(usize::MAX).is_err());
    assert_eq!((best.k(), best.len()), (1, 1));
}

#[test]
fn arguments_that_make_no_sense_are_refused_by_name() {
    assert_eq!(TopK::<f32>::new(0).unwrap_err(), Error::Zero { argument: "k" });
    assert_eq!(LinearPool::<f32>::new(0).unwrap_err(), Error::Zero { argument: "capacity" });
    assert_eq!(Adjacency::new(1, 0).unwrap_err(), Error::Zero { argument: "degree" });
    assert!(matches!(Adjacency::new(Adjacency::MAX_LEN + 1, 1), Err(Error::Range { argument: "len", .. })));
    assert!(matches!(Matrix::<f32>::new(0, RowPadding::None), Err(Error::Shape(_))));
    let error = Adjacency::new(3, 2).unwrap().set(1, &[0, 3]).unwrap_err();
    assert_eq!(error.to_string(), "`neighbor` is 3, must be below 3");
    let error = ChildrenArena::from_parents(&[1, 0, u32::MAX]).unwrap_err();
    assert_eq!(error.to_string(), "tree broken at 0: the node hangs below itself");
}

#[test]
fn the_largest_distances_still_enter_pools_that_are_not_full() {
    let mut best = TopK::new(2).unwrap();
    assert!(best.push(Neighbor::new(5, i32::MAX)) && best.push(Neighbor::new(4, i32::MAX)));
    assert!(best.push(Neighbor::new(3, i32::MAX)));
    assert_eq!(best.sorted(), [Neighbor::new(3, i32::MAX), Neighbor::new(4, i32::MAX)]);
    let mut pool = LinearPool::new(1).unwrap();
    assert_eq!(pool.insert(Neighbor::new(LinearPool::<f64>::MAX_ID, f64::INFINITY)), Some(0));
    assert_eq!(pool.insert(Neighbor::new(LinearPool::<f64>::MAX_ID + 1, 0.0)), None);
    assert_eq!(pool.next_unexpanded(), Some(Neighbor::new(LinearPool::<f64>::MAX_ID, f64::INFINITY)));
}
