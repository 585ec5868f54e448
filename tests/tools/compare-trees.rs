//! Prints in words what differs between two directory trees: `compare-trees A B`. Status 1 if anything does.
//!
//! Cargo runs it without arguments among the tests; it then has nothing to do.

#![allow(
    clippy::cast_possible_truncation,
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test tool"
)]

#[path = "../support/os.rs"]
mod os;
#[path = "../support/tree.rs"]
mod tree;

use std::path::PathBuf;
use std::process::ExitCode;

use tree::{Aspects, Snapshot};

fn main() -> ExitCode {
    let paths: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [first, second] = paths.as_slice() else {
        println!("usage: compare-trees FIRST SECOND");
        return ExitCode::SUCCESS;
    };
    let found = Snapshot::of(first).differences(&Snapshot::of(second), Aspects::RESTORE);
    for line in &found {
        println!("{line}");
    }
    if found.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
