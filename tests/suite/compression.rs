//! What is made of each compression, and of streams that are damaged or end oddly.

use crate::support::compressor::{Compression, filter};
use crate::support::dice::noise;
use crate::support::process::{Test, Within};
use crate::support::sandbox::Sandbox;
use crate::support::script;
use crate::support::stage::{Stage, assert_errno};
use crate::support::tarball::{archive, file, hardlink, member, unended};

/// A zstd frame of one raw block that declares a window of two to the power of `log` bytes.
fn frame(log: u8, content: &[u8]) -> Vec<u8> {
    let block = u32::try_from(content.len() << 3 | 1).unwrap().to_le_bytes();
    [
        &[0x28, 0xb5, 0x2f, 0xfd, 0, (log - 10) << 3],
        &block[..3],
        content,
    ]
    .concat()
}

api_tests! {
    every_compression_is_recognised_whatever_the_file_is_called,
    members_of_a_compressed_stream_are_joined_even_inside_a_file,
    what_may_follow_the_last_member_is_accepted_and_nothing_else,
    a_damaged_or_cut_stream_is_an_error_even_behind_the_end_of_the_archive,
    a_wrong_checksum_at_the_end_of_gzip_is_an_error,
    two_layers_of_compression_are_an_error,
    what_is_no_archive_is_an_error,
    a_zstd_window_of_128_mebibytes_is_read_and_a_larger_one_refused,
    an_error_in_the_archive_ends_the_call_with_every_compression,
    no_helper_program_is_run,
    helper_programs_on_the_path_are_ignored
}

fn every_compression_is_recognised_whatever_the_file_is_called(t: &Test) {
    for compression in Compression::ALL {
        let stage = Stage::new(t);
        let content = noise(300_000, 1);
        stage
            .apply_bytes(&compression.pack(&archive([file("f", &content)])))
            .unwrap();
        assert!(
            std::fs::read(stage.at("f")).unwrap() == content,
            "{compression:?}"
        );
    }
}

fn members_of_a_compressed_stream_are_joined_even_inside_a_file(t: &Test) {
    let whole = archive([file("f", noise(5000, 1)), file("g", "x")]);
    for compression in Compression::REAL {
        let stage = Stage::new(t);
        let parts: Vec<u8> = whole
            .chunks(1700)
            .flat_map(|part| compression.pack(part))
            .collect();
        stage.apply_bytes(&parts).unwrap();
        assert!(
            std::fs::read(stage.at("f")).unwrap() == noise(5000, 1),
            "{compression:?}"
        );
        assert_eq!(stage.read("g"), "x");
    }
}

fn what_may_follow_the_last_member_is_accepted_and_nothing_else(t: &Test) {
    let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0][..], b"skip"].concat();
    let tails = [
        (Compression::Gzip, vec![0; 512], true),
        (Compression::Gzip, b"garbage".to_vec(), false),
        (Compression::Xz, vec![0; 8], true),
        (Compression::Xz, vec![0; 7], false),
        (Compression::Xz, b"garbage".to_vec(), false),
        (Compression::Zstd, skippable, true),
        (Compression::Zstd, b"garbage".to_vec(), false),
        (Compression::Bzip2, b"garbage".to_vec(), false),
    ];
    for (compression, tail, good) in tails {
        let stage = Stage::new(t);
        let bytes = [compression.pack(&archive([file("f", "x")])), tail.clone()].concat();
        let outcome = stage.apply_bytes(&bytes);
        assert_eq!(
            outcome.is_ok(),
            good,
            "{compression:?} with {}: {outcome:?}",
            tail.escape_ascii()
        );
        if let Err(failure) = outcome {
            assert_eq!(failure.errno, libc::EBADMSG, "{failure:?}");
        }
    }
}

fn a_damaged_or_cut_stream_is_an_error_even_behind_the_end_of_the_archive(t: &Test) {
    let whole = archive([file("f", noise(100_000, 1))]);
    for compression in Compression::REAL {
        let packed = compression.pack(&whole);
        for cut in [1, 4, 11, packed.len() / 2] {
            let stage = Stage::new(t);
            let outcome = stage.apply_bytes(&packed[..packed.len() - cut]);
            assert_eq!(
                outcome.map_err(|failure| failure.errno),
                Err(libc::EBADMSG),
                "{compression:?} cut by {cut}"
            );
        }
        let mut damaged = packed.clone();
        damaged[packed.len() / 2] ^= 0x10;
        let stage = Stage::new(t);
        assert_errno(stage.apply_bytes(&damaged), libc::EBADMSG);
    }
}

fn a_wrong_checksum_at_the_end_of_gzip_is_an_error(t: &Test) {
    let mut packed = Compression::Gzip.pack(&archive([file("f", "x")]));
    let at = packed.len() - 6;
    packed[at] ^= 1;
    assert_errno(Stage::new(t).apply_bytes(&packed), libc::EBADMSG);
}

fn two_layers_of_compression_are_an_error(t: &Test) {
    for compression in Compression::REAL {
        let twice = compression.pack(&Compression::Gzip.pack(&archive([file("f", "x")])));
        assert_errno(Stage::new(t).apply_bytes(&twice), libc::EBADMSG);
    }
}

fn what_is_no_archive_is_an_error(t: &Test) {
    let inputs = [
        b"short".to_vec(),
        vec![b'x'; 511],
        noise(4096, 1),
        b"BZh".to_vec(),
        b"\x1f\x8b\x08".to_vec(),
    ];
    for bytes in inputs.into_iter().chain([filter(
        &["xz", "-c", "--format=lzma"],
        &archive([file("f", "x")]),
    )]) {
        let stage = Stage::new(t);
        assert_errno(stage.apply_bytes(&bytes), libc::EBADMSG);
        assert_eq!(stage.tree().paths(), Vec::<String>::new());
    }
}

fn a_zstd_window_of_128_mebibytes_is_read_and_a_larger_one_refused(t: &Test) {
    let whole = archive([file("f", "x")]);
    let stage = Stage::new(t);
    stage.apply_bytes(&frame(27, &whole)).unwrap();
    assert_eq!(stage.read("f"), "x");
    for window in [28, 31, 41] {
        assert_errno(
            Stage::new(t).apply_bytes(&frame(window, &whole)),
            libc::E2BIG,
        );
    }
}

fn an_error_in_the_archive_ends_the_call_with_every_compression(t: &Test) {
    let bodies = [
        unended([file("f", "x").size(9000)]),
        archive([member(b'Z', "f")]),
        archive([hardlink("l", "nothing")]),
        [vec![1; 512], vec![0; 1024]].concat(),
        archive([file("big", noise(3_000_000, 1)), member(b'Z', "f")]),
    ];
    for body in bodies {
        for compression in Compression::ALL {
            Stage::new(t)
                .apply_bytes(&compression.pack(&body))
                .unwrap_err();
        }
    }
}

fn no_helper_program_is_run(t: &Test) {
    t.within(
        Within::Environment("PATH=/crutils-no-such-directory"),
        || {
            let stage = Stage::new(t);
            let path = "PATH=/usr/bin:/bin";
            for program in ["gzip", "bzip2", "xz", "zstd"] {
                let whole = archive([file(program, "x")]);
                let packed = filter(&["/usr/bin/env", path, program, "-c"], &whole);
                stage.apply_bytes(&packed).unwrap();
            }
            assert_eq!(stage.tree().paths(), ["bzip2", "gzip", "xz", "zstd"]);
        },
    );
}

fn helper_programs_on_the_path_are_ignored(t: &Test) {
    let sandbox = Sandbox::new();
    let (fakes, trace) = (sandbox.dir("fakes"), sandbox.path().join("was-run"));
    for program in ["pigz", "unpigz", "gzip", "zstd", "xz", "bzip2"] {
        script(&fakes.join(program), &format!(": > {}", trace.display()));
    }
    let whole = archive([file("f", "x")]);
    let packed = Compression::REAL.map(|compression| {
        filter(
            &[
                "/usr/bin/env",
                "PATH=/usr/bin:/bin",
                &format!("{compression:?}").to_lowercase(),
                "-c",
            ],
            &whole,
        )
    });
    let path = format!("PATH={}:/usr/bin:/bin", fakes.display());
    t.within(Within::Environment(path.leak()), || {
        for bytes in &packed {
            let stage = Stage::new(t);
            stage.apply_bytes(bytes).unwrap();
            assert_eq!(stage.read("f"), "x");
        }
    });
    assert!(!trace.exists(), "a program of the PATH was run");
}
