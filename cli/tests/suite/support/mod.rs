//! What the tests of the command stand on.

pub(crate) mod registry;
#[path = "../../../../tests/support/scratch.rs"]
#[allow(dead_code, reason = "the suite of the library uses all of it")]
mod scratch;
pub(crate) mod store;
pub(crate) mod tree;

use std::collections::BTreeMap;
use std::fmt::Arguments;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

pub(crate) use scratch::Scratch;

/// A directory for one test, in which skopeo finds that it may take any image.
pub(crate) fn scratch() -> Scratch {
    let scratch = Scratch::new();
    let policy = r#"{"default":[{"type":"insecureAcceptAnything"}]}"#;
    fs::write(scratch.join("policy.json"), policy).unwrap();
    scratch
}

/// The path of one of the archives that all tests share.
pub(crate) fn data(name: &str) -> String {
    format!("{}/../tests/data/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// An archive that podman has made.
pub(crate) fn rich() -> String {
    data("rich.tar.zst")
}

/// The command without the surroundings of whoever runs the tests.
pub(crate) fn crutils() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crutils"));
    for name in [
        "NO_COLOR",
        "COLUMNS",
        "LC_ALL",
        "LC_CTYPE",
        "LANG",
        "CLICOLOR",
        "CLICOLOR_FORCE",
    ] {
        command.env_remove(name);
    }
    command.stdin(Stdio::null());
    command
}

/// Runs the command in a directory.
pub(crate) fn run(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = crutils();
    command.current_dir(directory).args(arguments);
    command.output().unwrap()
}

/// What the command, which succeeds, prints in a directory.
#[track_caller]
pub(crate) fn done(directory: &Path, arguments: &[&str]) -> String {
    shown(crutils().current_dir(directory).args(arguments))
}

/// What a program that succeeds prints.
#[track_caller]
pub(crate) fn shown(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// What a line of the shell that succeeds prints in a directory.
#[track_caller]
pub(crate) fn sh(directory: &Path, line: &str) -> String {
    let mut shell = Command::new("sh");
    shown(shell.current_dir(directory).args(["-c", line]))
}

/// Writes a program of the shell.
pub(crate) fn program(path: &Path, body: &str) {
    // What this process has open for writing when another test forks can't be executed (ETXTBSY): the shell writes it.
    let line = r#"printf '#!/bin/sh\n%s\n' "$1" >"$2" && chmod 755 "$2""#;
    let mut shell = Command::new("sh");
    shown(shell.args(["-c", line, "sh", body]).arg(path));
}

/// Runs a tool; none, with a line that says so, if it isn't there.
pub(crate) fn tool(directory: &Path, line: &[&str]) -> Option<Output> {
    let mut command = Command::new(line[0]);
    match command.current_dir(directory).args(&line[1..]).output() {
        Ok(output) => Some(output),
        Err(error) => {
            say(format_args!("skipped: {}: {error}", line[0]));
            None
        }
    }
}

/// Whether this is root, who alone can do this; says so if it isn't.
pub(crate) fn is_root(this: &str) -> bool {
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    if !is_root {
        say(format_args!("skipped: only root can {this}"));
    }
    is_root
}

/// Writes a line that is seen even if the test passes: the harness holds back only what is printed by macros.
pub(crate) fn say(line: Arguments<'_>) {
    let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}

/// A tool has succeeded, or the test fails with what it said.
#[track_caller]
pub(crate) fn succeeded(output: &Output) {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
}

/// What a tool that succeeded has said in one line.
#[track_caller]
pub(crate) fn line_of(output: &Output) -> String {
    succeeded(output);
    let line = std::str::from_utf8(&output.stdout).unwrap();
    line.trim().to_owned()
}

/// skopeo with a policy of the test's own.
pub(crate) fn skopeo(directory: &Path, arguments: &[&str]) -> Option<Output> {
    let line = [&["skopeo", "--policy", "policy.json"], arguments].concat();
    tool(directory, &line)
}

/// What the command tells of an image.
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
                let name = path.strip_prefix(root).unwrap().to_string_lossy();
                found.insert(name.into_owned(), fs::read(&path).unwrap());
            }
        }
    }
    found
}
