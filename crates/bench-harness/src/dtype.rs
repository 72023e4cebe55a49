//! Element types by name: how data sets, records and the command line call them.

use std::fmt;
use std::str::FromStr;

/// The type of a vector's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Dtype {
    /// IEEE single precision.
    F32,
    /// IEEE double precision.
    F64,
    /// IEEE half precision.
    F16,
    /// The upper half of an IEEE single.
    Bf16,
    /// Unsigned bytes.
    U8,
    /// Signed bytes.
    I8,
    /// Bits, packed eight to a byte.
    Bits,
}

/// A name that is no element type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown element type {name:?}: expected f32, f64, f16, bf16, u8, i8 or bits")]
pub struct UnknownDtype {
    /// What was given.
    pub name: String,
}

impl Dtype {
    /// All element types.
    pub const ALL: [Dtype; 7] =
        [Dtype::F32, Dtype::F64, Dtype::F16, Dtype::Bf16, Dtype::U8, Dtype::I8, Dtype::Bits];

    /// The name used in records and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Dtype::F32 => "f32",
            Dtype::F64 => "f64",
            Dtype::F16 => "f16",
            Dtype::Bf16 => "bf16",
            Dtype::U8 => "u8",
            Dtype::I8 => "i8",
            Dtype::Bits => "bits",
        }
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Dtype {
    type Err = UnknownDtype;

    fn from_str(name: &str) -> Result<Self, UnknownDtype> {
        Dtype::ALL
            .into_iter()
            .find(|dtype| dtype.name() == name)
            .ok_or_else(|| UnknownDtype { name: name.to_owned() })
    }
}
