//! Scan codes in files: a tag and a few words among the parameters, and sections of each kind's own.

use hnsw::pieces::Rotation;
use layouts::container::{Placement, Writer};
use simd_kernels::{PANEL_ROWS, Panels};

use super::record::{Record, SYMBOLS};
use super::{PARAMS, Source, damaged, floats};
use crate::Error;
use crate::code::Code;
use crate::head::HeadCode;
use crate::quantiser::{Access, Encoding, Lvq, ProductQuantiser, Rabitq, RabitqParams, Rotation as Random};

/// Words that a kind of codes has among the parameters.
pub(super) const WORDS: usize = 8;

/// Tag of [`Code::Head`].
const HEAD: u64 = 0;
/// Tag of [`Code::Rabitq`].
const RABITQ: u64 = 1;
/// Tag of [`Code::Lvq`].
const LVQ: u64 = 2;
/// Tag of [`Code::Product`].
const PRODUCT: u64 = 3;
const CODEBOOK: &str = "product.codebook";
/// The largest coordinate of a centroid of product codes: far beyond residuals of bytes, and sums of squares stay
/// finite.
const LARGEST: f32 = 1e6;
const HEAD_PANELS: &str = "head.panels";
const HEAD_MEANS: &str = "head.means";
const HEAD_LENGTHS: &str = "head.lengths";
const HEAD_STEPS: &str = "head.steps";

/// The kind, and its numbers.
pub(super) fn words(code: &Code) -> (u64, [u64; WORDS]) {
    match code {
        Code::Head(head) => (HEAD, listed([head.dims as u64, head.rotation.directions as u64])),
        Code::Rabitq(rabitq) => {
            let RabitqParams { bits, seed, encoding, access } = *rabitq.params();
            let (encoding, rounds) = match encoding {
                Encoding::Constant => (0, 0),
                Encoding::Exact => (1, 0),
                Encoding::CoordinateDescent { rounds } => (2, u64::from(rounds)),
            };
            (RABITQ, listed([u64::from(bits), seed, encoding, rounds, u64::from(access == Access::Rows)]))
        }
        Code::Lvq(lvq) => (LVQ, listed([u64::from(lvq.bits())])),
        Code::Product(product) => {
            let (rotated, seed) = product.rotation().map_or((0, 0), |rotation| (1, rotation.seed()));
            let bits = u64::from(product.bits().bits());
            (PRODUCT, listed([product.subspaces() as u64, bits, rotated, seed]))
        }
    }
}

fn listed<const N: usize>(values: [u64; N]) -> [u64; WORDS] {
    let mut words = [0; WORDS];
    for (word, value) in words.iter_mut().zip(values) {
        *word = value;
    }
    words
}

/// Adds the sections of a kind.
pub(super) fn sections<'a>(code: &'a Code, writer: Writer<'a>) -> Writer<'a> {
    match code {
        Code::Head(head) => writer
            .section(HEAD_PANELS, Placement::Plain, &head.rotation.panels)
            .section(HEAD_MEANS, Placement::Plain, &head.means)
            .section(HEAD_LENGTHS, Placement::Plain, &head.inverse_lengths)
            .section(HEAD_STEPS, Placement::Plain, &head.steps),
        // Made again from their numbers.
        Code::Rabitq(_) | Code::Lvq(_) => writer,
        Code::Product(product) => writer.section(CODEBOOK, Placement::Plain, product.codebook()),
    }
}

/// Reads and checks codes.
pub(super) fn read(file: &impl Source, record: &Record) -> Result<Code, Error> {
    match record.code {
        HEAD => head(file, record).map(Code::Head),
        RABITQ => rabitq(record).map(Code::Rabitq),
        LVQ => lvq(record).map(Code::Lvq),
        PRODUCT => product(file, record).map(Code::Product),
        _ => Err(damaged(PARAMS, "the kind of codes is none that can be read")),
    }
}

fn contradiction() -> Error {
    damaged(PARAMS, "the parameters of codes contradict each other")
}

fn rabitq(record: &Record) -> Result<Rabitq, Error> {
    let [bits, seed, encoding, rounds, access, 0, 0, 0] = record.code_words else {
        return Err(contradiction());
    };
    let encoding = match (encoding, u32::try_from(rounds)) {
        (0, Ok(0)) => Encoding::Constant,
        (1, Ok(0)) => Encoding::Exact,
        (2, Ok(rounds)) => Encoding::CoordinateDescent { rounds },
        _ => return Err(contradiction()),
    };
    let access = match access {
        0 => Access::Blocks,
        1 => Access::Rows,
        _ => return Err(contradiction()),
    };
    let bits = u8::try_from(bits).map_err(|_| contradiction())?;
    let params = RabitqParams { bits, seed, encoding, access };
    Rabitq::new(record.row_dim(), &params).map_err(|_| contradiction())
}

fn lvq(record: &Record) -> Result<Lvq, Error> {
    let [bits, 0, 0, 0, 0, 0, 0, 0] = record.code_words else { return Err(contradiction()) };
    let bits = u8::try_from(bits).map_err(|_| contradiction())?;
    Lvq::new(record.row_dim(), bits).map_err(|_| contradiction())
}

fn product(file: &impl Source, record: &Record) -> Result<ProductQuantiser, Error> {
    let [subspaces, bits, rotated, seed, 0, 0, 0, 0] = record.code_words else {
        return Err(contradiction());
    };
    let dim = record.row_dim();
    let subspaces = usize::try_from(subspaces).map_err(|_| contradiction())?;
    let bits =
        SYMBOLS.into_iter().find(|symbol| u64::from(symbol.bits()) == bits).ok_or_else(contradiction)?;
    let rotation = match (rotated, seed) {
        (0, 0) => None,
        (1, seed) => Some(Random::new(dim, seed).map_err(|_| contradiction())?),
        _ => return Err(contradiction()),
    };
    if !(1..=dim).contains(&subspaces) {
        return Err(contradiction());
    }
    let codebook = floats(file, CODEBOOK, dim * bits.centroids())?;
    if codebook.iter().any(|x| x.abs() > LARGEST) {
        return Err(damaged(CODEBOOK, "a centroid is out of range"));
    }
    ProductQuantiser::from_codebook(dim, subspaces, bits, rotation, codebook)
        .map_err(|_| damaged(CODEBOOK, "it is no codebook of the dimension"))
}

fn head(file: &impl Source, record: &Record) -> Result<HeadCode, Error> {
    let [dims, directions, rest @ ..] = record.code_words;
    let (dims, directions) = (dims as usize, directions as usize);
    let row_dim = record.row_dim();
    let sound = (1..=row_dim).contains(&directions)
        && dims == directions.next_multiple_of(8)
        && rest == [0; WORDS - 2];
    if !sound {
        return Err(contradiction());
    }
    let panels = file.get::<i8>(HEAD_PANELS)?;
    let found = Panels::new(&panels, row_dim).map_err(|_| damaged(HEAD_PANELS, "it is no panels of rows"))?;
    if found.rows() != directions.next_multiple_of(PANEL_ROWS) {
        return Err(damaged(HEAD_PANELS, "its directions are not as many as coded dimensions"));
    }
    Ok(HeadCode {
        rotation: Rotation { panels, dim: row_dim, directions },
        dims,
        means: floats(file, HEAD_MEANS, dims)?,
        inverse_lengths: floats(file, HEAD_LENGTHS, dims)?,
        steps: floats(file, HEAD_STEPS, dims)?,
    })
}
