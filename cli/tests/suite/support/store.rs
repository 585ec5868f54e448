//! Stores of podman's and buildah's that end with the test's directory.

use std::path::Path;
use std::process::Output;

use super::{is_root, tool};

/// Runs a program with its store in a directory; none, with a line that says so, if it isn't there or this isn't root.
fn with_store(directory: &Path, program: &[&str], arguments: &[&str]) -> Option<Output> {
    if !is_root("keep all owners") {
        return None;
    }
    let at = |name: &str| directory.join(name).to_str().unwrap().to_owned();
    let (root, run) = (at("storage"), at("runroot"));
    let store = [
        "--root",
        &root,
        "--runroot",
        &run,
        "--storage-driver",
        "vfs",
    ];
    tool(directory, &[program, &store[..], arguments].concat())
}

/// podman with a store of the test's own.
pub(crate) fn podman(directory: &Path, arguments: &[&str]) -> Option<Output> {
    let program = [
        "podman",
        "--events-backend",
        "none",
        "--cgroup-manager",
        "cgroupfs",
    ];
    with_store(directory, &program, arguments)
}

/// buildah with a store of the test's own.
pub(crate) fn buildah(directory: &Path, arguments: &[&str]) -> Option<Output> {
    with_store(directory, &["buildah"], arguments)
}
