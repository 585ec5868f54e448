//! Applying: owners, modes, times, and extended attributes with ACLs.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink as make_symlink};

use crate::cases::CAPABILITY;
use crate::support::acl;
use crate::support::api::ESCAPE;
use crate::support::os;
use crate::support::process::Test;
use crate::support::sandbox::{Fs, run};
use crate::support::stage::{Stage, assert_errno};
use crate::support::tarball::{
    Dialect, TIME, archive, block_device, char_device, dir, fifo, file, hardlink, symlink, unended,
};
use crate::support::tree::{Aspects, Kind, Snapshot};

const ACCESS: &str = "system.posix_acl_access";
const DEFAULT: &str = "system.posix_acl_default";

api_tests! {
    the_mode_is_the_low_twelve_bits_whatever_the_umask,
    the_set_id_bits_survive_a_change_of_owner,
    a_file_that_was_not_finished_has_neither_set_id_bits_nor_readers,
    ids_that_no_file_can_have_are_refused,
    the_highest_id_is_an_id,
    a_hard_links_metadata_goes_to_the_shared_file,
    times_come_back_with_nanoseconds,
    access_times_are_taken_if_they_are_there,
    times_before_1970_and_after_2262_come_back,
    directory_times_survive_what_is_put_into_them_later,
    a_directory_that_no_entry_describes_keeps_its_times,
    a_directory_that_is_reached_through_a_link_keeps_its_times_too,
    directory_times_never_go_to_what_took_the_directorys_place,
    extended_attributes_come_back_as_they_are,
    trusted_attributes_and_capabilities_come_back_on_every_type,
    overlay_internal_attributes_are_never_taken,
    an_attribute_that_the_file_system_does_not_know_is_tolerated,
    an_attribute_that_the_kernel_refuses_is_an_error,
    an_attribute_that_the_type_cannot_have_is_left_out,
    an_attribute_that_the_file_system_has_no_room_for_is_named_as_such,
    nothing_is_written_through_what_is_mounted_below_the_root,
    an_attempt_that_leaves_a_temporary_name_says_so,
    an_attribute_of_more_than_64_kibibytes_is_an_error,
    acls_come_back_and_with_them_the_right_mode,
    nothing_is_inherited_from_a_default_acl_in_the_root,
    a_merged_directory_keeps_its_content_and_takes_the_metadata,
    a_directory_that_forbids_writing_still_gets_its_content,
    a_missing_root_is_an_error_and_stays_missing,
    a_missing_diff_is_nothing_to_do,
    a_diff_that_is_no_regular_file_is_never_waited_for,
    a_symlinks_own_times_and_owner_are_set_not_its_targets,
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

fn times_come_back_with_nanoseconds(t: &Test) {
    let stage = Stage::new(t);
    let stamped =
        |entry: crate::support::tarball::Entry| entry.pax("mtime", "1500000000.123456789");
    stage
        .apply(
            [
                file("f", "x"),
                dir("d"),
                symlink("l", "f"),
                fifo("p"),
                file("d/f", "x"),
            ]
            .map(stamped),
        )
        .unwrap();
    for name in ["f", "d", "l", "p"] {
        assert_eq!(
            stage.tree().get(name).mtime,
            (1_500_000_000, 123_456_789),
            "{name}"
        );
    }
}

fn access_times_are_taken_if_they_are_there(t: &Test) {
    let stage = Stage::new(t);
    let with = |name: &str, atime: &str| file(name, "x").pax("atime", atime);
    stage
        .apply([
            with("later", "1500000000.5"),
            file("none", "x"),
            dir("d"),
            file("d/f", "x"),
        ])
        .unwrap();
    let tree = stage.tree();
    assert_eq!(tree.get("later").atime, (1_500_000_000, 500_000_000));
    assert_eq!(tree.get("none").atime, (TIME, 0));
    assert!(tree.get("d").atime.0 >= TIME, "{:?}", tree.get("d").atime);
    assert_eq!(tree.get("d").mtime, (TIME, 0));
}

fn times_before_1970_and_after_2262_come_back(t: &Test) {
    for fs in [Fs::Host, Fs::Tmpfs] {
        let Some(stage) = Stage::on(t, fs) else {
            continue;
        };
        let far = if fs == Fs::Tmpfs {
            9_300_000_000
        } else {
            9_200_000_000
        };
        stage
            .apply([
                file("old", "x").pax("mtime", "-5.25"),
                symlink("oldlink", "x").pax("mtime", "-5.25"),
                dir("olddir").pax("mtime", "-5.25"),
                file("far", "x").pax("mtime", far.to_string()),
                symlink("farlink", "x").pax("mtime", far.to_string()),
                file("gnu", "x").dialect(Dialect::Gnu).mtime(-7),
            ])
            .unwrap();
        let tree = stage.tree();
        for name in ["old", "oldlink", "olddir"] {
            assert_eq!(tree.get(name).mtime, (-6, 750_000_000), "{name}");
        }
        for name in ["far", "farlink"] {
            assert_eq!(tree.get(name).mtime, (far, 0), "{name}");
        }
        assert_eq!(tree.get("gnu").mtime, (-7, 0));
    }
}

fn directory_times_survive_what_is_put_into_them_later(t: &Test) {
    let stage = Stage::new(t);
    let entries = [
        dir("a").mtime(1),
        dir("a/b").mtime(2),
        file("a/b/f", "x"),
        file("a/g", "x"),
        dir("c").mtime(3),
        hardlink("c/l", "a/g"),
    ];
    stage.apply(entries).unwrap();
    let tree = stage.tree();
    assert_eq!(
        [
            tree.get("a").mtime.0,
            tree.get("a/b").mtime.0,
            tree.get("c").mtime.0
        ],
        [1, 2, 3]
    );
}

fn a_directory_that_no_entry_describes_keeps_its_times(t: &Test) {
    let stage = Stage::new(t);
    for path in ["a/kept", "d/f", "e/l"] {
        stage.write(path, "old");
    }
    for path in ["a", "d", "e", ""] {
        os::set_times(&stage.at(path), (100, 1), (100, 2)).unwrap();
    }
    stage
        .apply([
            file("a/b/c/f", "x"),
            file("d/f", "new"),
            symlink("e/l", "x"),
            file("e/new", "x"),
            file("top", "x"),
        ])
        .unwrap();
    let tree = stage.tree();
    for path in ["a", "d", "e", ""] {
        assert_eq!(tree.get(path).mtime, (100, 2), "{path:?}");
    }
    assert_eq!(stage.read("d/f"), "new");
}

fn a_directory_that_is_reached_through_a_link_keeps_its_times_too(t: &Test) {
    let stage = Stage::new(t);
    stage.write("real/sub/kept", "x");
    std::os::unix::fs::symlink("real", stage.at("link")).unwrap();
    for path in ["real/sub", "real"] {
        os::set_times(&stage.at(path), (100, 1), (100, 2)).unwrap();
    }
    stage
        .apply([file("link/sub/f", "x"), file("link/new/sub/f", "x")])
        .unwrap();
    let tree = stage.tree();
    assert_eq!(
        (tree.get("real").mtime, tree.get("real/sub").mtime),
        ((100, 2), (100, 2))
    );
}

fn directory_times_never_go_to_what_took_the_directorys_place(t: &Test) {
    let stage = Stage::new(t);
    fs::create_dir(stage.at("other")).unwrap();
    os::set_times(&stage.at("other"), (5, 0), (5, 0)).unwrap();
    stage
        .apply([
            dir("a").mtime(1),
            symlink("a", "other").mtime(9),
            dir("b").mtime(1),
            symlink("b", "nowhere").mtime(9),
            dir("c/d").mtime(1),
            file("c", "x").mtime(9),
            dir("e").mtime(1),
            file("e", "x").mtime(9),
        ])
        .unwrap();
    let tree = stage.tree();
    assert_eq!(tree.get("other").mtime, (5, 0));
    for name in ["a", "b", "c", "e"] {
        assert_eq!(tree.get(name).mtime, (9, 0), "{name}");
    }
}

fn extended_attributes_come_back_as_they_are(t: &Test) {
    let stage = Stage::new(t);
    stage
        .apply([
            file("f", "x")
                .xattr("user.a", "x\0y=\n")
                .xattr("user.empty", ""),
            dir("d").xattr("user.d", "1").mode(0o500),
        ])
        .unwrap();
    let tree = stage.tree();
    assert_eq!(
        tree.get("f").xattrs.get(&b"user.a"[..]).unwrap(),
        b"x\0y=\n"
    );
    assert_eq!(tree.get("f").xattrs.get(&b"user.empty"[..]).unwrap(), b"");
    assert_eq!((tree.get("d").xattrs.len(), tree.get("d").mode), (1, 0o500));
}

fn trusted_attributes_and_capabilities_come_back_on_every_type(t: &Test) {
    needs_root!("set trusted attributes");
    let stage = Stage::new(t);
    let trusted = |entry: crate::support::tarball::Entry| entry.xattr("trusted.t", "v");
    let entries = [
        dir("d"),
        symlink("l", "nowhere"),
        fifo("p"),
        char_device("c", 1, 3),
        file("f", "x").owner(7, 7),
    ];
    stage.apply(entries.map(trusted)).unwrap();
    stage
        .apply([file("g", "x")
            .owner(7, 7)
            .mode(0o755)
            .xattr("security.capability", CAPABILITY)])
        .unwrap();
    let tree = stage.tree();
    for name in ["d", "l", "p", "c", "f"] {
        assert_eq!(
            tree.get(name)
                .xattrs
                .get(&b"trusted.t"[..])
                .map(Vec::as_slice),
            Some(&b"v"[..]),
            "{name}"
        );
    }
    assert_eq!(
        tree.get("g")
            .xattrs
            .get(&b"security.capability"[..])
            .unwrap(),
        &CAPABILITY
    );
}

fn overlay_internal_attributes_are_never_taken(t: &Test) {
    let stage = Stage::new(t);
    let entry = dir("d")
        .xattr("trusted.overlay.opaque", "y")
        .xattr("user.overlay.opaque", "y")
        .xattr("trusted.overlay.redirect", "/x");
    stage.apply([entry.xattr("user.kept", "1")]).unwrap();
    let names: Vec<_> = stage.tree().get("d").xattrs.keys().cloned().collect();
    assert_eq!(names, [b"user.kept"]);
}

fn an_attribute_that_the_file_system_does_not_know_is_tolerated(t: &Test) {
    let stage = Stage::new(t);
    stage
        .apply([file("f", "x")
            .xattr("foo.bar", "1")
            .pax("LIBARCHIVE.xattr.foo.l", "eA==")])
        .unwrap();
    assert!(stage.tree().get("f").xattrs.is_empty());
}

fn an_attribute_that_the_kernel_refuses_is_an_error(t: &Test) {
    needs_root!("tell a refusal from a lack of privilege");
    for entry in [
        file("l", "x").xattr("security.capability", "nonsense"),
        file("l", "x").xattr(ACCESS, [2, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0]),
    ] {
        let stage = Stage::new(t);
        let failure = stage
            .apply([entry.clone()])
            .expect_err(&format!("{entry:?}"));
        assert_eq!(failure.entry.as_deref(), Some(&b"l"[..]), "{failure:?}");
        assert!(
            [libc::EPERM, libc::EINVAL].contains(&failure.errno),
            "{failure:?}"
        );
    }
}

fn an_attribute_that_the_type_cannot_have_is_left_out(t: &Test) {
    needs_root!("make devices");
    let stage = Stage::new(t);
    let entries = [
        symlink("l", "x"),
        fifo("p"),
        char_device("c", 1, 3),
        block_device("b", 7, 0),
        file("f", "x"),
    ];
    stage
        .apply(entries.map(|entry| entry.xattr("user.note", "1").xattr("trusted.t", "v")))
        .unwrap();
    let tree = stage.tree();
    for path in ["l", "p", "c", "b"] {
        assert_eq!(
            tree.get(path).xattrs.keys().collect::<Vec<_>>(),
            [b"trusted.t"],
            "{path}"
        );
    }
    assert_eq!(tree.get("f").xattrs.len(), 2);
    let entries = [file("g", "x"), fifo("q"), symlink("m", "x")];
    stage
        .apply(entries.map(|entry| entry.xattr(DEFAULT, acl(&[1234]))))
        .unwrap();
    assert!(
        ["g", "q", "m"]
            .iter()
            .all(|path| stage.tree().get(path).xattrs.is_empty())
    );
}

fn an_attribute_that_the_file_system_has_no_room_for_is_named_as_such(t: &Test) {
    needs_root!("mount file systems");
    let Some(stage) = Stage::on(t, Fs::Ext4) else {
        return;
    };
    for entry in [
        file("x", "x").xattr("user.large", vec![b'v'; 10_000]),
        dir("x").xattr("user.large", vec![b'v'; 10_000]),
    ] {
        let failure = stage.apply([entry]).unwrap_err();
        assert_eq!(
            (failure.errno, failure.entry.as_deref()),
            (libc::ENOSPC, Some(&b"x"[..])),
            "{failure:?}"
        );
        let message = "has no room for an attribute of this size (10000 bytes)";
        assert!(failure.message.contains(message), "{}", failure.message);
    }
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

fn an_attribute_of_more_than_64_kibibytes_is_an_error(t: &Test) {
    let large = vec![0; 65_537];
    for entry in [
        file("x", "x").xattr("user.large", &large),
        dir("x").xattr("user.large", &large),
        dir("x").xattr(DEFAULT, &large),
        dir("x").xattr(ACCESS, &large),
    ] {
        let stage = Stage::new(t);
        let failure = stage.apply([entry]).unwrap_err();
        assert_eq!(
            (failure.errno, failure.entry.as_deref()),
            (libc::E2BIG, Some(&b"x"[..])),
            "{failure:?}"
        );
    }
}

fn acls_come_back_and_with_them_the_right_mode(t: &Test) {
    let stage = Stage::new(t);
    let list = acl(&[1234]);
    stage
        .apply([
            dir("d")
                .mode(0o770)
                .xattr(ACCESS, &list)
                .xattr(DEFAULT, &list),
            file("d/f", "x").mode(0o640),
            file("g", "x").mode(0o770).xattr(ACCESS, &list),
        ])
        .unwrap();
    let tree = stage.tree();
    assert_eq!(tree.get("d").xattrs.get(ACCESS.as_bytes()), Some(&list));
    assert_eq!(tree.get("d").xattrs.get(DEFAULT.as_bytes()), Some(&list));
    assert_eq!(tree.get("g").xattrs.get(ACCESS.as_bytes()), Some(&list));
    assert_eq!(
        (tree.get("d/f").mode, tree.get("d/f").xattrs.len()),
        (0o640, 0)
    );
}

fn nothing_is_inherited_from_a_default_acl_in_the_root(t: &Test) {
    let stage = Stage::new(t);
    let list = acl(&[1234]);
    fs::create_dir(stage.at("d")).unwrap();
    os::set_xattr(&stage.at("d"), DEFAULT, &list).unwrap();
    let entries = [
        file("d/f", "x").mode(0o644),
        dir("d/s").mode(0o755),
        file("d/new/g", "x").mode(0o600),
        fifo("d/p").mode(0o644),
    ];
    stage.apply(entries).unwrap();
    let tree = stage.tree();
    for (name, mode) in [
        ("d/f", 0o644),
        ("d/s", 0o755),
        ("d/new", 0o755),
        ("d/new/g", 0o600),
        ("d/p", 0o644),
    ] {
        assert!(
            tree.get(name).xattrs.is_empty(),
            "{name}: {:?}",
            tree.get(name).xattrs
        );
        assert_eq!(tree.get(name).mode, mode, "{name}");
    }
    assert_eq!(tree.get("d").xattrs.get(DEFAULT.as_bytes()), Some(&list));
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

fn a_symlinks_own_times_and_owner_are_set_not_its_targets(t: &Test) {
    let stage = Stage::new(t);
    stage.write("f", "x");
    os::set_times(&stage.at("f"), (5, 0), (5, 0)).unwrap();
    stage.apply([symlink("l", "f").mtime(77)]).unwrap();
    let tree = stage.tree();
    assert_eq!(
        (tree.get("f").mtime, tree.get("l").mtime),
        ((5, 0), (77, 0))
    );
    assert_eq!(tree.get("l").kind, Kind::Symlink(b"f".to_vec()));
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
