//! Extended attributes of what is unpacked, ACLs and capabilities among them.

use std::fs;

use crate::cases::CAPABILITY;
use crate::support::acl;
use crate::support::os;
use crate::support::process::Test;
use crate::support::sandbox::Fs;
use crate::support::stage::Stage;
use crate::support::tarball::{block_device, char_device, dir, fifo, file, symlink};

const ACCESS: &str = "system.posix_acl_access";
const DEFAULT: &str = "system.posix_acl_default";

api_tests! {
    extended_attributes_come_back_as_they_are,
    trusted_attributes_and_capabilities_come_back_on_every_type,
    overlay_internal_attributes_are_never_taken,
    an_attribute_that_the_file_system_does_not_know_is_tolerated,
    an_attribute_that_the_kernel_refuses_is_an_error,
    an_attribute_that_the_type_cannot_have_is_left_out,
    an_attribute_that_the_file_system_has_no_room_for_is_named_as_such,
    an_attribute_of_more_than_64_kibibytes_is_an_error,
    acls_come_back_and_with_them_the_right_mode,
    nothing_is_inherited_from_a_default_acl_in_the_root
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
