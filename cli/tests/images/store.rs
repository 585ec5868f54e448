//! Stores of podman's and buildah's that end with the test's directory.

use std::path::Path;
use std::process::Output;

use super::{is_root, tool};

/// None, with a line that says so, where there is no such program, and for a user who isn't root.
fn with_store(directory: &Path, program: &[&str], arguments: &[&str]) -> Option<Output> {
    if !is_root() {
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

pub(crate) fn buildah(directory: &Path, arguments: &[&str]) -> Option<Output> {
    with_store(directory, &["buildah"], arguments)
}
