//! What an inspection costs in system calls, as strace counts them.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use crutils::checkpoint::{Engine, Export, ExportOptions, InspectOptions, Inspection};
use crutils::watch::Watch;

use crate::support::dice::noise;
use crate::support::sandbox::{Sandbox, run};
use crate::support::stage::archives;
use crate::system_calls::{TRACED, calls, untraceable};

/// An archive of two processes, with much memory between what is read of the first one's and of the second one's.
fn prepare(directory: &Path) {
    let sandbox = Sandbox::new();
    let (bundle, real) = (sandbox.dir("bundle"), archives().join("rich.tar.zst"));
    run(&format!(
        "tar --zstd --no-same-owner -xf {} -C {}",
        real.display(),
        bundle.display()
    ))
    .unwrap();
    let pages = OpenOptions::new()
        .append(true)
        .open(bundle.join("checkpoint/pages-1.img"));
    pages.unwrap().write_all(&noise(48 << 20, 3)).unwrap();
    let mut export = Export::new();
    export.add_bundle(&bundle, Engine::Podman).unwrap();
    let archive = directory.join("checkpoint.tar.zst");
    export
        .write(&archive, &ExportOptions::new(), &Watch::new())
        .unwrap();
}

fn inspect(directory: &Path) {
    let mut options = InspectOptions::new();
    let reads_text = !directory.join("without-text").exists();
    options.text(reads_text);
    let inspection = Inspection::open(
        &directory.join("checkpoint.tar.zst"),
        &options,
        &Watch::new(),
    )
    .unwrap();
    let is_told = |pid: u32| inspection.process(pid).unwrap().arguments.is_some();
    assert_eq!([is_told(1), is_told(44)], [reads_text; 2]);
}

/// Each block of 128 KiB is a header that is read: who goes to memory behind others doesn't read all of them again.
#[test]
fn frames_of_an_archive_are_looked_for_once() {
    if let Some(directory) = std::env::var_os(TRACED) {
        return inspect(Path::new(&directory));
    }
    if let Some(reason) = untraceable() {
        crate::skip!("frames_of_an_archive_are_looked_for_once: {reason}");
    }
    let sandbox = Sandbox::new();
    prepare(sandbox.path());
    let count = || {
        calls(
            "inspect_calls::frames_of_an_archive_are_looked_for_once",
            sandbox.path(),
        )["pread64"]
    };
    let with = count();
    fs::write(sandbox.path().join("without-text"), "").unwrap();
    let without = count();
    // 48 MiB have 384 blocks.
    assert!(without >= 384, "{without}");
    assert!(with - without < 60, "{with} and {without}");
}
