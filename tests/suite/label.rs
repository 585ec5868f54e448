//! Creating a file with a label: in the one directory, never through a link.

use std::ffi::{CStr, OsStr};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink as make_symlink};

use crate::support::os;
use crate::support::process::{Test, Within};
use crate::support::sandbox::Sandbox;
use crate::support::stage::assert_errno;
use crate::support::tree::{Aspects, Snapshot};

const NONE: &CStr = c"";
const LABEL: &CStr = c"system_u:object_r:container_file_t:s0";

fn selinux_is_enabled() -> bool {
    fs::metadata("/sys/fs/selinux/enforce").is_ok()
}

api_tests! {
    an_empty_private_file_is_made,
    an_existing_file_is_truncated_and_keeps_its_mode,
    a_name_is_one_component,
    a_link_in_its_place_is_not_followed,
    what_is_no_regular_file_is_never_waited_for,
    a_missing_directory_is_an_error,
    without_selinux_a_label_changes_nothing
}

fn an_empty_private_file_is_made(t: &Test) {
    t.within(Within::Umask(0), || {
        let sandbox = Sandbox::new();
        t.create_file_with_label(sandbox.path(), OsStr::new("restore.log"), NONE)
            .unwrap();
        let meta = fs::metadata(sandbox.path().join("restore.log")).unwrap();
        assert_eq!((meta.len(), meta.mode() & 0o7777), (0, 0o600));
    });
}

fn an_existing_file_is_truncated_and_keeps_its_mode(t: &Test) {
    let sandbox = Sandbox::new();
    let path = sandbox.path().join("dump.log");
    fs::write(&path, "stale").unwrap();
    fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
    t.create_file_with_label(sandbox.path(), OsStr::new("dump.log"), NONE)
        .unwrap();
    let meta = fs::metadata(&path).unwrap();
    assert_eq!((meta.len(), meta.mode() & 0o7777), (0, 0o640));
}

fn a_name_is_one_component(t: &Test) {
    let sandbox = Sandbox::new();
    let directory = sandbox.dir("d/sub");
    let before = Snapshot::of(sandbox.path());
    for name in ["", ".", "..", "../x", "/x", "a/b", "x/", "./x"] {
        assert_errno(
            t.create_file_with_label(&directory, OsStr::new(name), NONE),
            libc::EINVAL,
        );
    }
    assert_errno(
        t.create_file_with_label(&directory, OsStr::new(&"n".repeat(256)), NONE),
        libc::ENAMETOOLONG,
    );
    before.assert_same(
        &Snapshot::of(sandbox.path()),
        Aspects::UNTOUCHED,
        "nothing is made",
    );
}

fn a_link_in_its_place_is_not_followed(t: &Test) {
    let sandbox = Sandbox::new();
    let directory = sandbox.dir("d");
    fs::write(sandbox.path().join("victim"), "kept").unwrap();
    for (name, target) in [("there", "../victim"), ("dangling", "../new")] {
        make_symlink(target, directory.join(name)).unwrap();
        t.create_file_with_label(&directory, OsStr::new(name), NONE)
            .unwrap_err();
    }
    assert_eq!(
        fs::read_to_string(sandbox.path().join("victim")).unwrap(),
        "kept"
    );
    assert!(!sandbox.path().join("new").exists());
}

fn what_is_no_regular_file_is_never_waited_for(t: &Test) {
    let sandbox = Sandbox::new();
    os::mknod(&sandbox.path().join("fifo"), libc::S_IFIFO | 0o600, 0, 0).unwrap();
    sandbox.dir("dir");
    t.create_file_with_label(sandbox.path(), OsStr::new("fifo"), NONE)
        .unwrap_err();
    assert_errno(
        t.create_file_with_label(sandbox.path(), OsStr::new("dir"), NONE),
        libc::EISDIR,
    );
    if os::is_real_root() {
        os::mknod(&sandbox.path().join("null"), libc::S_IFCHR | 0o600, 1, 3).unwrap();
        t.create_file_with_label(sandbox.path(), OsStr::new("null"), NONE)
            .unwrap_err();
    }
}

fn a_missing_directory_is_an_error(t: &Test) {
    let sandbox = Sandbox::new();
    let missing = sandbox.path().join("missing");
    assert_errno(
        t.create_file_with_label(&missing, OsStr::new("x"), NONE),
        libc::ENOENT,
    );
}

fn without_selinux_a_label_changes_nothing(t: &Test) {
    if selinux_is_enabled() {
        skip!("SELinux is enabled here");
    }
    let sandbox = Sandbox::new();
    t.create_file_with_label(sandbox.path(), OsStr::new("x"), LABEL)
        .unwrap();
    assert!(Snapshot::of(sandbox.path()).get("x").xattrs.is_empty());
}
