//! Traversal codes: a vector in one or a few cache lines, all dimensions on one step, bits where the variance is.
//!
//! With a common step the squared error is spread evenly and the distance of two codes is an exact integer:
//! no scale per vector, no table per query. Dimensions with a wide spread get up to 7 bits, others 4, the rest
//! none: reverse water-filling (Cover and Thomas, *Elements of Information Theory*, 10.3.3) over principal
//! components, or over the dimensions as they are where rotating gains nothing. The query keeps more bits than
//! the codes, so only one side of a distance is rounded coarsely.

use layouts::AlignedVec;
use simd_kernels::{Kernels, Rows};

use crate::Error;
use crate::intake::nearest;
use crate::rotation::{Moments, Rotation, principal};

/// Bytes of a line.
pub(crate) const LINE: usize = 64;
/// Bytes of a prepared query, for every line of a code.
pub(crate) const QUERY_LINE: usize = 5 * LINE;
/// Standard deviations within the range of a 4-bit code: the best uniform 4-bit quantiser of a Gaussian.
const NARROW_RANGE: f64 = 2.7;
/// The same for a 7-bit code.
const WIDE_RANGE: f64 = 3.6;
/// Steps of the two.
const NARROW_TOP: f32 = 15.0;
const WIDE_TOP: f32 = 127.0;

/// Where a code's dimensions come from.
#[derive(Debug)]
pub(crate) enum Source {
    /// Input dimensions, by falling variance.
    Dimensions(Vec<u32>),
    /// Principal components.
    Components(Rotation),
}

/// How rows of integers become codes.
#[derive(Debug)]
pub(crate) struct Coder {
    pub(crate) source: Source,
    /// Lines of a code.
    pub(crate) lines: usize,
    /// 7-bit dimensions, a multiple of 4; they come first.
    pub(crate) wide: usize,
    /// Value of code 0, per coded dimension.
    pub(crate) offsets: Vec<f32>,
    /// Codes per unit, likewise: the step is common, but rounded directions differ in length.
    pub(crate) factors: Vec<f32>,
    /// Share of the variance that the codes lose.
    pub(crate) loss: f64,
}

/// Scratch of encoding and of preparing queries.
#[derive(Debug, Default)]
pub(crate) struct CodeScratch {
    coordinates: Vec<i32>,
}

/// How bits are shared out, and what that loses.
#[derive(Clone, Copy, Debug)]
struct Plan {
    wide: usize,
    kept: usize,
    step: f64,
    loss: f64,
}

/// The best plan for standard deviations in falling order.
fn plan(spreads: &[f64], lines: usize) -> Plan {
    let mut best = Plan { wide: 0, kept: 0, step: 1.0, loss: f64::INFINITY };
    let bytes = lines * LINE;
    for wide in (0..=bytes).step_by(4) {
        let kept = spreads.len().min(wide + 2 * (bytes - wide));
        let widest = if wide > 0 { 2.0 * WIDE_RANGE * spreads[0] / f64::from(WIDE_TOP) } else { 0.0 };
        let narrow =
            spreads.get(wide).map_or(0.0, |spread| 2.0 * NARROW_RANGE * spread / f64::from(NARROW_TOP));
        let step = widest.max(narrow);
        // A dimension never costs more than dropping it would.
        let coded: f64 = spreads[..kept].iter().map(|spread| (step * step / 12.0).min(spread * spread)).sum();
        let dropped: f64 = spreads[kept..].iter().map(|spread| spread * spread).sum();
        if coded + dropped < best.loss {
            best = Plan { wide, kept, step, loss: coded + dropped };
        }
        if wide >= spreads.len() {
            break;
        }
    }
    best
}

impl Coder {
    /// Learns codes of `lines` lines from integer rows.
    pub(crate) fn train(rows: Rows<'_, i8>, moments: &Moments, lines: usize) -> Result<Self, Error> {
        let dim = rows.dim();
        let variance = |j: usize| moments.variance.get(j).copied().unwrap_or(0.0);
        let total: f64 = (0..dim).map(variance).sum();
        let mut order: Vec<u32> = (0..dim as u32).collect();
        order.sort_by(|&a, &b| variance(b as usize).total_cmp(&variance(a as usize)).then(a.cmp(&b)));
        let spreads: Vec<f64> = order.iter().map(|&j| variance(j as usize).sqrt()).collect();
        let plain = plan(&spreads, lines);

        let count = dim.min(2 * LINE * lines);
        let (directions, variances) = match moments.covariance.is_empty() {
            true => (Vec::new(), Vec::new()),
            false => principal(&moments.covariance, dim, count),
        };
        let mut spreads: Vec<f64> = variances.iter().map(|variance| variance.sqrt()).collect();
        // What the components leave over is lost whatever the plan.
        let beyond = (total - variances.iter().sum::<f64>()).max(0.0);
        let rotated = plan(&spreads, lines);
        if !directions.is_empty() && (rotated.loss + beyond) * 1.1 < plain.loss {
            let (rotation, lengths) = Rotation::new(&directions[..rotated.kept * dim], dim)?;
            spreads.truncate(rotated.kept);
            let means = directions.chunks_exact(dim).zip(&lengths).map(|(direction, length)| {
                direction.iter().zip(&moments.mean).map(|(x, mean)| x * mean).sum::<f64>() * length
            });
            let steps: Vec<f64> = lengths.iter().map(|length| rotated.step * length).collect();
            Ok(Self {
                source: Source::Components(rotation),
                lines,
                wide: rotated.wide,
                offsets: offsets(means, &steps, rotated.wide),
                factors: steps.iter().map(|step| (1.0 / step) as f32).collect(),
                loss: (rotated.loss + beyond) / total.max(f64::MIN_POSITIVE),
            })
        } else {
            let step = if plain.step > 0.0 { plain.step } else { 1.0 };
            order.truncate(plain.kept);
            let means = order.iter().map(|&j| moments.mean[j as usize]);
            let steps = vec![step; order.len()];
            let offsets = offsets(means, &steps, plain.wide);
            Ok(Self {
                source: Source::Dimensions(order),
                lines,
                wide: plain.wide,
                offsets,
                factors: vec![(1.0 / step) as f32; steps.len()],
                loss: plain.loss / total.max(f64::MIN_POSITIVE),
            })
        }
    }

    /// Bytes of a code.
    pub(crate) fn bytes(&self) -> usize {
        self.lines * LINE
    }

    fn coordinates<'s>(
        &self,
        row: Rows<'_, i8>,
        kernels: &'static Kernels,
        scratch: &'s mut CodeScratch,
    ) -> Result<&'s [i32], Error> {
        match &self.source {
            Source::Components(rotation) => {
                scratch.coordinates.resize(rotation.width(), 0);
                rotation.apply(row, kernels, &mut scratch.coordinates)?;
            }
            Source::Dimensions(order) => {
                let row = row.row(0).unwrap_or_default();
                scratch.coordinates.clear();
                scratch
                    .coordinates
                    .extend(order.iter().map(|&j| i32::from(row.get(j as usize).copied().unwrap_or(0))));
            }
        }
        Ok(&scratch.coordinates)
    }

    /// Place of coded dimension `j`: its byte, and whether it is the high half of that.
    fn place(&self, j: usize) -> (usize, bool) {
        let narrow_bytes = self.bytes() - self.wide;
        if j < self.wide + narrow_bytes { (j, false) } else { (j - narrow_bytes, true) }
    }

    /// Writes the code of one row.
    pub(crate) fn encode(
        &self,
        row: Rows<'_, i8>,
        kernels: &'static Kernels,
        scratch: &mut CodeScratch,
        out: &mut [u8],
    ) -> Result<(), Error> {
        self.coordinates(row, kernels, scratch)?;
        out.fill(0);
        let scales = self.offsets.iter().zip(&self.factors);
        for (j, (&x, (offset, factor))) in scratch.coordinates.iter().zip(scales).enumerate() {
            let top = if j < self.wide { WIDE_TOP } else { NARROW_TOP };
            let code = nearest(((x as f32 - offset) * factor).clamp(0.0, top)) as u8;
            let (byte, high) = self.place(j);
            out[byte] |= if high { code << 4 } else { code };
        }
        Ok(())
    }

    /// Writes what the kernel for mixed codes wants to know of a query: see [`Kernels::codes_mixed`].
    pub(crate) fn prepare(
        &self,
        row: Rows<'_, i8>,
        kernels: &'static Kernels,
        scratch: &mut CodeScratch,
        out: &mut [i8],
    ) -> Result<(), Error> {
        self.coordinates(row, kernels, scratch)?;
        self.weigh(&scratch.coordinates, out);
        Ok(())
    }

    /// What makes the coordinates that [`weigh`](Self::weigh) wants, of any number of queries; `None` where dimensions
    /// are taken as they are, and doing it for several at once would save nothing.
    pub(crate) fn rotation(&self) -> Option<&Rotation> {
        match &self.source {
            Source::Components(rotation) => Some(rotation),
            Source::Dimensions(_) => None,
        }
    }

    /// [`prepare`](Self::prepare) for a query of these coordinates.
    pub(crate) fn weigh(&self, coordinates: &[i32], out: &mut [i8]) {
        for (line, out) in out.chunks_exact_mut(QUERY_LINE).enumerate() {
            let (weights, rest) = out.split_at_mut(2 * LINE);
            let (masks, shifts) = rest.split_at_mut(2 * LINE);
            weights.fill(0);
            let wide = self.wide.saturating_sub(line * LINE).min(LINE);
            let (low, high) = masks.split_at_mut(LINE);
            low[..wide].fill(0x7f);
            low[wide..].fill(0x0f);
            high[..wide].fill(0);
            high[wide..].fill(0x0f);
            shifts.fill(0);
            for group in shifts.chunks_exact_mut(4).take(wide / 4) {
                group[0] = 2;
            }
        }
        let scales = self.offsets.iter().zip(&self.factors);
        for (j, (&x, (offset, factor))) in coordinates.iter().zip(scales).enumerate() {
            let x = (x as f32 - offset) * factor;
            let weight = if j < self.wide { x } else { 4.0 * x };
            let (byte, high) = self.place(j);
            let at = byte / LINE * QUERY_LINE + byte % LINE + if high { LINE } else { 0 };
            out[at] = nearest(weight.clamp(-128.0, 127.0)) as i8;
        }
    }
}

/// The range of a code lies around the mean.
fn offsets(means: impl Iterator<Item = f64>, steps: &[f64], wide: usize) -> Vec<f32> {
    means
        .zip(steps)
        .enumerate()
        .map(|(j, (mean, step))| {
            let top = if j < wide { WIDE_TOP } else { NARROW_TOP };
            (mean - step * f64::from(top) / 2.0) as f32
        })
        .collect()
}

/// Codes of all rows, in order.
pub(crate) fn encode_all(
    coder: &Coder,
    rows: Rows<'_, i8>,
    kernels: &'static Kernels,
) -> Result<AlignedVec<u8>, Error> {
    let bytes = coder.bytes();
    let mut codes = AlignedVec::<u8>::zeroed(rows.len() * bytes)?;
    crate::parallel::chunks(&mut codes, 1024 * bytes, |block, out| {
        let mut scratch = CodeScratch::default();
        for (at, out) in out.chunks_exact_mut(bytes).enumerate() {
            let index = block * 1024 + at;
            if let Some(row) = rows.slice(index, index + 1) {
                coder.encode(row, kernels, &mut scratch, out)?;
            }
        }
        Ok(())
    })?;
    Ok(codes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of very uneven variance, and correlated.
    fn rows(n: usize, dim: usize) -> Vec<i8> {
        let mut state = 1u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as f64 / (1u64 << 30) as f64 - 1.0
        };
        (0..n)
            .flat_map(|_| {
                let common = next();
                (0..dim)
                    .map(|j| (60.0 * common + 60.0 * next() / (1.0 + j as f64 / 8.0)) as i8)
                    .collect::<Vec<_>>()
            })
            .collect()
    }

    fn trained(dim: usize, lines: usize) -> (Vec<i8>, Coder) {
        let data = rows(2000, dim);
        let view = Rows::new(&data, dim).unwrap();
        let kernels = Kernels::active().unwrap();
        let moments = Moments::of(view, kernels).unwrap();
        let coder = Coder::train(view, &moments, lines).unwrap();
        (data, coder)
    }

    #[test]
    fn scores_of_codes_follow_distances() {
        let kernels = Kernels::active().unwrap();
        for (dim, lines, slack) in [(24, 1, 0.02), (200, 1, 0.25), (200, 2, 0.2), (300, 4, 0.2)] {
            let (data, coder) = trained(dim, lines);
            let view = Rows::new(&data, dim).unwrap();
            let codes = encode_all(&coder, view, kernels).unwrap();
            let codes = Rows::new(&codes, coder.bytes()).unwrap();
            let mut query = vec![0i8; QUERY_LINE * lines];
            let one = view.slice(7, 8).unwrap();
            coder.prepare(one, kernels, &mut CodeScratch::default(), &mut query).unwrap();
            let mut scores = vec![0; view.len()];
            kernels.codes_mixed().rows(&query, codes, &mut scores).unwrap();
            // The step is known up to a factor only: what the sums of all distances say it is.
            let others: Vec<usize> = (0..2000).step_by(37).filter(|&row| row != 7).collect();
            let exact = |row: usize| distance(&view, 7, row);
            let found = |row: usize| f64::from(scores[row] - scores[7]);
            let factor = others.iter().map(|&row| exact(row)).sum::<f64>()
                / others.iter().map(|&row| found(row)).sum::<f64>();
            let off = others.iter().map(|&row| (found(row) * factor / exact(row) - 1.0).abs()).sum::<f64>()
                / others.len() as f64;
            assert!(off < slack, "d={dim} lines={lines}: distances are off by {off}");
        }
    }

    fn distance(rows: &Rows<'_, i8>, a: usize, b: usize) -> f64 {
        let pairs = rows.row(a).unwrap().iter().zip(rows.row(b).unwrap());
        pairs.map(|(&x, &y)| (f64::from(x) - f64::from(y)).powi(2)).sum()
    }

    #[test]
    fn a_plan_spends_bits_where_the_variance_is() {
        let uneven: Vec<f64> = (0..400).map(|j| 100.0 / (1.0 + j as f64)).collect();
        let best = plan(&uneven, 1);
        assert!(best.wide >= 4 && best.kept <= 128, "{best:?}");
        let even = vec![1.0; 128];
        assert_eq!((plan(&even, 1).wide, plan(&even, 1).kept), (0, 128));
        let few = plan(&[1.0; 25], 1);
        assert!(few.wide >= 25 && few.loss < 1e-2, "{few:?}");
        assert!(plan(&uneven, 2).loss < best.loss);
    }
}
