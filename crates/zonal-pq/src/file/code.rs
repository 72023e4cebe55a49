//! Scan codes in files: a tag and a few words among the parameters, and sections of each kind's own.

use hnsw::pieces::Rotation;
use layouts::container::{Placement, Writer};
use simd_kernels::{PANEL_ROWS, Panels};

use super::record::Record;
use super::{PARAMS, Source, damaged, floats};
use crate::Error;
use crate::code::Code;
use crate::head::HeadCode;

/// Words that a kind of codes has among the parameters.
pub(super) const WORDS: usize = 8;

/// Tag of [`Code::Head`].
const HEAD: u64 = 0;
const HEAD_PANELS: &str = "head.panels";
const HEAD_MEANS: &str = "head.means";
const HEAD_LENGTHS: &str = "head.lengths";
const HEAD_STEPS: &str = "head.steps";

/// The kind, and its numbers.
pub(super) fn words(code: &Code) -> (u64, [u64; WORDS]) {
    match code {
        Code::Head(head) => {
            let listed = [head.dims as u64, head.rotation.directions as u64, head.loss.to_bits()];
            let mut words = [0; WORDS];
            words[..listed.len()].copy_from_slice(&listed);
            (HEAD, words)
        }
    }
}

/// Adds the sections of a kind.
pub(super) fn sections<'a>(code: &'a Code, writer: Writer<'a>) -> Writer<'a> {
    match code {
        Code::Head(head) => writer
            .section(HEAD_PANELS, Placement::Plain, &head.rotation.panels)
            .section(HEAD_MEANS, Placement::Plain, &head.means)
            .section(HEAD_LENGTHS, Placement::Plain, &head.inverse_lengths)
            .section(HEAD_STEPS, Placement::Plain, &head.steps),
    }
}

/// Reads and checks codes.
pub(super) fn read(file: &impl Source, record: &Record) -> Result<Code, Error> {
    match record.code {
        HEAD => head(file, record).map(Code::Head),
        _ => Err(damaged(PARAMS, "the kind of codes is none that can be read")),
    }
}

fn head(file: &impl Source, record: &Record) -> Result<HeadCode, Error> {
    let [dims, directions, loss, rest @ ..] = record.code_words;
    let (dims, directions, loss) = (dims as usize, directions as usize, f64::from_bits(loss));
    let row_dim = record.row_dim();
    let sound = dims.is_multiple_of(8)
        && (1..=row_dim.next_multiple_of(8)).contains(&dims)
        && directions == dims.min(row_dim)
        && loss.is_finite()
        && rest == [0; WORDS - 3];
    if !sound {
        return Err(damaged(PARAMS, "the parameters of codes contradict each other"));
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
        loss,
    })
}
