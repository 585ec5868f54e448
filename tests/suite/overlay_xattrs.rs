//! The xattrs in which overlays keep their state: data in a directory of its own, left out of a rootfs diff.

use super::export::{content, plain, said};
use crate::support::api::add;
use crate::support::door::{Door, XATTR};
use crate::support::export::Export;
use crate::support::os;
use crate::support::process::Test;
use crate::support::sandbox::Sandbox;
use std::fs;
use std::path::{Path, PathBuf};

/// Another engine's layers: an opaque directory, a renamed one, a file without its data.
const STATE: [(&str, &str, &[u8]); 4] = [
    ("d", "trusted.overlay.opaque", b"y"),
    ("d/e", "trusted.overlay.redirect", b"/old"),
    ("d/f", "trusted.overlay.metacopy", b""),
    ("d/g", "user.fuseoverlayfs.origin", b"x"),
];

fn storage(sandbox: &Sandbox) -> PathBuf {
    let storage = sandbox.dir("storage");
    fs::create_dir_all(storage.join("d/e")).unwrap();
    fs::write(storage.join("d/f"), "f").unwrap();
    fs::write(storage.join("d/g"), "g").unwrap();
    for (path, name, value) in STATE {
        os::set_xattr(&storage.join(path), name, value).unwrap();
    }
    os::set_xattr(&storage.join("d/f"), "user.note", b"kept").unwrap();
    storage
}

/// Exports; what GNU tar makes of the member `name`, and the objects that were warned of.
fn extracted(
    door: &dyn Door,
    sandbox: &Sandbox,
    export: &dyn Export,
    keeps: bool,
    name: &str,
) -> (PathBuf, Vec<String>) {
    let (archive, inner) = (sandbox.path().join("archive"), sandbox.path().join("inner"));
    let (options, watch) = (plain().overlay_xattrs(keeps), door.watch(None));
    export
        .write((&archive).into(), &options, Some(&*watch))
        .unwrap();
    fs::write(&inner, content(&archive, name)).unwrap();
    let into = sandbox.dir(&format!("into-{keeps}-{name}"));
    let line = [
        "tar",
        "--xattrs",
        "--xattrs-include=*",
        "-C",
        into.to_str().unwrap(),
        "-xpf",
    ];
    said(&line, &inner);
    let told = watch.warned().into_iter();
    let told = told.map(|(kind, member)| {
        assert_eq!(kind, XATTR);
        member
    });
    (into, told.collect())
}

fn has_state(root: &Path) -> Vec<bool> {
    let has = |(path, name, value): (&str, &str, &[u8])| {
        os::xattr(&root.join(path), name.as_bytes())
            .unwrap()
            .as_deref()
            == Some(value)
    };
    assert_eq!(
        os::xattr(&root.join("d/f"), b"user.note").unwrap().unwrap(),
        b"kept"
    );
    STATE.map(has).to_vec()
}

door_tests! {
    they_are_kept_in_a_directory_that_is_an_archive_of_its_own,
    they_are_left_out_of_a_rootfs_diff_with_a_warning_unless_they_are_asked_for
}

fn they_are_kept_in_a_directory_that_is_an_archive_of_its_own(_: &Test, door: &'static dyn Door) {
    needs_root!("set trusted xattrs");
    let sandbox = Sandbox::new();
    let mut export = door.export();
    for name in ["volumes/v.tar", "devshm-checkpoint.tar"] {
        export
            .add_directory_tar(name, (&storage(&sandbox)).into())
            .unwrap();
    }
    for name in ["volumes/v.tar", "devshm-checkpoint.tar"] {
        let (into, told) = extracted(door, &sandbox, &*export, false, name);
        assert_eq!(has_state(&into), [true; 4]);
        assert_eq!(told, [""; 0]);
    }
}

fn they_are_left_out_of_a_rootfs_diff_with_a_warning_unless_they_are_asked_for(
    _: &Test,
    door: &'static dyn Door,
) {
    needs_root!("set trusted xattrs");
    let sandbox = Sandbox::new();
    let mut export = door.export();
    export
        .add_rootfs_diff(&[add("/d")], (&storage(&sandbox)).into())
        .unwrap();
    let (into, told) = extracted(door, &sandbox, &*export, false, "rootfs-diff.tar");
    assert_eq!(has_state(&into), [false; 4]);
    assert_eq!(
        told,
        ["d", "d/e", "d/f", "d/g"].map(|path| format!("rootfs-diff.tar/{path}"))
    );
    let (into, told) = extracted(door, &sandbox, &*export, true, "rootfs-diff.tar");
    assert_eq!(has_state(&into), [true; 4]);
    assert_eq!(told, [""; 0]);
}
