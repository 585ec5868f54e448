#![forbid(unsafe_code)]

use super::super::testing::{
    Block, assert_refused, extended, plain, read_all, read_one, symlink, whole, with_records,
};
use super::super::{DeviceNumber, Member, MemberKind, Time, Xattr};
use crate::error::Kind;

#[test]
fn letters_mean_types() {
    let target = b"target".to_vec();
    let source = target.clone();
    let number = DeviceNumber { major: 0, minor: 0 };
    for (letter, kind) in [
        (b'0', whole(0)),
        (0, whole(0)),
        (b'7', whole(0)),
        (b'1', MemberKind::HardLink { source }),
        (b'2', MemberKind::Symlink { target }),
        (b'3', MemberKind::CharDevice(number)),
        (b'4', MemberKind::BlockDevice(number)),
        (b'5', MemberKind::Directory),
        (b'6', MemberKind::Fifo),
    ] {
        let member = read_one(&Block::ustar(letter, b"n", 0).set(157, b"target").bytes());
        assert_eq!(member.kind, kind);
    }
}

#[test]
fn other_letters_are_unsupported() {
    for letter in [b'M', b'A', b'N', b'8', b'Z', 0xff] {
        // Owner and sparse map are broken, too, but an unknown type leaves nothing else to say.
        let block = Block::ustar(letter, b"odd", 0).set(108, &[0xff; 8]);
        let broken = extended(b'x', &[("GNU.sparse.map", b"x")]);
        let error = read_all(&[broken, block.bytes()].concat()).unwrap_err();
        assert_eq!(
            (error.kind(), error.entry(), error.offset()),
            (Kind::Unsupported, Some(&b"odd"[..]), Some(1024))
        );
    }
}

#[test]
fn a_trailing_slash_in_the_final_name_makes_an_old_directory() {
    assert_eq!(
        read_one(&Block::v7(0, b"d/", 9).bytes()).kind,
        MemberKind::Directory
    );
    assert_eq!(
        read_one(&Block::ustar(b'0', b"d/", 0).bytes()).kind,
        whole(0)
    );
    let old = Block::v7(0, b"f", 0).bytes();
    assert_eq!(
        read_one(&[extended(b'x', &[("path", b"d/")]), old].concat()).kind,
        MemberKind::Directory
    );
    let slash = Block::v7(0, b"d/", 0).bytes();
    assert_eq!(
        read_one(&[extended(b'x', &[("path", b"f")]), slash].concat()).kind,
        whole(0)
    );
}

#[test]
fn owners_that_no_call_can_set_are_malformed() {
    let number = |value: u64| [&[0x80, 0, 0][..], &value.to_be_bytes()[3..]].concat();
    for field in [108, 116] {
        let block = Block::ustar(b'0', b"a", 0);
        let member = read_one(&block.clone().set(field, &number(4_294_967_294)).bytes());
        assert_eq!(member.uid.max(member.gid), 4_294_967_294);
        for bad in [number(4_294_967_295), number(4_294_967_296), vec![0xff; 8]] {
            assert_refused(
                &block.clone().set(field, &bad).bytes(),
                Kind::Malformed,
                "id is negative",
            );
        }
    }
    for bad in ["-1", "4294967295", "4294967296"] {
        assert_refused(
            &with_records(&[("uid", bad.as_bytes())], 0),
            Kind::Malformed,
            "uid is negative",
        );
    }
    assert_refused(
        &with_records(&[("gid", b"root")], 0),
        Kind::Malformed,
        "PAX record gid",
    );
    // An override replaces a number that would be refused.
    let stream = [
        extended(b'x', &[("uid", b"5")]),
        Block::ustar(b'0', b"a", 0).set(108, &[0xff; 8]).bytes(),
    ]
    .concat();
    assert_eq!(read_one(&stream).uid, 5);
}

#[test]
fn device_numbers_are_those_of_the_kernel() {
    let device = |major: &[u8], minor: &[u8]| {
        Block::ustar(b'4', b"d", 0)
            .set(329, major)
            .set(337, minor)
            .bytes()
    };
    let member = read_one(&device(b"0007777\0", b"3777777\0"));
    let number = DeviceNumber {
        major: 4095,
        minor: 1_048_575,
    };
    assert_eq!(member.kind, MemberKind::BlockDevice(number));
    assert_refused(
        &device(b"0010000\0", b"0000000\0"),
        Kind::Malformed,
        "major",
    );
    assert_refused(
        &device(b"0000000\0", b"4000000\0"),
        Kind::Malformed,
        "minor",
    );
    assert_refused(&device(&[0xff; 8], b"0000000\0"), Kind::Malformed, "major");
    // Files have no device number, whatever the fields hold.
    assert_eq!(
        read_one(&Block::ustar(b'0', b"f", 0).set(329, &[0xff; 8]).bytes()),
        plain(b"f")
    );
}

#[test]
fn modes_keep_twelve_bits() {
    for (field, mode) in [
        (&b"0104755\0"[..], 0o4755),
        (b"7777777\0", 0o7777),
        (&[0xff; 8], 0o7777),
    ] {
        assert_eq!(
            read_one(&Block::ustar(b'0', b"a", 0).set(100, field).bytes()).mode,
            mode
        );
    }
}

#[test]
fn times_may_lie_before_the_epoch() {
    let member = read_one(&Block::ustar(b'0', b"a", 0).set(136, &[0xff; 12]).bytes());
    assert_eq!(
        member.mtime,
        Time {
            seconds: -1,
            nanoseconds: 0
        }
    );
    let member = read_one(&with_records(
        &[
            ("mtime", b"-5.25"),
            ("atime", b"9300000000.5"),
            ("ctime", b"1"),
        ],
        0,
    ));
    assert_eq!(
        member.mtime,
        Time {
            seconds: -6,
            nanoseconds: 750_000_000
        }
    );
    assert_eq!(
        member.atime,
        Some(Time {
            seconds: 9_300_000_000,
            nanoseconds: 500_000_000
        })
    );
    for key in ["mtime", "atime", "ctime"] {
        assert_refused(&with_records(&[(key, b"soon")], 0), Kind::Malformed, key);
    }
}

#[test]
fn records_override_the_header() {
    let stream = [
        extended(
            b'x',
            &[
                ("path", b"p\nq"),
                ("linkpath", b"l"),
                ("uid", b"70000"),
                ("gid", b"80000"),
                ("mtime", b"4"),
            ],
        ),
        Block::ustar(b'2', b"short", 0).set(157, b"target").bytes(),
    ]
    .concat();
    let expected = Member {
        kind: symlink(b"l"),
        uid: 70_000,
        gid: 80_000,
        mtime: Time {
            seconds: 4,
            nanoseconds: 0,
        },
        ..plain(b"p\nq")
    };
    assert_eq!(read_one(&stream), expected);
    assert_eq!(
        read_one(&with_records(
            &[("path", b""), ("uid", b""), ("mtime", b""), ("size", b"")],
            0
        )),
        plain(b"short")
    );
}

#[test]
fn the_name_comes_from_the_strongest_header() {
    let hard_link = |source: &[u8]| MemberKind::HardLink {
        source: source.to_vec(),
    };
    let long = |kind, name: &[u8]| Block::gnu(kind, b"././@LongLink", name.len()).with(name);
    let records = extended(b'x', &[("path", b"pax"), ("linkpath", b"paxlink")]);
    let file = Block::gnu(b'1', b"header", 0)
        .set(157, b"headerlink")
        .bytes();
    let both = [
        long(b'L', b"gnu\0junk"),
        records.clone(),
        long(b'K', b"gnulink\0"),
        file.clone(),
    ]
    .concat();
    assert_eq!(
        (read_one(&both).path, read_one(&both).kind),
        (b"gnu".to_vec(), hard_link(b"gnulink"))
    );
    let empty = [long(b'L', b"\0"), records, long(b'K', b""), file].concat();
    assert_eq!(
        (read_one(&empty).path, read_one(&empty).kind),
        (b"pax".to_vec(), hard_link(b"paxlink"))
    );
    let sparse = extended(
        b'x',
        &[
            ("path", b"pax"),
            ("GNU.sparse.name", b"real"),
            ("GNU.sparse.map", b"0,0"),
            ("GNU.sparse.numblocks", b"1"),
        ],
    );
    let file = Block::gnu(b'0', b"header", 0).bytes();
    assert_eq!(
        read_one(&[long(b'L', b"gnu"), sparse, file].concat()).path,
        b"real"
    );
}

#[test]
fn a_nul_in_a_name_is_malformed() {
    assert_refused(
        &with_records(&[("path", b"a\0b")], 0),
        Kind::Malformed,
        "PAX record",
    );
    let records: [(&str, &[u8]); 3] = [
        ("GNU.sparse.name", b"a\0b"),
        ("GNU.sparse.map", b"0,0"),
        ("GNU.sparse.numblocks", b"1"),
    ];
    assert_refused(
        &with_records(&records, 0),
        Kind::Malformed,
        "name holds a NUL",
    );
}

#[test]
fn xattrs_are_sorted_and_told_complete() {
    let records: [(&str, &[u8]); 5] = [
        ("SCHILY.xattr.user.b", b"\n\0\xff"),
        ("SCHILY.xattr.user.a", b""),
        ("CRUTILS.xattrs", b"complete"),
        ("LIBARCHIVE.xattr.user.c%3D", b"AQI"),
        ("LIBARCHIVE.xattr.user.b", b"AQI"),
    ];
    let member = read_one(&with_records(&records, 0));
    let xattr = |name: &[u8], value: &[u8]| Xattr {
        name: name.to_vec(),
        value: value.to_vec(),
    };
    let expected = [
        xattr(b"user.a", b""),
        xattr(b"user.b", b"\n\0\xff"),
        xattr(b"user.c=", b"\x01\x02"),
    ];
    assert_eq!(
        (member.xattrs, member.xattrs_complete),
        (expected.to_vec(), true)
    );
    let complete = |key, value: &[u8]| read_one(&with_records(&[(key, value)], 0)).xattrs_complete;
    assert!(complete("comment", b"CRUTILS.xattrs=complete"));
    assert!(!complete("comment", b"complete"));
    assert!(!complete("CRUTILS.xattrs", b"some"));
}
