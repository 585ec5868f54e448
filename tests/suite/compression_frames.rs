//! zstd archives of frames that are compressed each by itself: who reads them, and how they are cut.

use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::Command;

use crutils::checkpoint::{
    Compression, Export, ExportOptions, FrameSize, Import, ImportOptions, Presence,
};
use crutils::watch::Watch;

use crate::session::CONFIG;
use crate::support::compressor::filter;
use crate::support::dice::noise;
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

/// Runs something on one core, in a thread of its own.
fn on_one_core<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            // SAFETY: all zeros are an empty set of cores.
            let mut cores: libc::cpu_set_t = unsafe { std::mem::zeroed() };
            let size = std::mem::size_of_val(&cores);
            // SAFETY: the set is valid for as many bytes as are said; 0 means the calling thread.
            let got = unsafe { libc::sched_getaffinity(0, size, &raw mut cores) };
            assert_eq!(got, 0);
            let most = usize::try_from(libc::CPU_SETSIZE).unwrap();
            // SAFETY: the set is valid, and the number is below what it has room for.
            let mut all = (0..most).filter(|&core| unsafe { libc::CPU_ISSET(core, &cores) });
            let first = all.next().unwrap();
            // SAFETY: as above.
            unsafe { libc::CPU_ZERO(&mut cores) };
            // SAFETY: as above.
            unsafe { libc::CPU_SET(first, &mut cores) };
            // SAFETY: as above.
            let set = unsafe { libc::sched_setaffinity(0, size, &raw const cores) };
            assert_eq!(set, 0);
            assert_eq!(std::thread::available_parallelism().unwrap().get(), 1);
            work()
        });
        thread.join().unwrap()
    })
}

/// What an import makes of the archive: the files, or the error.
fn imported(archive: &[u8]) -> Result<Vec<(String, Vec<u8>)>, String> {
    let sandbox = Sandbox::new();
    let path = sandbox.path().join("archive");
    fs::write(&path, archive).unwrap();
    let target = sandbox.dir("target");
    let options = ImportOptions::new();
    let result = Import::open(&path, &options, &Watch::new()).and_then(|mut import| {
        import.to_bundle(&target)?;
        import.extract()
    });
    let told = |error: &crutils::Error| {
        let entry = error.entry().map(|entry| entry.escape_ascii().to_string());
        let root = sandbox.path().display().to_string();
        let message = error.to_string().replace(&root, "");
        format!("{} {entry:?} {:?} {message}", error.errno(), error.offset())
    };
    result.map_err(|error| told(&error))?;
    let files = fs::read_dir(target.join("checkpoint")).unwrap();
    let mut files: Vec<(String, Vec<u8>)> = files
        .map(|file| file.unwrap())
        .map(|file| {
            let name = file.file_name().into_string().unwrap();
            (name, fs::read(file.path()).unwrap())
        })
        .collect();
    files.sort();
    Ok(files)
}

#[test]
fn skippable_frames_are_passed_over_wherever_they_are() {
    let sandbox = Sandbox::new();
    let bundle = bundle(&sandbox);
    let archive = export(&bundle, &framed(FrameSize::Bytes(1 << 20), 2));
    let expected = imported(&archive).unwrap();
    assert_eq!(expected.len(), 51);
    let skippable = b"\x57\x2a\x4d\x18\x04\0\0\0skip\x50\x2a\x4d\x18\0\0\0\0";
    let table = 17 + 8 * frame_sizes(&archive).len();
    let (frames, table) = archive.split_at(archive.len() - table);
    let first = zstd::zstd_safe::find_frame_compressed_size(frames).unwrap();
    let (first, others) = frames.split_at(first);
    for (what, parts) in [
        ("first", [&skippable[..], first, others, table]),
        ("between", [first, skippable, others, table]),
        ("before the table", [first, others, skippable, table]),
        ("last", [first, others, table, skippable]),
        (
            "instead of the table",
            [first, others, skippable, skippable],
        ),
    ] {
        let stream = parts.concat();
        assert!(imported(&stream).as_ref() == Ok(&expected), "{what}");
        let path = sandbox.path().join("stream");
        fs::write(&path, &stream).unwrap();
        let mut import = Import::open(&path, &ImportOptions::new(), &Watch::new()).unwrap();
        let members = import.members().unwrap();
        let names = members.iter().filter(|member| member.size > 0).count();
        assert_eq!(names, 53, "{what}");
    }
}

#[test]
fn a_damaged_archive_fails_on_one_core_as_on_all() {
    let sandbox = Sandbox::new();
    let archive = export(&bundle(&sandbox), &framed(FrameSize::Bytes(256 << 10), 2));
    let whole = imported(&archive);
    assert_eq!(on_one_core(|| imported(&archive)), whole);
    let mut failures = std::collections::HashSet::new();
    for at in (0..archive.len()).step_by(archive.len() / 12) {
        let mut changed = archive.clone();
        changed[at] ^= 0x55;
        for stream in [&archive[..at], &changed] {
            let all = imported(stream);
            assert!(on_one_core(|| imported(stream)) == all, "{at}");
            failures.extend(all.err());
        }
    }
    assert!(failures.len() >= 4, "{failures:?}");
}
