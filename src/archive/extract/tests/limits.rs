#![forbid(unsafe_code)]

use super::super::limits::Limits;
use super::*;

const LIMIT: (Kind, i32) = (Kind::Limit, libc::E2BIG);

fn limited(limits: Limits) -> Rules {
    Rules {
        limits,
        ..Rules::default()
    }
}

/// A root with something in the place of the entries that are tried.
fn occupied() -> Temp {
    let temp = Temp::new();
    temp.put("source", "old").put("new/x/below", "old");
    temp
}

/// Checks that the entry is made under the one limit, and refused under the other with nothing touched.
#[track_caller]
fn assert_limit(entry: &Entry, at: Limits, above: Limits, words: &str) {
    assert_refused(&occupied(), limited(above), entry, LIMIT, words);
    let temp = occupied();
    let before = temp.state();
    extract(&temp, limited(at), std::slice::from_ref(entry)).unwrap();
    assert_ne!(temp.state(), before);
}

#[test]
fn members_are_limited_whatever_becomes_of_them() {
    let limits = |members| Limits {
        members,
        ..Limits::default()
    };
    let entries = [
        directory("."),
        file("skipped", ""),
        file("a", "1"),
        file("b", "2"),
    ];
    let judge = |path: &RootPath, _: &Member| {
        Ok(match path.as_bytes() {
            b"skipped" => Verdict::Skip,
            _ => Verdict::Extract,
        })
    };
    for (limit, made) in [
        (4, tree([("a", "1"), ("b", "2")])),
        (3, tree([("a", "1")])),
        (1, tree([])),
    ] {
        let temp = Temp::new();
        let mut setup = Setup::new(&temp, limited(limits(limit)));
        setup.judge = &judge;
        let result = setup.extract(&entries);
        assert_eq!(temp.tree(), made);
        if limit < 4 {
            let error = result.unwrap_err();
            assert_eq!((error.kind(), error.errno()), LIMIT);
            assert!(
                error.to_string().contains(&format!("members of {limit}")),
                "{error}"
            );
        } else {
            result.unwrap();
        }
    }
}

#[test]
fn the_extractions_of_one_import_count_together() {
    let temp = Temp::new();
    let limits = Limits {
        members: 3,
        total_bytes: 3,
        ..Limits::default()
    };
    let setup = Setup::new(&temp, limited(limits));
    setup.extract(&[file("a", "12")]).unwrap();
    setup.extract(&[file("b", "3")]).unwrap();
    let error = setup.extract(&[file("c", "4")]).unwrap_err();
    assert!(error.to_string().contains("total_bytes of 3"), "{error}");
    let error = setup.extract(&[file("d", "")]).unwrap_err();
    assert!(error.to_string().contains("members of 3"), "{error}");
    assert_eq!(temp.tree(), tree([("a", "12"), ("b", "3")]));
}

#[test]
fn bytes_are_limited_without_holes() {
    let limits = |total_bytes| Limits {
        total_bytes,
        ..Limits::default()
    };
    for entry in [
        file("new/x", "12345"),
        sparse_file("new/x", 1 << 20, "12345"),
    ] {
        assert_limit(&entry, limits(5), limits(4), "total_bytes of 4");
    }
}

#[test]
fn bytes_of_what_is_skipped_do_not_count() {
    let temp = Temp::new();
    let limits = Limits {
        total_bytes: 1,
        ..Limits::default()
    };
    let mut setup = Setup::new(&temp, limited(limits));
    setup.judge = &|path, _| {
        Ok(match path.as_bytes() {
            b"skipped" => Verdict::Skip,
            _ => Verdict::Extract,
        })
    };
    setup
        .extract(&[file("skipped", "12345"), file("a", "1")])
        .unwrap();
}

#[test]
fn a_sum_of_bytes_beyond_64_bits_exceeds_any_limit() {
    let meter = Meter::default();
    let huge = |stored| Entry::new(MemberKind::Regular(Extents::whole(stored)), "a").0;
    meter
        .count_data(&huge(u64::MAX), &Limits::default())
        .unwrap();
    meter.count_data(&huge(0), &Limits::default()).unwrap();
    meter.count_data(&huge(1), &Limits::default()).unwrap_err();
}

#[test]
fn the_size_of_a_file_is_limited_with_its_holes() {
    let limits = |member_bytes| Limits {
        member_bytes,
        ..Limits::default()
    };
    for entry in [file("new/x", "12345678"), sparse_file("new/x", 8, "8")] {
        assert_limit(&entry, limits(8), limits(7), "member_bytes of 7");
    }
}

#[test]
fn the_length_of_a_path_is_limited_once_it_is_clean() {
    let limits = |path_bytes| Limits {
        path_bytes,
        ..Limits::default()
    };
    for entry in [
        file("new/x", ""),
        directory("./new//x"),
        file("/a/../new/y", ""),
    ] {
        assert_limit(&entry, limits(5), limits(4), "path_bytes of 4");
    }
    let link = hard_link("l", "./source");
    assert_limit(&link, limits(6), limits(5), "path_bytes of 5");
    let rules = |limit| Rules {
        oci_whiteouts: true,
        ..limited(limits(limit))
    };
    for mark in ["new/.wh.x", "new/x/.wh..wh..opq"] {
        let mark = file(mark, "");
        assert_refused(&occupied(), rules(4), &mark, LIMIT, "path_bytes of 4");
        extract(&occupied(), rules(5), &[mark]).unwrap();
    }
    extract(
        &occupied(),
        limited(limits(1)),
        &[symlink("l", "any/length")],
    )
    .unwrap();
}

#[test]
fn the_depth_of_a_path_is_limited() {
    let limits = |depth| Limits {
        depth,
        ..Limits::default()
    };
    for entry in [
        file("new/x", ""),
        file("./new/y//", ""),
        hard_link("l", "new/../new/z"),
    ] {
        let temp = occupied();
        temp.put("new/z", "old");
        assert_refused(&temp, limited(limits(1)), &entry, LIMIT, "depth of 1");
        extract(&temp, limited(limits(2)), &[entry]).unwrap();
    }
}

#[test]
fn the_xattrs_of_a_member_are_limited_together() {
    let limits = |xattr_bytes| Limits {
        xattr_bytes,
        ..Limits::default()
    };
    // 6 and 2 bytes, 7 and 5.
    for entry in [
        file("new/x", ""),
        directory("new/x"),
        hard_link("l", "source"),
    ] {
        let entry = entry.xattr("user.a", b"12").xattr("user.bb", b"34567");
        assert_limit(&entry, limits(20), limits(19), "xattr_bytes of 19");
    }
}

#[test]
fn by_default_everything_that_can_be_read_is_within_the_limits() {
    let temp = Temp::new();
    // Without openat2 the kernel is asked for the path on the host as well, which takes some of its room.
    let deep = "d/".repeat(1950) + "d";
    let large = sparse_file("a", 1 << 40, "x").xattr("user.a", &[b'x'; 1000]);
    extract(&temp, Rules::default(), &[file(&deep, ""), large]).unwrap();
    assert_eq!(temp.meta("a").len(), 1 << 40);
    let limits = Limits::default();
    assert_eq!(
        (limits.path_bytes, limits.depth, limits.xattr_bytes),
        (4095, 2048, 1_048_576)
    );
    // Too deep for the walk that a removal by path is.
    remove_tree_below(&temp);
}

fn remove_tree_below(temp: &Temp) {
    let root = File::open(temp.path("")).unwrap();
    let name = Name::new(b"d").unwrap();
    crate::fs::remove_tree(&root, &name, &Watch::new()).unwrap();
}
