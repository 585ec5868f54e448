//! Applying what other programs write, and what they read each in their own way.

use std::fs;

use crate::support::api::{ESCAPE, MALFORMED, UNSUPPORTED};
use crate::support::os;
use crate::support::process::Test;
use crate::support::stage::{Stage, assert_errno};
use crate::support::tarball::{
    Dialect, Entry, archive, block_device, char_device, dir, fifo, file, global, hardlink, member,
    pax_header, symlink, unended,
};
use crate::support::{acl, sandbox::Sandbox};

const ACCESS: &str = "system.posix_acl_access";
const DEFAULT: &str = "system.posix_acl_default";

/// The text of the ACL that `acl(&[1234])` is.
const TEXT: &str = "user::rwx,user:somebody:rw-:1234,group::r-x,mask::rwx,other::---";

/// What is at the end of whole archives: a marker, or nothing.
const ENDS: [usize; 3] = [0, 512, 1024];

api_tests! {
    an_archive_that_is_cut_behind_what_announces_a_member_is_malformed,
    what_is_no_directory_and_is_named_like_the_root_is_refused,
    a_number_that_only_some_readers_see_is_malformed,
    a_global_header_may_tell_of_the_archive_and_not_of_members,
    acls_that_are_written_as_text_are_applied,
    an_acl_that_cannot_be_kept_is_an_error,
    attributes_in_libarchives_form_are_applied,
    the_headers_of_other_dialects_are_read,
    a_type_that_nobody_can_make_is_refused,
    a_sparse_file_of_an_unknown_version_is_refused,
    the_name_of_a_sparse_file_is_its_name_without_a_map_too,
    a_hard_link_may_have_data_or_say_that_it_has,
    what_was_made_by_gnu_tar_with_acls_and_labels_is_read
}

fn an_archive_that_is_cut_behind_what_announces_a_member_is_malformed(t: &Test) {
    let announcing = [
        pax_header(&[(b"path".into(), b"lost".into())]),
        member(b'X', "PaxHeader").body("13 path=lost\n").bytes(),
        member(b'L', "././@LongLink")
            .dialect(Dialect::Gnu)
            .body("lost\0")
            .bytes(),
        member(b'K', "././@LongLink")
            .dialect(Dialect::Gnu)
            .body("lost\0")
            .bytes(),
    ];
    for announcing in announcing {
        for end in ENDS {
            let bytes = [unended([file("a", "A")]), announcing.clone(), vec![0; end]].concat();
            let stage = Stage::new(t);
            let failure = stage.apply_bytes(&bytes).unwrap_err();
            assert_eq!(
                (failure.kind, failure.errno, failure.offset),
                (MALFORMED, libc::EBADMSG, Some(1024)),
                "{failure:?}"
            );
            let sandbox = Sandbox::new();
            let input = sandbox.path().join("input");
            fs::write(&input, &bytes).unwrap();
            assert_errno(
                t.import_without_config(&sandbox.path().join("bundle"), &input),
                libc::EBADMSG,
            );
            assert_errno(t.runtime_from_archive(&input), libc::EBADMSG);
        }
    }
}

fn what_is_no_directory_and_is_named_like_the_root_is_refused(t: &Test) {
    for name in ["", ".", "./", "./.", "a/.."] {
        for (entry, in_bundle) in [
            (file(name, "content"), libc::EXDEV),
            (symlink(name, "x"), libc::EXDEV),
            (hardlink(name, "x"), libc::EXDEV),
            (fifo(name), libc::EPERM),
            (char_device(name, 1, 3), libc::EPERM),
            (block_device(name, 7, 0), libc::EPERM),
        ] {
            let stage = Stage::new(t);
            stage.write("kept", "kept");
            let failure = stage.apply([entry.clone()]).unwrap_err();
            assert_eq!(
                (failure.kind, failure.errno),
                (ESCAPE, libc::EXDEV),
                "{entry:?}"
            );
            assert_eq!(stage.tree().paths(), ["kept"]);
            let input = stage.sandbox.path().join("input");
            fs::write(&input, archive([entry.clone()])).unwrap();
            assert_errno(
                t.import_without_config(&stage.sandbox.dir("bundle"), &input),
                in_bundle,
            );
        }
        let stage = Stage::new(t);
        stage.apply([dir(name), file("f", "x")]).unwrap();
        assert_eq!(stage.tree().paths(), ["f"]);
    }
}

fn a_number_that_only_some_readers_see_is_malformed(t: &Test) {
    // Whoever reads 1024 takes what is hidden for data, whoever reads 0 for a member.
    for (at, bytes) in [
        (124, &b"\0\0\0\0\0\0\0\x002000"[..]),
        (124, b"  \x002000\0"),
        (108, b"\x00000007\0"),
        (136, b"\x0017\0"),
    ] {
        let stage = Stage::new(t);
        let entries = [
            file("a", "").field(at, bytes),
            file("hidden", "H"),
            file("b", "B"),
        ];
        assert_errno(stage.apply(entries), libc::EBADMSG);
        assert_eq!(stage.tree().paths(), Vec::<String>::new());
    }
    for (key, value) in [("size", "+1"), ("mtime", "+5"), ("uid", "+0")] {
        let stage = Stage::new(t);
        assert_errno(stage.apply([file("a", "x").pax(key, value)]), libc::EBADMSG);
    }
}

fn a_global_header_may_tell_of_the_archive_and_not_of_members(t: &Test) {
    let stage = Stage::new(t);
    let with = |key: &str| archive([global("g", key, "7"), file("f", "x")]);
    for key in [
        "comment",
        "GNU.volume.label",
        "SCHILY.release",
        "SCHILY.archtype",
        "SCHILY.volhdr.volno",
    ] {
        stage.apply_bytes(&with(key)).unwrap();
    }
    for key in [
        "mtime",
        "uid",
        "size",
        "path",
        "SCHILY.acl.access",
        "SCHILY.xattr.user.a",
    ] {
        assert_errno(stage.apply_bytes(&with(key)), libc::EOPNOTSUPP);
    }
}

fn acls_that_are_written_as_text_are_applied(t: &Test) {
    let stage = Stage::new(t);
    let described = |entry: Entry| entry.mode(0o770).pax("SCHILY.acl.access", TEXT);
    stage
        .apply([
            described(dir("d")).pax("SCHILY.acl.default", TEXT),
            described(file("f", "x")),
            described(file("exact", "x")).xattr(ACCESS, acl(&[7])),
        ])
        .unwrap();
    let tree = stage.tree();
    let found = |path: &str, name: &str| tree.get(path).xattrs.get(name.as_bytes()).cloned();
    assert_eq!(found("f", ACCESS), Some(acl(&[1234])));
    assert_eq!(
        (found("d", ACCESS), found("d", DEFAULT)),
        (Some(acl(&[1234])), Some(acl(&[1234])))
    );
    assert_eq!(found("exact", ACCESS), Some(acl(&[7])));
    // The group has what its own entry says, not what the mask does.
    assert_eq!(tree.get("f").mode, 0o770);
}

fn an_acl_that_cannot_be_kept_is_an_error(t: &Test) {
    let (none, broken) = (TEXT.replace(":1234", ""), TEXT.replace("mask", "mast"));
    for (key, text, kind) in [
        ("SCHILY.acl.access", none.as_str(), UNSUPPORTED),
        ("SCHILY.acl.default", &none, UNSUPPORTED),
        ("SCHILY.acl.ace", "owner@:rwx::allow", UNSUPPORTED),
        ("SCHILY.acl.access", &broken, MALFORMED),
    ] {
        let stage = Stage::new(t);
        let failure = stage.apply([file("f", "x").pax(key, text)]).unwrap_err();
        assert_eq!(
            (failure.kind, failure.entry.as_deref()),
            (kind, Some(&b"f"[..])),
            "{failure:?}"
        );
        assert_eq!(stage.tree().paths(), Vec::<String>::new());
    }
    let stage = Stage::new(t);
    stage
        .apply([file("f", "x").pax("SCHILY.acl.access", none.replace("somebody", "1234"))])
        .unwrap();
    assert_eq!(
        stage.tree().get("f").xattrs.get(ACCESS.as_bytes()),
        Some(&acl(&[1234]))
    );
}

fn attributes_in_libarchives_form_are_applied(t: &Test) {
    let stage = Stage::new(t);
    let entry = file("f", "x")
        .pax("LIBARCHIVE.xattr.user.test", "aGVsbG8=")
        .pax("LIBARCHIVE.xattr.user.%41b", "eA");
    stage
        .apply([entry
            .xattr("user.both", "raw")
            .pax("LIBARCHIVE.xattr.user.both", "eA==")])
        .unwrap();
    let xattrs = stage.tree().get("f").xattrs.clone();
    let expected: [(&[u8], &[u8]); 3] = [
        (b"user.Ab", b"x"),
        (b"user.both", b"raw"),
        (b"user.test", b"hello"),
    ];
    assert_eq!(
        xattrs
            .iter()
            .map(|(name, value)| (&name[..], &value[..]))
            .collect::<Vec<_>>(),
        expected
    );
}

fn the_headers_of_other_dialects_are_read(t: &Test) {
    let stage = Stage::new(t);
    let listed = member(b'D', "d")
        .dialect(Dialect::Gnu)
        .mode(0o700)
        .body("Ya\0Nb\0\0");
    let renamed = [
        member(b'X', "PaxHeader").body("13 path=real\n").bytes(),
        file("header", "x").bytes(),
    ]
    .concat();
    let label = member(b'V', "backup of yesterday").dialect(Dialect::Gnu);
    let bytes = [
        unended([label, listed, file("d/a", "a")]),
        renamed,
        vec![0; 1024],
    ]
    .concat();
    stage.apply_bytes(&bytes).unwrap();
    assert_eq!(stage.tree().paths(), ["d", "d/a", "real"]);
    assert_eq!(
        (stage.tree().get("d").mode, stage.read("d/a")),
        (0o700, "a".into())
    );
}

fn a_type_that_nobody_can_make_is_refused(t: &Test) {
    for kind in [b'M', b'A', b'N', b'8', b'Z'] {
        let stage = Stage::new(t);
        assert_errno(stage.apply([member(kind, "odd")]), libc::EOPNOTSUPP);
    }
}

fn a_sparse_file_of_an_unknown_version_is_refused(t: &Test) {
    for (major, minor) in [
        (Some("2"), Some("0")),
        (Some("1"), Some("1")),
        (Some("0"), Some("2")),
        (Some("1"), None),
        (None, Some("0")),
    ] {
        let stage = Stage::new(t);
        let mut entry = file("GNUSparseFile.0/f", "packed").pax("GNU.sparse.name", "f");
        for (key, value) in [("GNU.sparse.major", major), ("GNU.sparse.minor", minor)] {
            entry = value
                .into_iter()
                .fold(entry, |entry, value| entry.pax(key, value));
        }
        assert_errno(stage.apply([entry]), libc::EOPNOTSUPP);
        assert_eq!(stage.tree().paths(), Vec::<String>::new());
    }
    for key in ["GNU.sparse.size", "GNU.sparse.realsize"] {
        let stage = Stage::new(t);
        assert_errno(
            stage.apply([file("f", "packed").pax(key, "4096")]),
            libc::EBADMSG,
        );
    }
}

fn the_name_of_a_sparse_file_is_its_name_without_a_map_too(t: &Test) {
    let stage = Stage::new(t);
    stage
        .apply([file("GNUSparseFile.0/f", "whole").pax("GNU.sparse.name", "real")])
        .unwrap();
    assert_eq!(
        (stage.tree().paths(), stage.read("real")),
        (vec!["real".to_owned()], "whole".into())
    );
}

fn a_hard_link_may_have_data_or_say_that_it_has(t: &Test) {
    for size in [1, 512, 700, 100_000] {
        let stage = Stage::new(t);
        let body = "d".repeat(size);
        let with = hardlink("with", "f").body(&body);
        let without = hardlink("without", "f").size(size as i64);
        stage
            .apply([
                file("f", &body),
                with.clone(),
                without.clone(),
                with.renamed("again").pax("mtime", "77"),
                file("last", "x"),
                without.renamed("z"),
            ])
            .unwrap();
        assert_eq!(
            stage.tree().paths(),
            ["again", "f", "last", "with", "without", "z"]
        );
        assert_eq!((stage.tree().get("f").names, stage.read("f")), (5, body));
    }
}

fn what_was_made_by_gnu_tar_with_acls_and_labels_is_read(t: &Test) {
    let stage = Stage::new(t);
    fs::write(stage.at("f"), "x").unwrap();
    os::set_xattr(&stage.at("f"), ACCESS, &acl(&[1234])).unwrap();
    for (format, acls) in [("gnu", "--no-acls"), ("posix", "--acls")] {
        let output = stage.base.join("rootfs-diff.tar");
        let status = std::process::Command::new("tar")
            .args([
                acls,
                "-V",
                "label",
                "--numeric-owner",
                "--format",
                format,
                "-cf",
            ])
            .arg(&output)
            .arg("-C")
            .arg(&stage.root)
            .arg("f")
            .status();
        if !status.is_ok_and(|status| status.success()) {
            skip!("GNU tar with ACLs isn't there");
        }
        let other = Stage::new(t);
        other.apply_bytes(&fs::read(&output).unwrap()).unwrap();
        assert_eq!(other.tree().paths(), ["f"]);
        // GNU's own format has no room for ACLs.
        let found = other.tree().get("f").xattrs.get(ACCESS.as_bytes()).cloned();
        assert_eq!(found, (format == "posix").then(|| acl(&[1234])), "{format}");
    }
}
