//! `cargo xtask aarch64`: the kernels compiled for aarch64, and their tests run on emulated CPUs, on an x86-64
//! machine whose toolchain has no such standard library.
//!
//! Debian has all the parts. They are fetched with `apt-get download` and unpacked with `dpkg -x` into one folder
//! (`$NIGH_AARCH64`, or `target/aarch64`): nothing is installed, no setting of the machine changes, and deleting
//! the folder undoes it. The compiler is Debian's, so that it matches the standard library; cargo stays as it is.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::dispatch_check::{ARM, Probe};
use crate::process::{self, Outcome, capture, cargo, exists, target};
use crate::say;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Fetch and unpack what is needed, and stop there.
    #[arg(long)]
    setup_only: bool,
    /// Only the CPU that has every tier: `dispatch-check` shows what the others choose.
    #[arg(long)]
    quick: bool,
}

/// What the tests are run on.
const PACKAGES: [&str; 2] = ["simd-kernels", "layouts"];
const TRIPLE: &str = "aarch64-unknown-linux-gnu";
/// The emulated CPU that has every tier.
const BEST: &str = "max";
/// Cross tools whose names say no version.
const CROSS_TOOLS: [&str; 5] = [
    "qemu-user-static",
    "binutils-aarch64-linux-gnu",
    "libc6-arm64-cross",
    "libc6-dev-arm64-cross",
    "libgcc-s1-arm64-cross",
];

pub(crate) fn run(arguments: &Arguments) -> Outcome<()> {
    let kit = match Kit::find() {
        Some(kit) => kit,
        None => Kit::fetch()?,
    };
    say::note(format!("the aarch64 kit is in {}", kit.folder.display()));
    if arguments.setup_only {
        return Ok(());
    }
    let tests = |extra: &[&str]| {
        let mut cargo = kit.cargo();
        cargo.args(["test", "--lib", "--tests", "--target", TRIPLE]);
        PACKAGES.iter().for_each(|package| {
            cargo.args(["--package", package]);
        });
        cargo.args(extra);
        cargo
    };
    run_step("compiling for aarch64", &mut tests(&["--quiet", "--no-run"]))?;
    for (cpu, tier) in ARM {
        if arguments.quick && cpu != BEST {
            continue;
        }
        let mut command = tests(&["--quiet"]);
        command.env("QEMU_CPU", cpu);
        if cpu == BEST {
            // Here nothing may be left out.
            command.env("NIGH_REQUIRE_TIERS", "all");
        }
        run_step(&format!("tests on an emulated {cpu} ({tier})"), &mut command)?;
    }
    Ok(())
}

fn run_step(what: &str, command: &mut Command) -> Outcome<()> {
    say::note(what);
    process::run(command)
}

/// A folder with everything that compiling for and emulating aarch64 takes.
#[derive(Clone, Debug)]
pub(crate) struct Kit {
    folder: PathBuf,
}

impl Kit {
    /// Where the kit is or is to be.
    fn folder() -> PathBuf {
        std::env::var_os("NIGH_AARCH64").map_or_else(|| target().join("aarch64"), PathBuf::from)
    }

    /// The kit, if it is there and whole.
    pub(crate) fn find() -> Option<Self> {
        let kit = Self { folder: Self::folder() };
        // The wrappers are written last, so a fetch that was interrupted is not taken for a kit.
        (kit.compiler().is_file() && kit.linker().is_file()).then_some(kit)
    }

    fn compiler(&self) -> PathBuf {
        self.folder.join("rustc-a64")
    }

    fn linker(&self) -> PathBuf {
        self.folder.join("cc-a64")
    }

    fn unpacked(&self) -> PathBuf {
        self.folder.join("root")
    }

    /// Fetches and unpacks the kit.
    fn fetch() -> Outcome<Self> {
        for program in ["apt-get", "apt-cache", "dpkg"] {
            if !exists(program) {
                return Err(format!(
                    "the aarch64 kit is made of Debian packages, and {program} is not here; \
                     on another system set NIGH_AARCH64 to a kit that was made elsewhere"
                )
                .into());
            }
        }
        let kit = Self { folder: Self::folder() };
        say::note(format!("fetching about 210 MB of packages into {}", kit.folder.display()));
        let packages = kit.folder.join("packages");
        for folder in ["packages", "lists/partial", "cache/archives/partial", "root"] {
            std::fs::create_dir_all(kit.folder.join(folder))?;
        }
        // Only root may refresh the machine's own lists; others use them as they are.
        if !apt(&[]).args(["update"]).status()?.success() {
            say::warn("the package lists could not be refreshed; going on with those that are there");
        }
        let native = native_packages()?;
        process::run(apt(&[]).arg("download").args(&native).current_dir(&packages))?;
        // The standard library of the other architecture, by lists that the machine's own apt never sees.
        let foreign = [
            "APT::Architecture=arm64".to_owned(),
            "APT::Architectures=arm64".to_owned(),
            "Dir::State::status=/dev/null".to_owned(),
            format!("Dir::State::Lists={}", kit.folder.join("lists").display()),
            format!("Dir::Cache={}", kit.folder.join("cache").display()),
        ];
        process::run(apt(&foreign).arg("update"))?;
        process::run(apt(&foreign).args(["download", "libstd-rust-web-dev"]).current_dir(&packages))?;
        for package in std::fs::read_dir(&packages)? {
            process::run(Command::new("dpkg").arg("-x").arg(package?.path()).arg(kit.unpacked()))?;
        }
        kit.relocate()?;
        Ok(kit)
    }

    /// Makes what was unpacked work where it lies.
    fn relocate(&self) -> Outcome<()> {
        let unpacked = self.unpacked();
        // The C library's linker script names absolute places.
        let script = unpacked.join("usr/aarch64-linux-gnu/lib/libc.so");
        let text = std::fs::read_to_string(&script)?;
        std::fs::write(&script, text.replace("/usr/aarch64-linux-gnu/lib/", ""))?;
        let gcc = std::fs::read_dir(unpacked.join("usr/bin"))?
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .find(|name| {
                name.strip_prefix("aarch64-linux-gnu-gcc-").is_some_and(|rest| rest.parse::<u32>().is_ok())
            })
            .ok_or("no cross compiler among the packages")?;
        let root = unpacked.display();
        write_script(&self.linker(), &format!("PATH={root}/usr/bin:$PATH exec {root}/usr/bin/{gcc} \"$@\""))?;
        write_script(
            &self.compiler(),
            &format!("LD_LIBRARY_PATH={root}/usr/lib/x86_64-linux-gnu exec {root}/usr/bin/rustc \"$@\""),
        )
    }

    /// A cargo that compiles for aarch64 and runs what it compiled under emulation, in a target folder of its own:
    /// the two compilers must never meet in one.
    pub(crate) fn cargo(&self) -> Command {
        let mut cargo = cargo();
        cargo
            .env("RUSTC", self.compiler())
            .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", self.linker())
            .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER", self.emulator().join(" "))
            .env("CARGO_TARGET_DIR", Self::built());
        cargo
    }

    fn built() -> PathBuf {
        target().join("aarch64-build")
    }

    fn emulator(&self) -> Vec<String> {
        let root = self.unpacked();
        let shown = |path: &str| root.join(path).display().to_string();
        vec![shown("usr/bin/qemu-aarch64-static"), "-L".to_owned(), shown("usr/aarch64-linux-gnu")]
    }

    /// The emulator of one CPU, with its arguments.
    pub(crate) fn qemu_aarch64(&self, cpu: &str) -> Vec<String> {
        let mut emulator = self.emulator();
        emulator.extend(["-cpu".to_owned(), cpu.to_owned()]);
        emulator
    }

    /// Builds the probe, for any aarch64 CPU or for a named one.
    pub(crate) fn build_probe(&self, cpu: Option<&str>) -> Outcome<Probe> {
        let mut cargo = self.cargo();
        let mut folder = Self::built();
        if let Some(cpu) = cpu {
            cargo.env("CARGO_ENCODED_RUSTFLAGS", format!("-Ctarget-cpu={cpu}"));
            folder = target().join("variants").join(cpu);
        }
        Probe::build_with(&folder, Some(TRIPLE), cargo)
    }

    /// The disassembler.
    pub(crate) fn objdump(&self) -> Command {
        let root = self.unpacked();
        let mut command = Command::new(root.join("usr/bin/aarch64-linux-gnu-objdump"));
        command.env("LD_LIBRARY_PATH", root.join("usr/lib/x86_64-linux-gnu"));
        command
    }
}

/// An emulator of older x86-64 CPUs: the kit's, or the machine's own.
pub(crate) fn qemu_x86_64(kit: Option<&Kit>) -> Option<String> {
    let of_kit = kit.map(|kit| kit.unpacked().join("usr/bin/qemu-x86_64-static").display().to_string());
    of_kit
        .into_iter()
        .chain(["qemu-x86_64-static", "qemu-x86_64"].map(str::to_owned))
        .find(|name| exists(name))
}

fn apt(options: &[String]) -> Command {
    let mut command = Command::new("apt-get");
    command.arg("-qq");
    options.iter().for_each(|option| {
        command.arg("-o").arg(option);
    });
    command.stdout(Stdio::null());
    command
}

/// The packages for this machine's architecture. Those whose names carry a version are asked for, not known.
fn native_packages() -> Outcome<Vec<String>> {
    let mut packages = vec!["rustc-web".to_owned()];
    // The compiler brings its libraries, they bring LLVM, and LLVM its solver.
    for at in 0.. {
        let Some(package) = packages.get(at).cloned() else { break };
        for library in depends(&package)? {
            let wanted =
                ["libstd-rust-web-", "libllvm", "libz3-"].iter().any(|name| library.starts_with(name));
            if wanted && !packages.contains(&library) {
                packages.push(library);
            }
        }
    }
    let gcc = depends("gcc-aarch64-linux-gnu")?
        .into_iter()
        .find(|name| {
            name.starts_with("gcc-") && name.ends_with("-aarch64-linux-gnu") && name.matches('-').count() == 4
        })
        .ok_or("apt knows no gcc for aarch64")?;
    let support =
        depends(&gcc)?.into_iter().find(|name| name.starts_with("libgcc-") && name.contains("-dev-"));
    packages.push(gcc);
    packages.extend(support);
    packages.extend(CROSS_TOOLS.map(str::to_owned));
    Ok(packages)
}

/// What a package depends on, by name.
fn depends(package: &str) -> Outcome<Vec<String>> {
    let text = capture(Command::new("apt-cache").args(["depends", "--important", package]))?;
    let name = |line: &str| Some(line.trim().strip_prefix("Depends: ")?.trim_matches(['<', '>']).to_owned());
    Ok(text.lines().filter_map(name).collect())
}

fn write_script(path: &Path, line: &str) -> Outcome<()> {
    std::fs::write(path, format!("#!/bin/sh\n{line}\n"))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))?;
    Ok(())
}
