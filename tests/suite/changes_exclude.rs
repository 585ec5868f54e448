//! What is left out of the list of changes.

use std::fs;

use crate::changes::write;
use crate::changes_directories::{Two, tree};
use crate::support::changes::Look;
use crate::support::door::{CRIO, Door, PODMAN};
use crate::support::process::Test;

fn excluding(exact: &[&str], subtrees: &[&str]) -> Look {
    let look = exact
        .iter()
        .fold(Look::new(), |look, path| look.exact(path));
    subtrees.iter().fold(look, |look, path| look.subtree(path))
}

door_tests! {
    exact_paths_and_subtrees_are_left_out,
    an_added_directory_with_something_left_out_does_not_stand_for_its_content,
    the_engines_own_files_can_be_left_out,
    the_destinations_of_bind_mounts_are_left_out,
    a_specification_that_is_none_is_refused,
    a_directory_that_changed_because_of_what_is_left_out_alone_is_left_out_with_it,
    what_is_mounted_in_the_new_directory_is_not_looked_into
}

fn exact_paths_and_subtrees_are_left_out(_: &Test, door: &'static dyn Door) {
    let two = Two::of(door, tree);
    for path in ["d/e/f", "d/g", "h"] {
        fs::write(two.new.join(path), "changed here").unwrap();
    }
    assert_eq!(
        two.with(&excluding(&["/h", "d/"], &[])),
        ["C /d/e", "C /d/e/f", "C /d/g"]
    );
    assert_eq!(
        two.with(&excluding(&[], &["/d/e"])),
        ["C /d", "C /d/g", "C /h"]
    );
    assert_eq!(two.with(&excluding(&[], &["/d"])), ["C /h"]);
    assert_eq!(two.with(&excluding(&[], &["/"])), [""; 0]);
    assert_eq!(
        two.with(&excluding(&["/d/ex", "/d/e/f/x"], &["/dd", "/hh"]))
            .len(),
        5,
        "whole components only"
    );
}

fn an_added_directory_with_something_left_out_does_not_stand_for_its_content(
    _: &Test,
    door: &'static dyn Door,
) {
    let two = Two::of(door, |_| {});
    write(&two.new, "run/secrets/key", "");
    write(&two.new, "run/app/pid", "");
    write(&two.new, "etc/hosts", "");
    write(&two.new, "etc/passwd", "");
    let options = excluding(&["/etc/hosts"], &["/run/secrets"]);
    let expected = [
        "C /etc",
        "A /etc/passwd",
        "C /run",
        "A /run/app",
        "A /run/app/pid",
    ];
    assert_eq!(two.with(&options), expected);
}

fn the_engines_own_files_can_be_left_out(_: &Test, door: &'static dyn Door) {
    let two = Two::of(door, |_| {});
    for path in [
        "dev/shm/x",
        "etc/hostname",
        "etc/mtab",
        "proc/1",
        "run/.containerenv",
        "run/x",
        "sys/y",
    ] {
        write(&two.new, path, "");
    }
    let podman = [
        "A /dev/shm",
        "A /dev/shm/x",
        "A /proc/1",
        "A /run/x",
        "A /sys/y",
    ];
    assert_eq!(two.with(&Look::new().engine(PODMAN)), podman);
    let crio = [
        "A /dev/shm/x",
        "A /etc",
        "A /etc/hostname",
        "A /etc/mtab",
        "A /proc/1",
        "A /run/x",
        "A /sys/y",
    ];
    assert_eq!(two.with(&Look::new().engine(CRIO)), crio);
}

fn the_destinations_of_bind_mounts_are_left_out(_: &Test, door: &'static dyn Door) {
    let two = Two::of(door, |_| {});
    for path in ["etc/hosts", "srv/data", "tmp/x", "var/log"] {
        write(&two.new, path, "");
    }
    let spec = two.sandbox.path().join("config.json");
    let mounts = r#"{"mounts": [
        {"destination": "/etc/hosts", "type": "bind", "source": "/x", "options": ["ro"]},
        {"destination": "/srv/data", "source": "/y", "options": ["rbind", "rw"]},
        {"destination": "/tmp/x", "type": "tmpfs", "source": "tmpfs"}
    ]}"#;
    fs::write(&spec, mounts).unwrap();
    let expected = ["A /tmp", "A /tmp/x", "A /var", "A /var/log"];
    assert_eq!(two.with(&Look::new().bind_mounts(&spec)), expected);
}

fn a_specification_that_is_none_is_refused(_: &Test, door: &'static dyn Door) {
    let two = Two::of(door, tree);
    let spec = two.sandbox.path().join("config.json");
    let refused = || {
        let look = Look::new().bind_mounts(&spec);
        let (new, old) = ((&two.new).into(), Some((&two.old).into()));
        let error = door.directories(new, old, &look, None).unwrap_err();
        assert!(error.to_string().contains("config.json"), "{error}");
        error.errno
    };
    assert_eq!(refused(), libc::ENOENT);
    fs::write(&spec, r#"{"mounts": [{"destination": 7}]}"#).unwrap();
    assert_eq!(refused(), libc::EBADMSG);
    fs::rename(&spec, two.sandbox.path().join("target")).unwrap();
    std::os::unix::fs::symlink("target", &spec).unwrap();
    assert_eq!(refused(), libc::ELOOP);
    fs::remove_file(&spec).unwrap();
    fs::create_dir(&spec).unwrap();
    assert_eq!(refused(), libc::EISDIR);
}

fn a_directory_that_changed_because_of_what_is_left_out_alone_is_left_out_with_it(
    _: &Test,
    door: &'static dyn Door,
) {
    use std::os::unix::fs::PermissionsExt;
    let two = Two::of(door, |root| {
        for name in ["srv", "opt", "var"] {
            fs::create_dir(root.join(name)).unwrap();
        }
    });
    for path in [
        "srv/data",
        "opt/vol",
        "var/vol",
        "data/deep/vol",
        "own/vol",
        "both/vol",
    ] {
        fs::create_dir_all(two.new.join(path)).unwrap();
    }
    write(&two.new, "both/file", "");
    write(&two.new, "var/new", "");
    for name in ["opt", "own"] {
        fs::set_permissions(two.new.join(name), fs::Permissions::from_mode(0o700)).unwrap();
    }
    let (mut exact, subtrees) = (
        vec!["/srv/data", "/opt/vol"],
        ["/var/vol", "/data/deep/vol"],
    );
    exact.extend(["/own/vol", "/both/vol"]);
    let expected = [
        "C /both",
        "A /both/file",
        "C /opt",
        "C /own",
        "C /var",
        "A /var/new",
    ];
    assert_eq!(two.with(&excluding(&exact, &subtrees)), expected);
    // Something else has changed the directory's times.
    let two = Two::of(door, |root| fs::create_dir(root.join("srv")).unwrap());
    write(&two.new, "srv/new", "");
    fs::remove_file(two.new.join("srv/new")).unwrap();
    assert_eq!(two.with(&excluding(&["/srv/data"], &[])), ["C /srv"]);
}

fn what_is_mounted_in_the_new_directory_is_not_looked_into(_: &Test, door: &'static dyn Door) {
    needs_root!("mount");
    let mut two = Two::of(door, tree);
    fs::create_dir(two.new.join("added")).unwrap();
    for path in ["d", "added"] {
        let at = two.new.join(path);
        two.sandbox.mount_tmpfs(&at);
        fs::write(at.join("foreign"), "").unwrap();
    }
    assert_eq!(two.lines(), ["A /added"]);
}
