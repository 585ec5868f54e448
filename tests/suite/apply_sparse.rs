//! Applying sparse files: every form is read, holes stay holes, maps that lie are refused.

use crate::support::process::Test;
use crate::support::stage::{Stage, assert_errno};
use crate::support::tarball::{Sparse, file, sparse, sparse_map};

const GIB: u64 = 1 << 30;

fn parts(number: u64) -> Vec<(u64, Vec<u8>)> {
    (0..number)
        .map(|part| (part * 16_384 + 4096, vec![b'a' + (part % 26) as u8; 4096]))
        .collect()
}

/// The content that [`parts`] describe.
fn dense(number: u64, size: usize) -> Vec<u8> {
    let mut content = vec![0; size];
    for (at, bytes) in parts(number) {
        content[at as usize..at as usize + bytes.len()].copy_from_slice(&bytes);
    }
    content
}

/// What a map lies about, the size it claims, and its parts.
type Lie = (&'static str, u64, &'static [(u64, u64)]);

api_tests! {
    every_form_of_sparse_file_is_read,
    a_hole_of_a_gibibyte_takes_no_space,
    data_lies_only_where_the_map_says,
    a_map_that_lies_is_refused,
    a_map_that_is_no_map_is_refused,
    a_map_that_claims_more_than_it_holds_costs_no_memory,
    a_map_without_end_is_refused
}

fn every_form_of_sparse_file_is_read(t: &Test) {
    for form in Sparse::ALL {
        for number in [0, 1, 3, 4, 5, 25, 26, 60, 200] {
            let stage = Stage::new(t);
            stage
                .apply([
                    sparse(form, "dir/f", 4_000_000, &parts(number)),
                    file("after", "x"),
                ])
                .unwrap();
            let found = std::fs::read(stage.at("dir/f")).unwrap();
            assert!(
                found == dense(number, 4_000_000),
                "{form:?} with {number} parts"
            );
            assert_eq!(stage.read("after"), "x");
        }
    }
}

fn a_hole_of_a_gibibyte_takes_no_space(t: &Test) {
    for form in Sparse::ALL {
        let stage = Stage::new(t);
        stage
            .apply([sparse(form, "f", GIB, &[(GIB - 4096, vec![b'x'; 4096])])])
            .unwrap();
        let meta = std::fs::metadata(stage.at("f")).unwrap();
        assert_eq!(meta.len(), GIB, "{form:?}");
        assert!(
            std::os::unix::fs::MetadataExt::blocks(&meta) * 512 < 1 << 20,
            "{form:?} fills its hole"
        );
    }
}

fn data_lies_only_where_the_map_says(t: &Test) {
    let stage = Stage::new(t);
    stage
        .apply([sparse(
            Sparse::Pax10,
            "f",
            1 << 20,
            &[(65_536, vec![b'x'; 65_536])],
        )])
        .unwrap();
    assert_eq!(stage.tree().get("f").data, [(65_536, 131_072)]);
}

fn a_map_that_lies_is_refused(t: &Test) {
    let body = vec![b'x'; 1024];
    let lies: [Lie; 7] = [
        ("overlapping", 8192, &[(0, 512), (256, 512)]),
        ("backwards", 8192, &[(4096, 512), (0, 512)]),
        ("beyond the size", 1024, &[(0, 512), (1024, 512)]),
        ("more data than there is", 8192, &[(0, 512), (4096, 4096)]),
        ("less data than there is", 8192, &[(0, 512)]),
        (
            "past the end of numbers",
            8192,
            &[(0, 512), (i64::MAX as u64, 512)],
        ),
        (
            "size past the end of numbers",
            u64::MAX >> 1,
            &[((u64::MAX >> 1) - 100, 512), (0, 512)],
        ),
    ];
    for form in Sparse::ALL {
        for (what, size, map) in lies {
            let stage = Stage::new(t);
            let failure = stage
                .apply([sparse_map(form, "f", size, map, &body)])
                .unwrap_err();
            assert!(
                [libc::EBADMSG, libc::E2BIG].contains(&failure.errno),
                "{form:?} {what}: {failure:?}"
            );
        }
    }
}

fn a_map_that_is_no_map_is_refused(t: &Test) {
    for (major, text) in [
        ("1", "x\n"),
        ("1", "1\n0\n"),
        ("1", "-1\n"),
        ("1", "99999999999999999999\n"),
        ("1", ""),
    ] {
        let stage = Stage::new(t);
        let mut body = text.as_bytes().to_vec();
        body.resize(512, 0);
        let entry = file("GNUSparseFile.0/f", body)
            .pax("GNU.sparse.major", major)
            .pax("GNU.sparse.minor", "0");
        let outcome = stage.apply([entry
            .pax("GNU.sparse.name", "f")
            .pax("GNU.sparse.realsize", "4096")]);
        assert_errno(outcome, libc::EBADMSG);
    }
    for map in ["0", "0,x", "0,512,", ",", "0 512"] {
        let stage = Stage::new(t);
        let entry = file("f", vec![b'x'; 512])
            .pax("GNU.sparse.size", "4096")
            .pax("GNU.sparse.numblocks", "1");
        assert_errno(
            stage.apply([entry.pax("GNU.sparse.map", map)]),
            libc::EBADMSG,
        );
    }
}

fn a_map_that_claims_more_than_it_holds_costs_no_memory(t: &Test) {
    let stage = Stage::new(t);
    let mut body = b"4000000000\n0\n0\n".to_vec();
    body.resize(512, 0);
    let entry = file("GNUSparseFile.0/f", body)
        .pax("GNU.sparse.major", "1")
        .pax("GNU.sparse.minor", "0");
    let failure = stage
        .apply([entry
            .pax("GNU.sparse.name", "f")
            .pax("GNU.sparse.realsize", "4096")])
        .unwrap_err();
    assert!(
        [libc::EBADMSG, libc::E2BIG].contains(&failure.errno),
        "{failure:?}"
    );
}

fn a_map_without_end_is_refused(t: &Test) {
    let map: Vec<_> = (0..2_000_000).map(|part| (part * 2, 0)).collect();
    for form in [Sparse::Pax10, Sparse::Old] {
        let stage = Stage::new(t);
        assert_errno(
            stage.apply([sparse_map(form, "f", 4_000_000, &map, b"")]),
            libc::E2BIG,
        );
    }
}
