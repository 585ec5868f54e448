//! Applying: what names mean, parents, and what is replaced by what.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink as make_symlink};

use crate::support::acl;
use crate::support::os;
use crate::support::process::{Test, Within};
use crate::support::stage::{Stage, assert_errno};
use crate::support::tarball::{Dialect, Entry, dir, fifo, file, hardlink, member, symlink};
use crate::support::tree::{Aspects, Kind};

fn one_of_each() -> [Entry; 5] {
    [
        file("x", "new"),
        dir("x"),
        symlink("x", "target"),
        hardlink("x", "other"),
        fifo("x"),
    ]
}

api_tests! {
    the_archives_root_directory_is_passed_over,
    a_directory_entry_for_the_clamped_root_sets_its_metadata,
    names_are_cleaned_and_clamped,
    names_are_any_bytes,
    a_component_that_is_too_long_is_an_error,
    a_path_of_more_than_4095_bytes_is_refused,
    a_deep_tree_works_with_few_descriptors,
    symlinks_on_the_way_are_followed_inside_the_root,
    missing_parents_get_mode_0755_whatever_the_umask,
    missing_parents_belong_to_root_below_a_setgid_directory,
    missing_parents_inherit_nothing,
    a_parent_that_is_a_file_is_an_error_and_kept,
    each_type_replaces_each_other,
    a_file_over_one_name_of_a_hard_link_leaves_the_other_names,
    the_last_of_several_entries_of_a_name_wins,
    an_unknown_type_is_an_error_that_removes_nothing,
    whiteout_names_are_ordinary,
    a_hard_link_to_itself_changes_nothing,
    a_hard_link_to_nothing_names_both_and_keeps_what_is_there,
    a_hard_link_follows_links_on_the_way_but_not_the_last,
    a_hard_link_to_a_directory_or_to_an_empty_name_is_an_error,
    an_empty_symlink_target_is_an_error
}

fn the_archives_root_directory_is_passed_over(t: &Test) {
    for name in [".", "./", "", "a/.."] {
        let stage = Stage::new(t);
        stage.write("kept", "x");
        let before = stage.tree();
        stage.apply([dir(name).mode(0o700).mtime(5)]).unwrap();
        before.assert_same(&stage.tree(), Aspects::UNTOUCHED, name);
    }
}

fn a_directory_entry_for_the_clamped_root_sets_its_metadata(t: &Test) {
    for name in ["/", "..", "../"] {
        let stage = Stage::new(t);
        stage.write("kept", "x");
        stage.apply([dir(name).mode(0o711).mtime(5)]).unwrap();
        let tree = stage.tree();
        assert_eq!(
            (tree.get("").mode, tree.get("").mtime),
            (0o711, (5, 0)),
            "{name}"
        );
        assert_eq!(tree.paths(), ["kept"]);
    }
}

fn names_are_cleaned_and_clamped(t: &Test) {
    let stage = Stage::new(t);
    stage
        .apply([
            file("x/../../y", "1"),
            file("/abs", "2"),
            file("a//./b", "3"),
            file("c/", "4"),
        ])
        .unwrap();
    assert_eq!(stage.tree().paths(), ["a", "a/b", "abs", "c", "y"]);
    assert_eq!(stage.read("c"), "4");
}

fn names_are_any_bytes(t: &Test) {
    let stage = Stage::new(t);
    stage
        .apply([file(b"\xff\x01\n", "x"), file("\u{202e}", "y")])
        .unwrap();
    assert_eq!(stage.tree().0.len(), 3);
    assert!(
        stage
            .tree()
            .0
            .keys()
            .any(|path| crate::support::tree::bytes(path) == b"\xff\x01\n")
    );
}

fn a_component_that_is_too_long_is_an_error(t: &Test) {
    let stage = Stage::new(t);
    assert_errno(
        stage.apply([file("n".repeat(256), "x").dialect(Dialect::Gnu)]),
        libc::ENAMETOOLONG,
    );
}

fn a_path_of_more_than_4095_bytes_is_refused(t: &Test) {
    let stage = Stage::new(t);
    let long = vec!["d".repeat(99); 41].join("/");
    assert_eq!(long.len(), 4099);
    assert_errno(
        stage.apply([file(&long, "x").dialect(Dialect::Gnu)]),
        libc::E2BIG,
    );
    stage
        .apply([file(&long[..4095], "x").dialect(Dialect::Gnu)])
        .unwrap();
}

fn a_deep_tree_works_with_few_descriptors(t: &Test) {
    t.within(Within::Descriptors(64), || {
        let stage = Stage::new(t);
        let deep = vec!["d"; 2000].join("/");
        stage
            .apply([file(format!("{deep}/f"), "x").dialect(Dialect::Gnu)])
            .unwrap();
        stage.apply([file("d", "replaced")]).unwrap();
        assert_eq!(stage.read("d"), "replaced");
    });
}

fn symlinks_on_the_way_are_followed_inside_the_root(t: &Test) {
    let stage = Stage::new(t);
    fs::create_dir(stage.at("etc")).unwrap();
    stage
        .apply([
            symlink("l", "/etc"),
            file("l/passwd", "x"),
            symlink("etc/up", "../.."),
            file("etc/up/y", "y"),
        ])
        .unwrap();
    assert_eq!(
        (stage.read("etc/passwd"), stage.read("y")),
        ("x".into(), "y".into())
    );
}

fn missing_parents_get_mode_0755_whatever_the_umask(t: &Test) {
    for mask in [0o077, 0o000] {
        t.within(Within::Umask(mask), || {
            let stage = Stage::new(t);
            stage.apply([file("a/b/f", "x").mode(0o666)]).unwrap();
            let tree = stage.tree();
            assert_eq!((tree.get("a").mode, tree.get("a/b").mode), (0o755, 0o755));
            assert_eq!(tree.get("a/b/f").mode, 0o666);
        });
    }
}

fn missing_parents_belong_to_root_below_a_setgid_directory(t: &Test) {
    needs_root!("make a directory of another group");
    let stage = Stage::new(t);
    stage
        .apply([dir("d").mode(0o2755).owner(7, 8), file("d/new/f", "x")])
        .unwrap();
    let tree = stage.tree();
    assert_eq!((tree.get("d/new").uid, tree.get("d/new").gid), (0, 0));
    assert_eq!((tree.get("d").uid, tree.get("d").gid), (7, 8));
    assert_eq!(tree.get("d/new").mode, 0o755);
}

fn missing_parents_inherit_nothing(t: &Test) {
    needs_root!("make a directory of another group");
    let stage = Stage::new(t);
    stage.write("d/x", "x");
    os::chown(&stage.at("d"), 7, 8).unwrap();
    fs::set_permissions(stage.at("d"), PermissionsExt::from_mode(0o2775)).unwrap();
    os::set_xattr(&stage.at("d"), "system.posix_acl_default", &acl(&[1234])).unwrap();
    stage
        .apply([file("d/new/deep/f", "x").mode(0o640)])
        .unwrap();
    let tree = stage.tree();
    for path in ["d/new", "d/new/deep"] {
        let found = tree.get(path);
        assert_eq!(
            (found.mode, found.uid, found.gid, found.xattrs.len()),
            (0o755, 0, 0, 0),
            "{path}"
        );
    }
    assert_eq!(tree.get("d").mode & 0o7000, 0o2000);
}

fn a_parent_that_is_a_file_is_an_error_and_kept(t: &Test) {
    let stage = Stage::new(t);
    stage.write("f", "kept");
    assert_errno(stage.apply([file("f/x", "x")]), libc::ENOTDIR);
    assert_eq!(stage.read("f"), "kept");
}

fn each_type_replaces_each_other(t: &Test) {
    for new in one_of_each() {
        for old in ["file", "dir", "symlink", "dirlink", "fifo"] {
            let stage = Stage::new(t);
            stage.write("other", "other");
            stage.write("elsewhere/kept", "kept");
            match old {
                "file" => stage.write("x", "old"),
                "dir" => stage.write("x/sub/old", "old"),
                "symlink" => make_symlink("other", stage.at("x")).unwrap(),
                "dirlink" => make_symlink("elsewhere", stage.at("x")).unwrap(),
                _ => {
                    crate::support::os::mknod(&stage.at("x"), libc::S_IFIFO | 0o600, 0, 0).unwrap()
                }
            }
            stage.apply([new.clone()]).unwrap();
            let clean = Stage::new(t);
            clean.write("other", "other");
            clean.write("elsewhere/kept", "kept");
            if new.is_dir() && old == "dir" {
                clean.write("x/sub/old", "old");
            }
            clean.apply([new.clone()]).unwrap();
            let aspects = Aspects {
                mtimes: false,
                ..Aspects::RESTORE
            };
            clean
                .tree()
                .assert_same(&stage.tree(), aspects, &format!("{new:?} over {old}"));
        }
    }
}

fn a_file_over_one_name_of_a_hard_link_leaves_the_other_names(t: &Test) {
    let stage = Stage::new(t);
    stage.write("a", "old");
    fs::hard_link(stage.at("a"), stage.at("b")).unwrap();
    stage.apply([file("a", "new")]).unwrap();
    assert_eq!(
        (stage.read("a"), stage.read("b")),
        ("new".into(), "old".into())
    );
}

fn the_last_of_several_entries_of_a_name_wins(t: &Test) {
    let stage = Stage::new(t);
    stage
        .apply([file("x", "1"), dir("x"), file("x/y", "2"), file("x", "3")])
        .unwrap();
    assert_eq!(stage.tree().paths(), ["x"]);
    assert_eq!(stage.read("x"), "3");
}

fn an_unknown_type_is_an_error_that_removes_nothing(t: &Test) {
    for kind in *b"MANZ89" {
        let stage = Stage::new(t);
        stage.write("d/kept", "kept");
        let before = stage.tree();
        assert_errno(stage.apply([member(kind, "d")]), libc::EOPNOTSUPP);
        before.assert_same(
            &stage.tree(),
            Aspects::UNTOUCHED,
            &format!("type {}", kind as char),
        );
    }
}

fn whiteout_names_are_ordinary(t: &Test) {
    let stage = Stage::new(t);
    stage.write("foo/x", "kept");
    stage
        .apply([file(".wh.foo", ""), file("foo/.wh.bar", "")])
        .unwrap();
    assert_eq!(
        stage.tree().paths(),
        [".wh.foo", "foo", "foo/.wh.bar", "foo/x"]
    );
}

fn a_hard_link_to_itself_changes_nothing(t: &Test) {
    let stage = Stage::new(t);
    stage.write("x", "kept");
    for target in ["x", "/x", "./x", "../x"] {
        stage.apply([hardlink("x", target)]).unwrap();
        assert_eq!(stage.read("x"), "kept", "{target}");
    }
}

fn a_hard_link_to_nothing_names_both_and_keeps_what_is_there(t: &Test) {
    let stage = Stage::new(t);
    stage.write("x", "kept");
    let failure = stage.apply([hardlink("x", "no/such")]).unwrap_err();
    assert_eq!(failure.errno, libc::ENOENT);
    assert!(
        failure.message.contains("\"x\"") && failure.message.contains("no/such"),
        "{}",
        failure.message
    );
    assert_eq!(stage.read("x"), "kept");
}

fn a_hard_link_follows_links_on_the_way_but_not_the_last(t: &Test) {
    let stage = Stage::new(t);
    stage
        .apply([
            dir("d"),
            file("d/f", "x"),
            symlink("l", "d"),
            symlink("d/s", "f"),
            hardlink("a", "l/f"),
            hardlink("b", "/l/s"),
        ])
        .unwrap();
    let tree = stage.tree();
    assert_eq!(tree.get("b").kind, Kind::Symlink(b"f".to_vec()));
    assert_eq!(tree.get("a").names, 2);
}

fn a_hard_link_to_a_directory_or_to_an_empty_name_is_an_error(t: &Test) {
    let stage = Stage::new(t);
    stage.write("d/f", "x");
    assert_errno(stage.apply([hardlink("l", "d")]), libc::EPERM);
    stage.apply([hardlink("m", "")]).unwrap_err();
    assert_eq!(stage.tree().paths(), ["d", "d/f"]);
}

fn an_empty_symlink_target_is_an_error(t: &Test) {
    let stage = Stage::new(t);
    assert_errno(stage.apply([symlink("l", "")]), libc::ENOENT);
}
