//! What one function is made of, in terms that all architectures share.

/// One instruction.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) mnemonic: String,
    /// The width of its widest vector register, 0 if it has none.
    pub(crate) bits: u16,
    /// Whether it lies between the target of a backward jump and that jump.
    pub(crate) in_loop: bool,
    /// CPU features that it needs, by the names that [`super::x86::allows`] or [`super::arm::allows`] knows.
    pub(crate) features: Vec<String>,
    pub(crate) text: String,
}

/// A function, read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Code {
    pub(crate) name: String,
    pub(crate) lines: Vec<Line>,
    /// Functions that it calls and that may return.
    pub(crate) calls: Vec<String>,
    /// Memory forms of compressing stores.
    pub(crate) compressing_stores: Vec<String>,
    /// Ways out that leave the upper halves of vector registers dirty.
    pub(crate) dirty_exits: Vec<String>,
}

impl Code {
    /// The widest register that arithmetic in a loop uses.
    pub(crate) fn widest_in_loop(&self) -> u16 {
        self.lines.iter().filter(|line| line.in_loop).map(|line| line.bits).max().unwrap_or(0)
    }

    /// Whether an instruction that begins with one of `any` stands in a loop at a width of `bits`.
    pub(crate) fn has_in_loop(&self, any: &[&str], bits: u16) -> bool {
        self.lines
            .iter()
            .filter(|line| line.in_loop && line.bits == bits)
            .any(|line| any.iter().any(|name| line.mnemonic.starts_with(name)))
    }
}

/// Whether a function never returns: those that report a broken promise, which no correct call reaches.
pub(crate) fn diverges(name: &str) -> bool {
    ["core::panicking::", "core::slice::index::", "core::option::", "core::result::"]
        .iter()
        .any(|module| name.starts_with(module))
        || name.contains("len_mismatch_fail")
}

/// Marks the lines that lie in a loop, from `(from, to)` pairs of positions of backward jumps.
pub(crate) fn mark_loops(lines: &mut [Line], backward: &[(usize, usize)]) {
    for &(from, to) in backward {
        for line in lines.iter_mut().take(from + 1).skip(to) {
            line.in_loop = true;
        }
    }
}
