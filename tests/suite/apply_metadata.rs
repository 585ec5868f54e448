//! Applying: owners, modes, times, and extended attributes with ACLs.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink as make_symlink};

use crate::support::api::ESCAPE;
use crate::support::os;
use crate::support::process::Test;
use crate::support::sandbox::{Fs, run};
use crate::support::stage::{Stage, assert_errno};
use crate::support::tarball::{Dialect, archive, dir, fifo, file, hardlink, symlink, unended};
use crate::support::tree::{Aspects, Snapshot};

api_tests! {
    the_mode_is_the_low_twelve_bits_whatever_the_umask,
    the_set_id_bits_survive_a_change_of_owner,
    a_file_that_was_not_finished_has_neither_set_id_bits_nor_readers,
    ids_that_no_file_can_have_are_refused,
    the_highest_id_is_an_id,
    a_hard_links_metadata_goes_to_the_shared_file,
    nothing_is_written_through_what_is_mounted_below_the_root,
    an_attempt_that_leaves_a_temporary_name_says_so,
    a_merged_directory_keeps_its_content_and_takes_the_metadata,
    a_directory_that_forbids_writing_still_gets_its_content,
    a_missing_root_is_an_error_and_stays_missing,
    a_missing_diff_is_nothing_to_do,
    a_diff_that_is_no_regular_file_is_never_waited_for,
    files_in_a_setgid_directory_belong_to_whom_the_archive_says,
    a_file_that_is_cut_short_is_not_there
}

fn the_mode_is_the_low_twelve_bits_whatever_the_umask(t: &Test) {
    let stage = Stage::new(t);
    stage
        .apply([
            file("f", "x").mode(0o100_666),
            file("s", "x").mode(0o6755),
            dir("d").mode(0o41_777),
        ])
        .unwrap();
    let tree = stage.tree();
    assert_eq!(
        (tree.get("f").mode, tree.get("s").mode, tree.get("d").mode),
        (0o666, 0o6755, 0o1777)
    );
}

fn the_set_id_bits_survive_a_change_of_owner(t: &Test) {
    needs_root!("give files away");
    let stage = Stage::new(t);
    stage
        .apply([
            file("s", "x").mode(0o6755).owner(7, 8),
            symlink("l", "s").owner(9, 10),
        ])
        .unwrap();
    let tree = stage.tree();
    assert_eq!(
        (tree.get("s").mode, tree.get("s").uid, tree.get("s").gid),
        (0o6755, 7, 8)
    );
    assert_eq!((tree.get("l").uid, tree.get("l").gid), (9, 10));
}

fn a_file_that_was_not_finished_has_neither_set_id_bits_nor_readers(t: &Test) {
    let stage = Stage::new(t);
    let whole = unended([file("s", vec![b'x'; 100_000]).mode(0o6755)]);
    stage.apply_bytes(&whole[..50_000]).unwrap_err();
    if stage.exists("s") {
        assert_eq!(stage.tree().get("s").mode & 0o6077, 0);
    }
}

fn ids_that_no_file_can_have_are_refused(t: &Test) {
    for (uid, gid) in [
        (1 << 32, 0),
        (0, (1 << 32) + 5),
        (-2, 0),
        (0, 4_294_967_295),
    ] {
        let stage = Stage::new(t);
        stage
            .apply([file("f", "x").dialect(Dialect::Gnu).owner(uid, gid)])
            .unwrap_err();
        stage
            .apply([file("f", "x")
                .pax("uid", uid.to_string())
                .pax("gid", gid.to_string())])
            .unwrap_err();
        assert_eq!(stage.tree().paths(), Vec::<String>::new(), "{uid}:{gid}");
    }
}

fn the_highest_id_is_an_id(t: &Test) {
    needs_root!("give files away");
    let stage = Stage::new(t);
    stage
        .apply([file("f", "x").pax("uid", "4294967294").pax("gid", "65536")])
        .unwrap();
    assert_eq!(
        (stage.tree().get("f").uid, stage.tree().get("f").gid),
        (4_294_967_294, 65_536)
    );
}

fn a_hard_links_metadata_goes_to_the_shared_file(t: &Test) {
    let stage = Stage::new(t);
    stage
        .apply([
            file("f", "x").mode(0o600),
            hardlink("l", "f").mode(0o640).mtime(77),
        ])
        .unwrap();
    assert_eq!(
        (stage.tree().get("f").mode, stage.tree().get("f").mtime),
        (0o640, (77, 0))
    );
}

fn nothing_is_written_through_what_is_mounted_below_the_root(t: &Test) {
    needs_root!("mount file systems");
    for bind in [false, true] {
        let mut stage = Stage::new(t);
        let (mount, elsewhere) = (stage.at("sub/data"), stage.sandbox.dir("elsewhere"));
        fs::create_dir_all(&mount).unwrap();
        if bind {
            run(&format!(
                "mount --bind {} {}",
                elsewhere.display(),
                mount.display()
            ))
            .unwrap();
            stage.sandbox.unmount_later(&mount);
        } else {
            stage.sandbox.mount_tmpfs(&mount);
        }
        fs::create_dir(mount.join("there")).unwrap();
        os::set_times(&mount, (5, 0), (7, 0)).unwrap();
        let before = stage.tree();
        make_symlink("sub", stage.at("l")).unwrap();
        for entry in [
            file("sub/data/keep", "x"),
            file("l/data/keep", "x"),
            file("sub/data/there/keep", "x"),
            dir("sub/data").mode(0o700),
            dir("sub/data/new"),
            file("sub/data/new/deep/f", "x"),
            symlink("sub/data/s", "x"),
            fifo("sub/data/p"),
            hardlink("sub/data/h", "kept"),
        ] {
            stage.write("kept", "x");
            let failure = stage.apply([entry.clone()]).unwrap_err();
            assert_eq!(
                (failure.kind, failure.errno),
                (ESCAPE, libc::EXDEV),
                "{entry:?}: {failure:?}"
            );
            for own in ["kept", "l"] {
                assert!(stage.exists(own));
            }
            let after = Snapshot::without(&stage.root, &["kept", "l"]);
            before
                .differences(&after, Aspects::RESTORE)
                .iter()
                .for_each(|line| assert!(line.contains("\"\""), "{line}"));
        }
    }
}

fn an_attempt_that_leaves_a_temporary_name_says_so(t: &Test) {
    needs_root!("make a directory append-only");
    let Some(stage) = Stage::on(t, Fs::Ext4) else {
        return;
    };
    stage.write("d/f", "old");
    run(&format!("chattr +a {}", stage.at("d").display())).unwrap();
    let failure = stage.apply([file("d/f", "new")]).unwrap_err();
    run(&format!("chattr -a {}", stage.at("d").display())).unwrap();
    let left: Vec<_> = stage
        .tree()
        .paths()
        .into_iter()
        .filter(|path| path.contains("crutils-new"))
        .collect();
    assert_eq!(
        (failure.errno, left.len(), stage.read("d/f")),
        (libc::EPERM, 1, "old".into())
    );
    let name = left[0].strip_prefix("d/").unwrap();
    assert!(
        failure.message.contains(&format!("\"{name}\" stays")),
        "{}",
        failure.message
    );
}

fn a_merged_directory_keeps_its_content_and_takes_the_metadata(t: &Test) {
    let stage = Stage::new(t);
    stage.write("d/kept", "kept");
    fs::set_permissions(stage.at("d"), PermissionsExt::from_mode(0o700)).unwrap();
    stage
        .apply([dir("d").mode(0o511).mtime(5).xattr("user.new", "1")])
        .unwrap();
    let tree = stage.tree();
    assert_eq!((tree.get("d").mode, tree.get("d").mtime), (0o511, (5, 0)));
    assert_eq!(stage.read("d/kept"), "kept");
    assert_eq!(tree.get("d").xattrs.len(), 1);
}

fn a_directory_that_forbids_writing_still_gets_its_content(t: &Test) {
    let stage = Stage::new(t);
    stage
        .apply([
            dir("d").mode(0o555),
            file("d/f", "x"),
            dir("d/e").mode(0),
            file("d/e/g", "x"),
        ])
        .unwrap();
    fs::set_permissions(stage.at("d/e"), PermissionsExt::from_mode(0o700)).unwrap();
    assert_eq!(stage.read("d/e/g"), "x");
    assert_eq!(stage.tree().get("d").mode, 0o555);
}

fn a_missing_root_is_an_error_and_stays_missing(t: &Test) {
    let stage = Stage::new(t);
    fs::write(
        stage.base.join("rootfs-diff.tar"),
        archive([file("f", "x")]),
    )
    .unwrap();
    let missing = stage.sandbox.path().join("missing");
    assert_errno(t.apply_rootfs_diff_tar(&stage.base, &missing), libc::ENOENT);
    assert!(!missing.exists());
}

fn a_missing_diff_is_nothing_to_do(t: &Test) {
    let stage = Stage::new(t);
    let before = stage.tree();
    t.apply_rootfs_diff_tar(&stage.base, &stage.root).unwrap();
    t.apply_rootfs_diff_tar(&stage.base.join("missing"), &stage.root)
        .unwrap();
    before.assert_same(&stage.tree(), Aspects::UNTOUCHED, "the root");
}

fn a_diff_that_is_no_regular_file_is_never_waited_for(t: &Test) {
    let stage = Stage::new(t);
    let path = stage.base.join("rootfs-diff.tar");
    os::mknod(&path, libc::S_IFIFO | 0o600, 0, 0).unwrap();
    stage.guarded(|| {
        t.apply_rootfs_diff_tar(&stage.base, &stage.root)
            .unwrap_err()
    });
    fs::remove_file(&path).unwrap();
    let elsewhere = stage.sandbox.path().join("elsewhere.tar");
    fs::write(&elsewhere, archive([file("f", "x")])).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
    stage.guarded(|| {
        t.apply_rootfs_diff_tar(&stage.base, &stage.root)
            .unwrap_err()
    });
    assert_eq!(stage.tree().paths(), Vec::<String>::new());
}

fn files_in_a_setgid_directory_belong_to_whom_the_archive_says(t: &Test) {
    needs_root!("give files away");
    let stage = Stage::new(t);
    let owned = |name: &str, gid| file(name, "x").owner(0, gid);
    stage
        .apply([
            dir("d").mode(0o2755).owner(0, 50),
            owned("d/a", 50),
            owned("d/b", 0),
            owned("d/c", 50),
            owned("d/d", 7),
            // From here on what is made there belongs to another group.
            dir("d").mode(0o2755).owner(0, 7),
            owned("d/e", 0),
            owned("d/f", 50),
            owned("d/g", 7),
        ])
        .unwrap();
    let tree = stage.tree();
    let groups = ["a", "b", "c", "d", "e", "f", "g"].map(|name| tree.get(&format!("d/{name}")).gid);
    assert_eq!(groups, [50, 0, 50, 7, 0, 50, 7]);
}

fn a_file_that_is_cut_short_is_not_there(t: &Test) {
    let stage = Stage::new(t);
    stage.write("old", "as it was");
    for (name, content) in [("new", None), ("old", Some("as it was"))] {
        let mut bytes = unended([file("whole", "x"), file(name, vec![b'x'; 100_000])]);
        bytes.truncate(50_000);
        assert_errno(stage.apply_bytes(&bytes), libc::EBADMSG);
        assert_eq!(stage.read("whole"), "x");
        let found = stage.exists(name).then(|| stage.read(name));
        assert!(found.as_deref() == content, "{name}");
    }
    assert_eq!(stage.tree().paths(), ["old", "whole"]);
}
