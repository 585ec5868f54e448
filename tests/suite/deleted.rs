//! Removing what a checkpoint lists as deleted: only that, never more, never elsewhere.

use std::fs;
use std::os::unix::fs::symlink as make_symlink;
use std::path::Path;

use crate::support::api::Rust;
use crate::support::os;
use crate::support::process::{Test, Within};
use crate::support::sandbox::Fs;
use crate::support::stage::{Stage, assert_errno};
use crate::support::tarball::{Dialect, archive, dir, file};
use crate::support::tree::{Aspects, Snapshot, bytes};

api_tests! {
    listed_paths_are_removed_with_what_is_below,
    a_symlink_is_removed_itself_and_its_target_stays,
    a_link_on_the_way_is_followed_inside_the_root,
    an_entry_that_means_the_root_removes_nothing_at_all,
    a_file_on_the_way_means_that_the_path_is_gone,
    a_list_that_is_no_list_of_strings_is_malformed,
    a_missing_list_is_nothing_to_do,
    a_list_that_is_no_regular_file_is_never_followed_or_waited_for,
    a_list_of_more_than_64_mebibytes_is_refused,
    the_root_must_be_absolute_and_exist,
    a_mount_below_a_deleted_directory_is_never_entered,
    what_the_diff_has_put_there_is_never_removed,
    a_malformed_diff_means_that_nothing_is_removed,
    directories_keep_their_times_when_something_in_them_is_removed,
    a_deep_tree_is_removed_with_few_descriptors,
    links_upon_links_cost_a_bounded_number_of_steps,
    nothing_is_behind_links_that_lead_round_in_a_circle,
    a_failure_spells_the_path_as_it_is_listed,
    a_failure_at_a_mount_spells_the_path_as_it_is_listed,
    a_name_that_is_not_utf_8_is_removed_as_it_is,
    a_failure_names_the_container,
    nothing_but_what_is_listed_is_touched,
    what_the_diff_holds_deep_below_a_listed_path_stays
}

fn listed_paths_are_removed_with_what_is_below(t: &Test) {
    let stage = Stage::new(t);
    for path in ["f", "d/e/f", "kept/f", "space and \u{e9}"] {
        stage.write(path, "x");
    }
    stage
        .remove(r#"["/f", "d", "/missing/x", "/space and \u00e9", "/f"]"#)
        .unwrap();
    assert_eq!(stage.tree().paths(), ["kept", "kept/f"]);
}

fn a_symlink_is_removed_itself_and_its_target_stays(t: &Test) {
    let stage = Stage::new(t);
    stage.write("data/f", "x");
    make_symlink("data", stage.at("link")).unwrap();
    make_symlink("self", stage.at("self")).unwrap();
    make_symlink("/data/f", stage.at("abs")).unwrap();
    stage.remove(r#"["/link", "/self", "/abs"]"#).unwrap();
    assert_eq!(stage.tree().paths(), ["data", "data/f"]);
}

fn a_link_on_the_way_is_followed_inside_the_root(t: &Test) {
    let stage = Stage::new(t);
    stage.write("data/f", "x");
    stage.write("victim/hello", "x");
    make_symlink("/data", stage.at("link")).unwrap();
    make_symlink("../../..", stage.at("up")).unwrap();
    make_symlink(stage.sandbox.path().join("outer/victim"), stage.at("out")).unwrap();
    stage
        .remove(r#"["/link/f", "/up/victim/hello", "/out/hello", "../../victim/hello"]"#)
        .unwrap();
    assert_eq!(
        stage.tree().paths(),
        ["data", "link", "out", "up", "victim"]
    );
}

fn an_entry_that_means_the_root_removes_nothing_at_all(t: &Test) {
    for entry in [
        r#""""#,
        r#"".""#,
        r#""/""#,
        r#""../..""#,
        "null",
        r#""//""#,
        r#""a/..""#,
        r#""/./..""#,
    ] {
        let stage = Stage::new(t);
        stage.write("f", "x");
        assert_errno(stage.remove(format!("[\"/f\", {entry}]")), libc::EXDEV);
        assert_eq!(stage.tree().paths(), ["f"], "{entry}");
    }
}

fn a_file_on_the_way_means_that_the_path_is_gone(t: &Test) {
    let stage = Stage::new(t);
    stage.write("f", "x");
    stage.write("g", "x");
    stage.remove(r#"["/f/below", "/g"]"#).unwrap();
    assert_eq!(stage.tree().paths(), ["f"]);
}

fn a_list_that_is_no_list_of_strings_is_malformed(t: &Test) {
    for list in [
        "",
        "{}",
        "[1]",
        "[\"/f\"] x",
        "\u{feff}[]",
        "[\"/f\"",
        "[[\"/f\"]]",
        "\"/f\"",
        "[\"/f\n\"]",
        "[\"/a\\u0000b\", \"/f\"]",
    ] {
        let stage = Stage::new(t);
        stage.write("f", "x");
        assert_errno(stage.remove(list), libc::EBADMSG);
        assert_eq!(stage.tree().paths(), ["f"], "{list}");
    }
    for list in ["null", "[]", " [ ]\n"] {
        let stage = Stage::new(t);
        stage.write("f", "x");
        stage.remove(list).unwrap();
        assert_eq!(stage.tree().paths(), ["f"]);
    }
}

fn a_missing_list_is_nothing_to_do(t: &Test) {
    let stage = Stage::new(t);
    stage.guarded(|| {
        t.remove_deleted_files("id".as_ref(), &stage.base, &stage.root)
            .unwrap();
        t.remove_deleted_files("id".as_ref(), &stage.base.join("missing"), &stage.root)
            .unwrap();
    });
    let taken = stage.sandbox.path().join("victim/hello");
    assert_errno(
        t.remove_deleted_files("id".as_ref(), &taken, &stage.root),
        libc::ENOTDIR,
    );
    fs::create_dir(stage.base.join("deleted.files")).unwrap();
    assert_errno(
        t.remove_deleted_files("id".as_ref(), &stage.base, &stage.root),
        libc::EISDIR,
    );
}

fn a_list_that_is_no_regular_file_is_never_followed_or_waited_for(t: &Test) {
    let stage = Stage::new(t);
    stage.write("f", "x");
    let path = stage.base.join("deleted.files");
    os::mknod(&path, libc::S_IFIFO | 0o600, 0, 0).unwrap();
    t.remove_deleted_files("id".as_ref(), &stage.base, &stage.root)
        .unwrap_err();
    fs::remove_file(&path).unwrap();
    let elsewhere = stage.sandbox.path().join("elsewhere");
    fs::write(&elsewhere, r#"["/f"]"#).unwrap();
    make_symlink(&elsewhere, &path).unwrap();
    t.remove_deleted_files("id".as_ref(), &stage.base, &stage.root)
        .unwrap_err();
    assert_eq!(stage.tree().paths(), ["f"]);
}

fn a_list_of_more_than_64_mebibytes_is_refused(t: &Test) {
    let stage = Stage::new(t);
    let list = fs::File::create(stage.base.join("deleted.files")).unwrap();
    list.set_len((64 << 20) + 1).unwrap();
    assert_errno(
        t.remove_deleted_files("id".as_ref(), &stage.base, &stage.root),
        libc::E2BIG,
    );
}

fn the_root_must_be_absolute_and_exist(t: &Test) {
    let stage = Stage::new(t);
    fs::write(
        stage.base.join("deleted.files"),
        r#"["/crutils-no-such-file"]"#,
    )
    .unwrap();
    for root in ["", "relative", ".", "./x"] {
        assert_errno(
            t.remove_deleted_files("id".as_ref(), &stage.base, Path::new(root)),
            libc::EINVAL,
        );
        assert_errno(
            t.apply_rootfs_diff_tar(&stage.base, Path::new(root)),
            libc::EINVAL,
        );
    }
    let missing = stage.sandbox.path().join("missing");
    assert_errno(
        t.remove_deleted_files("id".as_ref(), &stage.base, &missing),
        libc::ENOENT,
    );
}

fn a_mount_below_a_deleted_directory_is_never_entered(t: &Test) {
    needs_root!("mount file systems");
    let mut stage = Stage::new(t);
    stage.write("d/mnt/hidden", "x");
    stage.write("d/f", "x");
    let mount = stage.at("d/mnt");
    stage.sandbox.mount_tmpfs(&mount);
    stage.write("d/mnt/kept", "x");
    let failure = stage.remove(r#"["/d"]"#).unwrap_err();
    assert!(
        [libc::EBUSY, libc::EXDEV].contains(&failure.errno),
        "{failure:?}"
    );
    assert_eq!(stage.read("d/mnt/kept"), "x");
    stage.remove(r#"["/d/mnt/kept"]"#).unwrap_err();
    assert_eq!(stage.read("d/mnt/kept"), "x");
}

fn what_the_diff_has_put_there_is_never_removed(t: &Test) {
    let stage = Stage::new(t);
    let diff = archive([
        dir("re/made").mode(0o700).mtime(5),
        file("re/made/fresh", "fresh"),
        file("deep/a/b/c", "c"),
        file("again", "again"),
    ]);
    for path in [
        "re/made/old",
        "re/made/sub/old",
        "deep/a/old",
        "deep/other/old",
        "again",
        "gone",
    ] {
        stage.write(path, "old");
    }
    stage.apply_bytes(&diff).unwrap();
    stage
        .remove(r#"["/re/made", "/deep", "/again", "/gone"]"#)
        .unwrap();
    assert_eq!(
        stage.tree().paths(),
        [
            "again",
            "deep",
            "deep/a",
            "deep/a/b",
            "deep/a/b/c",
            "re",
            "re/made",
            "re/made/fresh"
        ]
    );
    assert_eq!(
        (stage.read("again"), stage.read("re/made/fresh")),
        ("again".into(), "fresh".into())
    );
    assert_eq!(
        (
            stage.tree().get("re/made").mode,
            stage.tree().get("re/made").mtime
        ),
        (0o700, (5, 0))
    );
}

fn a_malformed_diff_means_that_nothing_is_removed(t: &Test) {
    let stage = Stage::new(t);
    stage.write("f", "x");
    fs::write(stage.base.join("rootfs-diff.tar"), "garbage").unwrap();
    assert_errno(stage.remove(r#"["/f"]"#), libc::EBADMSG);
    assert_eq!(stage.tree().paths(), ["f"]);
    stage.remove(r#"["/not-there"]"#).unwrap();
}

fn directories_keep_their_times_when_something_in_them_is_removed(t: &Test) {
    let stage = Stage::new(t);
    stage.write("d/e/f", "x");
    stage.write("d/g", "x");
    for path in ["d/e", "d", ""] {
        os::set_times(&stage.at(path), (5, 6), (7, 8)).unwrap();
    }
    stage.remove(r#"["/d/e/f", "/d/g", "/missing"]"#).unwrap();
    let tree = stage.tree();
    assert_eq!(
        [
            tree.get("d").mtime,
            tree.get("d/e").mtime,
            tree.get("").mtime
        ],
        [(7, 8); 3]
    );
    assert_eq!(tree.paths(), ["d", "d/e"]);
}

fn a_deep_tree_is_removed_with_few_descriptors(t: &Test) {
    t.within(Within::Descriptors(64), || {
        let stage = Stage::on(t, Fs::Tmpfs).unwrap_or_else(|| Stage::new(t));
        let mut path = stage.at("deep");
        fs::create_dir(&path).unwrap();
        // Deeper than a path can be long: moved below a new directory again and again.
        for round in 0..200 {
            let part = stage.at(&format!("{round}/{}", vec!["d"; 100].join("/")));
            fs::create_dir_all(&part).unwrap();
            fs::rename(&path, part.join("x")).unwrap();
            path = stage.at(&round.to_string());
        }
        fs::rename(&path, stage.at("deep")).unwrap();
        stage.remove(r#"["/deep"]"#).unwrap();
        assert_eq!(fs::read_dir(&stage.root).unwrap().count(), 0);
    });
}

fn links_upon_links_cost_a_bounded_number_of_steps(t: &Test) {
    // Each step of the second sort finds a directory again that is four hundred levels deep.
    for target in [
        "d/../".repeat(800),
        format!(
            "{}{}{}",
            "d/".repeat(400),
            "../d/".repeat(380),
            "../".repeat(400)
        ),
    ] {
        let stage = Stage::new(t);
        fs::create_dir_all(stage.at(&"d/".repeat(400))).unwrap();
        stage.write("l0/x", "kept");
        for number in 1..40 {
            make_symlink(
                format!("{target}l{}", number - 1),
                stage.at(&format!("l{number}")),
            )
            .unwrap();
        }
        let list: Vec<_> = (0..2000)
            .map(|number| format!("\"/l39/{number}/x\""))
            .collect();
        assert_errno(stage.remove(format!("[{}]", list.join(","))), libc::E2BIG);
        assert_eq!(stage.read("l0/x"), "kept");
    }
}

fn nothing_is_behind_links_that_lead_round_in_a_circle(t: &Test) {
    let stage = Stage::new(t);
    make_symlink("a", stage.at("a")).unwrap();
    stage.write("gone", "x");
    stage.remove("[\"/a/b\", \"/gone\"]").unwrap();
    assert_eq!(stage.tree().paths(), ["a"]);
    stage.remove("[\"/a\"]").unwrap();
    assert!(!stage.exists("a"));
}

fn a_failure_spells_the_path_as_it_is_listed(t: &Test) {
    let stage = Stage::new(t);
    let long = "n".repeat(256);
    for path in [
        format!("/{long}//b/../c"),
        format!("{long}/./c"),
        format!("../{long}/c/"),
    ] {
        let failure = stage.remove(format!("[\"{path}\"]")).unwrap_err();
        let expected = (libc::ENAMETOOLONG, Some(path.as_bytes()));
        assert_eq!(
            (failure.errno, failure.entry.as_deref()),
            expected,
            "{failure:?}"
        );
    }
    for path in ["/a/..", "//", "../x/.."] {
        let failure = stage.remove(format!("[\"{path}\"]")).unwrap_err();
        assert_eq!(
            (failure.errno, failure.entry.as_deref()),
            (libc::EXDEV, Some(path.as_bytes())),
            "{failure:?}"
        );
    }
}

fn a_failure_at_a_mount_spells_the_path_as_it_is_listed(t: &Test) {
    needs_root!("mount file systems");
    let mut stage = Stage::new(t);
    stage.write("d/mnt/f", "x");
    let mount = stage.at("d/mnt");
    stage.sandbox.mount_tmpfs(&mount);
    stage.write("d/mnt/f", "x");
    for (path, errno) in [
        ("/d//x/../mnt/f", libc::EXDEV),
        ("d/./mnt/", libc::EBUSY),
        ("//d", libc::EBUSY),
    ] {
        let failure = stage.remove(format!("[\"{path}\"]")).unwrap_err();
        assert_eq!(
            (failure.errno, failure.entry.as_deref()),
            (errno, Some(path.as_bytes())),
            "{failure:?}"
        );
    }
}

fn a_name_that_is_not_utf_8_is_removed_as_it_is(t: &Test) {
    let stage = Stage::new(t);
    let name: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(b"a\xff\xfe");
    fs::write(stage.root.join(name), "x").unwrap();
    stage.write("a\u{fffd}\u{fffd}", "kept");
    stage.remove(b"[\n  \"/a\xff\xfe\"\n]").unwrap();
    assert_eq!(
        stage
            .tree()
            .0
            .keys()
            .map(|path| bytes(path).to_vec())
            .collect::<Vec<_>>(),
        [b"".to_vec(), "a\u{fffd}\u{fffd}".into()]
    );
}

fn a_failure_names_the_container(t: &Test) {
    let stage = Stage::new(t);
    fs::write(stage.base.join("deleted.files"), "x").unwrap();
    let failure = t
        .remove_deleted_files("container-77".as_ref(), &stage.base, &stage.root)
        .unwrap_err();
    assert!(
        failure.message.contains("container-77"),
        "{}",
        failure.message
    );
}

fn nothing_but_what_is_listed_is_touched(t: &Test) {
    let stage = Stage::new(t);
    for path in ["a/b/c", "a/d", "e"] {
        stage.write(path, path);
    }
    let before = stage.tree();
    stage.write("gone/x", "x");
    os::set_times(&stage.root, before.get("").atime, before.get("").mtime).unwrap();
    stage.remove(r#"["/gone"]"#).unwrap();
    let after: Snapshot = stage.tree();
    before.assert_same(&after, Aspects::UNTOUCHED, "the rest");
}

fn what_the_diff_holds_deep_below_a_listed_path_stays(t: &Test) {
    let stage = Stage::new(t);
    let deep = format!("top/{}", vec!["d"; 1850].join("/"));
    let above = format!("top/{}", vec!["d"; 900].join("/"));
    stage.write(&format!("{deep}/old"), "old");
    stage.write(&format!("{above}/old/f"), "old");
    let kept: Vec<_> = (0..2000).map(|number| format!("{deep}/{number}")).collect();
    stage
        .apply(
            kept.iter()
                .map(|name| file(name, "x").dialect(Dialect::Gnu)),
        )
        .unwrap();
    stage.remove(r#"["/top", "/top/d", "/top/d/d/d"]"#).unwrap();
    assert_eq!(fs::read_dir(stage.at(&deep)).unwrap().count(), 2000);
    assert!(kept.iter().all(|name| stage.exists(name)));
    assert!(!stage.exists(&format!("{above}/old")));
}

mod all_that_the_diff_does_not_hold_goes_from_among_much_that_it_holds {
    use super::*;

    fn body(t: &Test) {
        // A tmpfs lists the newest first. Each of the deep directories costs a new look at all that is kept, more than
        // a million names together.
        let Some(stage) = Stage::on(t, Fs::Tmpfs) else {
            return;
        };
        let levels = vec!["s"; 19].join("/");
        for number in 0..520 {
            fs::create_dir_all(stage.at(&format!("d/u{number}/{levels}"))).unwrap();
        }
        let kept: Vec<_> = (0..2000).map(|number| format!("d/k{number}")).collect();
        stage
            .apply(kept.iter().map(|name| file(name, "x")))
            .unwrap();
        stage.remove(r#"["/d"]"#).unwrap();
        assert_eq!(fs::read_dir(stage.at("d")).unwrap().count(), 2000);
        assert!(kept.iter().all(|name| stage.exists(name)));
    }

    #[test]
    fn rust() {
        Test::run(module_path!(), "rust", &Rust, body);
    }
}
