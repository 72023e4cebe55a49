//! The codes of an index, whichever kind it walks by.

use layouts::{AlignedVec, Storage as Memory};
use simd_kernels::{Element, Kernels, Rows};

use crate::code::{CodeScratch, Coder, QUERY_LINE, encode_all};
use crate::intake::Intake;
use crate::metric::Metric;
use crate::rotation::Moments;
use crate::{Error, bytes, signs};

/// How codes are made: small, and shared by everything that is encoded alike.
#[derive(Debug)]
pub(crate) enum Coding {
    /// None: the vectors themselves.
    Full,
    /// Mixed widths on one step.
    Mixed(Coder),
    /// Eight bits a dimension, a scale per vector.
    Bytes { dim: usize },
    /// One bit a dimension, about whole-number means.
    Signs { means: Vec<f32> },
}

impl Coding {
    /// Bytes from code to code.
    pub(crate) fn stride(&self) -> usize {
        match self {
            Coding::Full => 0,
            Coding::Mixed(coder) => coder.bytes(),
            Coding::Bytes { dim } => bytes::stride(*dim),
            Coding::Signs { means } => signs::bytes(means.len()),
        }
    }

    /// Learns mixed codes of `lines` lines.
    pub(crate) fn mixed(rows: Rows<'_, i8>, moments: &Moments, lines: usize) -> Result<Self, Error> {
        Ok(Coding::Mixed(Coder::train(rows, moments, lines)?))
    }

    /// Codes of integer rows, which are `vectors` in the order `order`.
    pub(crate) fn encode<T: Element>(
        &self,
        integers: Rows<'_, i8>,
        vectors: Rows<'_, T>,
        order: &[u32],
        intake: &Intake,
        kernels: &'static Kernels,
    ) -> Result<AlignedVec<u8>, Error> {
        match self {
            Coding::Full => Ok(AlignedVec::new()),
            Coding::Mixed(coder) => encode_all(coder, integers, kernels),
            Coding::Bytes { .. } => bytes::encode(vectors, order, intake),
            Coding::Signs { means } => signs::encode(integers, means, kernels),
        }
    }

    /// Codes as the kernels want them: without what lies between them.
    pub(crate) fn rows<'a>(&self, codes: &'a [u8]) -> Result<Option<Rows<'a, u8>>, Error> {
        let stride = self.stride();
        let dim = match self {
            Coding::Full => return Ok(None),
            Coding::Bytes { dim } => *dim,
            Coding::Mixed(_) | Coding::Signs { .. } => stride,
        };
        Ok(Some(Rows::with_stride(codes, codes.len() / stride, dim, stride)?))
    }
}

/// A query made ready for one kind of codes.
#[derive(Debug, Default)]
pub(crate) struct CodeQuery {
    scratch: CodeScratch,
    weights: AlignedVec<i8>,
    bytes: bytes::ByteQuery,
    signs: AlignedVec<u8>,
    wave: Vec<f32>,
}

impl CodeQuery {
    /// Makes a query ready: `integers` and `flat` are the same query as integers and as centred numbers.
    pub(crate) fn set(
        &mut self,
        coding: &Coding,
        metric: Metric,
        (integers, flat): (&[i8], &[f32]),
        kernels: &'static Kernels,
    ) -> Result<(), Error> {
        match coding {
            Coding::Full => Ok(()),
            Coding::Mixed(coder) => {
                self.weights.resize(QUERY_LINE * coder.lines, 0)?;
                let row = Rows::new(integers, integers.len())?;
                coder.prepare(row, kernels, &mut self.scratch, &mut self.weights)
            }
            Coding::Bytes { .. } => {
                self.bytes.set(flat, metric == Metric::InnerProduct);
                Ok(())
            }
            Coding::Signs { means } => {
                self.signs.resize(coding.stride(), 0)?;
                signs::one(integers, means, kernels, &mut self.wave, &mut self.signs)
            }
        }
    }

    /// Makes a query of these coordinates ready for mixed codes.
    pub(crate) fn set_mixed(&mut self, coder: &Coder, coordinates: &[i32]) -> Result<(), Error> {
        self.weights.resize(QUERY_LINE * coder.lines, 0)?;
        coder.weigh(coordinates, &mut self.weights);
        Ok(())
    }

    /// Numbers that sort like the distances to codes `ids`, as exact as the codes are.
    #[inline]
    pub(crate) fn score(
        &self,
        coding: &Coding,
        codes: Rows<'_, u8>,
        ids: &[u32],
        kernels: &'static Kernels,
        out: &mut [i32],
    ) -> Result<(), Error> {
        match coding {
            Coding::Full => Ok(()),
            Coding::Mixed(_) => Ok(kernels.codes_mixed().ids(&self.weights, codes, ids, out)?),
            Coding::Bytes { .. } => self.bytes.score(codes, ids, kernels, out),
            Coding::Signs { .. } => Ok(kernels.hamming().ids(&self.signs, codes, ids, out)?),
        }
    }
}

/// Codes in memory or in a file, with how they are made.
#[derive(Debug)]
pub(crate) struct Codes {
    pub(crate) coding: Coding,
    pub(crate) data: Memory<u8>,
}
