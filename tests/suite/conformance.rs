//! The conformance table: names, links and breakouts first, then the other cases that any unpacker has to pass.

use crate::support::api::SYSTEM;
use crate::support::process::Test;
use crate::support::stage::{Stage, assert_errno};
use crate::support::tarball::{file, hardlink, symlink};
use crate::support::tree::{Aspects, Kind};

api_tests! {
    an_selinux_label_in_an_archive_is_dropped,
    a_leading_parent_in_a_name_is_clamped_to_the_root,
    an_absolute_name_with_a_parent_is_clamped_to_the_root,
    a_hard_link_to_a_dangling_symlink_is_the_symlink,
    a_hard_link_to_a_file_outside_finds_nothing,
    a_hard_link_to_a_directory_outside_is_no_way_out,
    a_symlink_to_a_file_outside_is_stored_as_it_is,
    a_symlink_to_a_directory_outside_is_no_way_out,
    directories_are_not_made_behind_a_symlink_that_leads_outside,
    an_absolute_symlink_to_a_host_directory_is_no_way_out,
    a_neighbour_whose_name_begins_like_the_root_is_outside,
    a_file_named_like_the_root_is_refused_with_nothing_removed
}

fn an_selinux_label_in_an_archive_is_dropped(t: &Test) {
    let stage = Stage::new(t);
    stage
        .apply([file("foo", "x").xattr("security.selinux", "invalid")])
        .unwrap();
    assert_eq!(
        stage.tree().get("foo").xattrs.get(&b"security.selinux"[..]),
        None
    );
}

fn a_leading_parent_in_a_name_is_clamped_to_the_root(t: &Test) {
    let stage = Stage::new(t);
    stage.apply([file("../victim/dotdot", "x")]).unwrap();
    assert_eq!(stage.read("victim/dotdot"), "x");
}

fn an_absolute_name_with_a_parent_is_clamped_to_the_root(t: &Test) {
    let stage = Stage::new(t);
    stage.apply([file("/../victim/slash-dotdot", "x")]).unwrap();
    assert_eq!(stage.read("victim/slash-dotdot"), "x");
}

fn a_hard_link_to_a_dangling_symlink_is_the_symlink(t: &Test) {
    let stage = Stage::new(t);
    stage
        .apply([
            symlink("symlink1", "regfile"),
            hardlink("symlink2", "symlink1"),
            file("regfile", "x"),
        ])
        .unwrap();
    let tree = stage.tree();
    assert_eq!(
        tree.get("symlink2").kind,
        Kind::Symlink(b"regfile".to_vec())
    );
    assert_eq!(tree.get("symlink2").names, 2);
    assert_eq!(stage.read("symlink2"), "x");
}

fn a_hard_link_to_a_file_outside_finds_nothing(t: &Test) {
    let stage = Stage::new(t);
    assert_errno(
        stage.apply([hardlink("dotdot", "../victim/hello")]),
        libc::ENOENT,
    );
    assert_errno(
        stage.apply([hardlink("slash-dotdot", "/../victim/hello")]),
        libc::ENOENT,
    );
    assert_errno(
        stage.apply([hardlink("l", "../dest-evil/hello")]),
        libc::ENOENT,
    );
    assert_eq!(stage.tree().paths(), Vec::<String>::new());
}

fn a_hard_link_to_a_directory_outside_is_no_way_out(t: &Test) {
    for second in [
        file("loophole-victim/file", "x"),
        symlink("symlink", "loophole-victim/hello"),
        hardlink("hardlink", "loophole-victim/hello"),
        file("loophole-victim", "x"),
    ] {
        let stage = Stage::new(t);
        let failure = stage
            .apply([hardlink("loophole-victim", "../victim"), second])
            .unwrap_err();
        assert_eq!(
            (failure.errno, failure.kind),
            (libc::ENOENT, SYSTEM),
            "{failure:?}"
        );
        assert_eq!(failure.entry.as_deref(), Some(&b"loophole-victim"[..]));
        assert_eq!(stage.tree().paths(), Vec::<String>::new());
    }
}

fn a_symlink_to_a_file_outside_is_stored_as_it_is(t: &Test) {
    for target in ["../victim/hello", "/../victim/hello"] {
        let stage = Stage::new(t);
        stage.apply([symlink("dotdot", target)]).unwrap();
        assert_eq!(
            stage.tree().get("dotdot").kind,
            Kind::Symlink(target.into())
        );
    }
}

fn a_symlink_to_a_directory_outside_is_no_way_out(t: &Test) {
    let stage = Stage::new(t);
    let out = symlink("loophole-victim", "../victim");
    assert_errno(
        stage.apply([out.clone(), file("loophole-victim/file", "x")]),
        libc::ENOENT,
    );
    assert_errno(
        stage.apply([out.clone(), hardlink("hardlink", "loophole-victim/hello")]),
        libc::ENOENT,
    );
    stage
        .apply([out.clone(), symlink("symlink", "loophole-victim/hello")])
        .unwrap();
    assert_eq!(
        stage.tree().get("symlink").kind,
        Kind::Symlink(b"loophole-victim/hello".to_vec())
    );
    stage.apply([out, file("loophole-victim", "x")]).unwrap();
    assert_eq!(stage.read("loophole-victim"), "x");
}

fn directories_are_not_made_behind_a_symlink_that_leads_outside(t: &Test) {
    let stage = Stage::new(t);
    let outcome = stage.apply([
        symlink("dir/loophole", "../../victim"),
        file("dir/loophole/newdir/newfile", "x"),
    ]);
    assert_errno(outcome, libc::EEXIST);
}

fn an_absolute_symlink_to_a_host_directory_is_no_way_out(t: &Test) {
    let stage = Stage::new(t);
    let victim = stage.sandbox.path().join("outer/victim");
    let outcome = stage.apply([symlink("l", victim.to_str().unwrap()), file("l/pwn", "x")]);
    assert_errno(outcome, libc::ENOENT);
}

fn a_neighbour_whose_name_begins_like_the_root_is_outside(t: &Test) {
    let stage = Stage::new(t);
    assert_errno(
        stage.apply([symlink("l", "../dest-evil"), file("l/pwn", "x")]),
        libc::ENOENT,
    );
    stage.apply([file("../dest-evil/pwn", "x")]).unwrap();
    assert_eq!(stage.read("dest-evil/pwn"), "x");
}

fn a_file_named_like_the_root_is_refused_with_nothing_removed(t: &Test) {
    for name in ["..", "/", "../", "/..", "a/../.."] {
        let stage = Stage::new(t);
        stage.write("kept/file", "kept");
        for entry in [
            file(name, "x"),
            symlink(name, "x"),
            hardlink(name, "kept/file"),
        ] {
            let before = stage.tree();
            assert_errno(stage.apply([entry]), libc::EXDEV);
            before.assert_same(&stage.tree(), Aspects::UNTOUCHED, name);
        }
    }
}
