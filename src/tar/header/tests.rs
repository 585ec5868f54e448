#![forbid(unsafe_code)]

use super::super::Time;
use super::super::testing::{Block, assert_refused, plain, read_all, read_one, with_records};
use crate::error::Kind;

#[test]
fn the_header_of_a_plain_file_is_read() {
    assert_eq!(read_one(&Block::ustar(b'0', b"a", 0).bytes()), plain(b"a"));
    assert_eq!(read_one(&Block::gnu(b'0', b"a", 0).bytes()), plain(b"a"));
    assert_eq!(read_one(&Block::v7(b'0', b"a", 0).bytes()), plain(b"a"));
    let full = [b'n'; 100];
    assert_eq!(read_one(&Block::ustar(b'0', &full, 0).bytes()).path, full);
}

#[test]
fn both_checksums_are_accepted_and_others_are_not() {
    let block = Block::ustar(b'0', b"\xff", 0);
    // A signed byte 0xff counts -1 instead of 255.
    let unsigned =
        u32::from_str_radix(str::from_utf8(&block.bytes()[148..154]).unwrap(), 8).unwrap();
    for (sum, good) in [
        (unsigned, true),
        (unsigned - 256, true),
        (unsigned - 1, false),
        (0, false),
    ] {
        let stream = block
            .clone()
            .spoil(148, format!("{sum:06o}\0 ").as_bytes())
            .bytes();
        assert_eq!(read_all(&stream).is_ok(), good, "{sum}");
    }
    assert_refused(&[b'x'; 512], Kind::Malformed, "checksum");
}

#[test]
fn prefixes_belong_to_ustar_and_star() {
    assert_eq!(
        read_one(&Block::ustar(b'0', b"a", 0).set(345, b"dir").bytes()).path,
        b"dir/a"
    );
    // The version may be missing.
    assert_eq!(
        read_one(
            &Block::ustar(b'0', b"a", 0)
                .set(345, b"dir")
                .set(263, b"\0\0")
                .bytes()
        )
        .path,
        b"dir/a"
    );
    assert_eq!(
        read_one(&Block::v7(b'0', b"a", 0).set(345, b"dir").bytes()).path,
        b"a"
    );
    let star = Block::ustar(b'0', b"a", 0)
        .set(508, b"tar\0")
        .set(345, &[b'p'; 131])
        .set(476, b"00000000011 00000000000 ");
    let member = read_one(&star.bytes());
    assert_eq!(member.path, [&[b'p'; 131][..], b"/a"].concat());
    assert_eq!(
        member.atime,
        Some(Time {
            seconds: 9,
            nanoseconds: 0
        })
    );
    assert_refused(
        &star.clone().set(476, b"no time").bytes(),
        Kind::Malformed,
        "atime",
    );
    let unused = star.set(476, b"00000000000 ");
    assert_eq!(read_one(&unused.bytes()).atime, None);
}

#[test]
fn a_gnu_header_has_times_or_a_prefix_that_strayed_there() {
    let gnu = Block::gnu(b'0', b"a", 0);
    let timed = read_one(
        &gnu.clone()
            .set(345, b"00000000010\x0000000000011\0")
            .bytes(),
    );
    assert_eq!(
        (&timed.path[..], timed.atime.map(|atime| atime.seconds)),
        (&b"a"[..], Some(8))
    );
    let stray = read_one(&gnu.clone().set(345, b"usr/share/man/man1").bytes());
    assert_eq!(
        (&stray.path[..], stray.atime),
        (&b"usr/share/man/man1/a"[..], None)
    );
    assert_eq!(read_one(&gnu.set(345, b"\xe9t\xe9/").bytes()).path, b"a");
}

#[test]
fn numbers_that_are_none_are_malformed() {
    for (at, name) in [
        (100, "mode"),
        (108, "uid"),
        (116, "gid"),
        (124, "size"),
        (136, "mtime"),
        (329, "devmajor"),
        (337, "devminor"),
    ] {
        let text = format!("header field {name} holds");
        assert_refused(
            &Block::ustar(b'0', b"a", 0).set(at, b"0x9").bytes(),
            Kind::Malformed,
            &text,
        );
    }
    let huge = [0x80, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0];
    assert_refused(
        &Block::ustar(b'0', b"a", 0).set(124, &huge).bytes(),
        Kind::Malformed,
        "size",
    );
    assert_refused(
        &Block::ustar(b'0', b"a", 0).set(124, &[0xff; 12]).bytes(),
        Kind::Malformed,
        "size is negative",
    );
    assert_refused(
        &with_records(&[("size", b"-1")], 0),
        Kind::Malformed,
        "size is negative",
    );
}
