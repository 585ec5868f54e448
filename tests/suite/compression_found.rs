//! Compressed archives as other programs write and cut them, and inputs that are something else.

use std::fs;

use crate::session::{Places, Stream, checkpoint};
use crate::support::api::MALFORMED;
use crate::support::compressor::{Compression, filter};
use crate::support::door::Door;
use crate::support::process::{Test, Within};
use crate::support::sandbox::Sandbox;
use crate::support::session::Options;
use crate::support::stage::{Stage, assert_errno};
use crate::support::tarball::{archive, file};

/// Two skippable frames of zstd: one with content, one without.
const SKIPPABLE: &[u8] = b"\x50\x2a\x4d\x18\x04\0\0\0skip\x5f\x2a\x4d\x18\0\0\0\0";

api_tests! {
    a_zstd_archive_may_begin_with_a_skippable_frame,
    zeros_may_follow_every_compression_and_nothing_but_zeros,
    what_is_no_archive_is_told_by_its_name,
    an_image_layout_is_told_where_the_runtime_is_missing,
    a_first_member_may_be_called_like_the_magic_of_something_else,
    nothing_at_all_is_an_archive_without_members_in_the_steps,
    a_hundred_thousand_streams_without_content_are_read,
    without_memory_gzip_is_an_error_and_no_panic
}

fn a_zstd_archive_may_begin_with_a_skippable_frame(t: &Test) {
    let packed = Compression::Zstd.pack(&archive([file("f", "x")]));
    let stage = Stage::new(t);
    stage.apply_bytes(&[SKIPPABLE, &packed].concat()).unwrap();
    assert_eq!(stage.read("f"), "x");
}

fn zeros_may_follow_every_compression_and_nothing_but_zeros(t: &Test) {
    for compression in Compression::REAL {
        let packed = compression.pack(&archive([file("f", "x")]));
        for (tail, good) in [
            (vec![0; 4], true),
            (vec![0; 20 << 10], true),
            (b"\0\0\0\0tail".to_vec(), false),
        ] {
            let stage = Stage::new(t);
            let outcome = stage.apply_bytes(&[&packed[..], &tail].concat());
            assert_eq!(
                outcome.is_ok(),
                good,
                "{compression:?} with {} bytes: {outcome:?}",
                tail.len()
            );
            assert_eq!(stage.read("f"), "x");
        }
    }
}

fn what_is_no_archive_is_told_by_its_name(t: &Test) {
    let tar = archive([file("f", "x")]);
    let cases = [
        (
            filter(&["xz", "-c", "--format=lzma"], &tar),
            "an LZMA stream",
        ),
        (
            [&b"\x04\x22\x4d\x18\x64\x40\xa7"[..], &[7; 600]].concat(),
            "an lz4 frame",
        ),
        (
            b"age-encryption.org/v1\n-> X25519 abc\n".to_vec(),
            "age has encrypted",
        ),
        ([b"070701", &[b'0'; 104][..]].concat(), "a cpio archive"),
        (b"PK\x03\x04\x14\0\0\0\x08\0".to_vec(), "a zip archive"),
        (
            br#"{"schemaVersion": 2, "manifests": []}"#.to_vec(),
            "OCI image layout",
        ),
        (
            br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec(),
            "OCI image layout",
        ),
        (
            Compression::Gzip.pack(&Compression::Zstd.pack(&tar)),
            "the gzip stream holds a zstd stream",
        ),
        (
            Compression::Zstd.pack(b"PK\x03\x04"),
            "the zstd stream holds no tar archive: it is a zip archive",
        ),
    ];
    for (bytes, told) in cases {
        let failure = Stage::new(t).apply_bytes(&bytes).unwrap_err();
        assert_eq!(
            (failure.errno, failure.kind),
            (libc::EBADMSG, MALFORMED),
            "{failure:?}"
        );
        assert!(failure.message.contains(told), "{told}: {failure:?}");
    }
}

fn an_image_layout_is_told_where_the_runtime_is_missing(t: &Test) {
    let sandbox = Sandbox::new();
    let input = sandbox.path().join("input");
    let layout = [
        file("oci-layout", "{}"),
        file("index.json", "{}"),
        file("blobs/sha256/00", "x"),
    ];
    fs::write(&input, archive(layout)).unwrap();
    let failure = t.runtime_from_archive(&input).unwrap_err();
    assert_eq!(failure.errno, libc::ENODATA, "{failure:?}");
    assert!(failure.message.contains("OCI image layout"), "{failure:?}");
}

fn a_first_member_may_be_called_like_the_magic_of_something_else(t: &Test) {
    for name in [
        "PK\u{3}\u{4}",
        "07070",
        "age-encryption.org/v1",
        "{\"manifests\"",
        "BZh9",
        "hsqs",
    ] {
        let stage = Stage::new(t);
        stage
            .apply_bytes(&Compression::Gzip.pack(&archive([file(name, "x")])))
            .unwrap();
        assert_eq!(stage.read(name), "x");
        if name != "BZh9" {
            let stage = Stage::new(t);
            stage.apply_bytes(&archive([file(name, "x")])).unwrap();
            assert_eq!(stage.read(name), "x");
        }
    }
}

fn nothing_at_all_is_an_archive_without_members_in_the_steps(t: &Test) {
    let sandbox = Sandbox::new();
    let (input, bundle) = (sandbox.path().join("input"), sandbox.dir("bundle"));
    fs::write(&input, b"").unwrap();
    t.import_without_config(&bundle, &input).unwrap();
    t.import_config_only(&bundle, &input).unwrap();
    assert_errno(t.runtime_from_archive(&input), libc::ENODATA);
}

fn a_hundred_thousand_streams_without_content_are_read(t: &Test) {
    for compression in Compression::REAL {
        let stage = Stage::new(t);
        let nothing = compression.pack(b"").repeat(100_000);
        let packed = compression.pack(&archive([file("f", "x")]));
        stage
            .apply_bytes(&[&nothing[..], &packed].concat())
            .unwrap();
        assert_eq!(stage.read("f"), "x");
    }
}

fn without_memory_gzip_is_an_error_and_no_panic(t: &Test) {
    let content = "x".repeat(4 << 20);
    t.within(Within::AddressSpace(400), || {
        let stage = Stage::new(t);
        let packed = Compression::Gzip.pack(&archive([file("f", &content)]));
        fs::write(stage.base.join("rootfs-diff.tar"), &packed).unwrap();
        std::panic::set_hook(Box::new(|panic| {
            eprintln!("there was a panic: {panic}");
            std::process::abort();
        }));
        let spare = crate::compression_found::all_memory();
        let outcome = t.apply_rootfs_diff_tar(&stage.base, &stage.root);
        drop(spare);
        drop(std::panic::take_hook());
        assert_errno(outcome, libc::ENOMEM);
        t.apply_rootfs_diff_tar(&stage.base, &stage.root).unwrap();
    });
}

/// Takes all memory that there is but for pieces of less than 256 KiB.
pub(crate) fn all_memory() -> Vec<Vec<u8>> {
    let (mut pieces, mut size) = (Vec::with_capacity(1000), 64 << 20);
    while size >= 256 << 10 {
        let mut piece = Vec::<u8>::new();
        if piece.try_reserve_exact(size).is_err() {
            size /= 2;
        } else {
            pieces.push(std::hint::black_box(piece));
        }
    }
    pieces
}

door_tests! {
    nothing_at_all_is_no_checkpoint,
    an_archive_whose_beginning_comes_in_pieces_is_read
}

fn nothing_at_all_is_no_checkpoint(_: &Test, door: &'static dyn Door) {
    let nothings = Compression::ALL.map(|compression| compression.pack(b""));
    for nothing in nothings {
        for stream in [false, true] {
            let places = Places::with(&nothing);
            let (reader, _, writer) = Stream::Pipe.feed(&nothing);
            let options = Options::none();
            let open = || {
                if stream {
                    door.stream(&reader, &options)
                } else {
                    door.file(&places.input, &options)
                }
            };
            let mut session = open();
            places.ask(&mut *session);
            let failure = session.extract().unwrap_err();
            assert_eq!(
                (failure.errno, failure.kind),
                (libc::EBADMSG, MALFORMED),
                "{failure:?}"
            );
            assert!(
                failure.message.contains("there is nothing in it"),
                "{failure:?}"
            );
            assert!(!places.bundle.exists());
            if !stream {
                assert_errno(open().metadata(), libc::EBADMSG);
                assert_errno(open().members(), libc::EBADMSG);
                assert_errno(open().inspect(), libc::EBADMSG);
            }
            drop(session);
            writer.join().unwrap();
        }
    }
    // Zeros are the end of an archive that was written.
    let places = Places::with(&[0; 1024]);
    let mut session = door.file(&places.input, &Options::none());
    session.to_bundle((&places.bundle).into()).unwrap();
    session.extract().unwrap();
}

fn an_archive_whose_beginning_comes_in_pieces_is_read(_: &Test, door: &'static dyn Door) {
    for compression in Compression::ALL {
        let places = Places::new();
        let (reader, mut writer) = Stream::Pipe.pair();
        let packed = compression.pack(&archive(checkpoint()));
        let feeder = std::thread::spawn(move || {
            use std::io::Write as _;
            for piece in packed[..12].chunks(3) {
                writer.write_all(piece).unwrap();
            }
            writer.write_all(&packed[12..]).unwrap();
        });
        let mut session = door.stream(&reader, &Options::none());
        places.ask(&mut *session);
        session.extract().unwrap();
        places.assert_restored(&format!("{compression:?}"));
        feeder.join().unwrap();
    }
}
