//! zstd archives of frames that are compressed each by itself: who reads them, and how they are cut.

use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::Command;

use crutils::checkpoint::{Compression, Export, ExportOptions, FrameSize, Presence};
use crutils::watch::Watch;

use crate::session::CONFIG;
use crate::support::compressor::filter;
use crate::support::mutate::noise;
use crate::support::sandbox::Sandbox;

/// A bundle with the configuration, small images, and pages of five mebibytes.
fn bundle(sandbox: &Sandbox) -> std::path::PathBuf {
    let bundle = sandbox.dir("bundle");
    fs::create_dir(bundle.join("checkpoint")).unwrap();
    fs::write(bundle.join("config.dump"), CONFIG).unwrap();
    fs::write(bundle.join("spec.dump"), "{}").unwrap();
    let pages = [
        noise(2 << 20, 1),
        vec![0; 1 << 20],
        noise((2 << 20) + 77, 1),
    ]
    .concat();
    fs::write(bundle.join("checkpoint/pages-1.img"), pages).unwrap();
    for n in 0..50 {
        let image = bundle.join(format!("checkpoint/core-{n}.img"));
        fs::write(image, format!("core {n}").repeat(100)).unwrap();
    }
    bundle
}

/// The archive of a bundle.
fn export(bundle: &Path, options: &ExportOptions) -> Vec<u8> {
    let mut export = Export::new();
    for name in ["checkpoint", "config.dump", "spec.dump"] {
        export.add_member(bundle, name, Presence::Required).unwrap();
    }
    let output = bundle.with_file_name("output");
    export.write(&output, options, &Watch::new()).unwrap();
    fs::read(output).unwrap()
}

fn framed(size: FrameSize, workers: usize) -> ExportOptions {
    let mut options = ExportOptions::new();
    options.frame_size(size).workers(NonZeroUsize::new(workers));
    options
}

/// The decompressed sizes in the seek table at the end.
fn frame_sizes(archive: &[u8]) -> Vec<usize> {
    let number = |at: usize| u32::from_le_bytes(archive[at..at + 4].try_into().unwrap()) as usize;
    let end = archive.len();
    assert_eq!(archive[end - 4..], 0x8f92_eab1_u32.to_le_bytes());
    let count = number(end - 9);
    (1..=count)
        .rev()
        .map(|n| number(end - 9 - 8 * n + 4))
        .collect()
}

#[test]
fn every_framing_holds_the_plain_archive_whatever_the_number_of_workers() {
    let sandbox = Sandbox::new();
    let bundle = bundle(&sandbox);
    let mut plain = ExportOptions::new();
    plain.compression(Compression::None);
    let plain = export(&bundle, &plain);
    for size in [
        FrameSize::Usual,
        FrameSize::Bytes(1 << 20),
        FrameSize::Bytes(64 << 10),
        FrameSize::Whole,
    ] {
        let archive = export(&bundle, &framed(size, 1));
        assert!(filter(&["zstd", "-dc"], &archive) == plain, "{size:?}");
        for workers in [2, 5] {
            assert!(
                export(&bundle, &framed(size, workers)) == archive,
                "{size:?}"
            );
        }
    }
}

#[test]
fn a_frame_begins_with_the_data_of_a_large_member_and_another_behind_it() {
    let sandbox = Sandbox::new();
    let bundle = bundle(&sandbox);
    let sizes = frame_sizes(&export(&bundle, &framed(FrameSize::Usual, 2)));
    let mut plain = ExportOptions::new();
    plain.compression(Compression::None);
    let plain = export(&bundle, &plain);
    let pages = fs::read(bundle.join("checkpoint/pages-1.img")).unwrap();
    let at = plain
        .windows(4096)
        .position(|window| *window == pages[..4096])
        .unwrap();
    let padded = pages.len().next_multiple_of(512);
    let expected = [at, 4 << 20, padded - (4 << 20), plain.len() - at - padded];
    assert_eq!(sizes, expected);
}

#[test]
fn a_size_of_frames_that_is_not_permitted_is_refused_and_nothing_made() {
    let sandbox = Sandbox::new();
    let bundle = bundle(&sandbox);
    let mut export = Export::new();
    export
        .add_member(&bundle, "config.dump", Presence::Required)
        .unwrap();
    let output = sandbox.path().join("output");
    for size in [0, 1, (64 << 20) + 1] {
        let options = framed(FrameSize::Bytes(size), 2);
        let error = export.write(&output, &options, &Watch::new()).unwrap_err();
        assert_eq!(error.errno(), libc::EINVAL, "{error}");
        assert!(error.to_string().contains("frame_size"), "{error}");
        assert!(!output.exists());
    }
}

/// Runs a reader of archives, unless it isn't there.
fn run(line: &[&str], directory: &Path) -> bool {
    match Command::new(line[0])
        .args(&line[1..])
        .current_dir(directory)
        .output()
    {
        Ok(output) => {
            let error = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{line:?}: {error}");
            true
        }
        Err(error) => {
            crate::support::say(format_args!("skipped: {line:?}: {error}"));
            false
        }
    }
}

#[test]
fn other_programs_read_what_is_written() {
    let sandbox = Sandbox::new();
    let bundle = bundle(&sandbox);
    let archive = sandbox.path().join("archive.tar.zst");
    fs::write(
        &archive,
        export(&bundle, &framed(FrameSize::Bytes(1 << 20), 2)),
    )
    .unwrap();
    for (number, line) in [
        &["tar", "-I", "zstd", "-xf", "../archive.tar.zst"][..],
        &["bsdtar", "-xf", "../archive.tar.zst"],
    ]
    .into_iter()
    .enumerate()
    {
        let out = sandbox.dir(&format!("out{number}"));
        if run(line, &out) {
            for name in [
                "checkpoint/pages-1.img",
                "checkpoint/core-7.img",
                "config.dump",
            ] {
                let (read, written) = (fs::read(out.join(name)), fs::read(bundle.join(name)));
                assert!(read.unwrap() == written.unwrap(), "{line:?}: {name}");
            }
        }
    }
}

/// Python's zstandard decodes all frames; indexed_zstd finds one place by the table.
#[test]
fn python_s_readers_read_what_is_written_and_find_a_place_in_it() {
    let sandbox = Sandbox::new();
    let bundle = bundle(&sandbox);
    let mut plain = ExportOptions::new();
    plain.compression(Compression::None);
    fs::write(sandbox.path().join("plain"), export(&bundle, &plain)).unwrap();
    fs::write(
        sandbox.path().join("packed"),
        export(&bundle, &framed(FrameSize::Bytes(1 << 20), 2)),
    )
    .unwrap();
    let readers = [
        (
            "zstandard",
            "zstandard.ZstdDecompressor().stream_reader(open('packed','rb'), read_across_frames=True).read() == plain",
        ),
        (
            "indexed_zstd",
            "[f := indexed_zstd.IndexedZstdFile('packed'), f.seek(3_000_000), f.read(5000)][2] == plain[3_000_000:3_005_000] and f.size() == len(plain)",
        ),
    ];
    for (module, check) in readers {
        let there = Command::new("python3")
            .args(["-c", &format!("import {module}")])
            .output();
        if !there.is_ok_and(|output| output.status.success()) {
            crate::support::say(format_args!("skipped: python3 has no {module}"));
            continue;
        }
        let script = format!("import {module}; plain = open('plain','rb').read(); assert {check}");
        run(&["python3", "-c", &script], sandbox.path());
    }
}
