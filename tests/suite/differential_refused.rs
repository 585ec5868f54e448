//! What is refused here and unpacked by other programs is listed in tests/differential/differences.txt, with its reason.

use std::collections::BTreeSet;
use std::fs;

use crate::differential::{DIFFERENCES, refused, unpack_with};
use crate::support::api::{Api, Rust};
use crate::support::sandbox::Sandbox;
use crate::support::tarball::{archive, file, global, hardlink, pax_header, unended};

/// An archive for each of these lines.
fn refused_archives() -> Vec<(&'static str, Vec<u8>)> {
    let x = |key: &str, value: &str| file("a", "A").pax(key, value);
    let announced = pax_header(&[("path".into(), "lost".into())]);
    vec![
        (
            "a lone zero block",
            [
                unended([file("a", "A")]),
                vec![0; 512],
                archive([file("b", "B")]),
            ]
            .concat(),
        ),
        (
            "a pax time that is no number",
            archive([x("mtime", "junk")]),
        ),
        ("the owner 4294967295", archive([x("uid", "4294967295")])),
        (
            "a number behind a NUL",
            archive([
                file("a", "").field(124, b"\0\0\0\0\0\0\0\x002000"),
                file("hidden", "H"),
                file("b", "B"),
            ]),
        ),
        ("a pax number with a plus sign", archive([x("size", "+1")])),
        (
            "a global header that says something of members",
            archive([global("g", "uid", "7"), file("a", "A")]),
        ),
        (
            "the header of a member that is missing",
            [unended([file("a", "A")]), announced, vec![0; 1024]].concat(),
        ),
        (
            "a sparse map of an unknown version",
            archive([x("GNU.sparse.major", "2").pax("GNU.sparse.minor", "0")]),
        ),
        (
            "a sparse size without a map",
            archive([x("GNU.sparse.realsize", "4096")]),
        ),
        (
            "an ACL with a name and no number",
            archive([x(
                "SCHILY.acl.access",
                "user::rw-,user:nobody-here:rwx,group::r--,mask::rwx,other::---",
            )]),
        ),
        (
            "zeros behind a hard link with a size",
            archive([
                file("a", "A"),
                hardlink("l", "a").size(700).pax("mtime", "5"),
            ]),
        ),
    ]
}

#[test]
fn what_is_refused_here_and_unpacked_elsewhere_is_listed() {
    let archives = refused_archives();
    let cases: BTreeSet<&str> = archives.iter().map(|(name, _)| *name).collect();
    let listed: BTreeSet<&str> = DIFFERENCES.lines().filter_map(refused).collect();
    assert_eq!(cases, listed);
    for (name, bytes) in archives {
        let sandbox = Sandbox::new();
        let (base, own) = (sandbox.dir("base"), sandbox.dir("own"));
        let packed = base.join("rootfs-diff.tar");
        fs::write(&packed, bytes).unwrap();
        let outcome = Rust.apply_rootfs_diff_tar(&base, &own);
        assert!(outcome.is_err(), "{name}");
        let unpacks = |program: &&str| {
            let out = sandbox.dir(program);
            unpack_with(program, &packed, &packed, &out).is_ok()
        };
        // Go's reader, which the line on NULs is about, isn't at hand.
        let programs: Vec<_> = ["gnu", "bsdtar", "python"]
            .into_iter()
            .filter(unpacks)
            .collect();
        assert!(!programs.is_empty(), "{name}");
    }
}
