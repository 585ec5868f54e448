//! `crutils diff` and `crutils apply`.

#![forbid(unsafe_code)]

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::ExitCode;

use crutils::PlaceBuf;
use crutils::changes::{Change, ChangeKind, Options, mount_ambient, overlay_ambient};
use crutils::checkpoint::inspect::RawText;
use crutils::checkpoint::{
    Engine, apply_rootfs_diff_tar, create_rootfs_diff_tar, remove_deleted_files,
};
use crutils::watch::Watch;
use serde::Serialize;

use crate::engine_args::{Apply, BundleOf, Diff, Overlay};
use crate::failure::{Failure, warn};
use crate::import::absolute;
use crate::output::{BAD, CARE, GOOD, Output};

/// A change, for JSON.
#[derive(Serialize)]
struct Told {
    kind: &'static str,
    path: RawText,
}

/// What a container changed in the root file system that is mounted at `mount`, but for what its engine mounts or writes
/// itself.
pub(crate) fn changes(
    mount: &Path,
    engine: BundleOf,
    overlay: &Overlay,
    watch: &Watch,
) -> Result<Vec<Change>, Failure> {
    let mut options = Options::default();
    let engine = Engine::from(engine);
    options.exclude.all_exact(engine.excluded_paths())?;
    options.work_directory = overlay.work.as_ref().map(PlaceBuf::new).transpose()?;
    Ok(match &overlay.upper {
        Some(upper) => overlay_ambient(&overlay.lower, upper, &options, watch)?,
        None => mount_ambient(mount, &options, watch)?,
    })
}

pub(crate) fn run(options: &Diff, output: &mut Output, watch: &Watch) -> Result<ExitCode, Failure> {
    let changes = changes(&options.mount, options.engine, &options.overlay, watch)?;
    if let Some(destination) = &options.destination {
        create_rootfs_diff_tar(&changes, &options.mount, destination)?;
    }
    if options.json {
        let told: Vec<_> = changes.iter().map(tell).collect();
        output.line(serde_json::to_string(&told)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    for change in &changes {
        let (style, letter) = match change.kind {
            ChangeKind::Modify => (CARE, "C"),
            ChangeKind::Add => (GOOD, "A"),
            ChangeKind::Delete => (BAD, "D"),
        };
        let letter = output.paint(style, letter);
        let path = RawText::from(change.path.as_bytes());
        output.line(format_args!("{letter} {path}"))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn tell(change: &Change) -> Told {
    Told {
        kind: match change.kind {
            ChangeKind::Modify => "modified",
            ChangeKind::Add => "added",
            ChangeKind::Delete => "deleted",
        },
        path: change.path.as_bytes().into(),
    }
}

pub(crate) fn apply(options: &Apply) -> Result<ExitCode, Failure> {
    let root = absolute(&options.root)?;
    check_apply(&options.base, &root)?;
    apply_rootfs_diff_tar(&options.base, &root)?;
    remove_deleted_files(options.root.as_os_str(), &options.base, &root)?;
    Ok(ExitCode::SUCCESS)
}

/// Refuses directories that aren't there, which the library takes for such without changes, and says so if there are none.
fn check_apply(base: &Path, root: &Path) -> Result<(), Failure> {
    for directory in [base, root] {
        let metadata = fs::metadata(directory);
        metadata.map_err(|error| Failure::File(directory.to_owned(), error))?;
    }
    let names = ["rootfs-diff.tar", "deleted.files"];
    if !names.iter().any(|name| base.join(name).exists()) {
        let base = RawText::from(base.as_os_str().as_bytes());
        warn(&format!(
            "{base:?} has neither {} nor {}: nothing is changed",
            names[0], names[1]
        ));
    }
    Ok(())
}
