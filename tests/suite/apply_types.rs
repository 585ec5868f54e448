//! Applying: what becomes of each type of entry, and what the reader makes of each dialect.

use crate::support::process::{Test, Within};
use crate::support::stage::{Stage, assert_errno};
use crate::support::tarball::{
    Checksum, Dialect, archive, block_device, char_device, dir, fifo, file, member, pax_header,
    record, symlink, unended,
};
use crate::support::tree::Kind;

api_tests! {
    a_contiguous_file_is_a_regular_file,
    the_old_type_byte_means_a_file_or_with_a_slash_a_directory,
    devices_are_made_with_their_numbers,
    a_device_number_out_of_range_is_an_error,
    a_device_is_left_out_in_a_user_namespace_and_the_rest_is_applied,
    types_without_data_carry_none,
    every_dialect_and_both_checksums_are_read,
    a_wrong_checksum_is_an_error,
    numbers_are_octal_with_spaces_or_base_256,
    long_names_and_links_are_read_in_every_form,
    pax_records_override_the_header,
    a_second_pax_header_replaces_the_first,
    a_gnu_long_name_beats_a_pax_path,
    a_malformed_pax_record_is_an_error,
    a_special_header_of_more_than_one_mebibyte_is_refused,
    a_size_beyond_the_input_costs_neither_memory_nor_time,
    every_end_of_an_archive_is_accepted,
    a_single_zero_block_between_members_is_an_error,
    a_cut_inside_a_header_or_a_body_is_an_error,
    a_failure_names_the_entry_and_where_it_is
}

fn a_contiguous_file_is_a_regular_file(t: &Test) {
    let stage = Stage::new(t);
    stage
        .apply([member(b'7', "f").body("content"), file("g", "next")])
        .unwrap();
    assert_eq!(
        (stage.read("f"), stage.read("g")),
        ("content".into(), "next".into())
    );
}

fn the_old_type_byte_means_a_file_or_with_a_slash_a_directory(t: &Test) {
    let stage = Stage::new(t);
    stage
        .apply([
            member(0, "f").body("x").dialect(Dialect::V7),
            member(0, "d/").mode(0o750).dialect(Dialect::V7),
        ])
        .unwrap();
    assert_eq!(stage.read("f"), "x");
    assert_eq!(
        (&stage.tree().get("d").kind, stage.tree().get("d").mode),
        (&Kind::Directory, 0o750)
    );
}

fn devices_are_made_with_their_numbers(t: &Test) {
    needs_root!("make devices");
    let stage = Stage::new(t);
    stage
        .apply([
            char_device("c", 12, 5),
            block_device("b", 4095, 1_048_575),
            char_device("w", 0, 0),
        ])
        .unwrap();
    let tree = stage.tree();
    assert_eq!(
        tree.get("c").kind,
        Kind::Char {
            major: 12,
            minor: 5
        }
    );
    assert_eq!(
        tree.get("b").kind,
        Kind::Block {
            major: 4095,
            minor: 1_048_575
        }
    );
    assert_eq!(tree.get("w").kind, Kind::Char { major: 0, minor: 0 });
}

fn a_device_number_out_of_range_is_an_error(t: &Test) {
    needs_root!("make devices");
    for entry in [
        char_device("c", 4096, 0),
        block_device("c", 0, 1_048_576),
        char_device("c", -1, 0),
        char_device("c", 1 << 32, 1),
    ] {
        let stage = Stage::new(t);
        stage.apply([entry.dialect(Dialect::Gnu)]).unwrap_err();
        assert!(!stage.exists("c"));
    }
}

fn a_device_is_left_out_in_a_user_namespace_and_the_rest_is_applied(t: &Test) {
    for within in [Within::UserNamespace, Within::RootsNamespace] {
        t.within(within, || {
            let stage = Stage::new(t);
            stage
                .apply([
                    block_device("b", 8, 0),
                    char_device("c", 1, 3),
                    fifo("p"),
                    file("f", "x"),
                ])
                .unwrap();
            assert_eq!(stage.tree().paths(), ["f", "p"]);
        });
    }
}

fn types_without_data_carry_none(t: &Test) {
    let stage = Stage::new(t);
    stage
        .apply([
            dir("d").size(700),
            symlink("l", "f").size(700),
            fifo("p").size(700),
            file("f", "x"),
        ])
        .unwrap();
    assert_eq!(stage.tree().paths(), ["d", "f", "l", "p"]);
}

fn every_dialect_and_both_checksums_are_read(t: &Test) {
    for dialect in [
        Dialect::V7,
        Dialect::Ustar,
        Dialect::Gnu,
        Dialect::Pax,
        Dialect::Star,
    ] {
        for checksum in [Checksum::Unsigned, Checksum::Signed] {
            let stage = Stage::new(t);
            stage
                .apply([file("\u{e9}", "x")
                    .dialect(dialect)
                    .checksum(checksum)
                    .mtime(7)])
                .unwrap();
            assert_eq!(stage.read("\u{e9}"), "x", "{dialect:?}");
            assert_eq!(stage.tree().get("\u{e9}").mtime, (7, 0));
        }
    }
}

fn a_wrong_checksum_is_an_error(t: &Test) {
    let stage = Stage::new(t);
    assert_errno(
        stage.apply([file("a", "x"), file("f", "x").checksum(Checksum::Wrong)]),
        libc::EBADMSG,
    );
    assert!(!stage.exists("f"));
}

fn numbers_are_octal_with_spaces_or_base_256(t: &Test) {
    let stage = Stage::new(t);
    let spaced = file("a", "x")
        .field(100, "  644 \0\0")
        .field(136, "     115    ");
    let binary = file("b", "x")
        .dialect(Dialect::Gnu)
        .field(136, [0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 77]);
    stage.apply([spaced, binary]).unwrap();
    assert_eq!(
        (stage.tree().get("a").mode, stage.tree().get("a").mtime),
        (0o644, (77, 0))
    );
    assert_eq!(stage.tree().get("b").mtime, (77, 0));
    assert_errno(
        stage.apply([file("c", "x").field(100, "0000x44\0")]),
        libc::EBADMSG,
    );
}

fn long_names_and_links_are_read_in_every_form(t: &Test) {
    let name = format!("{}/{}", "d".repeat(150), "n".repeat(90));
    let longer = format!("{}/{}", "e".repeat(200), "m".repeat(200));
    let target = "t".repeat(300);
    for dialect in [Dialect::Ustar, Dialect::Gnu, Dialect::Pax] {
        let stage = Stage::new(t);
        stage
            .apply([&name, &longer].map(|name| file(name, "x").dialect(dialect)))
            .unwrap();
        stage
            .apply([symlink("l", &target).dialect(dialect)])
            .unwrap();
        assert!(stage.exists(&name) && stage.exists(&longer), "{dialect:?}");
        assert_eq!(
            stage.tree().get("l").kind,
            Kind::Symlink(target.clone().into())
        );
    }
}

fn pax_records_override_the_header(t: &Test) {
    let stage = Stage::new(t);
    let entry = file("header", "body")
        .size(2)
        .pax("path", "first")
        .pax("path", "pax")
        .pax("size", "4")
        .pax("mtime", "7.5");
    stage
        .apply([
            entry.pax("uname", ""),
            symlink("l", "x").pax("linkpath", "y"),
            file("kept", "x").pax("path", ""),
        ])
        .unwrap();
    let tree = stage.tree();
    assert_eq!(tree.paths(), ["kept", "l", "pax"]);
    assert_eq!(stage.read("pax"), "body");
    assert_eq!(tree.get("pax").mtime, (7, 500_000_000));
    assert_eq!(tree.get("l").kind, Kind::Symlink(b"y".to_vec()));
}

fn a_second_pax_header_replaces_the_first(t: &Test) {
    let stage = Stage::new(t);
    let header = |key: &str, value: &str| pax_header(&[(key.into(), value.into())]);
    let bytes = [
        header("path", "first"),
        header("mtime", "7"),
        archive([file("f", "x")]),
    ]
    .concat();
    stage.apply_bytes(&bytes).unwrap();
    assert_eq!(stage.tree().paths(), ["f"]);
    assert_eq!(stage.tree().get("f").mtime, (7, 0));
}

fn a_gnu_long_name_beats_a_pax_path(t: &Test) {
    let stage = Stage::new(t);
    let long = member(b'L', "././@LongLink")
        .dialect(Dialect::Gnu)
        .body("gnu\0")
        .bytes();
    let bytes = [
        pax_header(&[("path".into(), "pax".into())]),
        long,
        archive([file("header", "x")]),
    ]
    .concat();
    stage.apply_bytes(&bytes).unwrap();
    assert_eq!(stage.tree().paths(), ["gnu"]);
}

fn a_malformed_pax_record_is_an_error(t: &Test) {
    let bad: [&[u8]; 9] = [
        b"12 path=x\n",
        b"9 path=xx",
        b"8 pathxx\n",
        b"4 =\n",
        b"x path=x\n",
        b"99999999999999999999 path=x\n",
        b"10 path=\0\n",
        b"0 path=x\n",
        b"-1 path=x\n",
    ];
    for body in bad {
        let stage = Stage::new(t);
        let bytes = [
            member(b'x', "x").body(body).bytes(),
            archive([file("f", "x")]),
        ]
        .concat();
        assert_errno(stage.apply_bytes(&bytes), libc::EBADMSG);
        assert_eq!(
            stage.tree().paths(),
            Vec::<String>::new(),
            "{}",
            body.escape_ascii()
        );
    }
    for (key, value) in [
        ("uid", "x"),
        ("mtime", "1x"),
        ("size", "-1"),
        ("size", "1e3"),
    ] {
        let stage = Stage::new(t);
        assert_errno(stage.apply([file("f", "x").pax(key, value)]), libc::EBADMSG);
    }
}

fn a_special_header_of_more_than_one_mebibyte_is_refused(t: &Test) {
    for kind in *b"xgLK" {
        let stage = Stage::new(t);
        let value = vec![b'v'; 1 << 20];
        let body = if kind == b'x' || kind == b'g' {
            record(b"comment", &value)
        } else {
            [&value[..], b"x\0"].concat()
        };
        let bytes = [
            member(kind, "x").body(body).bytes(),
            archive([file("f", "x")]),
        ]
        .concat();
        assert_errno(stage.apply_bytes(&bytes), libc::E2BIG);
    }
}

fn a_size_beyond_the_input_costs_neither_memory_nor_time(t: &Test) {
    for size in [1 << 40, i64::MAX] {
        for kind in *b"0xLg" {
            let stage = Stage::new(t);
            stage
                .apply([member(kind, "f").size(size).dialect(Dialect::Gnu)])
                .unwrap_err();
        }
    }
    let stage = Stage::new(t);
    assert_errno(stage.apply([file("f", "x").size(-1)]), libc::EBADMSG);
}

fn every_end_of_an_archive_is_accepted(t: &Test) {
    let body = unended([file("f", "x")]);
    let ends: [Vec<u8>; 4] = [
        vec![0; 1024],
        vec![],
        vec![0; 512],
        [vec![0; 1024], b"garbage".to_vec()].concat(),
    ];
    for end in ends {
        let stage = Stage::new(t);
        stage.apply_bytes(&[body.clone(), end].concat()).unwrap();
        assert_eq!(stage.read("f"), "x");
    }
    let stage = Stage::new(t);
    // The last member's padding is missing.
    stage.apply_bytes(&body[..513]).unwrap();
    stage
        .apply_bytes(&[archive([file("a", "x")]), archive([file("b", "x")])].concat())
        .unwrap();
    assert_eq!(stage.tree().paths(), ["a", "f"]);
}

fn a_single_zero_block_between_members_is_an_error(t: &Test) {
    let stage = Stage::new(t);
    let bytes = [
        unended([file("a", "x")]),
        vec![0; 512],
        archive([file("b", "x")]),
    ]
    .concat();
    assert_errno(stage.apply_bytes(&bytes), libc::EBADMSG);
}

fn a_cut_inside_a_header_or_a_body_is_an_error(t: &Test) {
    let whole = unended([file("a", "x"), file("b", vec![b'x'; 2000])]);
    for length in [
        1,
        511,
        1024 + 1,
        1024 + 511,
        1024 + 512,
        1024 + 513,
        1024 + 512 + 1999,
    ] {
        let stage = Stage::new(t);
        let failure = stage.apply_bytes(&whole[..length]).unwrap_err();
        assert_eq!(failure.errno, libc::EBADMSG, "{length}: {failure:?}");
    }
}

fn a_failure_names_the_entry_and_where_it_is(t: &Test) {
    let stage = Stage::new(t);
    let failure = stage
        .apply([file("a", "x"), file("b\x1b[2J", "x").uid_text("nonsense")])
        .unwrap_err();
    assert!(
        failure
            .offset
            .is_some_and(|offset| (1024..=1536).contains(&offset)),
        "{failure:?}"
    );
    stage.write("f", "x");
    let failure = stage.apply([file("f/\x1bx", "x")]).unwrap_err();
    assert_eq!(failure.entry.as_deref(), Some(&b"f/\x1bx"[..]));
    assert!(
        !failure.message.contains('\x1b') && failure.message.contains("rootfs-diff.tar"),
        "{}",
        failure.message
    );
}
