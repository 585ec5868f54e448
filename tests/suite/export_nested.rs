//! Archives in the archive: volumes and the diff of the root file system, written without ever being on the disk.

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use super::export::{Bundle, content, members, plain, said};
use crate::support::acl;
use crate::support::api::{Change, add, delete, modify};
use crate::support::changes::Look;
use crate::support::door::{CRIO, Door, PODMAN, SOCKET, VANISHED};
use crate::support::export::{Export, ExportOptions};
use crate::support::os;
use crate::support::process::Test;
use crate::support::sandbox::{Fs, Sandbox};
use crate::support::tree::{Aspects, Snapshot};

/// A tree with one of everything that an archive can hold.
fn fill(root: &Path) {
    fs::create_dir_all(root.join("dir/sub")).unwrap();
    fs::write(root.join("dir/file"), "content").unwrap();
    fs::write(root.join("dir/sub/twin"), "twin").unwrap();
    fs::hard_link(root.join("dir/sub/twin"), root.join("twin")).unwrap();
    fs::write(root.join("large"), vec![b'l'; 400_001]).unwrap();
    fs::write(root.join("empty"), "").unwrap();
    symlink("dir/file", root.join("link")).unwrap();
    os::mknod(&root.join("fifo"), libc::S_IFIFO | 0o640, 0, 0).unwrap();
    let sparse = File::create(root.join("sparse")).unwrap();
    sparse.set_len(4 << 20).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&sparse, b"data", 2 << 20).unwrap();
    fs::write(root.join("name of 100 bytes and more ".repeat(5)), "n").unwrap();
    fs::set_permissions(root.join("dir/file"), fs::Permissions::from_mode(0o4751)).unwrap();
    let _ = os::set_xattr(&root.join("dir/file"), "user.test", b"value\0");
    let _ = os::set_xattr(&root.join("dir"), "user.test", b"of a directory");
    if os::is_real_root() {
        os::mknod(&root.join("null"), libc::S_IFCHR | 0o666, 1, 3).unwrap();
        os::chown(&root.join("large"), 1234, 5678).unwrap();
        let _ = os::set_xattr(
            &root.join("dir/sub"),
            "system.posix_acl_default",
            &acl(&[7]),
        );
    }
    for (number, name) in ["dir/file", "large", "link", "dir/sub", "dir"]
        .iter()
        .enumerate()
    {
        os::set_times(
            &root.join(name),
            (1, 0),
            (1_000_000_000 + number as i64, 123_456_789),
        )
        .unwrap();
    }
}

/// An export of one nested archive.
pub(crate) fn of_directory(door: &dyn Door, directory: &Path) -> Box<dyn Export> {
    let mut export = door.export();
    export
        .add_directory_tar("volumes/v.tar", directory.into())
        .unwrap();
    export
}

door_tests! {
    a_nested_archive_is_the_tree_to_other_programs,
    a_nested_archive_is_private_and_made_by_the_export,
    what_is_mounted_in_a_volume_is_not_part_of_it_but_a_volume_may_be_a_mount,
    a_checkpoint_on_a_mount_of_its_own_is_exported_with_its_content,
    the_diff_in_the_archive_is_that_of_the_single_function,
    a_change_that_is_gone_by_now_is_told_and_so_is_a_socket,
    a_directory_that_was_deleted_and_made_again_takes_no_xattrs_over,
    what_has_no_changes_has_no_diff,
    a_bad_change_is_refused_when_it_is_added,
    an_overlay_s_changes_go_straight_into_the_archive,
    what_is_exported_is_restored_by_the_nine,
    notes_are_kept_where_the_caller_says
}

fn a_nested_archive_is_the_tree_to_other_programs(_: &Test, door: &'static dyn Door) {
    for fs_kind in Fs::COMMON {
        let Some(sandbox) = Sandbox::on(fs_kind) else {
            continue;
        };
        let (bundle, tree, extracted) = (
            Bundle::new(door),
            sandbox.dir("tree"),
            sandbox.dir("extracted"),
        );
        fill(&tree);
        bundle
            .export(&*of_directory(door, &tree), &plain())
            .unwrap();
        assert_eq!(members(&bundle.archive()), ["volumes/v.tar"]);
        let inner = bundle.out.join("v.tar");
        fs::write(&inner, content(&bundle.archive(), "volumes/v.tar")).unwrap();
        let names = members(&inner);
        assert_eq!(names[0], "./");
        assert!(names.iter().all(|name| name.starts_with("./")), "{names:?}");
        let long = said(&["tar", "-tvf"], &inner);
        let link = |line: &String| line.ends_with(" ./twin link to ./dir/sub/twin");
        assert!(long.iter().any(link), "{long:?}");
        let into = extracted.to_str().unwrap();
        let line = [
            "tar",
            "--xattrs",
            "--xattrs-include=*",
            "--numeric-owner",
            "-C",
            into,
            "-xpf",
        ];
        said(&line, &inner);
        let aspects = Aspects {
            root: true,
            ..Aspects::RESTORE
        };
        let (before, after) = (Snapshot::of(&tree), Snapshot::of(&extracted));
        before.assert_same(&after, aspects, &format!("{fs_kind:?}"));
    }
}

fn a_nested_archive_is_private_and_made_by_the_export(_: &Test, door: &'static dyn Door) {
    let bundle = Bundle::new(door);
    bundle
        .export(&*of_directory(door, &bundle.path), &plain().time(86_400))
        .unwrap();
    let listed = said(
        &["tar", "--numeric-owner", "--utc", "--full-time", "-tvf"],
        &bundle.archive(),
    );
    assert!(listed[0].starts_with("-rw------- 0/0 "), "{listed:?}");
    assert!(
        listed[0].ends_with("1970-01-02 00:00:00 volumes/v.tar"),
        "{listed:?}"
    );
}

fn what_is_mounted_in_a_volume_is_not_part_of_it_but_a_volume_may_be_a_mount(
    _: &Test,
    door: &'static dyn Door,
) {
    needs_root!("mount");
    let mut bundle = Bundle::new(door);
    let volume = bundle.sandbox.dir("volume");
    bundle.sandbox.mount_tmpfs(&volume);
    fs::write(volume.join("own"), "own").unwrap();
    fs::create_dir(volume.join("other")).unwrap();
    bundle.sandbox.mount_tmpfs(&volume.join("other"));
    fs::write(volume.join("other/foreign"), "foreign").unwrap();
    bundle
        .export(&*of_directory(door, &volume), &plain())
        .unwrap();
    let inner = bundle.out.join("v.tar");
    fs::write(&inner, content(&bundle.archive(), "volumes/v.tar")).unwrap();
    assert_eq!(members(&inner), ["./", "./other/", "./own"]);
}

fn a_checkpoint_on_a_mount_of_its_own_is_exported_with_its_content(
    _: &Test,
    door: &'static dyn Door,
) {
    needs_root!("mount");
    let mut bundle = Bundle::new(door);
    let checkpoint = bundle.path.join("checkpoint");
    bundle.sandbox.mount_tmpfs(&checkpoint);
    fs::write(checkpoint.join("pages-2.img"), "in memory").unwrap();
    fs::create_dir(checkpoint.join("below")).unwrap();
    bundle.sandbox.mount_tmpfs(&checkpoint.join("below"));
    fs::write(checkpoint.join("below/foreign"), "foreign").unwrap();
    let export = bundle.of(CRIO);
    bundle.export(&*export, &plain()).unwrap();
    let expected = [
        "checkpoint/",
        "checkpoint/below/",
        "checkpoint/pages-2.img",
        "config.dump",
        "spec.dump",
    ];
    assert_eq!(members(&bundle.archive()), expected);
}

fn changes() -> Vec<Change> {
    vec![
        modify("/dir"),
        modify("/dir/file"),
        modify("/large"),
        add("/link"),
        add("/new"),
        add("/sparse"),
        delete("/old"),
        modify("/run/socket"),
        modify("/vanished"),
    ]
}

/// A root file system with what `changes` lists.
fn container(sandbox: &Sandbox) -> PathBuf {
    let root = sandbox.dir("root");
    fill(&root);
    fs::create_dir_all(root.join("new/tree")).unwrap();
    fs::write(root.join("new/tree/f"), "new").unwrap();
    fs::create_dir(root.join("run")).unwrap();
    drop(UnixListener::bind(root.join("run/socket")).unwrap());
    root
}

fn the_diff_in_the_archive_is_that_of_the_single_function(_: &Test, door: &'static dyn Door) {
    let bundle = Bundle::new(door);
    let root = container(&bundle.sandbox);
    let separate = bundle.sandbox.dir("separate");
    let names = door
        .create_rootfs_diff_tar(&changes(), &root, &separate)
        .unwrap();
    assert_eq!(names, ["rootfs-diff.tar", "deleted.files"]);
    let mut export = door.export();
    export.add_rootfs_diff(&changes(), (&root).into()).unwrap();
    for options in [plain(), plain().digest(true), ExportOptions::new()] {
        bundle.export(&*export, &options).unwrap();
        assert_eq!(said(&["tar", "-tf"], &bundle.archive()), names);
        for name in &names {
            let (own, expected) = (
                content(&bundle.archive(), name),
                fs::read(separate.join(name)).unwrap(),
            );
            assert!(own == expected, "{name}");
        }
    }
    assert_eq!(
        content(&bundle.archive(), "deleted.files"),
        b"[\n  \"/old\",\n  \"/run/socket\"\n]"
    );
    assert_eq!(bundle.left(), ["archive"]);
}

fn a_change_that_is_gone_by_now_is_told_and_so_is_a_socket(_: &Test, door: &'static dyn Door) {
    let bundle = Bundle::new(door);
    let root = container(&bundle.sandbox);
    let watch = door.watch(None);
    let mut export = door.export();
    export.add_rootfs_diff(&changes(), (&root).into()).unwrap();
    let exported = export.write((&bundle.archive()).into(), &plain(), Some(&*watch));
    assert_eq!(exported.unwrap().missing, [""; 0]);
    let expected = [
        (SOCKET, "rootfs-diff.tar/run/socket".to_owned()),
        (VANISHED, "rootfs-diff.tar/vanished".to_owned()),
    ];
    assert_eq!(watch.warned(), expected);
}

fn a_directory_that_was_deleted_and_made_again_takes_no_xattrs_over(
    _: &Test,
    door: &'static dyn Door,
) {
    let bundle = Bundle::new(door);
    let [root, image] = ["root", "image"].map(|name| bundle.sandbox.dir(name));
    for name in ["d", "d-other", "d/sub"] {
        fs::create_dir(root.join(name)).unwrap();
        fs::create_dir(image.join(name)).unwrap();
        if os::set_xattr(&image.join(name), "user.old", b"1").is_err() {
            skip!("there are no xattrs in the temporary directory");
        }
    }
    let mut export = door.export();
    let changes = [delete("/d"), add("/d/sub"), add("/d-other")];
    export.add_rootfs_diff(&changes, (&root).into()).unwrap();
    bundle.export(&*export, &plain()).unwrap();
    let base = bundle.sandbox.dir("base");
    said(
        &["tar", "-C", base.to_str().unwrap(), "-xf"],
        &bundle.archive(),
    );
    door.apply_rootfs_diff_tar(&base, &image).unwrap();
    door.remove_deleted_files("id".as_ref(), &base, &image)
        .unwrap();
    let after = Snapshot::of(&image);
    assert_eq!(after.paths(), ["d", "d/sub", "d-other"]);
    let xattrs = ["d", "d-other", "d/sub"].map(|name| after.get(name).xattrs.len());
    // What was only added can't be in the image, as far as the changes tell.
    assert_eq!(xattrs, [0, 1, 0]);
}

fn what_has_no_changes_has_no_diff(_: &Test, door: &'static dyn Door) {
    let bundle = Bundle::new(door);
    let root = container(&bundle.sandbox);
    for (change, expected) in [
        (delete("/old"), &["deleted.files", "x"][..]),
        (modify("/large"), &["rootfs-diff.tar", "x"]),
    ] {
        let mut export = door.export();
        export.add_rootfs_diff(&[change], (&root).into()).unwrap();
        export.add_bytes("x", b"").unwrap();
        let exported = bundle.export(&*export, &plain()).unwrap();
        assert_eq!(members(&bundle.archive()), expected);
        assert_eq!(exported.missing, [""; 0]);
    }
    let mut export = door.export();
    export.add_rootfs_diff(&[], (&root).into()).unwrap();
    assert_eq!(bundle.export(&*export, &plain()).unwrap().members, 0);
    assert_eq!(members(&bundle.archive()), [""; 0]);
}

fn a_bad_change_is_refused_when_it_is_added(_: &Test, door: &'static dyn Door) {
    let bundle = Bundle::new(door);
    let mut export = door.export();
    for change in [add(""), delete("/")] {
        let outcome = export.add_rootfs_diff(&[change], (&bundle.path).into());
        assert_eq!(outcome.unwrap_err().errno, libc::EINVAL);
    }
    export
        .add_rootfs_diff(&changes(), (&bundle.path).into())
        .unwrap();
}

fn an_overlay_s_changes_go_straight_into_the_archive(_: &Test, door: &'static dyn Door) {
    needs_root!("make whiteouts");
    let bundle = Bundle::new(door);
    let [lower, upper, merged] = ["lower", "upper", "merged"].map(|name| bundle.sandbox.dir(name));
    for (directory, name, content) in [
        (&lower, "kept", "old"),
        (&lower, "changed", "old"),
        (&upper, "changed", "new"),
        (&upper, "added", "new"),
        (&merged, "kept", "old"),
        (&merged, "changed", "new"),
        (&merged, "added", "new"),
    ] {
        fs::write(directory.join(name), content).unwrap();
    }
    fs::write(lower.join("removed"), "old").unwrap();
    os::mknod(&upper.join("removed"), libc::S_IFCHR, 0, 0).unwrap();
    let changes = door.overlay(&[(&lower).into()], (&upper).into(), &Look::new(), None);
    let mut export = door.export();
    export
        .add_rootfs_diff(&changes.unwrap(), (&merged).into())
        .unwrap();
    bundle.export(&*export, &plain()).unwrap();
    let inner = bundle.out.join("inner");
    fs::write(&inner, content(&bundle.archive(), "rootfs-diff.tar")).unwrap();
    assert_eq!(members(&inner), ["added", "changed"]);
    assert_eq!(
        content(&bundle.archive(), "deleted.files"),
        b"[\n  \"/removed\"\n]"
    );
}

fn what_is_exported_is_restored_by_the_nine(_: &Test, door: &'static dyn Door) {
    for options in [plain(), ExportOptions::new()] {
        let bundle = Bundle::new(door);
        let root = container(&bundle.sandbox);
        let image = bundle.sandbox.dir("image");
        for (name, text) in [("large", "old"), ("old", "old"), ("kept", "kept")] {
            fs::write(image.join(name), text).unwrap();
        }
        fs::create_dir(image.join("dir")).unwrap();
        fs::write(image.join("dir/file"), "old").unwrap();
        let mut export = door.export();
        export.add_rootfs_diff(&changes(), (&root).into()).unwrap();
        export.add_bundle((&bundle.path).into(), PODMAN).unwrap();
        bundle.export(&*export, &options).unwrap();
        let archive = bundle.archive();
        assert_eq!(door.runtime_from_archive(&archive).unwrap(), "crun");
        let (base, config) = (
            bundle.sandbox.path().join("base"),
            bundle.sandbox.path().join("config"),
        );
        door.import_config_only(&config, &archive).unwrap();
        assert_eq!(Snapshot::of(&config).paths(), ["config.dump", "spec.dump"]);
        door.import_without_config(&base, &archive).unwrap();
        let expected = Snapshot::of(&bundle.path.join("checkpoint"));
        let aspects = Aspects {
            root: true,
            ..Aspects::RESTORE
        };
        expected.assert_same(
            &Snapshot::of(&base.join("checkpoint")),
            aspects,
            "the checkpoint",
        );
        door.apply_rootfs_diff_tar(&base, &image).unwrap();
        door.remove_deleted_files("id".as_ref(), &base, &image)
            .unwrap();
        let (before, after) = (Snapshot::of(&root), Snapshot::of(&image));
        let expected = [
            "dir",
            "dir/file",
            "kept",
            "large",
            "link",
            "new",
            "new/tree",
            "new/tree/f",
            "sparse",
        ];
        assert_eq!(after.paths(), expected);
        for path in expected.iter().filter(|path| **path != "kept") {
            let pick = |tree: &Snapshot| Snapshot([(path.into(), tree.get(path).clone())].into());
            pick(&before).assert_same(&pick(&after), Aspects::RESTORE, path);
        }
    }
}

fn notes_are_kept_where_the_caller_says(_: &Test, door: &'static dyn Door) {
    let bundle = Bundle::new(door);
    let export = of_directory(door, &bundle.path);
    let missing = bundle.sandbox.path().join("missing");
    let nowhere = plain().spool(&missing);
    assert_eq!(
        bundle.export(&*export, &nowhere).unwrap_err().errno,
        libc::ENOENT
    );
    let Some(tiny) = Sandbox::on(Fs::Tiny) else {
        return;
    };
    let many = bundle.sandbox.dir("many");
    (0..2000).for_each(|number| fs::write(many.join(format!("{number}")), "x").unwrap());
    let there = plain().spool(tiny.path());
    let error = bundle
        .export(&*of_directory(door, &many), &there)
        .unwrap_err();
    assert_eq!(error.errno, libc::ENOSPC, "{error}");
    assert_eq!(fs::read_dir(tiny.path()).unwrap().count(), 0);
    bundle
        .export(&*of_directory(door, &many), &plain())
        .unwrap();
    assert_eq!(bundle.left(), ["archive"]);
}
