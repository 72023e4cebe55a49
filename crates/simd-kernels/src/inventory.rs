//! Every function pointer of a kernel table with its name: what `cargo xtask dispatch-check` disassembles.
//!
//! The structs are taken apart field by field, without `..`: a kernel that is added to a table and not to this
//! list does not compile, so none can escape the check.

use crate::code_panels::CodePanelTable;
use crate::element::Element;
use crate::lookups::{LookupForms, LookupTable};
use crate::math::{MathKernels, MathTable, Real};
use crate::near::{NearKernels, NearTable};
use crate::panels::PanelForms;
use crate::select::{Ordered, SelectKernels, SelectTable};
use crate::table::{Distances, Forms, Kernels, table_of};
use crate::tier::Tier;
use crate::wht::WalshHadamardTable;
use crate::word_panels::WordPanelForms;

/// One function of one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// `<measure>_<element>_<form>`, such as `l2_squared_f32_rows`: the name that contracts are looked up by.
    pub kernel: String,
    /// The tier whose table it stands in.
    pub tier: Tier,
    /// Where the function begins.
    pub address: usize,
}

/// The functions of the table of `tier`, whether or not this CPU can run them: they are named, not called.
/// Empty for a tier of another architecture.
pub fn inventory(tier: Tier) -> Vec<Entry> {
    if !Tier::ALL.contains(&tier) {
        return Vec::new();
    }
    let mut list = List { tier, entries: Vec::new() };
    let Kernels {
        tier: _,
        f32,
        f64,
        f16,
        bf16,
        u8,
        i8,
        hamming,
        jaccard,
        u8_i8,
        u4_i8,
        mixed,
        panel_f32,
        panel_f64,
        panel_u8,
        panel_i8,
        code_panels,
        word_panels,
        lookup,
        math,
        walsh_hadamard,
        select,
        near,
    } = table_of(tier);
    list.distances(f32);
    list.distances(f64);
    list.distances(f16);
    list.distances(bf16);
    list.distances(u8);
    list.distances(i8);
    list.forms("hamming_bits", hamming);
    list.forms("jaccard_bits", jaccard);
    list.forms("codes_u8", u8_i8);
    list.forms("codes_u4", u4_i8);
    list.forms("codes_mixed", mixed);
    list.panels(panel_f32);
    list.panels(panel_f64);
    list.panels(panel_u8);
    list.panels(panel_i8);
    let CodePanelTable { u2, u4, u8 } = code_panels;
    list.one("code_panels_u2", u2.inner_product as usize);
    list.one("code_panels_u4", u4.inner_product as usize);
    list.one("code_panels_u8", u8.inner_product as usize);
    let WordPanelForms { inner_product } = word_panels;
    list.one("word_panels", *inner_product as usize);
    let LookupTable { u4, u6, u8 } = lookup;
    list.lookup("lookup_u4", u4);
    list.lookup("lookup_u6", u6);
    list.lookup("lookup_u8", u8);
    let MathTable { f32, f64 } = math;
    list.math(f32);
    list.math(f64);
    let WalshHadamardTable { f32, f64 } = *walsh_hadamard;
    list.one("walsh_hadamard_f32", f32 as usize);
    list.one("walsh_hadamard_f64", f64 as usize);
    let SelectTable { f32, f64, i32, estimates, least_estimates, bands } = select;
    list.select("f32", f32);
    list.select("f64", f64);
    list.select("i32", i32);
    list.one("select_estimates_below_f32", *estimates as usize);
    list.one("least_estimates_f32", *least_estimates as usize);
    list.one("select_bands_reaching_f32", *bands as usize);
    let NearTable { f32, f64 } = near;
    list.near(f32);
    list.near(f64);
    list.entries
}

struct List {
    tier: Tier,
    entries: Vec<Entry>,
}

impl List {
    fn one(&mut self, kernel: impl Into<String>, address: usize) {
        self.entries.push(Entry { kernel: kernel.into(), tier: self.tier, address });
    }

    fn forms<Q: Element, E: Element, O>(&mut self, name: &str, forms: &Forms<Q, E, O>) {
        let Forms { pair, rows, ids, tile, pack: _, granule: _ } = *forms;
        self.one(format!("{name}_pair"), pair as usize);
        self.one(format!("{name}_rows"), rows as usize);
        self.one(format!("{name}_ids"), ids as usize);
        self.one(format!("{name}_tile"), tile as usize);
    }

    fn panels<T: Element>(&mut self, panels: &PanelForms<T>) {
        let PanelForms { inner_product, l2_squared } = *panels;
        self.one(format!("panel_inner_product_{}", T::NAME), inner_product as usize);
        self.one(format!("panel_l2_squared_{}", T::NAME), l2_squared as usize);
    }

    fn lookup<const BITS: usize>(&mut self, name: &str, forms: &LookupForms<BITS>) {
        let LookupForms { small, any } = *forms;
        self.one(format!("{name}_small"), small as usize);
        self.one(format!("{name}_any"), any as usize);
    }

    fn math<T: Real>(&mut self, math: &MathKernels<T>) {
        let MathKernels { exp, sqrt, rbf, matern12, matern32, matern52 } = *math;
        self.one(format!("exp_{}", T::NAME), exp as usize);
        self.one(format!("sqrt_{}", T::NAME), sqrt as usize);
        self.one(format!("rbf_{}", T::NAME), rbf as usize);
        self.one(format!("matern12_{}", T::NAME), matern12 as usize);
        self.one(format!("matern32_{}", T::NAME), matern32 as usize);
        self.one(format!("matern52_{}", T::NAME), matern52 as usize);
    }

    fn near<T: Real>(&mut self, near: &NearKernels<T>) {
        let NearKernels { within, nearest, boxes } = *near;
        self.one(format!("panel_within_{}", T::NAME), within as usize);
        self.one(format!("panel_nearest_{}", T::NAME), nearest as usize);
        self.one(format!("box_bounds_{}", T::NAME), boxes as usize);
    }

    fn select<T: Ordered>(&mut self, name: &str, select: &SelectKernels<T>) {
        let SelectKernels { below, argmin, top_k } = *select;
        self.one(format!("select_below_{name}"), below as usize);
        self.one(format!("argmin_{name}"), argmin as usize);
        self.one(format!("top_k_{name}"), top_k as usize);
    }

    fn distances<T: Element>(&mut self, distances: &Distances<T>) {
        let Distances { l2_squared, inner_product, l1, cosine } = distances;
        self.forms(&format!("l2_squared_{}", T::NAME), l2_squared);
        self.forms(&format!("inner_product_{}", T::NAME), inner_product);
        self.forms(&format!("l1_{}", T::NAME), l1);
        self.one(format!("cosine_{}", T::NAME), *cosine as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract;

    #[test]
    fn every_kernel_of_every_tier_has_a_name_of_its_own_and_a_contract() {
        for &tier in Tier::ALL {
            let entries = inventory(tier);
            let mut names: Vec<_> = entries.iter().map(|entry| &entry.kernel).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), entries.len());
            for entry in &entries {
                assert!(contract::find(&entry.kernel, tier).is_some(), "{} has no contract", entry.kernel);
            }
        }
    }

    #[test]
    fn tables_of_other_architectures_are_empty() {
        let foreign = if cfg!(target_arch = "aarch64") { Tier::Avx2 } else { Tier::Neon };
        assert!(inventory(foreign).is_empty());
    }
}
