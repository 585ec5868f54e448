//! What tests of images have in common.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test program uses some of it"
)]

#[path = "../../../tests/support/scratch.rs"]
mod scratch;

pub(crate) mod registry;
pub(crate) mod store;
pub(crate) mod tree;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Command, Output};

use scratch::Scratch;
use serde_json::Value;

/// A directory for one test, in which skopeo finds that it may take any image.
pub(crate) fn scratch() -> Scratch {
    let scratch = Scratch::new();
    let policy = r#"{"default":[{"type":"insecureAcceptAnything"}]}"#;
    fs::write(scratch.join("policy.json"), policy).unwrap();
    scratch
}

/// An archive that podman has made.
pub(crate) fn rich() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/rich.tar.zst");
    path.to_str().unwrap().to_owned()
}

pub(crate) fn crutils(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crutils"));
    command.current_dir(directory);
    command
}

pub(crate) fn done(directory: &Path, arguments: &[&str]) -> String {
    let output = crutils(directory).args(arguments).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs a tool; none, with a line that says so, if it isn't there.
pub(crate) fn tool(directory: &Path, line: &[&str]) -> Option<Output> {
    let mut command = Command::new(line[0]);
    match command.current_dir(directory).args(&line[1..]).output() {
        Ok(output) => Some(output),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "skipped: {}: {error}", line[0]);
            None
        }
    }
}

/// Whether what only root can do can be done; says so if it can't.
pub(crate) fn is_root() -> bool {
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    if !is_root {
        let _ = writeln!(std::io::stderr(), "skipped: only root keeps all owners");
    }
    is_root
}

#[track_caller]
pub(crate) fn succeeded(output: &Output) {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
}

/// skopeo with a policy of the test's own.
pub(crate) fn skopeo(directory: &Path, arguments: &[&str]) -> Option<Output> {
    let line = [&["skopeo", "--policy", "policy.json"], arguments].concat();
    tool(directory, &line)
}

/// What a tool that succeeded has said in one line.
#[track_caller]
pub(crate) fn line_of(output: &Output) -> String {
    succeeded(output);
    String::from_utf8(output.stdout.clone())
        .unwrap()
        .trim()
        .to_owned()
}

pub(crate) fn inspected(directory: &Path, image: &str) -> Value {
    serde_json::from_str(&done(directory, &["image", "inspect", "--json", image])).unwrap()
}

/// The files below a directory.
pub(crate) fn files(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut left = vec![root.to_path_buf()];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            let path = entry.path();
            if entry.file_type().unwrap().is_dir() {
                left.push(path);
            } else if path.is_file() {
                let name = path
                    .strip_prefix(root)
                    .unwrap()
                    .to_string_lossy()
                    .into_owned();
                found.insert(name, fs::read(path).unwrap());
            }
        }
    }
    found
}

/// What is in podman's archive.
pub(crate) fn expected(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    done(
        directory,
        &["import", "--config", "--bundle", "expected", &rich()],
    );
    files(&directory.join("expected"))
}
