//! Without root: as an ordinary user, and in a user namespace.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::support::api::{add, delete};
use crate::support::os;
use crate::support::process::{Test, Within};
use crate::support::stage::{Stage, assert_errno};
use crate::support::tarball::{
    archive, block_device, char_device, dir, fifo, file, hardlink, symlink,
};
use crate::support::tree::{Aspects, Snapshot};

const ACCESS: &str = "system.posix_acl_access";

api_tests! {
    an_ordinary_user_can_do_all_of_it_with_files_of_their_own,
    an_ordinary_user_can_import_what_root_has_exported,
    an_ordinary_user_can_fill_a_directory_that_forbids_it,
    an_ordinary_user_can_attach_attributes_to_a_read_only_file,
    an_ordinary_user_can_not_give_files_away,
    an_id_that_the_user_namespace_does_not_know_is_an_error,
    attributes_that_a_user_namespace_forbids_are_left_out,
    the_users_own_diff_comes_back_in_a_user_namespace,
    a_directory_of_somebody_else_gets_its_file_and_the_rest_is_finished,
    attributes_and_acls_lock_nobody_out_too_early,
    a_link_to_a_device_that_is_left_out_is_left_out_and_so_is_what_had_their_names,
    a_link_to_what_took_a_left_out_devices_place_is_made,
    a_left_out_device_is_known_by_every_spelling_of_its_path,
    a_left_out_device_stays_known_when_its_directory_is_described_afterwards,
    a_left_out_device_is_forgotten_with_its_directory
}

fn an_ordinary_user_can_do_all_of_it_with_files_of_their_own(t: &Test) {
    t.within(Within::User, || {
        let (stage, other) = (Stage::new(t), Stage::new(t));
        let entries = [
            dir("d").mode(0o750).mtime(5),
            file("d/f", "x").mode(0o640).xattr("user.a", "1"),
            symlink("l", "d"),
            hardlink("h", "d/f"),
            fifo("p"),
        ];
        stage.apply(entries).unwrap();
        other.write("gone/f", "x");
        stage
            .create(&[add("/d"), add("/l"), add("/h"), add("/p"), delete("/gone")])
            .unwrap();
        other
            .apply_bytes(&fs::read(stage.base.join("rootfs-diff.tar")).unwrap())
            .unwrap();
        other
            .remove(fs::read(stage.base.join("deleted.files")).unwrap())
            .unwrap();
        stage
            .tree()
            .assert_same(&other.tree(), Aspects::RESTORE, "apply and delete");
        let bundle = stage.sandbox.path().join("bundle");
        let input = stage.sandbox.path().join("input");
        fs::write(
            &input,
            archive([
                file("config.dump", r#"{"runtime":"runc"}"#),
                file("checkpoint/x", "x"),
            ]),
        )
        .unwrap();
        t.import_without_config(&bundle, &input).unwrap();
        t.import_config_only(&bundle, &input).unwrap();
        assert_eq!(t.runtime_from_archive(&input).unwrap(), "runc");
        t.create_file_with_label(&bundle, "restore.log".as_ref(), c"")
            .unwrap();
    });
}

fn an_ordinary_user_can_import_what_root_has_exported(t: &Test) {
    t.within(Within::User, || {
        let stage = Stage::new(t);
        let (bundle, input) = (
            stage.sandbox.path().join("bundle"),
            stage.sandbox.path().join("input"),
        );
        let entries = [
            file("config.dump", r#"{"runtime":"runc"}"#),
            file("spec.dump", "{}"),
            dir("checkpoint"),
            file("checkpoint/x", "x").mode(0o4755),
            hardlink("checkpoint/y", "checkpoint/x"),
        ];
        fs::write(&input, archive(entries.map(|entry| entry.owner(0, 0)))).unwrap();
        t.import_config_only(&bundle, &input).unwrap();
        t.import_without_config(&bundle, &input).unwrap();
        let tree = Snapshot::of(&bundle);
        assert_eq!(
            tree.paths(),
            [
                "checkpoint",
                "checkpoint/x",
                "checkpoint/y",
                "config.dump",
                "spec.dump"
            ]
        );
        assert_eq!(
            (tree.get("checkpoint/x").uid, tree.get("config.dump").uid),
            (os::uid(), os::uid())
        );
        // A root file system's owners are part of it.
        assert_errno(stage.apply([file("f", "x").owner(0, 0)]), libc::EPERM);
    });
}

fn an_ordinary_user_can_fill_a_directory_that_forbids_it(t: &Test) {
    t.within(Within::User, || {
        let stage = Stage::new(t);
        let entries = [
            dir("d").mode(0o500),
            file("d/f", "x"),
            dir("d/e").mode(0o600),
            file("d/e/g", "x").mode(0o400),
        ];
        stage.apply(entries).unwrap();
        assert_eq!(stage.tree_mode("d/e"), 0o600);
        fs::set_permissions(stage.at("d/e"), PermissionsExt::from_mode(0o700)).unwrap();
        assert_eq!(
            (stage.read("d/e/g"), stage.tree_mode("d")),
            ("x".into(), 0o500)
        );
        fs::set_permissions(stage.at("d"), PermissionsExt::from_mode(0o700)).unwrap();
    });
}

fn an_ordinary_user_can_attach_attributes_to_a_read_only_file(t: &Test) {
    t.within(Within::User, || {
        let stage = Stage::new(t);
        stage
            .apply([
                file("f", "x").mode(0o400).xattr("user.a", "1"),
                dir("d").mode(0o500).xattr("user.a", "1"),
            ])
            .unwrap();
        let tree = stage.tree();
        assert_eq!((tree.get("f").mode, tree.get("f").xattrs.len()), (0o400, 1));
        assert_eq!((tree.get("d").mode, tree.get("d").xattrs.len()), (0o500, 1));
    });
}

fn an_ordinary_user_can_not_give_files_away(t: &Test) {
    t.within(Within::User, || {
        let stage = Stage::new(t);
        let failure = stage.apply([file("f", "x").owner(0, 0)]).unwrap_err();
        assert_eq!(
            (failure.errno, failure.entry.as_deref()),
            (libc::EPERM, Some(&b"f"[..]))
        );
    });
}

fn an_id_that_the_user_namespace_does_not_know_is_an_error(t: &Test) {
    for within in [Within::UserNamespace, Within::RootsNamespace] {
        t.within(within, || {
            assert_errno(
                Stage::new(t).apply([file("f", "x").owner(77, 77)]),
                libc::EINVAL,
            )
        });
    }
}

fn attributes_that_a_user_namespace_forbids_are_left_out(t: &Test) {
    for within in [Within::UserNamespace, Within::RootsNamespace] {
        t.within(within, || {
            let stage = Stage::new(t);
            stage
                .apply([file("f", "x")
                    .xattr("trusted.t", "1")
                    .xattr("user.kept", "1")])
                .unwrap();
            assert_eq!(
                stage.tree().get("f").xattrs.keys().collect::<Vec<_>>(),
                [b"user.kept"]
            );
            let (input, bundle) = (
                stage.sandbox.path().join("input"),
                stage.sandbox.path().join("bundle"),
            );
            let members = [
                file("config.dump", "{}").xattr("trusted.t", "1"),
                file("ctr.log", "x").xattr("trusted.t", "1"),
            ];
            fs::write(&input, archive(members)).unwrap();
            t.import_without_config(&bundle, &input).unwrap();
            t.import_config_only(&bundle, &input).unwrap();
            assert!(os::xattrs(&bundle.join("ctr.log")).unwrap().is_empty());
        });
    }
}

fn the_users_own_diff_comes_back_in_a_user_namespace(t: &Test) {
    t.within(Within::UserNamespace, || {
        let (stage, other) = (Stage::new(t), Stage::new(t));
        stage.write("d/f", "x");
        os::set_xattr(&stage.at("d/f"), "user.a", b"1").unwrap();
        fs::set_permissions(stage.at("d/f"), PermissionsExt::from_mode(0o4755)).unwrap();
        stage.create(&[add("/d")]).unwrap();
        other
            .apply_bytes(&fs::read(stage.base.join("rootfs-diff.tar")).unwrap())
            .unwrap();
        stage
            .tree()
            .assert_same(&other.tree(), Aspects::RESTORE, "apply");
    });
}

fn a_directory_of_somebody_else_gets_its_file_and_the_rest_is_finished(t: &Test) {
    for within in [Within::User, Within::UserNamespace] {
        t.within_prepared(
            within,
            |path| {
                let foreign = path.join("root/foreign");
                fs::create_dir_all(&foreign).unwrap();
                for (path, times) in [(path.join("root"), None), (foreign, Some((5, 6)))] {
                    fs::set_permissions(&path, PermissionsExt::from_mode(0o777)).unwrap();
                    times
                        .map(|times| os::set_times(&path, times, times))
                        .transpose()
                        .unwrap();
                }
            },
            |path| {
                let mut stage = Stage::new(t);
                stage.root = path.join("root");
                let entries = ["a", "z"].map(|name| {
                    [
                        dir(name).mode(0o500).mtime(7),
                        file(format!("{name}/f"), "x"),
                    ]
                });
                stage
                    .apply(
                        entries
                            .into_iter()
                            .flatten()
                            .chain([file("foreign/f", "x").mode(0o600)]),
                    )
                    .unwrap();
                let tree = stage.tree();
                for name in ["a", "z"] {
                    assert_eq!(
                        (tree.get(name).mode, tree.get(name).mtime),
                        (0o500, (7, 0)),
                        "{name}"
                    );
                }
                assert_eq!(
                    (tree.get("foreign").mode, tree.get("foreign/f").mode),
                    (0o777, 0o600)
                );
                fs::remove_file(stage.base.join("rootfs-diff.tar")).unwrap();
                stage.remove(r#"["/foreign/f"]"#).unwrap();
                assert!(!stage.exists("foreign/f"));
            },
        );
    }
}

fn attributes_and_acls_lock_nobody_out_too_early(t: &Test) {
    for within in [Within::User, Within::UserNamespace] {
        t.within(within, || {
            let stage = Stage::new(t);
            let list = crate::support::acl(&[])
                .iter()
                .enumerate()
                .map(|(at, byte)| {
                    // The permissions of the owner, the first entry, and of the mask, the third: `r-x`.
                    if at == 6 || at == 22 { 5 } else { *byte }
                })
                .collect::<Vec<_>>();
            let locked = |name: &str| {
                dir(name)
                    .mode(0o550)
                    .mtime(7)
                    .xattr(ACCESS, &list)
                    .xattr("user.k", "1")
            };
            stage
                .apply([
                    file("f", "x").mode(0o444).xattr("user.a", "1"),
                    locked("d"),
                    locked("d/e"),
                    file("d/e/f", "x").mode(0o444).xattr("user.a", "1"),
                    symlink("d/l", "x"),
                    hardlink("d/h", "f").mode(0o444).xattr("user.a", "1"),
                ])
                .unwrap();
            let tree = stage.tree();
            for name in ["d", "d/e"] {
                let node = tree.get(name);
                assert_eq!((node.mode, node.mtime), (0o550, (7, 0)), "{name}");
                assert_eq!(node.xattrs.get(ACCESS.as_bytes()), Some(&list), "{name}");
                assert_eq!(
                    node.xattrs.get(&b"user.k"[..]).map(Vec::as_slice),
                    Some(&b"1"[..]),
                    "{name}"
                );
            }
            for name in ["f", "d/e/f"] {
                assert_eq!(
                    (tree.get(name).mode, tree.get(name).xattrs.len()),
                    (0o444, 1),
                    "{name}"
                );
            }
            assert_eq!(tree.get("f").names, 2);
        });
    }
}

fn a_link_to_a_device_that_is_left_out_is_left_out_and_so_is_what_had_their_names(t: &Test) {
    for within in [Within::User, Within::UserNamespace, Within::RootsNamespace] {
        t.within(within, || {
            let stage = Stage::new(t);
            for path in ["dev/null", "dev/tree/f", "linked", "kept"] {
                stage.write(path, "old");
            }
            stage
                .apply([
                    char_device("dev/null", 1, 3),
                    block_device("./dev/tree", 8, 0),
                    hardlink("linked", "/dev/null"),
                    hardlink("again", "linked"),
                    hardlink("dev/other", "dev/tree"),
                    file("f", "x"),
                    hardlink("g", "f"),
                ])
                .unwrap();
            assert_eq!(stage.tree().paths(), ["dev", "f", "g", "kept"]);
        });
    }
}

fn a_link_to_what_took_a_left_out_devices_place_is_made(t: &Test) {
    t.within(Within::UserNamespace, || {
        let stage = Stage::new(t);
        stage
            .apply([char_device("c", 1, 3), file("c", "x"), hardlink("l", "c")])
            .unwrap();
        assert_eq!(
            (stage.tree().paths(), stage.tree().get("l").names),
            (vec!["c".into(), "l".into()], 2)
        );
        let stage = Stage::new(t);
        stage
            .apply([
                char_device("dev/x", 1, 3),
                file("./dev/x", "x"),
                hardlink("y", "dev/x"),
                hardlink("z", "/dev//x"),
            ])
            .unwrap();
        assert_eq!(
            (stage.tree().paths(), stage.tree().get("z").names),
            (["dev", "dev/x", "y", "z"].map(Into::into).to_vec(), 3)
        );
    });
}

fn a_left_out_device_is_known_by_every_spelling_of_its_path(t: &Test) {
    t.within(Within::UserNamespace, || {
        let stage = Stage::new(t);
        let links = [
            "dev/x",
            "/./dev//x",
            "../dev/y/../x",
            "via/x",
            "/via/../via/./x",
            "via/up/dev/x",
        ];
        let links = links
            .iter()
            .enumerate()
            .map(|(number, source)| hardlink(format!("l{number}"), source));
        let members = [
            dir("dev"),
            symlink("via", "/dev"),
            symlink("dev/up", ".."),
            char_device("via/x", 1, 3),
        ];
        stage.apply(members.into_iter().chain(links)).unwrap();
        assert_eq!(stage.tree().paths(), ["dev", "dev/up", "via"]);
    });
}

fn a_left_out_device_stays_known_when_its_directory_is_described_afterwards(t: &Test) {
    t.within(Within::UserNamespace, || {
        let stage = Stage::new(t);
        stage
            .apply([
                char_device("dev/x", 1, 3),
                dir("dev").mode(0o700),
                hardlink("y", "dev/x"),
            ])
            .unwrap();
        assert_eq!(stage.tree().paths(), ["dev"]);
    });
}

fn a_left_out_device_is_forgotten_with_its_directory(t: &Test) {
    t.within(Within::UserNamespace, || {
        let stage = Stage::new(t);
        let members = [
            char_device("dev/x", 1, 3),
            symlink("dev", "other"),
            dir("other"),
            hardlink("y", "dev/x"),
        ];
        assert_errno(stage.apply(members), libc::ENOENT);
        let members = [
            char_device("e/x", 1, 3),
            file("e", "x"),
            dir("e"),
            hardlink("y", "e/x"),
        ];
        assert_errno(stage.apply(members), libc::ENOENT);
    });
}
