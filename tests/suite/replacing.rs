//! Applying: what happens to an old object when a new one takes its place, and to what was known of it.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink as make_symlink};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::os;
use crate::support::process::{Test, Within};
use crate::support::stage::{Stage, assert_errno};
use crate::support::tarball::{
    archive, block_device, char_device, dir, fifo, file, hardlink, symlink,
};
use crate::support::tree::{Aspects, Kind};

const ROUNDS: usize = 300;

/// The temporary names that are left anywhere in the root.
fn temporary_names(stage: &Stage<'_>) -> Vec<String> {
    let mut names = stage.tree().paths();
    names.retain(|name| name.contains(".crutils"));
    names
}

api_tests! {
    a_directory_found_through_a_link_is_finished_when_the_link_leads_elsewhere,
    a_hard_link_over_another_name_of_the_same_file_changes_nothing_and_leaves_nothing,
    calls_that_race_for_the_same_names_leave_no_temporary_ones,
    calls_in_one_directory_with_names_of_their_own_are_in_nobodys_way,
    what_a_racer_puts_in_a_hard_links_place_is_not_described,
    a_device_that_can_not_be_made_leaves_what_is_there,
    what_finds_no_room_leaves_what_is_there,
    a_failed_replacement_leaves_no_temporary_name,
    what_does_not_fit_on_the_disk_leaves_what_is_there,
    calls_that_replace_different_objects_of_one_directory_are_in_nobodys_way,
    a_replaced_object_has_the_new_ones_attributes_and_none_of_the_old_ones,
    a_file_that_is_being_replaced_is_whole_whenever_somebody_looks
}

fn a_directory_found_through_a_link_is_finished_when_the_link_leads_elsewhere(t: &Test) {
    for last in [symlink("link", "elsewhere"), file("link", "x"), dir("link")] {
        let stage = Stage::new(t);
        for name in ["real", "elsewhere/sub"] {
            fs::create_dir_all(stage.at(name)).unwrap();
        }
        os::set_times(&stage.at("elsewhere/sub"), (5, 0), (5, 0)).unwrap();
        stage
            .apply([
                symlink("link", "real"),
                dir("link/sub").mode(0o500).mtime(1000),
                last,
            ])
            .unwrap();
        let tree = stage.tree();
        assert_eq!(
            (tree.get("real/sub").mode, tree.get("real/sub").mtime),
            (0o500, (1000, 0))
        );
        assert_eq!(tree.get("elsewhere/sub").mtime, (5, 0));
    }
}

fn a_hard_link_over_another_name_of_the_same_file_changes_nothing_and_leaves_nothing(t: &Test) {
    let stage = Stage::new(t);
    stage.write("f", "x");
    fs::hard_link(stage.at("f"), stage.at("l")).unwrap();
    for _ in 0..2 {
        stage
            .apply([hardlink("l", "f"), hardlink("f", "l")])
            .unwrap();
        assert_eq!(stage.tree().paths(), ["f", "l"]);
        assert_eq!(
            (stage.tree().get("l").names, stage.read("l")),
            (2, "x".into())
        );
    }
}

fn calls_that_race_for_the_same_names_leave_no_temporary_ones(t: &Test) {
    let stage = Stage::new(t);
    let entries = [
        file("f", "x"),
        hardlink("l", "f"),
        hardlink("m", "f"),
        fifo("p"),
        symlink("s", "f"),
        hardlink("l", "m"),
    ];
    fs::write(stage.base.join("rootfs-diff.tar"), archive(entries)).unwrap();
    stage.guarded(|| {
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        if let Err(failure) = t.apply_rootfs_diff_tar(&stage.base, &stage.root) {
                            assert!(
                                [libc::ENOENT, libc::EEXIST, libc::ESTALE].contains(&failure.errno),
                                "{failure:?}"
                            );
                        }
                    }
                });
            }
        })
    });
    assert_eq!(temporary_names(&stage), Vec::<String>::new());
}

fn calls_in_one_directory_with_names_of_their_own_are_in_nobodys_way(t: &Test) {
    let stage = Stage::new(t);
    std::thread::scope(|scope| {
        for number in 0..8 {
            let (stage, base) = (&stage, stage.sandbox.dir(&format!("base{number}")));
            scope.spawn(move || {
                for round in 0..100 {
                    let content = format!("{number} {round}");
                    fs::write(
                        base.join("rootfs-diff.tar"),
                        archive([file(format!("f{number}"), &content)]),
                    )
                    .unwrap();
                    t.apply_rootfs_diff_tar(&base, &stage.root).unwrap();
                    assert_eq!(stage.read(&format!("f{number}")), content);
                }
            });
        }
    });
    assert_eq!(temporary_names(&stage), Vec::<String>::new());
}

fn what_a_racer_puts_in_a_hard_links_place_is_not_described(t: &Test) {
    let stage = Stage::new(t);
    stage.write("decoy", "decoy");
    fs::set_permissions(stage.at("decoy"), PermissionsExt::from_mode(0o444)).unwrap();
    let entries = [
        file("f", "x").mode(0o600),
        hardlink("l", "f")
            .mode(0o640)
            .mtime(77)
            .xattr("user.a", "1"),
    ];
    fs::write(stage.base.join("rootfs-diff.tar"), archive(entries)).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let _ = fs::hard_link(stage.at("decoy"), stage.at("next"));
                let _ = fs::rename(stage.at("next"), stage.at("l"));
                let _ = fs::remove_file(stage.at("next"));
            }
        });
        for _ in 0..ROUNDS {
            let _ = t.apply_rootfs_diff_tar(&stage.base, &stage.root);
        }
        done.store(true, Ordering::Relaxed);
    });
    let tree = stage.tree();
    assert_eq!(
        (tree.get("decoy").mode, tree.get("decoy").xattrs.len()),
        (0o444, 0)
    );
    assert_eq!(stage.read("decoy"), "decoy");
}

fn a_device_that_can_not_be_made_leaves_what_is_there(t: &Test) {
    needs_root!("give up a capability");
    t.within(Within::Without("mknod"), || {
        for entry in [char_device("x", 1, 3), block_device("x", 8, 0)] {
            for old in ["file", "tree", "link"] {
                let stage = Stage::new(t);
                stage.write("other", "other");
                match old {
                    "file" => stage.write("x", "old"),
                    "tree" => stage.write("x/sub/f", "old"),
                    _ => make_symlink("other", stage.at("x")).unwrap(),
                }
                let before = stage.tree();
                assert_errno(stage.apply([entry.clone()]), libc::EPERM);
                let aspects = Aspects {
                    mtimes: false,
                    ..Aspects::UNTOUCHED
                };
                before.assert_same(&stage.tree(), aspects, old);
            }
        }
    });
}

fn what_finds_no_room_leaves_what_is_there(t: &Test) {
    needs_root!("mount file systems");
    for entry in [
        file("x", "new"),
        symlink("x", "new"),
        fifo("x"),
        dir("x"),
        hardlink("x", "other"),
        char_device("x", 1, 3),
    ] {
        for old in ["file", "tree"] {
            if entry.is_dir() && old == "tree" {
                continue;
            }
            let mut stage = Stage::new(t);
            let root = stage.root.clone();
            stage.sandbox.mount_tmpfs_with(&root, "nr_inodes=16");
            stage.write("other", "other");
            stage.write(if old == "file" { "x" } else { "x/f" }, "old");
            let full = (0..16)
                .find_map(|number| fs::write(stage.at(&format!("fill{number}")), "").err())
                .unwrap();
            assert_eq!(full.raw_os_error(), Some(libc::ENOSPC));
            let before = stage.tree();
            assert_errno(stage.apply([entry.clone()]), libc::ENOSPC);
            before.assert_same(
                &stage.tree(),
                Aspects {
                    mtimes: false,
                    ..Aspects::UNTOUCHED
                },
                &format!("{entry:?}"),
            );
        }
    }
}

fn a_failed_replacement_leaves_no_temporary_name(t: &Test) {
    needs_root!("mount file systems");
    let mut stage = Stage::new(t);
    stage.write("x/mnt/f", "x");
    let mount = stage.at("x/mnt");
    stage.sandbox.mount_tmpfs(&mount);
    for entry in [
        file("x", "new"),
        symlink("x", "new"),
        fifo("x"),
        hardlink("x", "other"),
    ] {
        stage.write("other", "other");
        assert_errno(stage.apply([entry]), libc::EBUSY);
        assert_eq!(temporary_names(&stage), Vec::<String>::new());
    }
}

fn what_does_not_fit_on_the_disk_leaves_what_is_there(t: &Test) {
    needs_root!("mount file systems");
    for old in ["file", "tree", "link"] {
        let mut stage = Stage::new(t);
        let root = stage.root.clone();
        stage.sandbox.mount_tmpfs_with(&root, "size=1m");
        stage.write("other", "other");
        match old {
            "file" => stage.write("x", "old"),
            "tree" => stage.write("x/sub/f", "old"),
            _ => make_symlink("other", stage.at("x")).unwrap(),
        }
        let before = stage.tree();
        assert_errno(stage.apply([file("x", vec![b'x'; 2 << 20])]), libc::ENOSPC);
        before.assert_same(
            &stage.tree(),
            Aspects {
                mtimes: false,
                ..Aspects::UNTOUCHED
            },
            old,
        );
    }
}

fn calls_that_replace_different_objects_of_one_directory_are_in_nobodys_way(t: &Test) {
    let stage = Stage::new(t);
    let kinds = ["f", "l", "s", "p", "d"];
    for number in 0..8 {
        for kind in kinds {
            stage.write(&format!("d/{kind}{number}"), "old");
        }
    }
    let members = |n: usize| {
        archive([
            file(format!("d/f{n}"), n.to_string()),
            hardlink(format!("d/l{n}"), format!("d/f{n}")),
            symlink(format!("d/s{n}"), "x"),
            fifo(format!("d/p{n}")),
            dir(format!("d/d{n}")),
            file(format!("d/d{n}"), "x"),
            dir(format!("d/d{n}")),
        ])
    };
    std::thread::scope(|scope| {
        for number in 0..8 {
            let (stage, base) = (&stage, stage.sandbox.dir(&format!("base{number}")));
            fs::write(base.join("rootfs-diff.tar"), members(number)).unwrap();
            scope.spawn(move || {
                for _ in 0..20 {
                    t.apply_rootfs_diff_tar(&base, &stage.root).unwrap();
                }
            });
        }
    });
    let tree = stage.tree();
    for number in 0..8 {
        let at = |kind: &str| tree.get(&format!("d/{kind}{number}"));
        assert_eq!(
            (stage.read(&format!("d/l{number}")), at("f").names),
            (number.to_string(), 2)
        );
        assert_eq!(
            [&at("s").kind, &at("p").kind, &at("d").kind],
            [&Kind::Symlink(b"x".to_vec()), &Kind::Fifo, &Kind::Directory]
        );
    }
    assert_eq!(tree.paths().len(), 1 + 8 * kinds.len());
}

fn a_replaced_object_has_the_new_ones_attributes_and_none_of_the_old_ones(t: &Test) {
    let new = [file("x", "new"), dir("x"), symlink("x", "other"), fifo("x")];
    for entry in new.map(|entry| entry.mode(0o640).mtime(77)) {
        let mode = if entry.is_symlink() { 0o777 } else { 0o640 };
        for file_before in [true, false] {
            let stage = Stage::new(t);
            if file_before || entry.is_dir() {
                stage.write("x", "old");
            } else {
                stage.write("x/sub/f", "old");
            }
            os::set_xattr(&stage.at("x"), "user.old", b"1").unwrap();
            stage.apply([entry.clone()]).unwrap();
            let tree = stage.tree();
            let x = tree.get("x");
            assert_eq!(
                (x.mode, x.mtime, x.xattrs.len(), tree.paths().len()),
                (mode, (77, 0), 0, 1),
                "{entry:?}"
            );
        }
    }
}

fn a_file_that_is_being_replaced_is_whole_whenever_somebody_looks(t: &Test) {
    let stage = Stage::new(t);
    let entry = file("x", vec![b'x'; 1 << 20])
        .mode(0o640)
        .mtime(77)
        .xattr("user.a", "1");
    stage.apply([entry]).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let looker = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let x = fs::File::open(stage.at("x")).unwrap();
                let found = x.metadata().unwrap();
                assert_eq!(
                    (found.len(), found.mode() & 0o7777, found.mtime()),
                    (1 << 20, 0o640, 77)
                );
            }
        });
        for _ in 0..30 {
            t.apply_rootfs_diff_tar(&stage.base, &stage.root).unwrap();
        }
        done.store(true, Ordering::Relaxed);
        looker.join().unwrap();
    });
}
