//! Relations between blocks: what their basis vectors have in common.
//!
//! A query that has been measured against its own block, its *home*, is known up to a remainder: u_q = Σ aᵢ bᵢ + r. With the
//! inner products G of the home's basis vectors and another block's, G a are the coordinates there of what is known, and what
//! the query can have in common with the other block's members follows from |G a| and |r|. G a costs a tenth of what measuring the
//! query against the block takes, and tells of most blocks that they are too far away.
//!
//! G itself takes as many operations as measuring half as many queries as there are basis vectors. Its elements are correlations, so
//! 16-bit words hold them; and where ‖G‖ is small, it says enough.

use layouts::AlignedVec;
use simd_kernels::{PANEL_ROWS, Panels, Rows};

use super::basis::{dot, pack};
use super::bounds::{QueryBounds, UNIT_F32};
use super::error::ResidualError;
use super::field::{Feature, Field};
use super::parallel;
use super::pivots::Block;
use super::probe::{self, tail_error};
use super::search::TILE;
use super::words::{Packed, WORDS, pack_both};

/// How far off products of two blocks' vectors may be for what is multiplied in `f32`, if they are alike.
const TAIL_ERROR: f64 = 5e-3;
/// Products of two blocks whose norm is at most this are not kept.
const FAR: f64 = 0.1;
/// Rows that meet the vectors of a block together, about: their products stay in the second-level cache.
const ROWS: usize = 512;

/// Queries for each basis vector from which on relating blocks for one search pays.
const QUERIES: usize = 2;

/// What the basis vectors of a home have in common with those of another block.
#[derive(Debug, Default)]
pub(super) struct Relation {
    /// G in panels of words, one row for each basis vector of the other block; nothing if those are far away.
    pub(super) words: AlignedVec<i16>,
    packed: Packed,
    /// ‖G‖ as computed, and how far off G may be.
    norm: f64,
    error: f64,
}

impl Relation {
    /// Bounds on |G a| from below and from above, for a of at most `length` whose words are off by `off`; `sums` are
    /// their products with those of G, if there are any.
    pub(super) fn range(&self, length: f32, sums: Option<&[i32]>, off: f32) -> (f64, f64) {
        let length = f64::from(length);
        let most = (self.norm + self.error) * length;
        let Some(sums) = sums else { return (0.0, most) };
        let mut squares = [0.0f32; PANEL_ROWS];
        for sums in sums.as_chunks::<PANEL_ROWS>().0 {
            for (square, &sum) in squares.iter_mut().zip(sums) {
                *square += sum as f32 * sum as f32;
            }
        }
        let unit = length / f64::from(WORDS) * (self.packed.longest / f64::from(WORDS));
        let found = f64::from(squares.iter().sum::<f32>()).sqrt() * unit;
        let of_words = f64::from(off) * (self.norm + self.packed.off) + length * self.packed.off;
        // Sums are rounded to `f32`, and their squares.
        let wrong = 1.01 * of_words + self.error * length + 1e-5 * found;
        (found - wrong, most.min(found + wrong))
    }
}

/// What bounds need to know of a block besides.
#[derive(Clone, Copy, Debug)]
struct Target {
    /// Bound on |u_j| of its members.
    longest: f64,
    /// Bound on what their remainders have in common with the span of the basis, the query being of length 1.
    kept: f64,
}

/// Relations of all blocks with each other.
#[derive(Debug)]
pub(super) struct Relations {
    relations: Vec<Relation>,
    targets: Vec<Target>,
}

/// So many of what grows with the square of blocks.
fn defaults<T: Default>(count: usize) -> Result<Vec<T>, ResidualError> {
    let mut all = Vec::new();
    let bytes = count.saturating_mul(size_of::<T>());
    all.try_reserve_exact(count).map_err(|_| layouts::Error::Memory { bytes })?;
    all.resize_with(count, T::default);
    Ok(all)
}

/// Whether relating so many basis vectors is worth its time for one search of all members, and its memory, which grows with their
/// square: not beyond about twice that of V and of what blocks keep of members.
fn are_worth(members: usize, rank: usize, vectors: usize) -> bool {
    let fit = vectors.saturating_mul(vectors) <= members.saturating_mul(8 * rank + 128);
    members >= QUERIES * vectors && fit
}

/// Basis vectors of all blocks.
fn vectors(blocks: &[Block]) -> usize {
    blocks.iter().map(Block::size).sum()
}

/// Whether a block has basis vectors whose inner products are correlations.
pub(super) fn relates(block: &Block) -> bool {
    block.size() > 0 && block.feature == Feature::Residual
}

impl Relations {
    /// Whether most basis vectors would have relations; else queries would be measured against most blocks all the same.
    pub(super) fn pay(blocks: &[Block]) -> bool {
        let related: usize = blocks.iter().filter(|block| relates(block)).map(Block::size).sum();
        related > 0 && related * 4 >= vectors(blocks) * 3
    }

    /// Whether they do for a single search of all members.
    pub(super) fn pay_once(field: &Field, blocks: &[Block]) -> bool {
        are_worth(field.len(), field.rank, vectors(blocks)) && Self::pay(blocks)
    }

    /// Relates all blocks that have residual features. O(r · m²), m basis vectors in all.
    pub(super) fn new(field: &Field, blocks: &[Block]) -> Result<Self, ResidualError> {
        let stacked = Stacked::new(field, blocks)?;
        let numbers = (0..blocks.len()).collect();
        let rows = parallel::try_map(numbers, |scratch: &mut Scratch, number| {
            related_to_later(field, blocks, &stacked, number, scratch)
        })?;
        let count = blocks.len();
        let mut relations: Vec<Relation> = defaults(count.saturating_mul(count))?;
        for (number, row) in rows.into_iter().enumerate() {
            for (later, [there, back]) in (number + 1..).zip(row) {
                relations[number * count + later] = there;
                relations[later * count + number] = back;
            }
        }
        let targets = blocks.iter().map(|block| Target::new(field, block)).collect();
        Ok(Self { relations, targets })
    }

    pub(super) fn of(&self, home: usize, other: usize) -> &Relation {
        &self.relations[home * self.targets.len() + other]
    }

    /// Bound on |ρ| of a query with all members of another block: from the query's bounds with respect to its home, and from
    /// bounds on |G a| from both sides. `error` is the query's error coefficient.
    pub(super) fn upper(
        &self,
        home: &Block,
        (number, other): (usize, &Block),
        bounds: &QueryBounds,
        (least, most): (f64, f64),
        error: f64,
    ) -> f32 {
        let Target { longest, kept } = self.targets[number];
        let (length, remainder) = (f64::from(bounds.length), f64::from(bounds.remainder));
        // y = Σ aᵢ bᵢ is as long as a, but for the basis; r is across it, but for what coordinates are wrong by.
        let longest_y = length * (1.0 + home.gram_error);
        let shortest_y = length * (1.0 - 1e-6) * (1.0 - home.gram_error);
        let along = longest_y + f64::from(bounds.own) + home.gram_error * length;
        // Of y, what lies in the span of the other basis, at least, and what lies aside.
        let inside = least.max(0.0) / (1.0 + other.gram_error);
        let aside = (longest_y * longest_y - inside * inside).max(0.0).sqrt();
        // Bound on |⟨y, u_j⟩|, by way of the other basis and past it, and so on what a member has along y.
        let met = most * other.largest_norm + aside * f64::from(other.largest_remainder) + longest_y * kept;
        let share = met / shortest_y;
        // The largest of along x + |r| √(longest² − x²), x being at most that share.
        let whole = along.hypot(remainder);
        let bound = if share * whole < longest * along {
            along * share + remainder * (longest * longest - share * share).max(0.0).sqrt()
        } else {
            longest * whole
        };
        ((bound * (1.0 + 1e-9) + 4.0 * error * other.scaled_error) as f32).next_up()
    }
}

impl Target {
    fn new(field: &Field, block: &Block) -> Self {
        let norms = &field.norms[block.range.start..block.range.end()];
        let squared =
            norms.iter().copied().fold(0.0, f64::max) + 16.0 * block.member_error * block.member_error;
        let kept = 1.01 * (block.coordinate_error + block.gram_error * block.largest_norm);
        Self { longest: squared.sqrt() * (1.0 + 1e-9), kept }
    }
}

/// The basis vectors of all blocks one after the other: as points, whose products with a block's vectors are wanted.
struct Stacked {
    rows: AlignedVec<f64>,
    rounded: AlignedVec<f32>,
    /// Of the pivots.
    coords: Vec<f64>,
    sides: Vec<Side>,
}

/// The basis vectors of a block as what points are multiplied with.
#[derive(Default)]
struct Side {
    /// Of the first vector in all rows.
    start: usize,
    /// Vectors, 0 for a block that has no relations.
    size: usize,
    /// Columns that are multiplied in `f64`.
    cut: usize,
    head: AlignedVec<f64>,
    tail: AlignedVec<f32>,
    /// Lengths of all vectors together from every [`Field::cut`]-th column on.
    lengths: Vec<f64>,
    /// What vectors take of covariances with the pivots, rows filled up to a tile.
    combination: Vec<f64>,
}

impl Stacked {
    fn new(field: &Field, blocks: &[Block]) -> Result<Self, ResidualError> {
        let (rank, stride) = (field.rank, field.stride);
        let (mut rows, mut coords, mut sides) = (AlignedVec::new(), Vec::new(), Vec::new());
        for block in blocks {
            let mut side = Side { start: rows.len() / stride, ..Side::default() };
            if relates(block) {
                side.size = block.size();
                block.probe.unpack_vectors(rank, stride, &mut rows)?;
                block.probe.unpack_coords(field.dim(), &mut coords);
                block.probe.unpack_combination(&mut side.combination);
                side.combination.resize(side.size.next_multiple_of(TILE) * side.size, 0.0);
            }
            sides.push(side);
        }
        // The last group of rows is filled up, too.
        rows.resize(rows.len() + TILE * stride, 0.0)?;
        let mut rounded = AlignedVec::new();
        rounded.resize_stale(rows.len())?;
        for (to, from) in rounded.iter_mut().zip(rows.iter()) {
            *to = *from as f32;
        }
        for side in sides.iter_mut().filter(|side| side.size > 0) {
            side.choose_cut(field, &rows[side.start * stride..(side.start + side.size) * stride]);
            let first = side.start * stride;
            if side.cut > 0 {
                pack(Rows::with_stride(&rows[first..], side.size, side.cut, stride)?, &mut side.head)?;
            }
            if side.cut < rank {
                let tails =
                    Rows::with_stride(&rounded[first + side.cut..], side.size, rank - side.cut, stride)?;
                pack(tails, &mut side.tail)?;
            }
        }
        Ok(Self { rows, rounded, coords, sides })
    }
}

impl Side {
    /// Tails from the cut on are short enough for those of a block that is like this one.
    fn choose_cut(&mut self, field: &Field, rows: &[f64]) {
        let (rank, cut) = (field.rank, field.cut());
        let mut squares = vec![0.0; rank.div_ceil(cut) + 1];
        for row in rows.chunks_exact(field.stride) {
            for (square, columns) in squares.iter_mut().zip(row[..rank].chunks(cut)) {
                *square += dot(columns, columns);
            }
        }
        for at in (0..squares.len() - 1).rev() {
            squares[at] += squares[at + 1];
        }
        let fits = |at: &usize| {
            squares[*at] < 1e30 && tail_error(rank.saturating_sub(at * cut)) * squares[*at] <= TAIL_ERROR
        };
        self.cut = ((0..squares.len()).find(fits).unwrap_or(squares.len()) * cut).min(rank);
        self.lengths.extend(squares.iter().map(|square| square.sqrt() * 1.001));
    }

    /// Length of all vectors together from a column on.
    fn length(&self, field: &Field, from: usize) -> f64 {
        self.lengths.get(from / field.cut()).copied().unwrap_or(0.0)
    }

    /// How far off inner products with the vectors of another side, of another block, may be, all of them together.
    fn error(&self, field: &Field, block: &Block, (other, of_other): (&Self, &Block)) -> f64 {
        let at = |column: usize| self.length(field, column) * other.length(field, column);
        let tails =
            if self.cut < field.rank { tail_error(field.rank - self.cut) * at(self.cut) } else { 0.0 };
        // What blocks keep of tails has been rounded.
        let kept: f64 = [block, of_other].map(|block| block.probe.columns).into_iter().map(at).sum();
        // Covariances combined from both sides, and the forming of vectors.
        let terms = field.rank + self.size + other.size + 300;
        let rounding = terms as f64 / (field.rank + 96) as f64 * block.pivot_error * of_other.pivot_error;
        (tails + f64::from(UNIT_F32) * kept + rounding) * 1.01
    }
}

#[derive(Debug, Default)]
struct Scratch {
    heads: Vec<f64>,
    tails: Vec<f32>,
    probe: probe::Scratch,
    packed: AlignedVec<f64>,
    gram: Vec<f64>,
}

/// Relations of a block with all later ones: there and back.
fn related_to_later(
    field: &Field,
    blocks: &[Block],
    stacked: &Stacked,
    number: usize,
    scratch: &mut Scratch,
) -> Result<Vec<[Relation; 2]>, ResidualError> {
    let mut pairs: Vec<[Relation; 2]> = defaults(blocks.len() - number - 1)?;
    let (block, side) = (&blocks[number], &stacked.sides[number]);
    if side.size == 0 {
        return Ok(pairs);
    }
    let (size, mut next) = (side.size, number + 1);
    while next < blocks.len() {
        // As many blocks as make up some tiles.
        let first = stacked.sides[next].start;
        let group =
            stacked.sides[next..].iter().take_while(|side| side.start + side.size <= first + ROWS).count();
        let group = next..next + group.max(1);
        let last = &stacked.sides[group.end - 1];
        products(field, block, side, stacked, first..last.start + last.size, scratch)?;
        for later in group.clone() {
            let other = &stacked.sides[later];
            if other.size == 0 {
                continue;
            }
            combine_other(field, other, size, other.start - first, scratch)?;
            let gram = &scratch.gram[..other.size * size];
            let norm = dot(gram, gram).sqrt();
            let error = side.error(field, block, (other, &blocks[later]));
            let [there, back] = &mut pairs[later - number - 1];
            let far = norm + error <= FAR;
            // A norm that is no number is not far.
            if !far {
                let packed = pack_both(gram, size, &mut there.words, &mut back.words)?;
                (there.packed, back.packed) = (packed, packed);
            }
            for relation in [there, back] {
                (relation.norm, relation.error) = (norm * (1.0 + 1e-9), error);
            }
        }
        next = group.end;
    }
    Ok(pairs)
}

/// Products of some rows with a block's vectors, and covariances of their pivots, combined for this block.
fn products(
    field: &Field,
    block: &Block,
    side: &Side,
    stacked: &Stacked,
    range: std::ops::Range<usize>,
    scratch: &mut Scratch,
) -> Result<(), ResidualError> {
    let (rank, stride, dim, size) = (field.rank, field.stride, field.dim(), side.size);
    let rows = range.len().next_multiple_of(TILE);
    let coords = &stacked.coords[range.start * dim..range.end * dim];
    block.probe.combine(field, coords, rows, &mut scratch.probe)?;
    let first = range.start * stride;
    // What is not computed adds nothing.
    scratch.heads.clear();
    scratch.tails.clear();
    if side.cut > 0 {
        scratch.heads.resize(rows * size, 0.0);
        let v = Rows::with_stride(&stacked.rows[first..], rows, side.cut, stride)?;
        field.kernels.panels::<f64>().inner_product(
            v,
            Panels::new(&side.head, side.cut)?,
            &mut scratch.heads,
        )?;
    }
    if side.cut < rank {
        scratch.tails.resize(rows * size, 0.0);
        let v = Rows::with_stride(&stacked.rounded[first + side.cut..], rows, rank - side.cut, stride)?;
        let panels = Panels::new(&side.tail, rank - side.cut)?;
        field.kernels.panels::<f32>().inner_product(v, panels, &mut scratch.tails)?;
    }
    Ok(())
}

/// Inner products of another block's vectors with this one's, whose products start at `row`, in `gram`: one row for each
/// of the other's.
fn combine_other(
    field: &Field,
    other: &Side,
    size: usize,
    row: usize,
    scratch: &mut Scratch,
) -> Result<(), ResidualError> {
    let Scratch { heads, tails, probe, packed, gram } = scratch;
    let places = row * size..(row + other.size) * size;
    // Columns of what was combined are the rows that the product wants, which is how sixteen of them lie.
    packed.resize_stale(other.size * size)?;
    for (i, line) in probe.combined[places.clone()].chunks_exact(size).enumerate() {
        for (panel, from) in line.chunks_exact(PANEL_ROWS).enumerate() {
            packed[(panel * other.size + i) * PANEL_ROWS..][..PANEL_ROWS].copy_from_slice(from);
        }
    }
    let rows = Rows::new(&other.combination, other.size)?;
    gram.resize(rows.len() * size, 0.0);
    field.kernels.panels::<f64>().inner_product(rows, Panels::new(packed, other.size)?, gram)?;
    for (gram, head) in gram.iter_mut().zip(heads.get(places.clone()).unwrap_or_default()) {
        *gram -= head;
    }
    for (gram, tail) in gram.iter_mut().zip(tails.get(places).unwrap_or_default()) {
        *gram -= f64::from(*tail);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{Covariance, CovarianceModel, Factor, ResidualIndex};
    use super::*;
    use simd_kernels::WordPanels;

    /// 3,000 points on a line with rows of V that have a place, so that points far from each other have nothing in common, and tails.
    fn index(covariance: Covariance) -> ResidualIndex {
        let coords: Vec<f64> = (0..3000).map(|i| f64::from(i) / 50.0).collect();
        let entry = |x: f64, t: i32| {
            let centre = f64::from(t * 37 % 96) / 96.0 * 60.0;
            0.4 * 0.98f64.powi(t) * (-(x - centre).powi(2)).exp()
        };
        let v: Vec<f64> = coords.iter().flat_map(|&x| (0..96).map(move |t| entry(x, t))).collect();
        let p: Vec<f64> = v.chunks_exact(96).map(|row| 1.0 - dot(row, row)).collect();
        let model = CovarianceModel::new(covariance, &[0.4], 1.0);
        ResidualIndex::from_factor(&coords, 1, &model, Factor { v: &v, rank: 96, p: &p }).unwrap()
    }

    #[test]
    fn products_of_bases_are_as_wrong_as_stated() {
        let index = index(Covariance::Matern52);
        let (field, blocks) = (&index.field, &index.blocks);
        assert!(blocks.len() > 1 && blocks.iter().all(relates));
        let relations = Relations::new(field, blocks).unwrap();
        let stacked = Stacked::new(field, blocks).unwrap();
        assert!(stacked.sides.iter().any(|side| side.cut < field.rank));
        let row = |side: &Side, i: usize| &stacked.rows[(side.start + i) * field.stride..][..field.rank];
        let (mut near, mut far) = (0, 0);
        for (home, from) in stacked.sides.iter().enumerate() {
            for (number, to) in stacked.sides.iter().enumerate().filter(|(number, _)| *number != home) {
                let relation = relations.of(home, number);
                // Plain loops over covariances and rows.
                let axes = &stacked.coords[to.start..to.start + to.size];
                let combined: Vec<Vec<f64>> = (from.start..from.start + from.size)
                    .map(|s| {
                        let mut line = vec![0.0; to.size];
                        field.squared_distances(&stacked.coords[s..s + 1], axes, to.size, &mut line);
                        field.covariances(&mut line).unwrap();
                        to.combination
                            .chunks_exact(to.size)
                            .take(to.size)
                            .map(|row| dot(&line, row))
                            .collect()
                    })
                    .collect();
                let (mut squared_error, mut norm) = (0.0, 0.0);
                for i in 0..from.size {
                    let takes = &from.combination[i * from.size..(i + 1) * from.size];
                    for j in 0..to.size {
                        let covariance: f64 = takes.iter().zip(&combined).map(|(t, line)| t * line[j]).sum();
                        let exact = covariance - dot(row(from, i), row(to, j));
                        norm += exact * exact;
                        if !relation.words.is_empty() {
                            let word = relation.words[WordPanels::place(from.size, j, i)];
                            let found = f64::from(word) / f64::from(WORDS) * relation.packed.longest;
                            squared_error += (found - exact) * (found - exact);
                        }
                    }
                }
                let norm = norm.sqrt();
                assert!((norm - relation.norm).abs() <= relation.error, "{norm} {}", relation.norm);
                assert!(squared_error.sqrt() <= relation.error + relation.packed.off);
                assert!(relation.error < 0.02, "{}", relation.error);
                *(if relation.words.is_empty() { &mut far } else { &mut near }) += 1;
                assert!(relation.words.is_empty() == (relation.norm + relation.error <= FAR * 1.001));
            }
        }
        assert!(near > 0 && far > 0, "{near} {far}");
    }

    /// With orthonormal bases and no errors, the bound is the cosine of what angles leave at least: that of y to the other
    /// span, less those of the query to y and of a member to that span.
    #[test]
    fn bounds_add_up_angles() {
        let relations =
            Relations { relations: Vec::new(), targets: vec![Target { longest: 1.0, kept: 0.0 }] };
        let home = Block::default();
        for (to_span, of_query, of_member) in
            [(1.57, 0.3, 0.2), (1.2, 0.25, 0.4), (0.9, 0.01, 0.5), (0.4, 0.3, 0.2)]
        {
            let other = Block {
                largest_norm: f64::cos(of_member),
                largest_remainder: f64::sin(of_member) as f32,
                ..Block::default()
            };
            let (length, remainder) = (f64::cos(of_query) as f32, f64::sin(of_query) as f32);
            let bounds = QueryBounds { length, remainder, slack: 0.0, own: 0.0, upper: 0.0 };
            let inside = f64::from(length) * f64::cos(to_span);
            let upper = relations.upper(&home, (0, &other), &bounds, (inside, inside), 0.0);
            let exact = f64::cos(f64::max(to_span - of_query - of_member, 0.0));
            assert!((f64::from(upper) - exact).abs() < 1e-5, "{upper} for {exact}");
        }
    }

    #[test]
    fn one_search_has_to_be_worth_time_and_memory() {
        assert!(are_worth(32_768, 512, 8_410) && are_worth(300_000, 200, 16_099));
        assert!(!are_worth(8_000, 512, 5_000), "so few queries would not pay");
        assert!(!are_worth(1_000_000, 200, 100_000), "that would be 20 GB");
    }

    #[test]
    fn too_many_are_refused() {
        let refused = defaults::<Relation>(usize::MAX / 2).unwrap_err();
        assert_eq!(refused.to_string(), format!("no memory for {} bytes", usize::MAX));
    }

    #[test]
    fn what_is_rough_is_not_related() {
        let smooth = index(Covariance::Rbf);
        assert!(Relations::pay(&smooth.blocks) && Relations::pay_once(&smooth.field, &smooth.blocks));
        // Points on a plane of which a block holds many lengthscales.
        let coords: Vec<f64> = (0..6000).map(|i| f64::from(i * 7919 % 6000) / 60.0).collect();
        let model = CovarianceModel::new(Covariance::Matern12, &[1.0], 1.0);
        let factor = Factor { v: &[], rank: 0, p: &[1.0; 3000] };
        let mut rough = ResidualIndex::from_factor(&coords, 2, &model, factor).unwrap();
        assert!(!rough.blocks.iter().any(relates));
        assert!(!rough.relate_blocks().unwrap() && rough.relations.is_none());
    }
}
