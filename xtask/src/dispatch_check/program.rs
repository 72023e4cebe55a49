//! A compiled program as its ELF file describes it: symbols, their bytes, and what its linkage table leads to.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use object::{Object, ObjectSection, ObjectSymbol, ObjectSymbolTable, RelocationTarget, SymbolKind};

use crate::process::Outcome;

/// Symbols and code of one program.
#[derive(Debug)]
pub(crate) struct Program {
    sections: Vec<(u64, Vec<u8>)>,
    functions: BTreeMap<u64, (String, u64)>,
    linkage: HashMap<u64, String>,
}

/// One function of a program.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Function<'a> {
    pub(crate) name: &'a str,
    pub(crate) address: u64,
    pub(crate) bytes: &'a [u8],
}

impl Program {
    pub(crate) fn open(path: &Path) -> Outcome<Self> {
        let data = std::fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        let file = object::File::parse(&*data)
            .map_err(|error| format!("{} is no program: {error}", path.display()))?;
        let sections = file
            .sections()
            .filter(|section| section.kind() == object::SectionKind::Text)
            .filter_map(|section| Some((section.address(), section.data().ok()?.to_vec())))
            .collect();
        let mut functions = BTreeMap::new();
        for symbol in file.symbols().filter(|symbol| symbol.kind() == SymbolKind::Text && symbol.size() > 0) {
            if let Ok(name) = symbol.name() {
                let name = format!("{:#}", rustc_demangle::demangle(name));
                functions.entry(symbol.address()).or_insert((name, symbol.size()));
            }
        }
        if functions.is_empty() {
            return Err(format!("{} has no symbols: it was stripped", path.display()).into());
        }
        // Calls to other libraries, and some to functions of one's own, go through a table of addresses that
        // the loader fills.
        let mut linkage = HashMap::new();
        for (slot, relocation) in file.dynamic_relocations().into_iter().flatten() {
            let name = match relocation.target() {
                RelocationTarget::Symbol(index) => file
                    .dynamic_symbol_table()
                    .and_then(|table| table.symbol_by_index(index).ok())
                    .and_then(|symbol| symbol.name().ok().map(str::to_owned)),
                _ => functions.get(&(relocation.addend() as u64)).map(|(name, _)| name.clone()),
            };
            if let Some(name) = name {
                linkage.insert(slot, name);
            }
        }
        Ok(Self { sections, functions, linkage })
    }

    /// Where the function of this name begins.
    pub(crate) fn address_of(&self, name: &str) -> Option<u64> {
        self.functions.iter().find(|(_, (known, _))| known == name).map(|(&address, _)| address)
    }

    /// The function that begins at `address`.
    pub(crate) fn function_at(&self, address: u64) -> Option<Function<'_>> {
        let (name, size) = self.functions.get(&address)?;
        let (start, bytes) = self
            .sections
            .iter()
            .find(|(start, bytes)| (*start..start + bytes.len() as u64).contains(&address))?;
        let from = usize::try_from(address - start).ok()?;
        let bytes = bytes.get(from..from + usize::try_from(*size).ok()?)?;
        Some(Function { name, address, bytes })
    }

    /// The name of what begins at `address`.
    pub(crate) fn name_at(&self, address: u64) -> String {
        self.functions.get(&address).map_or_else(|| format!("{address:#x}"), |(name, _)| name.clone())
    }

    /// The name of what the slot of the linkage table at `slot` leads to.
    pub(crate) fn linked_at(&self, slot: u64) -> String {
        self.linkage.get(&slot).cloned().unwrap_or_else(|| format!("whatever {slot:#x} points to"))
    }
}
