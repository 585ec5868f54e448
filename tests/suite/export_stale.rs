//! What changes while it is exported: an archive is whole, or there is none.

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread;

use super::export::{Bundle, content, members, plain};
use super::export_nested::of_directory;
use crate::support::api::Outcome;
use crate::support::door::{CRIO, Door};
use crate::support::export::{Export, Exported};
use crate::support::process::Test;
use crate::support::sandbox::{Fs, Sandbox};

/// Exports into a pipe of which `between` sees the first bytes, when the exporter can't go on for want of room.
fn while_it_is_written(
    export: &dyn Export,
    between: impl FnOnce(),
) -> (Outcome<Exported>, Vec<u8>) {
    let (mut reader, writer) = std::io::pipe().unwrap();
    thread::scope(|scope| {
        let exporting = scope.spawn(move || export.write(writer.as_fd().into(), &plain(), None));
        let mut bytes = vec![0; 1 << 20];
        reader.read_exact(&mut bytes).unwrap();
        between();
        reader.read_to_end(&mut bytes).unwrap();
        (exporting.join().unwrap(), bytes)
    })
}

/// A directory with a file that is more than the pipe and all buffers can take, and a second one behind it.
fn long_and_late(bundle: &Bundle, name: &str) -> PathBuf {
    let directory = bundle.sandbox.dir(name);
    fs::write(directory.join("a-long"), vec![b'l'; 4 << 20]).unwrap();
    fs::write(directory.join("late"), "what is late").unwrap();
    directory
}

door_tests! {
    a_nested_file_that_changes_before_its_turn_is_stale_but_for_growing,
    a_new_file_with_the_number_of_one_that_is_gone_is_not_taken_for_it,
    a_file_of_the_bundle_that_shrinks_is_stale_and_one_that_grows_is_not,
    what_vanishes_once_writing_has_begun_is_an_error_unless_it_is_a_member_that_is_optional
}

fn a_nested_file_that_changes_before_its_turn_is_stale_but_for_growing(
    _: &Test,
    door: &'static dyn Door,
) {
    type Mutate = fn(&Path);
    let cases: [(&str, Mutate); 4] = [
        ("shrinks", |late| fs::write(late, "short").unwrap()),
        ("vanishes", |late| fs::remove_file(late).unwrap()),
        ("is replaced", |late| {
            fs::write(late.with_extension("new"), "what is late").unwrap();
            fs::rename(late.with_extension("new"), late).unwrap();
        }),
        ("changes its mode", |late| {
            fs::set_permissions(late, fs::Permissions::from_mode(0o600)).unwrap();
        }),
    ];
    for (what, mutate) in cases {
        let bundle = Bundle::new(door);
        let volume = long_and_late(&bundle, "volume");
        fs::set_permissions(volume.join("late"), fs::Permissions::from_mode(0o644)).unwrap();
        let (outcome, _) = while_it_is_written(&*of_directory(door, &volume), || {
            mutate(&volume.join("late"))
        });
        let error = outcome.unwrap_err();
        assert_eq!(error.errno, libc::ESTALE, "{what}: {error}");
        assert_eq!(error.entry.as_deref(), Some(&b"./late"[..]), "{what}");
    }
    let bundle = Bundle::new(door);
    let volume = long_and_late(&bundle, "volume");
    let (outcome, bytes) = while_it_is_written(&*of_directory(door, &volume), || {
        fs::write(volume.join("late"), "what is later and longer").unwrap();
        fs::remove_file(volume.join("a-long")).unwrap();
    });
    outcome.unwrap();
    fs::write(bundle.archive(), bytes).unwrap();
    let inner = bundle.out.join("inner");
    fs::write(&inner, content(&bundle.archive(), "volumes/v.tar")).unwrap();
    assert_eq!(content(&inner, "./late"), b"what is late");
}

fn a_new_file_with_the_number_of_one_that_is_gone_is_not_taken_for_it(
    _: &Test,
    door: &'static dyn Door,
) {
    let mut reused = 0;
    for fs_kind in Fs::COMMON {
        let Some(sandbox) = Sandbox::on(fs_kind) else {
            continue;
        };
        let volume = sandbox.dir("volume");
        fs::write(volume.join("a-long"), vec![b'l'; 4 << 20]).unwrap();
        let late = volume.join("late");
        fs::write(&late, "what is late").unwrap();
        let number = || fs::metadata(&late).unwrap().ino();
        let before = number();
        let (outcome, _) = while_it_is_written(&*of_directory(door, &volume), || {
            fs::remove_file(&late).unwrap();
            fs::write(&late, "WHAT IS LATE").unwrap();
        });
        assert_eq!(outcome.unwrap_err().errno, libc::ESTALE, "{fs_kind:?}");
        reused += u32::from(number() == before);
    }
    if reused == 0 {
        skip!("no file system gives a number out again at once");
    }
}

fn a_file_of_the_bundle_that_shrinks_is_stale_and_one_that_grows_is_not(
    _: &Test,
    door: &'static dyn Door,
) {
    let bundle = Bundle::new(door);
    bundle.write("checkpoint/a-long", vec![b'l'; 4 << 20]);
    let export = bundle.of(CRIO);
    let long = bundle.path.join("checkpoint/a-long");
    let (outcome, bytes) = while_it_is_written(&*export, || {
        let mut file = File::options().append(true).open(&long).unwrap();
        std::io::Write::write_all(&mut file, b"more").unwrap();
    });
    outcome.unwrap();
    fs::write(bundle.archive(), bytes).unwrap();
    let own = content(&bundle.archive(), "checkpoint/a-long");
    assert!(own == vec![b'l'; 4 << 20]);
    let (outcome, _) = while_it_is_written(&*export, || {
        File::options()
            .write(true)
            .open(&long)
            .unwrap()
            .set_len(3 << 20)
            .unwrap();
    });
    let error = outcome.unwrap_err();
    assert_eq!(error.errno, libc::ESTALE, "{error}");
    assert_eq!(error.entry.as_deref(), Some(&b"checkpoint/a-long"[..]));
}

fn what_vanishes_once_writing_has_begun_is_an_error_unless_it_is_a_member_that_is_optional(
    _: &Test,
    door: &'static dyn Door,
) {
    let bundle = Bundle::new(door);
    bundle.write("stats-dump", vec![b'l'; 4 << 20]);
    bundle.write("bind.mounts", "[]");
    bundle.write("checkpoint/extra", "");
    let export = bundle.of(CRIO);
    let (outcome, bytes) = while_it_is_written(&*export, || {
        fs::remove_file(bundle.path.join("bind.mounts")).unwrap();
    });
    let missing = outcome.unwrap().missing;
    assert_eq!(missing.last().unwrap(), "bind.mounts");
    fs::write(bundle.archive(), bytes).unwrap();
    let expected = [
        "stats-dump",
        "checkpoint/",
        "checkpoint/extra",
        "checkpoint/inventory.img",
        "checkpoint/pages-1.img",
        "config.dump",
        "spec.dump",
    ];
    assert_eq!(members(&bundle.archive()), expected);
    let (outcome, _) = while_it_is_written(&*export, || {
        fs::remove_file(bundle.path.join("checkpoint/extra")).unwrap();
    });
    let error = outcome.unwrap_err();
    assert_eq!(
        (error.errno, error.entry.as_deref()),
        (libc::ESTALE, Some(&b"checkpoint"[..]))
    );
    let (outcome, _) = while_it_is_written(&*export, || {
        fs::remove_file(bundle.path.join("spec.dump")).unwrap();
    });
    let error = outcome.unwrap_err();
    assert_eq!(
        (error.errno, error.entry.as_deref()),
        (libc::ENOENT, Some(&b"spec.dump"[..]))
    );
}
