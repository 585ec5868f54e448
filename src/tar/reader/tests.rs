#![forbid(unsafe_code)]

use super::super::testing::{Block, Bytes, extended, plain, read_all, read_one, with_records};
use super::super::{Member, MemberKind, Time, Xattr};
use super::*;
use crate::error::Kind;

const ZERO: [u8; 512] = [0; 512];

fn paths(stream: &[u8]) -> Vec<Vec<u8>> {
    read_all(stream)
        .unwrap()
        .into_iter()
        .map(|(member, _)| member.path)
        .collect()
}

/// Kind and text of the error that reading all of the stream ends in.
fn refusal(stream: &[u8]) -> (Kind, String) {
    let error = read_all(stream).unwrap_err();
    (error.kind(), error.to_string())
}

#[track_caller]
fn assert_refused(stream: &[u8], kind: Kind, text: &str) {
    let (found, message) = refusal(stream);
    assert!(
        found == kind && message.contains(text),
        "{found:?}: {message}"
    );
}

#[test]
fn an_archive_ends_at_zero_blocks_or_at_its_end() {
    let file = Block::ustar(b'0', b"a", 3).with(b"abc");
    for end in [
        &b""[..],
        &ZERO,
        &[ZERO, ZERO].concat(),
        &[&ZERO[..], &ZERO, b"garbage"].concat(),
    ] {
        assert_eq!(paths(&[&file[..], end].concat()), [b"a"]);
    }
    assert!(paths(b"").is_empty());
    assert!(paths(&ZERO).is_empty());
}

#[test]
fn a_lone_zero_block_is_malformed() {
    let file = Block::ustar(b'0', b"a", 0).bytes();
    assert_refused(
        &[&ZERO[..], &file].concat(),
        Kind::Malformed,
        "single zero block",
    );
    assert_refused(&[&ZERO[..], b"x"].concat(), Kind::Malformed, "cut short");
}

#[test]
fn missing_padding_after_the_last_member_is_tolerated() {
    let file = Block::ustar(b'0', b"a", 3).with(b"abc");
    for len in 515..=1024 {
        assert_eq!(read_all(&file[..len]).unwrap()[0].1, b"abc");
    }
}

#[test]
fn a_stream_cut_inside_of_headers_or_data_is_malformed() {
    let stream = [with_records(&[("path", b"long")], 600), vec![b'd'; 600]].concat();
    // Up to 512: the extended header. Up to 1024: its body, of which 13 bytes matter. Up to 1536: the file's header.
    for len in (1..512)
        .step_by(73)
        .chain([512, 518, 1025, 1535, 1536, 1600, 2135])
    {
        assert_refused(&stream[..len], Kind::Malformed, "cut short");
    }
    assert!(read_all(&stream).is_ok());
}

#[test]
fn cut_data_is_malformed_when_skipped_too() {
    let stream = Block::ustar(b'0', b"cut", 3).bytes();
    let mut reader = Reader::new(Bytes(&stream));
    reader.next_member().unwrap();
    let error = reader.next_member().unwrap_err();
    assert_eq!(
        (error.kind(), error.entry(), error.offset()),
        (Kind::Malformed, Some(&b"cut"[..]), Some(512))
    );
    assert_eq!(reader.next_member().unwrap_err().kind(), Kind::Internal);
}

#[test]
fn data_ends_with_its_member() {
    let stream = [
        Block::ustar(b'0', b"a", 3).with(b"abc"),
        Block::ustar(b'0', b"b", 2).with(b"de"),
    ]
    .concat();
    let mut reader = Reader::new(Bytes(&stream));
    reader.next_member().unwrap();
    let mut buffer = [0; 2];
    assert_eq!(reader.data().read(&mut buffer).unwrap(), 2);
    assert_eq!((&buffer, reader.data().remaining()), (b"ab", 1));
    assert_eq!(reader.data().read(&mut [0; 9]).unwrap(), 1);
    assert_eq!(reader.data().read(&mut [0; 9]).unwrap(), 0);
    assert_eq!(reader.next_member().unwrap().unwrap().path, b"b");
    let mut data = reader.data();
    data.source().skip(2).unwrap();
    data.consumed(2);
    assert_eq!(data.remaining(), 0);
    assert!(reader.next_member().unwrap().is_none());
    assert!(reader.next_member().unwrap().is_none());
}

#[test]
fn more_consumed_than_there_was_ends_the_reading() {
    let stream = Block::ustar(b'0', b"a", 3).with(b"abc");
    let mut reader = Reader::new(Bytes(&stream));
    reader.next_member().unwrap();
    reader.data().consumed(4);
    assert_eq!(reader.next_member().unwrap_err().kind(), Kind::Internal);
}

#[test]
fn finishing_reads_the_source_to_its_end() {
    let stream = [&ZERO[..], &ZERO, b"a second archive"].concat();
    let mut reader = Reader::new(Bytes(&stream));
    assert!(reader.next_member().unwrap().is_none());
    reader.finish().unwrap();
    assert!(reader.into_source().0.is_empty());
}

#[test]
fn an_error_below_comes_out_as_it_is() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(Error::new(Kind::Limit, "window").into())
        }
    }
    impl Source for Broken {
        fn skip(&mut self, _: u64) -> io::Result<()> {
            Ok(())
        }
    }
    assert_eq!(
        Reader::new(Broken).next_member().unwrap_err().kind(),
        Kind::Limit
    );
    assert_eq!(
        Reader::new(Broken).finish().unwrap_err().kind(),
        Kind::Limit
    );
}

#[test]
fn letters_mean_types() {
    use MemberKind::{BlockDevice, CharDevice, Directory, Fifo, Hardlink, Regular, Symlink};
    for (letter, kind) in [
        (b'0', Regular),
        (0, Regular),
        (b'7', Regular),
        (b'1', Hardlink),
        (b'2', Symlink),
        (b'3', CharDevice),
        (b'4', BlockDevice),
        (b'5', Directory),
        (b'6', Fifo),
    ] {
        let member = read_one(&Block::ustar(letter, b"n", 0).set(157, b"target").bytes());
        let link: &[u8] = if matches!(kind, Hardlink | Symlink) {
            b"target"
        } else {
            b""
        };
        assert_eq!((member.kind, &member.link[..]), (kind, link));
    }
}

#[test]
fn other_letters_are_unsupported() {
    for letter in [b'V', b'M', b'D', b'A', b'X', b'N', b'8', b'Z', 0xff] {
        // The owner is out of range, too, but an unknown type leaves nothing else to say.
        let block = Block::ustar(letter, b"odd", 0).set(108, &[0xff; 8]);
        let error = read_all(&block.bytes()).unwrap_err();
        assert_eq!(
            (error.kind(), error.entry(), error.offset()),
            (Kind::Unsupported, Some(&b"odd"[..]), Some(0))
        );
    }
}

#[test]
fn the_size_of_what_has_no_data_is_ignored() {
    let file = Block::ustar(b'0', b"next", 0).bytes();
    for letter in *b"123456" {
        let stream = [Block::ustar(letter, b"n", 77).bytes(), file.clone()].concat();
        let members = read_all(&stream).unwrap();
        assert_eq!(
            (
                members[0].0.size,
                members[0].0.stored,
                &members[1].0.path[..]
            ),
            (0, 0, &b"next"[..])
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
        MemberKind::Regular
    );
    let old = Block::v7(0, b"f", 0).bytes();
    assert_eq!(
        read_one(&[extended(b'x', &[("path", b"d/")]), old].concat()).kind,
        MemberKind::Directory
    );
    let slash = Block::v7(0, b"d/", 0).bytes();
    assert_eq!(
        read_one(&[extended(b'x', &[("path", b"f")]), slash].concat()).kind,
        MemberKind::Regular
    );
}

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
    assert_refused(&star.set(476, b"no time").bytes(), Kind::Malformed, "atime");
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
    assert_eq!((member.major, member.minor), (4095, 1_048_575));
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
        kind: MemberKind::Symlink,
        link: b"l".to_vec(),
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
fn a_size_record_tells_where_the_data_ends() {
    let stream = [
        with_records(&[("size", b"4")], 0),
        b"data".to_vec(),
        vec![0; 508],
        Block::ustar(b'0', b"n", 0).bytes(),
    ];
    let members = read_all(&stream.concat()).unwrap();
    assert_eq!(
        (&members[0].1[..], &members[1].0.path[..]),
        (&b"data"[..], &b"n"[..])
    );
    assert_eq!(members[1].0.offset, 2048);
}

#[test]
fn a_second_extended_header_replaces_the_first() {
    let stream = [
        extended(b'x', &[("path", b"first"), ("uid", b"bad")]),
        with_records(&[("gid", b"7")], 0),
    ]
    .concat();
    assert_eq!(
        read_one(&stream),
        Member {
            gid: 7,
            ..plain(b"short")
        }
    );
}

#[test]
fn a_member_begins_with_the_first_of_its_headers() {
    let file = with_records(&[("gid", b"7")], 0);
    let stream = [
        extended(b'g', &[]),
        file.clone(),
        Block::gnu(b'L', b"l", 2).with(b"n\0"),
        file,
    ]
    .concat();
    let offsets: Vec<u64> = read_all(&stream)
        .unwrap()
        .iter()
        .map(|(member, _)| member.offset)
        .collect();
    // An empty global header is one block, and the file with its records three.
    assert_eq!(offsets, [512, 2048]);
}

#[test]
fn an_extended_header_without_a_member_is_ignored() {
    let dangling = extended(b'x', &[("path", b"p")]);
    assert!(paths(&dangling).is_empty());
    assert!(paths(&dangling[..530]).is_empty());
    assert!(paths(&[&dangling[..], &ZERO, &ZERO].concat()).is_empty());
}

#[test]
fn global_headers_influence_nothing() {
    let global = extended(
        b'g',
        &[
            ("path", b"p"),
            ("uid", b"bad"),
            ("SCHILY.xattr.user.a", b"v"),
            ("size", b"9"),
        ],
    );
    assert_eq!(
        read_one(&[global.clone(), Block::ustar(b'0', b"a", 0).bytes()].concat()).path,
        b"a"
    );
    // Between an extended header and its member neither.
    let between = [
        extended(b'x', &[("path", b"x")]),
        global,
        Block::ustar(b'0', b"a", 0).bytes(),
    ]
    .concat();
    assert_eq!(read_one(&between), plain(b"x"));
    assert_refused(
        &Block::ustar(b'g', b"g", 5).with(b"junk\n"),
        Kind::Malformed,
        "PAX record",
    );
}

#[test]
fn the_name_comes_from_the_strongest_header() {
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
        (read_one(&both).path, read_one(&both).link),
        (b"gnu".to_vec(), b"gnulink".to_vec())
    );
    let empty = [long(b'L', b"\0"), records, long(b'K', b""), file].concat();
    assert_eq!(
        (read_one(&empty).path, read_one(&empty).link),
        (b"pax".to_vec(), b"paxlink".to_vec())
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
fn names_beyond_the_limits_are_refused() {
    let long = [b'n'; 4096];
    assert_eq!(
        read_one(&with_records(&[("path", &long[..4095])], 0)).path,
        &long[..4095]
    );
    assert_refused(
        &with_records(&[("path", &long)], 0),
        Kind::Limit,
        "name is longer",
    );
    let link = [
        extended(b'x', &[("linkpath", &long)]),
        Block::ustar(b'2', b"l", 0).bytes(),
    ]
    .concat();
    assert_refused(&link, Kind::Limit, "link is longer");
    for kind in *b"xgLK" {
        let claims = Block::ustar(kind, b"s", (1 << 20) + 1).bytes();
        assert_refused(&claims, Kind::Limit, "special header");
        assert_refused(
            &Block::ustar(kind, b"s", 1 << 20).bytes(),
            Kind::Malformed,
            "cut short",
        );
        assert_refused(
            &Block::ustar(kind, b"s", 0).set(124, &[0xff; 12]).bytes(),
            Kind::Malformed,
            "negative",
        );
    }
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
    assert!(!read_one(&with_records(&[("CRUTILS.xattrs", b"some")], 0)).xattrs_complete);
}
