//! zstd archives of frames that are compressed each by itself: who reads them, and how they are cut.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::session::CONFIG;
use crate::support::api::Failure;
use crate::support::compressor::filter;
use crate::support::dice::noise;
use crate::support::door::{Door, NONE};
use crate::support::export::{ExportOptions, REQUIRED};
use crate::support::process::Test;
use crate::support::sandbox::Sandbox;
use crate::support::session::Options;

/// The usual size of a frame, and one frame for everything, as the C ABI has them.
const USUAL: u64 = 0;
const WHOLE: u64 = u64::MAX;

door_tests! {
    every_framing_holds_the_plain_archive_whatever_the_number_of_workers,
    a_frame_begins_with_the_data_of_a_large_member_and_another_behind_it,
    a_size_of_frames_that_is_not_permitted_is_refused_and_nothing_made,
    other_programs_read_what_is_written,
    python_s_readers_read_what_is_written_and_find_a_place_in_it,
    skippable_frames_are_passed_over_wherever_they_are,
    a_damaged_archive_fails_on_one_core_as_on_all
}

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
fn export(door: &dyn Door, bundle: &Path, options: &ExportOptions) -> Vec<u8> {
    let mut export = door.export();
    for name in ["checkpoint", "config.dump", "spec.dump"] {
        export.add_member(bundle.into(), name, REQUIRED).unwrap();
    }
    let output = bundle.with_file_name("output");
    export.write((&output).into(), options, None).unwrap();
    fs::read(output).unwrap()
}

fn framed(size: u64, workers: u64) -> ExportOptions {
    ExportOptions::new().frame_size(size).workers(workers)
}

fn plain(door: &dyn Door, bundle: &Path) -> Vec<u8> {
    export(door, bundle, &ExportOptions::new().compression(NONE))
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

fn every_framing_holds_the_plain_archive_whatever_the_number_of_workers(
    _: &Test,
    door: &'static dyn Door,
) {
    let sandbox = Sandbox::new();
    let bundle = bundle(&sandbox);
    let plain = plain(door, &bundle);
    for size in [USUAL, 1 << 20, 64 << 10, WHOLE] {
        let archive = export(door, &bundle, &framed(size, 1));
        assert!(filter(&["zstd", "-dc"], &archive) == plain, "{size}");
        for workers in [2, 5] {
            assert!(
                export(door, &bundle, &framed(size, workers)) == archive,
                "{size}"
            );
        }
    }
}

fn a_frame_begins_with_the_data_of_a_large_member_and_another_behind_it(
    _: &Test,
    door: &'static dyn Door,
) {
    let sandbox = Sandbox::new();
    let bundle = bundle(&sandbox);
    let sizes = frame_sizes(&export(door, &bundle, &framed(USUAL, 2)));
    let plain = plain(door, &bundle);
    let pages = fs::read(bundle.join("checkpoint/pages-1.img")).unwrap();
    let at = plain
        .windows(4096)
        .position(|window| *window == pages[..4096])
        .unwrap();
    let padded = pages.len().next_multiple_of(512);
    let expected = [at, 4 << 20, padded - (4 << 20), plain.len() - at - padded];
    assert_eq!(sizes, expected);
}

fn a_size_of_frames_that_is_not_permitted_is_refused_and_nothing_made(
    _: &Test,
    door: &'static dyn Door,
) {
    let sandbox = Sandbox::new();
    let bundle = bundle(&sandbox);
    let mut export = door.export();
    let member = export.add_member((&bundle).into(), "config.dump", REQUIRED);
    member.unwrap();
    let output = sandbox.path().join("output");
    for size in [1, (64 << 10) - 1, (64 << 20) + 1] {
        let refused = export.write((&output).into(), &framed(size, 2), None);
        let error = refused.unwrap_err();
        assert_eq!(error.errno, libc::EINVAL, "{error}");
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

fn other_programs_read_what_is_written(_: &Test, door: &'static dyn Door) {
    let sandbox = Sandbox::new();
    let bundle = bundle(&sandbox);
    let archive = sandbox.path().join("archive.tar.zst");
    fs::write(&archive, export(door, &bundle, &framed(1 << 20, 2))).unwrap();
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
fn python_s_readers_read_what_is_written_and_find_a_place_in_it(_: &Test, door: &'static dyn Door) {
    let sandbox = Sandbox::new();
    let bundle = bundle(&sandbox);
    fs::write(sandbox.path().join("plain"), plain(door, &bundle)).unwrap();
    fs::write(
        sandbox.path().join("packed"),
        export(door, &bundle, &framed(1 << 20, 2)),
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
fn imported(door: &dyn Door, archive: &[u8]) -> Result<Vec<(String, Vec<u8>)>, String> {
    let sandbox = Sandbox::new();
    let path = sandbox.path().join("archive");
    fs::write(&path, archive).unwrap();
    let target = sandbox.dir("target");
    let result = (|| {
        let mut session = door.open((&path).into(), &Options::none(), None)?;
        session.to_bundle((&target).into())?;
        session.extract()
    })();
    let told = |error: &Failure| {
        let entry = error.entry.as_ref();
        let entry = entry.map(|entry| entry.escape_ascii().to_string());
        let root = sandbox.path().display().to_string();
        let message = error.message.replace(&root, "");
        format!("{} {entry:?} {:?} {message}", error.errno, error.offset)
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

fn skippable_frames_are_passed_over_wherever_they_are(_: &Test, door: &'static dyn Door) {
    let sandbox = Sandbox::new();
    let bundle = bundle(&sandbox);
    let archive = export(door, &bundle, &framed(1 << 20, 2));
    let expected = imported(door, &archive).unwrap();
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
        assert!(imported(door, &stream).as_ref() == Ok(&expected), "{what}");
        let path = sandbox.path().join("stream");
        fs::write(&path, &stream).unwrap();
        let members = door.file(&path, &Options::none()).members().unwrap();
        let names = members.iter().filter(|member| member.size > 0).count();
        assert_eq!(names, 53, "{what}");
    }
}

fn a_damaged_archive_fails_on_one_core_as_on_all(_: &Test, door: &'static dyn Door) {
    let sandbox = Sandbox::new();
    let archive = export(door, &bundle(&sandbox), &framed(256 << 10, 2));
    let whole = imported(door, &archive);
    assert_eq!(on_one_core(|| imported(door, &archive)), whole);
    let mut failures = std::collections::HashSet::new();
    for at in (0..archive.len()).step_by(archive.len() / 12) {
        let mut changed = archive.clone();
        changed[at] ^= 0x55;
        for stream in [&archive[..at], &changed] {
            let all = imported(door, stream);
            assert!(on_one_core(|| imported(door, stream)) == all, "{at}");
            failures.extend(all.err());
        }
    }
    assert!(failures.len() >= 4, "{failures:?}");
}
