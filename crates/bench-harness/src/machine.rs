//! The machine that a run happens on: what it is, the state it is in, and (in [`limits`]) what it can do.
//!
//! Everything here is best effort: a container may hide any of it, and a fact that cannot be read is `None`
//! and printed as "unknown", never guessed.

pub mod limits;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// Sizes of the data caches in bytes, as the first core sees them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caches {
    /// First level, data.
    pub l1d: Option<u64>,
    /// Second level.
    pub l2: Option<u64>,
    /// Third level, usually shared.
    pub l3: Option<u64>,
}

/// Facts about the machine, the build and the moment, as printed in the header of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// The CPU's own name for itself.
    pub cpu: String,
    /// Logical cores that this process may use.
    pub cores: usize,
    /// Whether simultaneous multithreading is on.
    pub smt: Option<bool>,
    /// Cache sizes.
    pub caches: Caches,
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// The frequency governor.
    pub governor: Option<String>,
    /// Transparent huge pages: `always`, `madvise` or `never`.
    pub huge_pages: Option<String>,
    /// Load average over one minute when the run began.
    pub load: Option<f64>,
    /// `rustc --version` of the toolchain in use.
    pub toolchain: String,
    /// The commit that was built, with `-dirty` appended when the work tree had changes.
    pub commit: String,
    /// When the run began, UTC, RFC 3339.
    pub date: String,
}

impl Machine {
    /// Looks at this machine. Takes some milliseconds: it asks `rustc` and `git` for their answers.
    pub fn look() -> Self {
        Self {
            cpu: cpu_name().unwrap_or_else(|| format!("unknown {} CPU", std::env::consts::ARCH)),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            smt: read("/sys/devices/system/cpu/smt/active").map(|active| active == "1"),
            caches: caches(Path::new("/sys/devices/system/cpu/cpu0/cache")),
            memory: memory_bytes("MemTotal:"),
            governor: read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
            huge_pages: read("/sys/kernel/mm/transparent_hugepage/enabled").and_then(|all| bracketed(&all)),
            load: read("/proc/loadavg").and_then(|line| line.split_whitespace().next()?.parse().ok()),
            toolchain: answer_of("rustc", &["--version"]).unwrap_or_else(|| "unknown".to_owned()),
            commit: commit().unwrap_or_else(|| "unknown".to_owned()),
            date: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or_else(|_| "unknown".to_owned(), |since| rfc3339(since.as_secs())),
        }
    }
}

/// Bytes of memory that could be used now without swapping.
pub fn available_memory() -> Option<u64> {
    memory_bytes("MemAvailable:")
}

fn read(path: impl AsRef<Path>) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

#[cfg(target_arch = "x86_64")]
fn cpu_name() -> Option<String> {
    let brand = raw_cpuid::CpuId::new().get_processor_brand_string()?;
    let name = brand.as_str().split_whitespace().collect::<Vec<_>>().join(" ");
    (!name.is_empty()).then_some(name)
}

#[cfg(not(target_arch = "x86_64"))]
fn cpu_name() -> Option<String> {
    let info = read("/proc/cpuinfo")?;
    let line = info.lines().find(|line| line.starts_with("model name") || line.starts_with("CPU part"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn caches(folder: &Path) -> Caches {
    let mut caches = Caches::default();
    for index in 0..8 {
        let entry = folder.join(format!("index{index}"));
        let (Some(level), Some(kind), Some(size)) =
            (read(entry.join("level")), read(entry.join("type")), read(entry.join("size")))
        else {
            continue;
        };
        let place = match (level.as_str(), kind.as_str()) {
            ("1", "Data") => &mut caches.l1d,
            ("2", "Data" | "Unified") => &mut caches.l2,
            ("3", "Data" | "Unified") => &mut caches.l3,
            _ => continue,
        };
        *place = size_in_bytes(&size);
    }
    caches
}

/// `48K`, `2M` or plain bytes.
fn size_in_bytes(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text.get(digits.len()..)? {
        "" => 1,
        "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

fn memory_bytes(field: &str) -> Option<u64> {
    let info = read("/proc/meminfo")?;
    let line = info.lines().find(|line| line.starts_with(field))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok()?.checked_mul(1024)
}

/// The word in square brackets of a kernel setting such as `always [madvise] never`.
fn bracketed(text: &str) -> Option<String> {
    let (_, after) = text.split_once('[')?;
    Some(after.split_once(']')?.0.to_owned())
}

fn answer_of(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn commit() -> Option<String> {
    let id = answer_of("git", &["rev-parse", "--short=12", "HEAD"])?;
    let changes = answer_of("git", &["status", "--porcelain", "--untracked-files=no"])?;
    Some(if changes.is_empty() { id } else { format!("{id}-dirty") })
}

/// Seconds since 1970 as `2026-11-21T06:30:00Z`.
fn rfc3339(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Days are counted from 0000-03-01, so that a leap day is the last day of its year.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(rfc3339(951_868_799), "2000-02-29T23:59:59Z");
        assert_eq!(rfc3339(4_107_542_400), "2100-03-01T00:00:00Z");
    }

    #[test]
    fn settings_of_the_kernel_are_understood() {
        assert_eq!(bracketed("always [madvise] never"), Some("madvise".to_owned()));
        assert_eq!(bracketed("never"), None);
        assert_eq!(size_in_bytes("48K"), Some(48 << 10));
        assert_eq!(size_in_bytes("32M"), Some(32 << 20));
        assert_eq!(size_in_bytes("123"), Some(123));
        assert_eq!(size_in_bytes("12Q"), None);
    }

    #[test]
    fn the_machine_has_a_name_and_a_core() {
        let machine = Machine::look();
        assert!(!machine.cpu.is_empty() && machine.cores >= 1);
    }
}
