//! File formats by name: what the end of a file's name says about its bytes.

/// A format of vectors or ids in one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// TEXMEX rows of `f32`: every row is its dimension as an `i32`, then the values.
    Fvecs,
    /// TEXMEX rows of `u8`.
    Bvecs,
    /// TEXMEX rows of `i32` ids.
    Ivecs,
    /// big-ann `f32`: rows and dimension as two `u32`, then the values.
    Fbin,
    /// big-ann `u8`.
    U8bin,
    /// big-ann `i8`.
    I8bin,
    /// big-ann `i32` ids.
    Ibin,
    /// big-ann ground truth: queries and k as two `u32`, then all `i32` ids, then all `f32` distances.
    TruthBin,
    /// numpy.
    Npy,
    /// idx, the format of MNIST.
    Idx,
    /// HDF5 in the layout of ann-benchmarks or VIBE: a whole data set.
    Hdf5,
}

impl Format {
    /// All formats.
    pub const ALL: [Format; 11] = [
        Format::Fvecs,
        Format::Bvecs,
        Format::Ivecs,
        Format::Fbin,
        Format::U8bin,
        Format::I8bin,
        Format::Ibin,
        Format::TruthBin,
        Format::Npy,
        Format::Idx,
        Format::Hdf5,
    ];

    /// How names of files in this format end; the first one is what this crate writes.
    pub const fn endings(self) -> &'static [&'static str] {
        match self {
            Format::Fvecs => &[".fvecs"],
            Format::Bvecs => &[".bvecs"],
            Format::Ivecs => &[".ivecs"],
            Format::Fbin => &[".fbin"],
            Format::U8bin => &[".u8bin"],
            Format::I8bin => &[".i8bin"],
            Format::Ibin => &[".ibin"],
            Format::TruthBin => &[".gtbin"],
            Format::Npy => &[".npy"],
            Format::Idx => {
                &[".idx", "idx1-ubyte", "idx2-ubyte", "idx3-ubyte", "idx4-ubyte", "idx2-float", "idx2-double"]
            }
            Format::Hdf5 => &[".hdf5", ".h5"],
        }
    }

    /// The format of a file of this name, or `None` when its end is not known.
    ///
    /// ```
    /// use bench_harness::format::Format;
    /// assert_eq!(Format::of("train-images.idx3-ubyte"), Some(Format::Idx));
    /// assert_eq!(Format::of("base.txt"), None);
    /// ```
    pub fn of(name: &str) -> Option<Format> {
        let name = name.to_ascii_lowercase();
        Format::ALL.into_iter().find(|format| format.endings().iter().any(|end| name.ends_with(end)))
    }
}
