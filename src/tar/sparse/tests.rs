#![forbid(unsafe_code)]

use super::super::Extents;
use super::super::testing::{
    Block, assert_refused, extended, read_all, read_one, sparse, whole, with_records,
};
use super::*;
use crate::error::Kind;

fn extent(offset: u64, len: u64) -> Extent {
    Extent { offset, len }
}

/// An old GNU sparse header of a file of 2^20 bytes with `stored` of them, whose map begins with `entries`.
fn old(entries: &[(u64, u64)], stored: usize, extended: bool) -> Block {
    let block = Block::gnu(b'S', b"sparse", stored)
        .set(483, b"00004000000\0")
        .set(482, &[u8::from(extended)]);
    block.set(386, &old_entries(entries))
}

fn old_entries(entries: &[(u64, u64)]) -> Vec<u8> {
    entries
        .iter()
        .flat_map(|(offset, len)| format!("{offset:011o}\0{len:011o}\0").into_bytes())
        .collect()
}

/// A PAX 1.0 sparse file of 2^20 bytes with this map in front of its data.
fn leading(map: &[u8], data: &[u8]) -> Vec<u8> {
    let records: [(&str, &[u8]); 4] = [
        ("GNU.sparse.major", b"1"),
        ("GNU.sparse.minor", b"0"),
        ("GNU.sparse.name", b"sparse"),
        ("GNU.sparse.realsize", b"1048576"),
    ];
    let mut body = map.to_vec();
    body.resize(map.len().next_multiple_of(512), 0);
    body.extend_from_slice(data);
    [
        extended(b'x', &records),
        Block::ustar(b'0', b"GNUSparseFile.0/sparse", body.len()).with(&body),
    ]
    .concat()
}

/// A sparse file of 2^20 bytes in PAX records.
fn recorded(records: &[(&str, &[u8])], stored: usize) -> Vec<u8> {
    [
        &with_records(records, stored)[..],
        &vec![b'd'; stored.next_multiple_of(512)],
    ]
    .concat()
}

#[test]
fn an_old_gnu_map_goes_on_in_extension_blocks() {
    let mut first = old_entries(&(4..25).map(|at| (at * 4096, 1)).collect::<Vec<_>>());
    first.resize(512, 0);
    first[504] = 1;
    let mut second = old_entries(&[(100 * 4096, 2), (1 << 20, 0)]);
    second.resize(512, 0);
    let head = old(&[(0, 1), (4096, 1), (8192, 1), (12288, 1)], 27, true).bytes();
    let mut data = vec![b'd'; 27];
    data.resize(512, 0);
    let members = read_all(
        &[
            head,
            first,
            second,
            data,
            Block::ustar(b'0', b"n", 0).bytes(),
        ]
        .concat(),
    )
    .unwrap();
    let mut expected: Vec<_> = (0..25).map(|at| extent(at * 4096, 1)).collect();
    expected.push(extent(409_600, 2));
    let (member, data) = &members[0];
    assert_eq!(
        (member.size(), member.stored(), &data[..]),
        (1_048_576, 27, &[b'd'; 27][..])
    );
    assert_eq!(member.kind, sparse(expected, 1_048_576));
    assert_eq!(members[1].0.path, b"n");
}

#[test]
fn an_old_gnu_map_may_be_empty() {
    let member = read_one(&old(&[], 0, false).bytes());
    assert_eq!(member.kind, sparse(vec![], 1_048_576));
}

#[test]
fn old_gnu_maps_are_bounded_and_must_be_there() {
    let mut endless = vec![0; 512];
    endless[504] = 1;
    let stream = [old(&[], 0, true).bytes(), endless.repeat(2049)].concat();
    assert_refused(&stream, Kind::Limit, "sparse map is longer");
    assert_refused(&old(&[], 0, true).bytes(), Kind::Malformed, "cut short");
    assert_refused(
        &old(&[], 0, false).set(386, b"z").bytes(),
        Kind::Malformed,
        "sparse map is malformed",
    );
    assert_refused(
        &old(&[], 0, false).set(483, &[0xff; 12]).bytes(),
        Kind::Malformed,
        "size is negative",
    );
}

#[test]
fn sparse_files_of_star_are_unsupported() {
    assert_refused(
        &Block::ustar(b'S', b"s", 0).set(508, b"tar\0").bytes(),
        Kind::Unsupported,
        "star",
    );
    assert_refused(&Block::v7(b'S', b"s", 0).bytes(), Kind::Unsupported, "star");
}

#[test]
fn every_form_of_pax_map_is_read() {
    let zero_zero: [(&str, &[u8]); 6] = [
        ("GNU.sparse.size", b"1048576"),
        ("GNU.sparse.numblocks", b"2"),
        ("GNU.sparse.offset", b"0"),
        ("GNU.sparse.numbytes", b"3"),
        ("GNU.sparse.offset", b"4096"),
        ("GNU.sparse.numbytes", b"5"),
    ];
    let zero_one: [(&str, &[u8]); 4] = [
        ("GNU.sparse.size", b"1048576"),
        ("GNU.sparse.numblocks", b"2"),
        ("GNU.sparse.name", b"sparse"),
        ("GNU.sparse.map", b"0,3,4096,5"),
    ];
    for (stream, path) in [
        (recorded(&zero_zero, 8), &b"short"[..]),
        (recorded(&zero_one, 8), b"sparse"),
        (leading(b"2\n0\n3\n4096\n5\n", b"dddddddd"), b"sparse"),
        // The end of the file in a hole.
        (
            leading(b"3\n0\n3\n4096\n5\n1048576\n0\n", b"dddddddd"),
            b"sparse",
        ),
    ] {
        let mut members =
            read_all(&[stream, Block::ustar(b'0', b"n", 0).bytes()].concat()).unwrap();
        assert_eq!(members[1].0.path, b"n");
        let (member, data) = members.remove(0);
        assert_eq!((&member.path[..], &data[..]), (path, &b"dddddddd"[..]));
        assert_eq!((member.size(), member.stored()), (1_048_576, 8));
        let extents = vec![extent(0, 3), extent(4096, 5)];
        assert_eq!(member.kind, sparse(extents, 1_048_576));
    }
}

#[test]
fn a_version_can_be_stated_with_a_map_in_records() {
    let records: [(&str, &[u8]); 4] = [
        ("GNU.sparse.major", b"0"),
        ("GNU.sparse.minor", b"1"),
        ("GNU.sparse.realsize", b"9"),
        ("GNU.sparse.numblocks", b"0"),
    ];
    let member = read_one(&recorded(&records, 0));
    assert_eq!(member.kind, sparse(vec![], 9));
}

#[test]
fn an_unknown_sparse_version_is_refused() {
    for (major, minor) in [
        (&b"2"[..], &b"0"[..]),
        (b"1", b"1"),
        (b"0", b"2"),
        (b"1", b""),
    ] {
        let records: [(&str, &[u8]); 4] = [
            ("GNU.sparse.major", major),
            ("GNU.sparse.minor", minor),
            ("GNU.sparse.name", b"real"),
            ("GNU.sparse.realsize", b"99"),
        ];
        assert_refused(&recorded(&records, 8), Kind::Unsupported, "version");
    }
}

#[test]
fn a_size_without_a_map_is_malformed_and_a_name_is_the_name() {
    for key in ["GNU.sparse.size", "GNU.sparse.realsize"] {
        assert_refused(&recorded(&[(key, b"99")], 8), Kind::Malformed, "map");
    }
    let member = read_one(&recorded(&[("GNU.sparse.name", b"real")], 8));
    assert_eq!((&member.path[..], member.kind), (&b"real"[..], whole(8)));
}

#[test]
fn an_offset_or_a_length_alone_does_not_end_an_old_map() {
    let entry = |at: &[u8], length: &[u8]| {
        let block = Block::gnu(b'S', b"s", 0);
        block
            .set(386, at)
            .set(398, length)
            .set(483, b"00000000000\0")
            .bytes()
    };
    for (at, length) in [
        (&b"\x00000000000\0"[..], &b"00000000005\0"[..]),
        (b"00000000000\0", b"\x00000000005\0"),
    ] {
        assert_refused(&entry(at, length), Kind::Malformed, "sparse map");
    }
}

#[test]
fn maps_that_overlap_go_back_or_leave_the_file_are_malformed() {
    for map in [
        &b"2\n4096\n4\n4099\n4\n"[..],
        b"2\n4096\n4\n0\n4\n",
        b"1\n1048569\n8\n",
        b"1\n18446744073709551615\n8\n",
        b"1\n18446744073709551616\n8\n",
        b"1\n-1\n8\n",
        b"1\n\n8\n",
        b"x\n0\n8\n",
        b"\n",
        b"2\n0\n8\n\n\n",
        // Announced, but not there.
        b"200\n0\n8\n",
    ] {
        assert_refused(
            &leading(map, b"dddddddd"),
            Kind::Malformed,
            "sparse map is malformed",
        );
    }
    let no_pairs: [(&str, &[u8]); 2] = [
        ("GNU.sparse.map", b"0,3,4096"),
        ("GNU.sparse.numblocks", b"2"),
    ];
    let other_count: [(&str, &[u8]); 2] =
        [("GNU.sparse.map", b"0,8"), ("GNU.sparse.numblocks", b"2")];
    let no_count: [(&str, &[u8]); 1] = [("GNU.sparse.map", b"0,8")];
    let swapped: [(&str, &[u8]); 3] = [
        ("GNU.sparse.numbytes", b"8"),
        ("GNU.sparse.offset", b"0"),
        ("GNU.sparse.numblocks", b"1"),
    ];
    for records in [&no_pairs[..], &other_count, &no_count, &swapped] {
        assert_refused(
            &recorded(records, 8),
            Kind::Malformed,
            "sparse map is malformed",
        );
    }
}

#[test]
fn a_map_must_match_the_stored_data() {
    for map in [&b"1\n0\n7\n"[..], b"1\n0\n9\n", b"0\n"] {
        assert_refused(
            &leading(map, b"dddddddd"),
            Kind::Malformed,
            "match the stored data",
        );
    }
}

#[test]
fn only_regular_files_have_a_map() {
    let records = extended(
        b'x',
        &[("GNU.sparse.map", b"0,0"), ("GNU.sparse.numblocks", b"1")],
    );
    let stream = [records, Block::ustar(b'5', b"d", 0).bytes()].concat();
    assert_refused(&stream, Kind::Malformed, "isn't a regular file");
}

#[test]
fn a_leading_map_is_bounded() {
    let line = b"0\n0\n".repeat(1 << 18);
    let map = [&b"9999999\n"[..], &line].concat();
    assert_refused(&leading(&map, b""), Kind::Limit, "sparse map is longer");
    // One long number is no way around.
    let zeros = [&b"1\n"[..], &vec![b'0'; 2 << 20], b"\n8\n"].concat();
    assert_refused(
        &leading(&zeros, b"dddddddd"),
        Kind::Limit,
        "sparse map is longer",
    );
}

#[test]
fn extents_that_leave_the_file_overlap_or_go_backwards_are_refused() {
    for extents in [
        vec![extent(6, 4)],
        vec![extent(9, 1)],
        vec![extent(10, 0)],
        vec![extent(u64::MAX, 1)],
        vec![extent(1, u64::MAX)],
        vec![extent(0, 3), extent(2, 1)],
        vec![extent(4, 1), extent(0, 1)],
    ] {
        let refused = Extents::sparse(extents.clone(), 9);
        assert_eq!(refused.unwrap_err().kind(), Kind::Malformed, "{extents:?}");
    }
    let extents = vec![extent(0, 0), extent(0, 3), extent(5, 0), extent(8, 1)];
    let file = Extents::sparse(extents, 9).unwrap();
    assert_eq!((file.size(), file.stored()), (9, 4));
    assert_eq!(file.ranges(), Some(&[extent(0, 3), extent(8, 1)][..]));
    let ranges = |file: &Extents| file.iter().collect::<Vec<_>>();
    assert_eq!(ranges(&file), [extent(0, 3), extent(8, 1)]);
    assert_eq!(ranges(&Extents::whole(7)), [extent(0, 7)]);
}

#[test]
fn a_map_ends_at_the_size_of_its_file() {
    let encoded = |extents: &[Extent], size| {
        let map = encode(extents, size).unwrap();
        assert_eq!(map.len(), 512);
        String::from_utf8(map)
            .unwrap()
            .trim_end_matches('\0')
            .to_owned()
    };
    assert_eq!(
        encoded(&[extent(0, 512), extent(4096, 5)], 4101),
        "2\n0\n512\n4096\n5\n"
    );
    assert_eq!(encoded(&[extent(10, 3)], 4096), "2\n10\n3\n4096\n0\n");
    assert_eq!(encoded(&[], 4096), "1\n4096\n0\n");
}

#[test]
fn a_map_that_fits_keeps_its_holes() {
    let extents = vec![extent(0, 512), extent(4096, 4096), extent(10240, 7)];
    assert_eq!(fit(extents.clone(), 10247), extents);
    assert_eq!(fit(Vec::new(), 1 << 40), []);
}

#[test]
fn extents_are_widened_to_whole_blocks() {
    let ragged = vec![
        extent(100, 1),
        extent(500, 20),
        extent(1535, 1),
        extent(4000, 0),
        extent(9000, 10),
    ];
    assert_eq!(
        fit(ragged.clone(), 9100),
        [extent(0, 1536), extent(8704, 396)]
    );
    assert_eq!(fit(ragged, 1 << 20), [extent(0, 1536), extent(8704, 512)]);
    assert_eq!(
        encode(&[extent(0, 3), extent(4096, 1)], 8192),
        Err(Refusal::Unwritable(
            "an extent before the last isn't whole blocks long"
        ))
    );
}

#[test]
fn the_smallest_holes_are_filled_until_the_map_fits() {
    // 60,000 extents of 4 KiB: with numbers of 4 and 10 digits far more than 512 KiB. Every third hole is small.
    let mut extents = Vec::new();
    let mut at = 1_000_000_000;
    for index in 0..60_000 {
        extents.push(extent(at, 4096));
        at += 4096 + if index % 3 == 0 { 4096 } else { 65_536 + index };
    }
    let size = at + 1000;
    let fitted = fit(extents.clone(), size);
    let text_len = |extents: &[Extent]| -> usize {
        let lines = extents
            .iter()
            .map(|extent| format!("{}\n{}\n", extent.offset, extent.len).len());
        // The count, and the empty extent at the end.
        lines.sum::<usize>() + format!("{}\n{size}\n0\n", extents.len() + 1).len()
    };
    assert!(text_len(&extents) > 512 << 10);
    assert!(text_len(&fitted) < 512 << 10);
    // One hole more would be one line too many, give or take the digits.
    assert!(text_len(&fitted) > (512 << 10) - 40);
    // All small holes are gone, and what was data still is.
    let ends: Vec<u64> = fitted
        .iter()
        .map(|extent| extent.offset + extent.len)
        .collect();
    assert!(
        fitted
            .iter()
            .skip(1)
            .zip(&ends)
            .all(|(extent, end)| extent.offset - end > 4096)
    );
    for data in &extents {
        let holder = fitted.partition_point(|extent| extent.offset <= data.offset) - 1;
        assert!(data.offset + data.len <= ends[holder]);
    }
}

#[test]
fn a_filled_hole_at_the_end_makes_the_file_end_in_data() {
    let extents = [extent(0, 10), extent(20, 5)];
    assert_eq!(
        fill(&extents, &[(3, 1)], 28),
        [extent(0, 10), extent(20, 8)]
    );
    assert_eq!(fill(&extents, &[(3, 1), (10, 0)], 28), [extent(0, 28)]);
}
