//! What is written of a diff, where it goes, and what is left if it can't be written.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink as make_symlink};
use std::path::Path;

use crate::diff::{diff_bytes, members};
use crate::support::api::{add, delete, modify};
use crate::support::os;
use crate::support::process::{Test, Within};
use crate::support::sandbox::run;
use crate::support::stage::{Stage, assert_errno};
use crate::support::tree::Aspects;

api_tests! {
    the_list_of_deleted_paths_keeps_order_duplicates_and_escapes,
    the_answer_names_what_was_written_in_order,
    without_changes_nothing_is_left_not_even_from_before,
    outputs_are_private_whatever_the_umask,
    links_in_the_place_of_the_outputs_are_replaced_not_followed,
    an_output_that_can_not_be_written_is_an_error_and_leaves_none,
    a_file_that_can_not_be_read_is_an_error_and_there_is_no_output,
    what_vanished_is_skipped,
    a_missing_mount_point_is_an_error,
    a_mount_point_may_be_a_symlink,
    the_same_tree_makes_the_same_bytes,
    other_programs_read_what_is_written,
    a_relative_mount_point_and_destination_work
}

fn the_list_of_deleted_paths_keeps_order_duplicates_and_escapes(t: &Test) {
    let stage = Stage::new(t);
    stage
        .create(&[
            delete("/b"),
            delete("/a<>&\u{2028}\"\\\n"),
            delete("/b"),
            delete("/\u{e9}"),
        ])
        .unwrap();
    let expected = "[\n  \"/b\",\n  \"/a\\u003c\\u003e\\u0026\\u2028\\\"\\\\\\n\",\n  \"/b\",\n  \"/\u{e9}\"\n]";
    assert_eq!(
        fs::read_to_string(stage.base.join("deleted.files")).unwrap(),
        expected
    );
}

fn the_answer_names_what_was_written_in_order(t: &Test) {
    let stage = Stage::new(t);
    stage.write("f", "x");
    assert_eq!(
        stage.create(&[delete("/gone"), add("/f")]).unwrap(),
        ["rootfs-diff.tar", "deleted.files"]
    );
    assert_eq!(stage.create(&[add("/f")]).unwrap(), ["rootfs-diff.tar"]);
    assert!(!stage.base.join("deleted.files").exists());
    assert_eq!(stage.create(&[delete("/gone")]).unwrap(), ["deleted.files"]);
    assert!(!stage.base.join("rootfs-diff.tar").exists());
}

fn without_changes_nothing_is_left_not_even_from_before(t: &Test) {
    let stage = Stage::new(t);
    stage.write("f", "x");
    stage.create(&[delete("/gone"), add("/f")]).unwrap();
    assert_eq!(stage.create(&[]).unwrap(), Vec::<String>::new());
    assert_eq!(fs::read_dir(&stage.base).unwrap().count(), 0);
}

fn outputs_are_private_whatever_the_umask(t: &Test) {
    t.within(Within::Umask(0), || {
        let stage = Stage::new(t);
        stage.write("f", "x");
        for name in stage.create(&[delete("/gone"), add("/f")]).unwrap() {
            let mode = fs::metadata(stage.base.join(&name))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o7777, 0o600, "{name}");
        }
        assert_eq!(fs::read_dir(&stage.base).unwrap().count(), 2);
    });
}

fn links_in_the_place_of_the_outputs_are_replaced_not_followed(t: &Test) {
    let stage = Stage::new(t);
    stage.write("f", "x");
    for name in ["rootfs-diff.tar", "deleted.files"] {
        make_symlink("../victim/hello", stage.base.join(name)).unwrap();
    }
    stage.guarded_create(&[delete("/gone"), add("/f")]).unwrap();
    for name in ["rootfs-diff.tar", "deleted.files"] {
        assert!(
            fs::symlink_metadata(stage.base.join(name))
                .unwrap()
                .is_file()
        );
    }
    make_symlink("../victim/hello", stage.base.join("x")).unwrap();
    fs::rename(stage.base.join("x"), stage.base.join("deleted.files")).unwrap();
    stage.guarded_create(&[add("/f")]).unwrap();
    assert!(fs::symlink_metadata(stage.base.join("deleted.files")).is_err());
}

fn an_output_that_can_not_be_written_is_an_error_and_leaves_none(t: &Test) {
    for taken in ["deleted.files", "rootfs-diff.tar"] {
        let stage = Stage::new(t);
        stage.write("f", "x");
        fs::create_dir_all(stage.base.join(taken).join("full")).unwrap();
        stage.create(&[delete("/gone"), add("/f")]).unwrap_err();
        let left: Vec<_> = fs::read_dir(&stage.base)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left, [taken]);
    }
}

fn a_file_that_can_not_be_read_is_an_error_and_there_is_no_output(t: &Test) {
    t.within(Within::User, || {
        let stage = Stage::new(t);
        for path in ["d/a", "d/secret", "d/z"] {
            stage.write(path, "x");
        }
        fs::set_permissions(stage.at("d/secret"), PermissionsExt::from_mode(0o000)).unwrap();
        let failure = stage.create(&[add("/d"), delete("/gone")]).unwrap_err();
        assert_eq!(failure.errno, libc::EACCES);
        assert!(failure.message.contains("secret"), "{}", failure.message);
        assert_eq!(fs::read_dir(&stage.base).unwrap().count(), 0);
    });
}

fn what_vanished_is_skipped(t: &Test) {
    let stage = Stage::new(t);
    stage.write("f", "x");
    stage
        .create(&[
            add("/vanished"),
            modify("/gone/too"),
            modify("/f/below"),
            add("/f"),
        ])
        .unwrap();
    assert_eq!(members(&stage), ["f"]);
    assert_eq!(
        &diff_bytes(&stage)[diff_bytes(&stage).len() - 1024..],
        &[0; 1024]
    );
}

fn a_missing_mount_point_is_an_error(t: &Test) {
    let stage = Stage::new(t);
    stage.write("f", "x");
    for mount in [stage.at("missing"), stage.at("f"), "".into()] {
        t.create_rootfs_diff_tar(&[add("/f")], &mount, &stage.base)
            .unwrap_err();
        assert_eq!(fs::read_dir(&stage.base).unwrap().count(), 0);
    }
    let missing = stage.base.join("missing");
    assert_errno(
        t.create_rootfs_diff_tar(&[add("/f")], &stage.root, &missing),
        libc::ENOENT,
    );
}

fn a_mount_point_may_be_a_symlink(t: &Test) {
    let stage = Stage::new(t);
    stage.write("f", "x");
    let link = stage.sandbox.path().join("link");
    make_symlink("outer/dest/", &link).unwrap();
    t.create_rootfs_diff_tar(&[add("/f")], &link, &stage.base)
        .unwrap();
    assert_eq!(members(&stage), ["f"]);
}

fn the_same_tree_makes_the_same_bytes(t: &Test) {
    let stage = Stage::new(t);
    for path in ["d/b", "d/a", "e"] {
        stage.write(path, path);
        os::set_xattr(&stage.at(path), "user.z", b"1").unwrap();
        os::set_xattr(&stage.at(path), "user.a", b"1").unwrap();
    }
    stage.create(&[add("/d"), add("/e")]).unwrap();
    let first = diff_bytes(&stage);
    stage.create(&[add("/d"), add("/e")]).unwrap();
    assert!(first == diff_bytes(&stage));
}

fn other_programs_read_what_is_written(t: &Test) {
    let stage = Stage::new(t);
    stage.write("d/f", "x");
    stage.write(&format!("d/{}", "n".repeat(200)), "long");
    os::set_xattr(&stage.at("d/f"), "user.a", b"1").unwrap();
    let sparse = fs::File::create(stage.at("d/sparse")).unwrap();
    sparse.set_len(1 << 24).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&sparse, b"data", 1 << 23).unwrap();
    stage.create(&[add("/d")]).unwrap();
    let lines = ["tar --xattrs --xattrs-include=* -xpf", "bsdtar -xpSf"];
    for (number, line) in lines.into_iter().enumerate() {
        let out = stage.sandbox.dir(&format!("out{number}"));
        run(&format!(
            "{line} {} -C {}",
            stage.base.join("rootfs-diff.tar").display(),
            out.display()
        ))
        .unwrap();
        // libarchive makes holes of its own.
        let aspects = Aspects {
            holes: number == 0,
            ..Aspects::RESTORE
        };
        stage
            .tree()
            .assert_same(&crate::support::tree::Snapshot::of(&out), aspects, line);
    }
}

fn a_relative_mount_point_and_destination_work(t: &Test) {
    t.within(Within::Process, || {
        let stage = Stage::new(t);
        stage.write("f", "x");
        std::env::set_current_dir(stage.sandbox.path()).unwrap();
        t.create_rootfs_diff_tar(&[add("f")], Path::new("outer/dest/"), Path::new("base"))
            .unwrap();
        assert_eq!(members(&stage), ["f"]);
    });
}
