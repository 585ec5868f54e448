//! What isn't exported: nothing is left of an archive that can't be whole, or that nobody could import.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::fs::symlink;
use std::path::Path;

use crutils::checkpoint::Export;

use super::export::{Bundle, assert_refused, content, members, plain};
use crate::support::api::delete;
use crate::support::door::{CRIO, Door, PODMAN};
use crate::support::export::REQUIRED;
use crate::support::os;
use crate::support::process::Test;

door_tests! {
    names_are_clean_and_relative_and_never_config_json,
    nothing_is_below_what_is_no_directory,
    what_no_import_takes_is_refused_before_anything_is_written,
    a_configuration_that_is_too_large_to_be_imported_is_refused,
    only_regular_files_are_added_as_files,
    a_required_member_that_is_missing_leaves_nothing,
    a_list_of_deletions_that_is_too_long_to_be_read_is_refused
}

fn names_are_clean_and_relative_and_never_config_json(_: &Test, door: &'static dyn Door) {
    let mut export = door.export();
    for name in [
        "",
        ".",
        "./a",
        "/a",
        "a/",
        "a//b",
        "a/./b",
        "a/../b",
        "..",
        "config.json",
        "config.json/x",
    ] {
        assert_refused(export.add_bytes(name, b""), libc::EINVAL, name);
    }
    let long = format!("{}xx", "d/".repeat(2047));
    assert_refused(export.add_bytes(&long, b""), libc::E2BIG, &long);
    export.add_bytes(&long[..4095], b"").unwrap();
    export.add_bytes("a/config.json", b"").unwrap();
    export.add_bytes("..a", b"").unwrap();
}

#[test]
fn no_name_has_a_nul() {
    // C's strings can't have one.
    let error = Export::new().add_bytes("a\0b", "").unwrap_err();
    assert_eq!(error.errno(), libc::EINVAL);
    assert_eq!(error.entry(), Some(&b"a\0b"[..]));
}

fn nothing_is_below_what_is_no_directory(_: &Test, door: &'static dyn Door) {
    let bundle = Bundle::new(door);
    for below in ["x/y", "x/y/z"] {
        let mut export = door.export();
        export.add_bytes("x", b"").unwrap();
        export.add_bytes(below, b"").unwrap();
        assert_refused(bundle.export(&*export, &plain()), libc::EINVAL, "x");
    }
    let mut export = bundle.podman();
    export.add_bytes("config.dump/x", b"").unwrap();
    assert_refused(
        bundle.export(&*export, &plain()),
        libc::EINVAL,
        "config.dump",
    );
    let mut export = bundle.podman();
    export.add_bytes("checkpoint/pages-1.img", b"own").unwrap();
    export.add_bytes("x-y", b"").unwrap();
    export.add_bytes("x", b"").unwrap();
    bundle.export(&*export, &plain()).unwrap();
    let pages = members(&bundle.archive());
    let pages = pages.iter().filter(|name| name.ends_with("pages-1.img"));
    assert_eq!(pages.count(), 1);
    assert_eq!(content(&bundle.archive(), "checkpoint/pages-1.img"), b"own");
}

fn what_no_import_takes_is_refused_before_anything_is_written(_: &Test, door: &'static dyn Door) {
    type Make = fn(&Path);
    let cases: [(&str, Make, i32); 5] = [
        (
            "artifacts/l",
            |path| symlink("/etc", path).unwrap(),
            libc::EXDEV,
        ),
        (
            "checkpoint/other",
            |path| symlink("../x", path).unwrap(),
            libc::EXDEV,
        ),
        (
            "checkpoint/fifo",
            |path| os::mknod(path, libc::S_IFIFO, 0, 0).unwrap(),
            libc::EPERM,
        ),
        (
            "stats-dump",
            |path| os::mknod(path, libc::S_IFIFO, 0, 0).unwrap(),
            libc::EPERM,
        ),
        (
            "ctr.log",
            |path| symlink("/var/log/x", path).unwrap(),
            libc::EXDEV,
        ),
    ];
    for (name, make, errno) in cases {
        let bundle = Bundle::new(door);
        bundle.write("artifacts/x", "");
        make(&bundle.path.join(name));
        assert_refused(bundle.export(&*bundle.podman(), &plain()), errno, name);
        assert_eq!(bundle.left(), [""; 0]);
    }
    let bundle = Bundle::new(door);
    symlink("../pre-checkpoint", bundle.path.join("checkpoint/parent")).unwrap();
    bundle.export(&*bundle.podman(), &plain()).unwrap();
    let into = bundle.sandbox.path().join("imported");
    door.import_without_config(&into, &bundle.archive())
        .unwrap();
    let link = fs::read_link(into.join("checkpoint/parent")).unwrap();
    assert_eq!(link, Path::new("../pre-checkpoint"));
}

fn a_configuration_that_is_too_large_to_be_imported_is_refused(_: &Test, door: &'static dyn Door) {
    let bundle = Bundle::new(door);
    let file = File::options()
        .write(true)
        .open(bundle.path.join("config.dump"))
        .unwrap();
    file.set_len((16 << 20) + 1).unwrap();
    assert_refused(
        bundle.export(&*bundle.podman(), &plain()),
        libc::E2BIG,
        "config.dump",
    );
    file.set_len(16 << 20).unwrap();
    bundle.export(&*bundle.podman(), &plain()).unwrap();
}

fn only_regular_files_are_added_as_files(_: &Test, door: &'static dyn Door) {
    let bundle = Bundle::new(door);
    let fifo = bundle.sandbox.path().join("fifo");
    os::mknod(&fifo, libc::S_IFIFO | 0o600, 0, 0).unwrap();
    let mut export = door.export();
    for path in [&fifo, &bundle.path] {
        assert_refused(export.add_file("x", path.into()), libc::EINVAL, "x");
    }
    let missing = bundle.sandbox.path().join("missing");
    assert_refused(export.add_file("x", (&missing).into()), libc::ENOENT, "x");
    export.add_bytes("x", b"").unwrap();
}

fn a_required_member_that_is_missing_leaves_nothing(_: &Test, door: &'static dyn Door) {
    for (layout, name, entry) in [
        (PODMAN, "config.dump", "config.dump"),
        (PODMAN, "spec.dump", "spec.dump"),
        (PODMAN, "checkpoint", "checkpoint"),
        (CRIO, "config.dump", "config.dump"),
        (CRIO, "spec.dump", "spec.dump"),
        (CRIO, "checkpoint", "checkpoint"),
    ] {
        let bundle = Bundle::new(door);
        fs::rename(bundle.path.join(name), bundle.path.join("away")).unwrap();
        let mut export = door.export();
        export.add_bundle((&bundle.path).into(), layout).unwrap();
        fs::write(bundle.archive(), "from before").unwrap();
        assert_refused(bundle.export(&*export, &plain()), libc::ENOENT, entry);
        assert_eq!(bundle.left(), ["archive"]);
        assert_eq!(fs::read(bundle.archive()).unwrap(), b"from before");
    }
    let bundle = Bundle::new(door);
    let mut export = door.export();
    export
        .add_member((&bundle.path).into(), "nowhere/x", REQUIRED)
        .unwrap();
    // Nothing is written to a pipe either.
    let (mut reader, writer) = std::io::pipe().unwrap();
    let outcome = export.write(writer.as_fd().into(), &plain(), None);
    assert_refused(outcome, libc::ENOENT, "nowhere/x");
    drop(writer);
    assert_eq!(std::io::Read::read(&mut reader, &mut [0]).unwrap(), 0);
}

fn a_list_of_deletions_that_is_too_long_to_be_read_is_refused(_: &Test, door: &'static dyn Door) {
    let bundle = Bundle::new(door);
    let name =
        |number: usize| format!("/{number:05}{}", format!("{}/", "d".repeat(250)).repeat(15));
    // 64 MiB, with quotation marks, commas and the like.
    for (number, fits) in [(17_700, true), (17_800, false)] {
        let mut export = door.export();
        let changes: Vec<_> = (0..number).map(|number| delete(name(number))).collect();
        export
            .add_rootfs_diff(&changes, (&bundle.path).into())
            .unwrap();
        let outcome = bundle.export(&*export, &plain());
        if fits {
            outcome.unwrap();
            assert!(fs::metadata(bundle.archive()).unwrap().len() < 64 << 20);
        } else {
            assert_eq!(outcome.unwrap_err().errno, libc::E2BIG);
        }
    }
}
