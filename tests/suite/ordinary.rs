//! Without root: as an ordinary user, and in a user namespace.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::support::api::{add, delete};
use crate::support::os;
use crate::support::process::Within;
use crate::support::stage::{Stage, assert_errno};
use crate::support::tarball::{archive, dir, fifo, file, hardlink, symlink};
use crate::support::tree::Aspects;

api_tests! {
    fn an_ordinary_user_can_do_all_of_it_with_files_of_their_own(t) {
        t.within(Within::User, || {
            let (stage, other) = (Stage::new(t), Stage::new(t));
            let entries = [dir("d").mode(0o750).mtime(5), file("d/f", "x").mode(0o640).xattr("user.a", "1"), symlink("l", "d"), hardlink("h", "d/f"), fifo("p")];
            stage.apply(entries).unwrap();
            other.write("gone/f", "x");
            stage.create(&[add("/d"), add("/l"), add("/h"), add("/p"), delete("/gone")]).unwrap();
            other.apply_bytes(&fs::read(stage.base.join("rootfs-diff.tar")).unwrap()).unwrap();
            other.remove(fs::read(stage.base.join("deleted.files")).unwrap()).unwrap();
            stage.tree().assert_same(&other.tree(), Aspects::RESTORE, "apply and delete");
            let bundle = stage.sandbox.path().join("bundle");
            let input = stage.sandbox.path().join("input");
            fs::write(&input, archive([file("config.dump", r#"{"runtime":"runc"}"#), file("checkpoint/x", "x")])).unwrap();
            t.import_without_config(&bundle, &input).unwrap();
            t.import_config_only(&bundle, &input).unwrap();
            assert_eq!(t.runtime_from_archive(&input).unwrap(), "runc");
            t.create_file_with_label(&bundle, "restore.log".as_ref(), c"").unwrap();
        });
    }

    fn an_ordinary_user_can_fill_a_directory_that_forbids_it(t) {
        t.within(Within::User, || {
            let stage = Stage::new(t);
            let entries = [dir("d").mode(0o500), file("d/f", "x"), dir("d/e").mode(0o600), file("d/e/g", "x").mode(0o400)];
            stage.apply(entries).unwrap();
            assert_eq!(stage.tree_mode("d/e"), 0o600);
            fs::set_permissions(stage.at("d/e"), PermissionsExt::from_mode(0o700)).unwrap();
            assert_eq!((stage.read("d/e/g"), stage.tree_mode("d")), ("x".into(), 0o500));
            fs::set_permissions(stage.at("d"), PermissionsExt::from_mode(0o700)).unwrap();
        });
    }

    fn an_ordinary_user_can_attach_attributes_to_a_read_only_file(t) {
        t.within(Within::User, || {
            let stage = Stage::new(t);
            stage.apply([file("f", "x").mode(0o400).xattr("user.a", "1"), dir("d").mode(0o500).xattr("user.a", "1")]).unwrap();
            let tree = stage.tree();
            assert_eq!((tree.get("f").mode, tree.get("f").xattrs.len()), (0o400, 1));
            assert_eq!((tree.get("d").mode, tree.get("d").xattrs.len()), (0o500, 1));
        });
    }

    fn an_ordinary_user_can_not_give_files_away(t) {
        t.within(Within::User, || {
            let stage = Stage::new(t);
            let failure = stage.apply([file("f", "x").owner(0, 0)]).unwrap_err();
            assert_eq!((failure.errno, failure.entry.as_deref()), (libc::EPERM, Some(&b"f"[..])));
        });
    }

    fn an_id_that_the_user_namespace_does_not_know_is_an_error(t) {
        for within in [Within::UserNamespace, Within::RootsNamespace] {
            t.within(within, || assert_errno(Stage::new(t).apply([file("f", "x").owner(77, 77)]), libc::EINVAL));
        }
    }

    fn attributes_that_a_user_namespace_forbids_are_left_out(t) {
        for within in [Within::UserNamespace, Within::RootsNamespace] {
            t.within(within, || {
                let stage = Stage::new(t);
                stage.apply([file("f", "x").xattr("trusted.t", "1").xattr("user.kept", "1")]).unwrap();
                assert_eq!(stage.tree().get("f").xattrs.keys().collect::<Vec<_>>(), [b"user.kept"]);
                let (input, bundle) = (stage.sandbox.path().join("input"), stage.sandbox.path().join("bundle"));
                let members = [file("config.dump", "{}").xattr("trusted.t", "1"), file("ctr.log", "x").xattr("trusted.t", "1")];
                fs::write(&input, archive(members)).unwrap();
                t.import_without_config(&bundle, &input).unwrap();
                t.import_config_only(&bundle, &input).unwrap();
                assert!(os::xattrs(&bundle.join("ctr.log")).unwrap().is_empty());
            });
        }
    }

    fn the_users_own_diff_comes_back_in_a_user_namespace(t) {
        t.within(Within::UserNamespace, || {
            let (stage, other) = (Stage::new(t), Stage::new(t));
            stage.write("d/f", "x");
            os::set_xattr(&stage.at("d/f"), "user.a", b"1").unwrap();
            fs::set_permissions(stage.at("d/f"), PermissionsExt::from_mode(0o4755)).unwrap();
            stage.create(&[add("/d")]).unwrap();
            other.apply_bytes(&fs::read(stage.base.join("rootfs-diff.tar")).unwrap()).unwrap();
            stage.tree().assert_same(&other.tree(), Aspects::RESTORE, "apply");
        });
    }
}
