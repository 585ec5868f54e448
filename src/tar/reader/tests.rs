#![forbid(unsafe_code)]

use super::super::testing::{
    Block, assert_refused, extended, plain, read_all, read_one, whole, with_records,
};
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
fn an_end_marker_is_a_whole_zero_block_after_the_last_member() {
    let file = Block::ustar(b'0', b"a", 512).with(&[0; 512]);
    for (end, marked) in [
        (&b""[..], false),
        (&ZERO, true),
        (&[ZERO, ZERO].concat(), true),
        (&[&ZERO[..], &ZERO, b"garbage"].concat(), true),
    ] {
        let stream = [&file[..], end].concat();
        let mut reader = Reader::new(&stream[..]);
        reader.next_member().unwrap().unwrap();
        assert!(!reader.ended_with_marker());
        assert_eq!(reader.next_member().unwrap(), None);
        assert_eq!(reader.ended_with_marker(), marked, "{}", end.len());
        reader.finish().unwrap();
        assert_eq!(reader.ended_with_marker(), marked, "{}", end.len());
    }
}

#[test]
fn a_reader_that_is_finished_before_the_last_member_knows_of_no_end_marker() {
    let file = Block::ustar(b'0', b"a", 0).bytes();
    let stream = [&file[..], &file, &ZERO, &ZERO].concat();
    let mut reader = Reader::new(&stream[..]);
    reader.next_member().unwrap().unwrap();
    reader.finish().unwrap();
    assert!(!reader.ended_with_marker());
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
    let stream = [&ZERO[..], &file].concat();
    let mut reader = Reader::new(&stream[..]);
    reader.next_member().unwrap_err();
    assert!(!reader.ended_with_marker());
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
    let mut reader = Reader::new(&stream[..]);
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
    let mut reader = Reader::new(&stream[..]);
    reader.next_member().unwrap();
    let mut buffer = [0; 2];
    assert_eq!(reader.data().read(&mut buffer).unwrap(), 2);
    assert_eq!((&buffer, reader.remaining), (b"ab", 1));
    assert_eq!(reader.data().read(&mut [0; 9]).unwrap(), 1);
    assert_eq!(reader.data().read(&mut [0; 9]).unwrap(), 0);
    assert_eq!(reader.next_member().unwrap().unwrap().path, b"b");
    let mut data = reader.data();
    data.source().skip(2).unwrap();
    data.consumed(2);
    assert_eq!(data.reader.remaining, 0);
    assert!(reader.next_member().unwrap().is_none());
    assert!(reader.next_member().unwrap().is_none());
}

#[test]
fn more_consumed_than_there_was_ends_the_reading() {
    let stream = Block::ustar(b'0', b"a", 3).with(b"abc");
    let mut reader = Reader::new(&stream[..]);
    reader.next_member().unwrap();
    reader.data().consumed(4);
    assert_eq!(reader.next_member().unwrap_err().kind(), Kind::Internal);
}

#[test]
fn finishing_reads_the_source_to_its_end() {
    let stream = [&ZERO[..], &ZERO, b"a second archive"].concat();
    let mut reader = Reader::new(&stream[..]);
    assert!(reader.next_member().unwrap().is_none());
    reader.finish().unwrap();
    assert!(reader.source.is_empty());
}

#[test]
fn an_error_below_comes_out_as_it_is() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(Error::new(Kind::Limit, "window").into())
        }
    }
    impl BufRead for Broken {
        fn fill_buf(&mut self) -> io::Result<&[u8]> {
            Err(Error::new(Kind::Limit, "window").into())
        }

        fn consume(&mut self, _: usize) {}
    }
    impl Source for Broken {}
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
fn the_size_of_what_has_no_data_is_ignored() {
    let file = Block::ustar(b'0', b"next", 0).bytes();
    for letter in *b"123456" {
        let stream = [Block::ustar(letter, b"n", 77).bytes(), file.clone()].concat();
        let members = read_all(&stream).unwrap();
        assert_eq!(
            (
                members[0].0.size(),
                members[0].0.stored(),
                &members[1].0.path[..]
            ),
            (0, 0, &b"next"[..])
        );
    }
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
fn a_global_header_may_hold_what_concerns_no_member() {
    let global = extended(
        b'g',
        &[
            ("comment", b"c"),
            ("GNU.volume.label", b"backup"),
            ("SCHILY.release", b"star 1.5.3"),
            ("SCHILY.archtype", b"exustar"),
            ("SCHILY.volhdr.blocksize", b"20"),
        ],
    );
    let file = Block::ustar(b'0', b"a", 0).bytes();
    assert_eq!(read_one(&[&global[..], &file].concat()).path, b"a");
    // Between an extended header and its member, too, and at the end.
    let named = extended(b'x', &[("path", b"x")]);
    let between = [&named[..], &global, &file, &global].concat();
    assert_eq!(read_one(&between), plain(b"x"));
    assert_refused(
        &Block::ustar(b'g', b"g", 5).with(b"junk\n"),
        Kind::Malformed,
        "PAX record",
    );
}

#[test]
fn a_global_header_that_says_something_of_members_is_refused() {
    let file = Block::ustar(b'0', b"a", 0).bytes();
    for key in [
        "path",
        "uid",
        "mtime",
        "size",
        "SCHILY.xattr.user.a",
        "SCHILY.volhdr",
        "hdrcharset",
        "odd",
    ] {
        let global = extended(b'g', &[("comment", b"c"), (key, b"7")]);
        let stream = [&global[..], &file].concat();
        assert_refused(&stream, Kind::Unsupported, &format!("\"{key}\""));
    }
}

#[test]
fn a_header_that_announces_needs_a_member() {
    let file = Block::ustar(b'0', b"a", 0).bytes();
    for announcing in [
        extended(b'x', &[("path", b"b")]),
        extended(b'X', &[("path", b"b")]),
        Block::gnu(b'L', b"././@LongLink", 2).with(b"b\0"),
        Block::gnu(b'K', b"././@LongLink", 2).with(b"b\0"),
        [
            extended(b'x', &[("path", b"b")]),
            extended(b'g', &[("comment", b"c")]),
        ]
        .concat(),
    ] {
        for end in [&b""[..], &ZERO, &[ZERO, ZERO].concat()] {
            let stream = [&file[..], &announcing, end].concat();
            let error = read_all(&stream).unwrap_err();
            assert_eq!(
                (error.kind(), error.offset()),
                (Kind::Malformed, Some(512)),
                "{error}"
            );
        }
    }
}

#[test]
fn what_other_dialects_have_is_read_or_passed_over() {
    let solaris = extended(b'X', &[("path", b"x")]);
    let label = Block::gnu(b'V', b"label", 0).bytes();
    let labelled = [extended(b'x', &[("path", b"long label")]), label.clone()].concat();
    let dumped = Block::gnu(b'D', b"d/", 9).with(b"Ya\0Nb\0\0\0\0");
    let file = Block::ustar(b'0', b"a", 0).bytes();
    let stream = [label, labelled, dumped, solaris, file].concat();
    let members = read_all(&stream).unwrap();
    let found: Vec<_> = members
        .iter()
        .map(|(member, data)| (&member.path[..], &member.kind, member.size(), data.len()))
        .collect();
    let expected: [(&[u8], _, _, _); 2] = [
        (b"d/", &MemberKind::Directory, 0, 0),
        (b"x", &whole(0), 0, 0),
    ];
    assert_eq!(found, expected);
}

#[test]
fn data_of_a_hard_link_are_passed_over_where_there_are_any() {
    let link = |size| Block::ustar(b'1', b"l", size).set(157, b"a");
    let next = Block::ustar(b'0', b"next", 1).with(b"n");
    for size in [1, 511, 512, 513, 1024, 5000] {
        for pax in [&b""[..], &extended(b'x', &[("mtime", b"5")])] {
            let with = [pax, &link(size).with(&vec![b'd'; size]), &next].concat();
            let without = [pax, &link(size).bytes(), &next].concat();
            for stream in [with, without] {
                let members = read_all(&stream).unwrap();
                let ends: Vec<_> = members
                    .iter()
                    .map(|(member, data)| (&member.path[..], member.size(), &data[..]))
                    .collect();
                let expected: [(&[u8], u64, &[u8]); 2] = [(b"l", 0, b""), (b"next", 1, b"n")];
                assert_eq!(ends, expected, "{size}");
                let before = pax.len() as u64;
                assert_eq!(members[0].0.offset, 0);
                assert!(members[1].0.offset >= before + 512, "{size}");
                assert_eq!(stream.len() as u64 - members[1].0.offset, 1024, "{size}");
            }
        }
    }
}

#[test]
fn zeros_behind_a_hard_link_that_may_have_data_are_no_end() {
    let link = Block::ustar(b'1', b"l", 700).set(157, b"a").bytes();
    let end = [ZERO, ZERO].concat();
    assert_eq!(paths(&[&link[..], &end].concat()), [b"l"]);
    let pax = extended(b'x', &[("mtime", b"5")]);
    assert_refused(
        &[&pax[..], &link, &end].concat(),
        Kind::Malformed,
        "hard link",
    );
    assert_eq!(paths(&link), [b"l"]);
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
