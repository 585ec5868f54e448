//! The fuzz targets (fuzz/) without a fuzzer: each is given its seeds, damaged copies of them, what it was once seen to
//! fail at (fuzz/found), and what a fuzzer has left in fuzz/corpus.
//!
//! `CRUTILS_FUZZ_COPIES=NUMBER` makes more copies. A failure names the input, and the copies follow from a seed.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests"
)]

#[path = "support/dice.rs"]
mod dice;
#[path = "../fuzz/src/lib.rs"]
mod fuzz;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use dice::Dice;

/// As many damaged copies of all seeds of a target.
const COPIES: usize = 100;
/// What the process may hold in memory at most, in KiB, whatever the inputs claim.
const MEMORY: u64 = 512 << 10;

/// A copy with some bytes that are others, more or fewer.
fn damaged(bytes: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut copy = bytes.to_vec();
    for _ in 0..=dice.below(4) {
        let at = dice.below(copy.len() + 1);
        match dice.below(5) {
            0 => copy.truncate(at),
            1 => copy.insert(at, dice.below(256_u32) as u8),
            2 => {
                let end = (at + 1 + dice.below(600)).min(copy.len());
                let piece = copy[at..end].to_vec();
                let to = dice.below(copy.len() + 1);
                copy.splice(to..to, piece);
            }
            _ if at < copy.len() => {
                copy[at] = *dice.one(&[0, b'0', b'7', b'/', b'.', b'"', 0x7f, 0xff]);
            }
            _ => {}
        }
    }
    copy
}

fn inputs(target: &str) -> Vec<(String, Vec<u8>)> {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut inputs = fuzz::seeds::of(target, &project.join("tests/data"));
    assert!(!inputs.is_empty(), "{target} has no seeds");
    for directory in ["fuzz/found", "fuzz/corpus"] {
        let directory = project.join(directory).join(target);
        for entry in fs::read_dir(directory).into_iter().flatten() {
            let path = entry.unwrap().path();
            inputs.push((path.display().to_string(), fs::read(&path).unwrap()));
        }
    }
    let copies = std::env::var("CRUTILS_FUZZ_COPIES");
    let copies = copies.map_or(COPIES, |number| number.parse().expect("a number"));
    let whole = inputs.len();
    let mut dice = Dice::new(1);
    for number in 0..copies {
        let (name, bytes) = &inputs[dice.below(whole)];
        let copy = (
            format!("copy {number}, of {name}"),
            damaged(bytes, &mut dice),
        );
        inputs.push(copy);
    }
    inputs
}

/// The most that the process has held in memory until now, in KiB.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn run(target: &str) {
    let (_, check) = fuzz::TARGETS
        .iter()
        .find(|(name, _)| *name == target)
        .unwrap();
    for (name, bytes) in inputs(target) {
        let result = catch_unwind(AssertUnwindSafe(|| check(&bytes)));
        assert!(result.is_ok(), "{target}: {name}");
    }
    let peak = peak();
    assert!(peak < MEMORY, "{target}: {peak} KiB of memory");
}

#[test]
fn archives_stay_within_the_root() {
    run("apply");
}

#[test]
fn archives_become_what_gnu_tar_makes_of_them() {
    run("gnu_tar");
}

#[test]
fn bundles_hold_files_and_directories_alone() {
    run("import");
}

#[test]
fn documents_are_told_as_they_are() {
    run("metadata");
}

#[test]
fn lists_remove_what_they_name_and_nothing_else() {
    run("deleted");
}

#[test]
fn lists_leave_what_the_diff_has_made() {
    run("delete");
}

#[test]
fn the_compression_changes_nothing() {
    run("compressed");
}

#[test]
fn layers_and_images_stay_within_the_root() {
    run("layers");
}

#[test]
fn sparse_files_have_the_size_that_was_stated() {
    run("sparse");
}

#[test]
fn inspections_succeed_or_name_the_image() {
    run("inspect");
}

#[test]
fn every_target_is_run_here() {
    let own = include_str!("fuzz.rs");
    for (target, _) in fuzz::TARGETS {
        assert!(own.contains(&format!("run(\"{target}\")")), "{target}");
    }
}
