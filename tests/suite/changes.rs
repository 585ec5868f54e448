//! What the tests of the change detectors have in common: a list as lines of text, and trees to be changed.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crutils::changes::{self, Change, ChangeKind, Options};

use crate::support::api::{Failure, Outcome};
use crate::support::sandbox::run;

/// The changes as `podman diff` shows them, a letter and a path each; bytes that aren't ASCII escaped.
pub fn lines(changes: &[Change]) -> Vec<String> {
    let line = |one: &Change| {
        let letter = match one.kind {
            ChangeKind::Modify => 'C',
            ChangeKind::Add => 'A',
            ChangeKind::Delete => 'D',
        };
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

#[track_caller]
pub fn directories(new: &Path, old: Option<&Path>, options: &Options) -> Outcome<Vec<Change>> {
    Ok(checked(
        changes::directories_ambient(new, old, options).map_err(Failure::from)?,
    ))
}

#[track_caller]
pub fn overlay(lower: &[&Path], upper: &Path, options: &Options) -> Outcome<Vec<Change>> {
    Ok(checked(
        changes::overlay_ambient(lower, upper, options).map_err(Failure::from)?,
    ))
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
