//! Prints what `cargo xtask dispatch-check` inspects: where the kernels of every tier lie in this very program,
//! which tier is chosen on this CPU, and how fast each kernel is beside its scalar twin.
//!
//! Lines of fields separated by tabs; the first field says what the line is. A program of its own, with no
//! dependency but the kernels, because it is compiled once per CPU and architecture.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "printing is its purpose")]
#![allow(clippy::expect_used, reason = "a probe that cannot build its inputs has found a fault")]

mod equality;
mod faults;
mod subjects;
mod timing;

use std::process::ExitCode;

use simd_kernels::inventory::{Entry, inventory};
use simd_kernels::{Tier, capabilities};

const USAGE: &str =
    "usage: kernel-probe table [FAULT] | tier | ratios [FAULT] | equality [best | FAULT] | times | faults";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["table"] => print_table(None),
        ["table", fault] => print_table(Some(fault)),
        ["tier"] => return print_tier(),
        ["ratios"] => timing::print_ratios(None),
        ["ratios", fault] => timing::print_ratios(Some(fault)),
        ["equality"] => equality::print(None),
        ["equality", fault] => equality::print(Some(fault)),
        ["times"] => timing::print_times(),
        ["faults"] => faults::ALL.iter().for_each(|fault| println!("fault\t{}", fault.name)),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// The landmark that addresses are given relative to: a program is loaded anywhere, but in one piece.
#[inline(never)]
fn landmark() -> &'static str {
    std::hint::black_box("the landmark of kernel-probe")
}

/// Where every kernel of every tier begins, those that this CPU cannot run included.
fn print_table(fault: Option<&str>) {
    let anchor = landmark as fn() -> &'static str as usize;
    std::hint::black_box(landmark());
    println!("arch\t{}", std::env::consts::ARCH);
    for &tier in Tier::ALL {
        println!("tier\t{tier}\t{}", if tier.is_available() { "available" } else { "unavailable" });
        let mut entries = inventory(tier);
        faults::plant(fault, tier, &mut entries);
        for Entry { kernel, tier, address } in entries {
            println!("kernel\t{tier}\t{kernel}\t{}", address.wrapping_sub(anchor) as isize);
        }
    }
}

/// The tier in use, and the best one: or why there is none.
fn print_tier() -> ExitCode {
    match capabilities() {
        Ok(capabilities) => {
            println!("active\t{}\nbest\t{}", capabilities.active, capabilities.best);
            for (tier, reason) in &capabilities.not_taken {
                println!("not_taken\t{tier}\t{reason}");
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("error\t{error}");
            ExitCode::FAILURE
        }
    }
}
