//! What the tests of the change detectors have in common: a list as lines of text, and trees to be changed.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::support::api::{C, Change, Outcome, Rust};
use crate::support::changes::Look;
use crate::support::door::Door;
use crate::support::sandbox::run;

/// The overlay, or the end of a test that can't have one.
#[macro_export]
macro_rules! needs_overlay {
    ($what:expr) => {
        match $what {
            Some(overlaid) => overlaid,
            None => return,
        }
    };
}

/// The changes as `podman diff` shows them, a letter and a path each; bytes that aren't ASCII escaped.
pub fn lines(changes: &[Change]) -> Vec<String> {
    let line = |one: &Change| {
        let letter = ['C', 'A', 'D'][one.kind as usize];
        format!("{letter} {}", one.path.as_bytes().escape_ascii())
    };
    changes.iter().map(line).collect()
}

/// Checks what holds for every list: sorted by the paths' bytes, each path once, absolute, the root not among them.
#[track_caller]
fn checked(changes: Vec<Change>) -> Vec<Change> {
    let paths: Vec<&OsString> = changes.iter().map(|one| &one.path).collect();
    assert!(
        paths
            .windows(2)
            .all(|pair| pair[0].as_bytes() < pair[1].as_bytes()),
        "{paths:?}"
    );
    assert!(
        paths
            .iter()
            .all(|path| path.as_bytes().len() > 1 && path.as_bytes()[0] == b'/'),
        "{paths:?}"
    );
    changes
}

/// Finds what differs between two directories.
#[track_caller]
pub fn directories(
    door: &dyn Door,
    new: &Path,
    old: Option<&Path>,
    look: &Look,
) -> Outcome<Vec<Change>> {
    door.directories(new.into(), old.map(Into::into), look, None)
        .map(checked)
}

/// Finds what an upper directory changes.
#[track_caller]
pub fn overlay(
    door: &dyn Door,
    lower: &[&Path],
    upper: &Path,
    look: &Look,
) -> Outcome<Vec<Change>> {
    let lower: Vec<_> = lower.iter().map(|path| (*path).into()).collect();
    door.overlay(&lower, upper.into(), look, None).map(checked)
}

/// Finds what a mounted overlay changes.
#[track_caller]
pub fn mount(door: &dyn Door, mount_point: &Path, look: &Look) -> Outcome<Vec<Change>> {
    door.mount(mount_point.into(), look).map(checked)
}

/// What is found through both doors, which must say the same: for tests whose trees take longer to make than changes
/// to find.
#[track_caller]
pub fn through_both(find: impl Fn(&dyn Door) -> Outcome<Vec<Change>>) -> Outcome<Vec<Change>> {
    let found = find(&Rust);
    assert_eq!(found, find(&C));
    found
}

/// Copies a tree with everything that is in it.
pub fn copy(from: &Path, to: &Path) {
    run(&format!(
        "cp -a --sparse=auto {} {}",
        from.display(),
        to.display()
    ))
    .unwrap();
}

/// Writes a file, and the directories that lead to it.
pub fn write(root: &Path, path: &str, content: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}
