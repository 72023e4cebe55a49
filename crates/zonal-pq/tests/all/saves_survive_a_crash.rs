//! A save that fails or is killed leaves the old file.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::sets::{answers, build, clustered, elements};
use zonal_pq::{BuildParams, DiskIndex, Error, Metric, ZonalPq};

const DIM: usize = 24;

fn index(rows: usize) -> (ZonalPq<u8>, Vec<u8>) {
    let data: Vec<u8> = elements(&clustered(rows, DIM, 4));
    (build(&data, DIM, Metric::L2, &BuildParams::new().zones(8)), data)
}

/// Set for the process that saves: where, and whether to stop at the first failure or to go on for ever.
const FAILS: &str = "ZONAL_TEST_SAVE_FAILS";
const FOREVER: &str = "ZONAL_TEST_SAVE_FOREVER";

#[test]
fn what_a_child_process_saves() {
    if let Some(path) = std::env::var_os(FAILS) {
        let (index, _) = index(4000);
        let mapped = index.save(Path::new(&path)).unwrap_err();
        let by_zone = index.save_by_zone(Path::new(&path)).unwrap_err();
        assert!(matches!((&mapped, &by_zone), (Error::Container(_), Error::Container(_))));
        println!("refused: {mapped}; {by_zone}");
    }
    if let Some(folder) = std::env::var_os(FOREVER) {
        let folder = Path::new(&folder);
        let (small, large) = (index(500).0, index(4000).0);
        loop {
            for index in [&large, &small] {
                index.save(&folder.join("mapped.nigh")).unwrap();
                index.save_by_zone(&folder.join("by_zone.nigh")).unwrap();
            }
            // The one who waits for it kills.
            fs::write(folder.join("begun"), "").unwrap();
        }
    }
}

fn child() -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "saves_survive_a_crash::what_a_child_process_saves", "--nocapture"]);
    command
}

#[test]
fn a_save_that_fails_leaves_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index.nigh");
    let (old, data) = index(500);
    old.save(&path).unwrap();
    let before = fs::read(&path).unwrap();
    // A file system that is full: no file above 64 blocks, and no signal for trying.
    let child = Command::new("sh")
        .args([
            "-c",
            r#"trap "" XFSZ; ulimit -f 64; exec "$0" --exact saves_survive_a_crash::what_a_child_process_saves --nocapture"#,
        ])
        .arg(std::env::current_exe().unwrap())
        .env(FAILS, &path)
        .output()
        .unwrap();
    let output = String::from_utf8(child.stdout).unwrap();
    assert!(output.contains("refused: "), "{output}{}", String::from_utf8_lossy(&child.stderr));
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "a temporary file is left");
    assert_eq!(answers(&ZonalPq::<u8>::open(&path).unwrap(), &data, DIM), answers(&old, &data, DIM));
}

#[test]
fn a_save_that_is_killed_leaves_the_old_file_or_the_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let whole: Vec<Vec<u8>> =
        [500, 4000].map(|rows| index(rows).0.to_bytes().unwrap().to_vec()).into_iter().collect();
    let mut left = 0;
    for round in 0..12u64 {
        let _ = fs::remove_file(folder.path().join("begun"));
        let mut saving =
            child().env(FOREVER, folder.path()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        while !folder.path().join("begun").exists() {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_micros(700 * round));
        // SIGKILL.
        saving.kill().unwrap();
        saving.wait().unwrap();
        let bytes = fs::read(folder.path().join("mapped.nigh")).unwrap();
        assert!(whole.contains(&bytes), "round {round}: a file of {} bytes", bytes.len());
        let disk = DiskIndex::<u8>::open(&folder.path().join("by_zone.nigh"), 0).unwrap();
        disk.verify().unwrap();
        assert!([500, 4000].contains(&disk.len()));
        left += fs::read_dir(folder.path())
            .unwrap()
            .filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|end| end == "tmp"))
            .map(|entry| fs::remove_file(entry.unwrap().path()).unwrap())
            .count();
    }
    // Else no save was killed in the middle, and nothing was shown.
    assert!(left > 0, "every one of them was killed between saves");
}
