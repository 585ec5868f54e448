#![forbid(unsafe_code)]

use super::super::testing::{Block, extended, plain, read_all, sparse, symlink, whole};
use super::super::{DeviceNumber, Extent, Time, Xattr};
use super::*;
use crate::error::Kind;

fn encoded(member: &Member) -> Vec<u8> {
    let mut out = Vec::new();
    encode(member, 0, &mut out).unwrap();
    out
}

/// The records of an extended header that is in front, and the block behind it.
fn parts(stream: &[u8]) -> (String, &[u8]) {
    assert_eq!(
        (stream[156], &stream[257..265]),
        (b'x', &b"ustar\x0000"[..])
    );
    let size = usize::from_str_radix(str::from_utf8(&stream[124..135]).unwrap(), 8).unwrap();
    let body = &stream[512..512 + size];
    (
        body.escape_ascii().to_string(),
        &stream[512 + size.next_multiple_of(512)..],
    )
}

fn records(member: &Member) -> String {
    parts(&encoded(member)).0
}

/// What is read back after the member's data was added.
fn round_trip(member: &Member) -> Member {
    let mut stream = encoded(member);
    let stored = usize::try_from(member.stored()).unwrap();
    stream.resize(stream.len() + stored + padding(member.stored()), 0);
    stream.extend_from_slice(&END_OF_ARCHIVE);
    let mut members = read_all(&stream).unwrap();
    assert_eq!(members.len(), 1);
    members.remove(0).0
}

#[test]
fn what_fits_is_one_ustar_block() {
    let device = Member {
        kind: MemberKind::CharDevice(DeviceNumber {
            major: 12,
            minor: 1_048_575,
        }),
        mode: 0o104_755,
        ..plain(b"c")
    };
    for (member, block) in [
        (plain(b"a"), Block::ustar(b'0', b"a", 0)),
        (
            Member {
                kind: whole(700),
                ..plain(b"a")
            },
            Block::ustar(b'0', b"a", 700),
        ),
        (
            Member {
                kind: MemberKind::Fifo,
                ..plain(b"p")
            },
            Block::ustar(b'6', b"p", 0),
        ),
        (
            device,
            Block::ustar(b'3', b"c", 0)
                .set(329, b"0000014\x003777777\0")
                .set(100, b"0004755\0"),
        ),
        (
            Member {
                kind: symlink(&[b'l'; 100]),
                ..plain(b"s")
            },
            Block::ustar(b'2', b"s", 0).set(157, &[b'l'; 100]),
        ),
        (
            Member {
                kind: MemberKind::HardLink {
                    source: b"a".to_vec(),
                },
                ..plain(b"h")
            },
            Block::ustar(b'1', b"h", 0).set(157, b"a"),
        ),
        (
            Member {
                uid: 2_097_151,
                ..plain(b"u")
            },
            Block::ustar(b'0', b"u", 0).set(108, b"7777777\0"),
        ),
    ] {
        assert_eq!(encoded(&member), block.bytes(), "{member:?}");
    }
}

#[test]
fn a_directory_gets_exactly_one_slash() {
    for (path, name) in [
        (&b"d"[..], &b"d/"[..]),
        (b"d/", b"d/"),
        (b"d//", b"d/"),
        (b".", b"./"),
        (b"/", b"/"),
    ] {
        let member = Member {
            kind: MemberKind::Directory,
            ..plain(path)
        };
        assert_eq!(encoded(&member), Block::ustar(b'5', name, 0).bytes());
    }
}

#[test]
fn a_long_name_is_split_at_a_slash() {
    let path = [&[b'p'; 155][..], b"/", &[b'n'; 100]].concat();
    assert_eq!(
        encoded(&plain(&path)),
        Block::ustar(b'0', &[b'n'; 100], 0)
            .set(345, &[b'p'; 155])
            .bytes()
    );
    let directory = Member {
        kind: MemberKind::Directory,
        ..plain(&[b"a/", &[b'd'; 99][..]].concat())
    };
    assert_eq!(
        encoded(&directory),
        Block::ustar(b'5', &[&[b'd'; 99][..], b"/"].concat(), 0)
            .set(345, b"a")
            .bytes()
    );
}

#[test]
fn a_name_that_does_not_fit_goes_into_a_record() {
    let unsplit = [b'n'; 101];
    assert_eq!(
        records(&plain(&unsplit)),
        format!("111 path={}\\n", "n".repeat(101))
    );
    let (record, block) = (
        encoded(&plain(b"caf\xe9/b\xff")),
        Block::ustar(b'0', b"caf/b", 0).bytes(),
    );
    let (text, rest) = parts(&record);
    assert_eq!(
        (&text[..], rest),
        (
            "21 hdrcharset=BINARY\\n16 path=caf\\xe9/b\\xff\\n",
            &block[..]
        )
    );
    assert_eq!(&record[..22], b"caf/PaxHeaders.0/b\0\0\0\0");
    let long_base = [&[b'p'; 20][..], b"/", &[b'n'; 101]].concat();
    assert!(records(&plain(&long_base)).contains(" path="));
    let link = Member {
        kind: symlink(&[b'l'; 101]),
        ..plain(b"s")
    };
    assert_eq!(
        records(&link),
        format!("115 linkpath={}\\n", "l".repeat(101))
    );
    for member in [
        plain(&unsplit),
        plain(b"caf\xe9/b\xff"),
        plain(&long_base),
        link,
    ] {
        assert_eq!(round_trip(&member), member);
    }
}

#[test]
fn a_file_never_gets_a_name_that_ends_in_a_slash() {
    let cut = [&[b'd'; 99][..], b"/", &[b'n'; 160]].concat();
    for path in [&cut[..], "d/é".as_bytes()] {
        let stream = encoded(&plain(path));
        let name = parts(&stream).1[..100]
            .split(|byte| *byte == 0)
            .next()
            .unwrap();
        assert!(!name.ends_with(b"/"), "{}", name.escape_ascii());
    }
}

#[test]
fn an_extended_header_carries_nothing_of_the_member() {
    let stream = encoded(&Member {
        uid: 3_000_000,
        ..plain(b"d/f")
    });
    let zero =
        Block::ustar(b'x', b"d/PaxHeaders.0/f", 15).set(100, b"0000000\x000000000\x000000000\0");
    let zero = zero.set(136, b"00000000000\0").set(329, &[0; 16]);
    assert_eq!(&stream[..1024], zero.with(b"15 uid=3000000\n"));
    assert_eq!(
        &stream[1024..],
        Block::ustar(b'0', b"d/f", 0).set(108, b"0000000\0").bytes()
    );
}

#[test]
fn numbers_beyond_octal_go_into_records() {
    let member = Member {
        gid: 4_294_967_294,
        kind: whole(8 << 30),
        ..plain(b"a")
    };
    let written = records(&member);
    assert!(
        written.starts_with("18 gid=4294967294\\n19 size=8589934592\\n"),
        "{written}"
    );
    let stream = encoded(&member);
    assert_eq!(&parts(&stream).1[116..136], b"0000000\x0000000000000\0");
    let written = records(&Member {
        kind: whole((8 << 30) - 1),
        ..plain(b"a")
    });
    assert!(!written.contains("size="), "{written}");
}

#[test]
fn times_that_are_not_whole_or_not_octal_go_into_records() {
    let at = |seconds, nanoseconds| Member {
        mtime: Time {
            seconds,
            nanoseconds,
        },
        ..plain(b"a")
    };
    for (member, text, field) in [
        (
            at(1_500_000_000, 999_999_999),
            "30 mtime=1500000000.999999999\\n",
            b"13132027400\0",
        ),
        (
            at(1_500_000_000, 500_000_000),
            "22 mtime=1500000000.5\\n",
            b"13132027400\0",
        ),
        (at(-6, 750_000_000), "15 mtime=-5.25\\n", b"00000000000\0"),
        (at(-1, 0), "12 mtime=-1\\n", b"00000000000\0"),
        (
            at(8_589_934_592, 0),
            "20 mtime=8589934592\\n",
            b"00000000000\0",
        ),
    ] {
        let stream = encoded(&member);
        let (records, block) = parts(&stream);
        assert_eq!((&records[..], &block[136..148]), (text, &field[..]));
        assert_eq!(round_trip(&member), member);
    }
    assert_eq!(encoded(&at(8_589_934_591, 0)).len(), 512);
    let read = Member {
        atime: Some(Time {
            seconds: 1,
            nanoseconds: 0,
        }),
        ..plain(b"a")
    };
    assert_eq!(records(&read), "11 atime=1\\n");
}

#[test]
fn records_stand_in_the_order_of_their_keys() {
    let xattr = |name: &[u8], value: &[u8]| Xattr {
        name: name.to_vec(),
        value: value.to_vec(),
    };
    let xattrs = vec![
        xattr(b"user.a", b"\0\n\xff"),
        xattr(b"user.a=b", b"hi"),
        xattr(b"user.b", b""),
    ];
    let member = Member {
        xattrs,
        xattrs_complete: true,
        uid: 3_000_000,
        ..plain(b"\xff")
    };
    let stream = encoded(&member);
    let expected = extended(
        b'x',
        &[
            ("LIBARCHIVE.xattr.user.a%3Db", b"aGk"),
            ("SCHILY.xattr.user.a", b"\0\n\xff"),
            ("SCHILY.xattr.user.b", b""),
            ("comment", b"CRUTILS.xattrs=complete"),
            ("hdrcharset", b"BINARY"),
            ("path", b"\xff"),
            ("uid", b"3000000"),
        ],
    );
    assert_eq!(stream[512..stream.len() - 512], expected[512..]);
    assert_eq!(round_trip(&member), member);
}

#[test]
fn holes_are_written_as_a_leading_map() {
    let extents = vec![
        Extent {
            offset: 4096,
            len: 512,
        },
        Extent {
            offset: 8192,
            len: 600,
        },
    ];
    let member = Member {
        kind: sparse(extents, 1 << 20),
        ..plain(b"d/f")
    };
    let stream = encoded(&member);
    let (text, rest) = parts(&stream);
    assert_eq!(
        text,
        "22 GNU.sparse.major=1\\n22 GNU.sparse.minor=0\\n23 GNU.sparse.name=d/f\\n31 GNU.sparse.realsize=1048576\\n"
    );
    assert_eq!(
        rest,
        Block::ustar(b'0', b"d/GNUSparseFile.0/f", 512 + 1112)
            .with(b"3\n4096\n512\n8192\n600\n1048576\n0\n")
    );
    assert_eq!(round_trip(&member), member);
    let hole = Member {
        kind: sparse(vec![], 1 << 40),
        ..plain(&[b'n'; 120])
    };
    assert_eq!(round_trip(&hole), hole);
    assert!(!records(&hole).contains(" path="));
}

#[test]
fn what_exceeds_a_limit_is_refused_and_nothing_appended() {
    let xattrs = vec![Xattr {
        name: b"user.a".to_vec(),
        value: vec![0; 1 << 20],
    }];
    let extents: Vec<_> = (0..200_000)
        .map(|at| Extent {
            offset: at * 1024,
            len: 512,
        })
        .collect();
    let directory = Member {
        kind: MemberKind::Directory,
        ..plain(&[b'd'; 4095])
    };
    for member in [
        plain(&[b'n'; 4096]),
        directory,
        Member {
            kind: symlink(&[b'l'; 4096]),
            ..plain(b"s")
        },
        Member {
            xattrs,
            ..plain(b"x")
        },
        Member {
            kind: sparse(extents, 1 << 30),
            ..plain(b"s")
        },
    ] {
        let mut out = b"before".to_vec();
        let error = encode(&member, 0, &mut out).unwrap_err();
        assert_eq!(
            (error.kind(), error.entry(), &out[..]),
            (Kind::Limit, Some(&member.path[..]), &b"before"[..])
        );
    }
    assert_eq!(round_trip(&plain(&[b'n'; 4095])), plain(&[b'n'; 4095]));
}

#[test]
fn a_member_that_no_header_can_express_is_refused() {
    let number = DeviceNumber {
        major: 1 << 21,
        minor: 0,
    };
    for member in [
        plain(b""),
        plain(b"a\0b"),
        Member {
            kind: symlink(b""),
            ..plain(b"s")
        },
        Member {
            kind: MemberKind::HardLink { source: vec![] },
            ..plain(b"h")
        },
        Member {
            kind: symlink(b"l\0"),
            ..plain(b"s")
        },
        Member {
            kind: whole(1 << 63),
            ..plain(b"a")
        },
        Member {
            kind: sparse(vec![], 1 << 63),
            ..plain(b"a")
        },
        Member {
            mtime: Time {
                seconds: 0,
                nanoseconds: 1_000_000_000,
            },
            ..plain(b"a")
        },
        Member {
            uid: u32::MAX,
            ..plain(b"a")
        },
        Member {
            kind: MemberKind::BlockDevice(number),
            ..plain(b"b")
        },
    ] {
        assert!(encode(&member, 0, &mut Vec::new()).is_err(), "{member:?}");
    }
}

#[test]
fn data_is_padded_to_whole_blocks() {
    for (stored, zeros) in [
        (0, 0),
        (1, 511),
        (511, 1),
        (512, 0),
        (513, 511),
        (u64::MAX, 1),
    ] {
        assert_eq!(padding(stored), zeros);
    }
}
