//! What a mounted overlay tells of its directories.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::changes::{lines, mount, write};
use crate::changes_overlay::tree;
use crate::support::api::{ARGUMENT, SYSTEM, UNSUPPORTED};
use crate::support::changes::{Look, TRUSTED};
use crate::support::door::Door;
use crate::support::overlay::Overlay;
use crate::support::process::Test;
use crate::support::sandbox::{Fs, Sandbox, run};

door_tests! {
    the_directories_of_a_mounted_overlay_are_found,
    what_the_index_alone_has_is_found,
    paths_of_an_overlay_may_start_at_a_directory_above_it,
    options_of_the_caller_stand_before_those_of_the_mount,
    an_overlay_that_nobody_can_write_to_has_no_changes,
    what_is_no_mounted_overlay_is_refused
}

fn found(door: &dyn Door, mount_point: &Path) -> Vec<String> {
    lines(&mount(door, mount_point, &Look::new()).unwrap())
}

/// Mounts an overlay at `base/m` with options as they are, from the working directory `base`.
fn mounted(base: &Path, options: &str) -> Result<PathBuf, String> {
    let output = Command::new("mount")
        .args(["-t", "overlay", "overlay", "-o", options, "m"])
        .current_dir(base)
        .output()
        .unwrap();
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(base.join("m"))
}

fn the_directories_of_a_mounted_overlay_are_found(_: &Test, door: &'static dyn Door) {
    for options in ["", "userxattr", "redirect_dir=on,metacopy=on"] {
        let o = needs_overlay!(Overlay::new(2, options, |_, root| tree(root)));
        assert_eq!(found(door, &o.merged), [""; 0], "{options}");
        fs::remove_file(o.at("h")).unwrap();
        // A directory that hides the one below says so in an attribute, whose name is that of the mount.
        fs::remove_dir_all(o.at("d")).unwrap();
        o.write("d/new", "");
        let expected = ["C /d", "D /d/e", "D /d/g", "A /d/new", "D /h"];
        assert_eq!(found(door, &o.merged), expected, "{options}");
        symlink(&o.merged, o.sandbox.path().join("link")).unwrap();
        assert_eq!(found(door, &o.sandbox.path().join("link")), expected);
    }
}

fn what_the_index_alone_has_is_found(_: &Test, door: &'static dyn Door) {
    let o = needs_overlay!(Overlay::new(1, "index=on", |_, root| {
        write(root, "a", "content");
        fs::hard_link(root.join("a"), root.join("b")).unwrap();
    }));
    fs::write(o.at("a"), "other").unwrap();
    fs::remove_file(o.at("a")).unwrap();
    assert_eq!(found(door, &o.merged), ["D /a", "C /b"]);
}

fn paths_of_an_overlay_may_start_at_a_directory_above_it(_: &Test, door: &'static dyn Door) {
    needs_root!("mount overlays");
    let mut sandbox = Sandbox::on(Fs::Tmpfs).unwrap();
    let base = sandbox.dir("storage");
    for directory in ["l/A=B", "l/a:b", "id 1/diff", "id 1/work", "m"] {
        fs::create_dir_all(base.join(directory)).unwrap();
    }
    write(&base, "l/A=B/top", "");
    write(&base, "l/a:b/bottom", "");
    let options = r"lowerdir=l/A=B:l/a\:b,upperdir=id 1/diff,workdir=id 1/work";
    let m = match mounted(&base, options) {
        Ok(m) => m,
        Err(reason) => crate::skip!("{reason}"),
    };
    sandbox.unmount_later(&m);
    for name in ["top", "bottom"] {
        fs::remove_file(m.join(name)).unwrap();
    }
    assert_eq!(found(door, &m), ["D /bottom", "D /top"]);
    // They are moved away, and the mount doesn't tell.
    fs::rename(base.join("l"), base.join("elsewhere")).unwrap();
    let error = mount(door, &m, &Look::new()).unwrap_err();
    assert_eq!((error.errno, error.kind), (libc::ENOENT, SYSTEM));
}

fn options_of_the_caller_stand_before_those_of_the_mount(_: &Test, door: &'static dyn Door) {
    let o = needs_overlay!(Overlay::new(1, "userxattr", |_, root| tree(root)));
    fs::remove_dir_all(o.at("d")).unwrap();
    o.write("d/new", "");
    let trusted = Look::new().overlay_xattrs(TRUSTED);
    let changes = mount(door, &o.merged, &trusted).unwrap();
    assert_eq!(lines(&changes), ["C /d", "A /d/new"]);
}

fn an_overlay_that_nobody_can_write_to_has_no_changes(_: &Test, door: &'static dyn Door) {
    needs_root!("mount overlays");
    let mut sandbox = Sandbox::on(Fs::Tmpfs).unwrap();
    let base = sandbox.dir("storage");
    for directory in ["a", "b", "m"] {
        fs::create_dir(base.join(directory)).unwrap();
    }
    let m = match mounted(&base, "lowerdir=a:b") {
        Ok(m) => m,
        Err(reason) => crate::skip!("{reason}"),
    };
    sandbox.unmount_later(&m);
    assert_eq!(found(door, &m), [""; 0]);
}

fn what_is_no_mounted_overlay_is_refused(_: &Test, door: &'static dyn Door) {
    let mut o = needs_overlay!(Overlay::new(1, "", |_, root| tree(root)));
    let part = o.sandbox.dir("part");
    run(&format!(
        "mount --bind {} {}",
        o.at("d").display(),
        part.display()
    ))
    .unwrap();
    o.sandbox.unmount_later(&part);
    let failure = |path: &Path| {
        let error = mount(door, path, &Look::new()).unwrap_err();
        (error.errno, error.kind)
    };
    assert_eq!(failure(&o.at("d")), (libc::EINVAL, ARGUMENT), "below it");
    assert_eq!(failure(&part), (libc::EINVAL, ARGUMENT), "a part of it");
    let plain = Sandbox::new();
    assert_eq!(failure(plain.path()), (libc::EINVAL, ARGUMENT), "the host");
    let other = o.sandbox.path();
    assert_eq!(failure(other), (libc::EOPNOTSUPP, UNSUPPORTED), "a tmpfs");
    assert_eq!(failure(&o.at("missing")), (libc::ENOENT, SYSTEM));
    assert_eq!(failure(&o.at("h")), (libc::ENOTDIR, SYSTEM));
}
