//! Where an exported archive goes: files, pipes, sockets; compressed and digested; cancelled half-way.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, symlink};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;

use crutils::checkpoint;
use crutils::watch::Watch;

use super::export::{Bundle, plain, said};
use crate::support::api::{add, delete};
use crate::support::compressor;
use crate::support::dice::noise;
use crate::support::door::{
    CRIO, Door, GZIP, MEASURING, NONE, PODMAN, PUBLISHING, Place, WRITING, ZSTD,
};
use crate::support::export::{Export, ExportOptions};
use crate::support::mebibytes;
use crate::support::os;
use crate::support::process::{Test, Within};
use crate::support::sandbox::{Fs, Sandbox};

/// An export of the required members, with memory pages of this length.
fn with_pages(bundle: &Bundle, length: usize) -> Box<dyn Export> {
    bundle.write("checkpoint/pages-1.img", noise(length, 1));
    bundle.of(CRIO)
}

/// The bytes of the plain archive.
fn expected(bundle: &Bundle, export: &dyn Export) -> Vec<u8> {
    bundle.export(export, &plain()).unwrap();
    let bytes = fs::read(bundle.archive()).unwrap();
    fs::remove_file(bundle.archive()).unwrap();
    bytes
}

door_tests! {
    a_pipe_and_a_socket_get_what_a_file_gets,
    a_file_that_is_open_is_written_from_its_offset_on,
    a_path_gets_a_new_file_whatever_was_there,
    a_path_that_no_file_can_have_is_refused_at_once,
    levels_that_do_not_exist_are_refused,
    every_compression_holds_the_plain_archive_and_every_digest_is_right,
    the_default_is_zstd_and_no_digest,
    a_full_disk_leaves_nothing,
    progress_ends_with_all_bytes_of_the_stream,
    a_cancelled_export_leaves_nothing_whenever_it_is_cancelled,
    a_deadline_ends_an_export_that_nobody_reads,
    a_pipe_s_flags_and_size_stay_as_they_were,
    a_reader_that_goes_away_is_an_error_and_no_signal,
    every_byte_is_read_once_and_written_once,
    a_plain_archive_takes_under_32_mebibytes,
    a_digested_archive_takes_under_32_mebibytes,
    a_gzip_archive_takes_under_96_mebibytes,
    a_zstd_archive_takes_under_96_mebibytes
}

fn a_pipe_and_a_socket_get_what_a_file_gets(_: &Test, door: &'static dyn Door) {
    let bundle = Bundle::new(door);
    let export = with_pages(&bundle, 3_000_001);
    let expected = expected(&bundle, &*export);
    let (pipe, pipe_end) = std::io::pipe().unwrap();
    let (socket, socket_end) = UnixStream::pair().unwrap();
    let ways: [(Box<dyn Read + Send>, OwnedFd); 2] = [
        (Box::new(pipe), pipe_end.into()),
        (Box::new(socket), socket_end.into()),
    ];
    for (mut reader, writer) in ways {
        let reading = thread::spawn(move || {
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes).unwrap();
            bytes
        });
        let exported = export.write(writer.as_fd().into(), &plain(), None);
        assert_eq!(exported.unwrap().bytes, expected.len() as u64);
        drop(writer);
        assert!(reading.join().unwrap() == expected);
    }
}

fn a_file_that_is_open_is_written_from_its_offset_on(_: &Test, door: &'static dyn Door) {
    let bundle = Bundle::new(door);
    let export = with_pages(&bundle, 300_000);
    let expected = expected(&bundle, &*export);
    let mut file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(bundle.archive())
        .unwrap();
    file.write_all(&vec![b'x'; 1 << 20]).unwrap();
    file.seek(SeekFrom::Start(100)).unwrap();
    export.write((&file).into(), &plain(), None).unwrap();
    assert_eq!(file.stream_position().unwrap(), 100 + expected.len() as u64);
    let bytes = fs::read(bundle.archive()).unwrap();
    assert_eq!(bytes.len(), 1 << 20);
    assert!(bytes[..100].iter().all(|byte| *byte == b'x'));
    assert!(bytes[100..][..expected.len()] == expected);
    assert!(
        bytes[100 + expected.len()..]
            .iter()
            .all(|byte| *byte == b'x')
    );
}

fn a_path_gets_a_new_file_whatever_was_there(_: &Test, door: &'static dyn Door) {
    let bundle = Bundle::new(door);
    let export = with_pages(&bundle, 300_000);
    let expected = expected(&bundle, &*export);
    // A longer one from before; other names of it keep what they have.
    fs::write(bundle.archive(), vec![b'x'; 2 << 20]).unwrap();
    fs::hard_link(bundle.archive(), bundle.out.join("before")).unwrap();
    bundle.export(&*export, &plain()).unwrap();
    assert!(fs::read(bundle.archive()).unwrap() == expected);
    assert_eq!(
        fs::metadata(bundle.out.join("before")).unwrap().len(),
        2 << 20
    );
    // A symlink isn't followed.
    fs::remove_file(bundle.archive()).unwrap();
    symlink("before", bundle.archive()).unwrap();
    bundle.export(&*export, &plain()).unwrap();
    let meta = fs::symlink_metadata(bundle.archive()).unwrap();
    assert!(meta.is_file());
    assert_eq!(meta.mode() & 0o7777, 0o600);
    assert_eq!(
        fs::metadata(bundle.out.join("before")).unwrap().len(),
        2 << 20
    );
    // By the directory's descriptor; and on the disk.
    let directory = File::open(&bundle.out).unwrap();
    let synced = plain().sync();
    export
        .write(Place::Below(&directory, Path::new("synced")), &synced, None)
        .unwrap();
    assert!(fs::read(bundle.out.join("synced")).unwrap() == expected);
    assert_eq!(bundle.left(), ["archive", "before", "synced"]);
}

fn a_path_that_no_file_can_have_is_refused_at_once(_: &Test, door: &'static dyn Door) {
    let bundle = Bundle::new(door);
    let export = with_pages(&bundle, 10);
    fs::create_dir(bundle.out.join("directory")).unwrap();
    os::mknod(&bundle.out.join("fifo"), libc::S_IFIFO | 0o600, 0, 0).unwrap();
    for (name, errno) in [
        ("directory", libc::EISDIR),
        ("fifo", libc::EINVAL),
        ("", libc::EINVAL),
        ("new/", libc::EINVAL),
        ("..", libc::EINVAL),
        ("missing/x", libc::ENOENT),
    ] {
        let path = if name.is_empty() {
            PathBuf::new()
        } else {
            bundle.out.join(name)
        };
        let outcome = export.write(path.as_path().into(), &plain(), None);
        assert_eq!(outcome.unwrap_err().errno, errno, "{name}");
    }
    let directory = File::open(&bundle.out).unwrap();
    for (path, errno) in [
        ("a/b", libc::ENOENT),
        ("", libc::EISDIR),
        ("..", libc::EINVAL),
    ] {
        let place = Place::Below(&directory, Path::new(path));
        let outcome = export.write(place, &plain(), None);
        assert_eq!(outcome.unwrap_err().errno, errno, "{path}");
    }
    assert_eq!(bundle.left(), ["directory", "fifo"]);
}

fn levels_that_do_not_exist_are_refused(_: &Test, door: &'static dyn Door) {
    let bundle = Bundle::new(door);
    let export = with_pages(&bundle, 10);
    for (compression, level) in [(GZIP, -1), (GZIP, 10), (ZSTD, -1), (ZSTD, 23)] {
        let options = ExportOptions::new().compression(compression).level(level);
        let outcome = bundle.export(&*export, &options);
        assert_eq!(
            outcome.unwrap_err().errno,
            libc::EINVAL,
            "{compression} {level}"
        );
    }
    assert_eq!(bundle.left(), [""; 0]);
}

#[test]
fn gzip_has_no_level_0() {
    // In C, 0 asks for the compression's own level.
    let mut options = checkpoint::ExportOptions::new();
    options
        .compression(checkpoint::Compression::Gzip)
        .level(Some(0));
    let sandbox = Sandbox::new();
    let archive = sandbox.path().join("archive");
    let outcome = checkpoint::Export::new().write(&archive, &options, &Watch::new());
    assert_eq!(outcome.unwrap_err().errno(), libc::EINVAL);
    assert!(!archive.exists());
}

fn every_compression_holds_the_plain_archive_and_every_digest_is_right(
    _: &Test,
    door: &'static dyn Door,
) {
    let bundle = Bundle::new(door);
    let export = with_pages(&bundle, 3_000_001);
    let expected = expected(&bundle, &*export);
    for (compression, level) in [
        (NONE, None),
        (GZIP, None),
        (GZIP, Some(1)),
        (ZSTD, None),
        (ZSTD, Some(7)),
    ] {
        let mut before: Option<Vec<u8>> = None;
        for (number, digest) in [(1, true), (3, true), (2, false)] {
            let mut options = ExportOptions::new()
                .workers(number)
                .digest(digest)
                .compression(compression);
            if let Some(level) = level {
                options = options.level(level);
            }
            let exported = bundle.export(&*export, &options).unwrap();
            let bytes = fs::read(bundle.archive()).unwrap();
            assert_eq!(exported.bytes, bytes.len() as u64);
            let line = said(&["sha256sum"], &bundle.archive());
            let expected_digest = line[0].split(' ').next().filter(|_| digest);
            assert_eq!(exported.digest.as_deref(), expected_digest);
            let program = match compression {
                GZIP => compressor::Compression::Gzip,
                ZSTD => compressor::Compression::Zstd,
                _ => compressor::Compression::None,
            };
            assert!(program.unpack(&bytes) == expected, "{compression}");
            assert!(before.is_none_or(|before| before == bytes), "{compression}");
            before = Some(bytes);
        }
    }
}

fn the_default_is_zstd_and_no_digest(_: &Test, door: &'static dyn Door) {
    let bundle = Bundle::new(door);
    let export = with_pages(&bundle, 10);
    let exported = bundle.export(&*export, &ExportOptions::new()).unwrap();
    assert!(
        fs::read(bundle.archive())
            .unwrap()
            .starts_with(&[0x28, 0xb5, 0x2f, 0xfd])
    );
    assert_eq!(exported.digest, None);
    assert!(
        said(&["tar", "-tf"], &bundle.archive()).contains(&"checkpoint/pages-1.img".to_owned())
    );
}

fn a_reader_that_goes_away_is_an_error_and_no_signal(t: &Test, door: &'static dyn Door) {
    t.within(Within::Process, || {
        // Rust programs ignore the signal; C programs die of it.
        // SAFETY: the default disposition is no handler; this process runs nothing else.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
        let bundle = Bundle::new(door);
        let export = with_pages(&bundle, 3_000_001);
        for options in [plain(), ExportOptions::new()] {
            let (mut reader, writer) = std::io::pipe().unwrap();
            let reading = thread::spawn(move || reader.read_exact(&mut [0; 1000]));
            let outcome = export.write(writer.as_fd().into(), &options, None);
            assert_eq!(outcome.unwrap_err().errno, libc::EPIPE);
            reading.join().unwrap().unwrap();
            let (socket, other) = UnixStream::pair().unwrap();
            drop(other);
            let outcome = export.write(socket.as_fd().into(), &options, None);
            assert_eq!(outcome.unwrap_err().errno, libc::EPIPE);
        }
        // SAFETY: as above.
        let before = unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
        assert_eq!(before, libc::SIG_DFL);
    });
}

fn a_full_disk_leaves_nothing(_: &Test, door: &'static dyn Door) {
    let bundle = Bundle::new(door);
    let export = with_pages(&bundle, 300_000);
    let Some(tiny) = Sandbox::on(Fs::Tiny) else {
        return;
    };
    for options in [plain(), plain().digest(true), ExportOptions::new()] {
        let outcome = export.write((&tiny.path().join("archive")).into(), &options, None);
        assert_eq!(outcome.unwrap_err().errno, libc::ENOSPC);
        assert_eq!(fs::read_dir(tiny.path()).unwrap().count(), 0);
    }
}

fn progress_ends_with_all_bytes_of_the_stream(_: &Test, door: &'static dyn Door) {
    let bundle = Bundle::new(door);
    let mut export = with_pages(&bundle, 3_000_001);
    export
        .add_directory_tar("volumes/a.tar", (&bundle.path).into())
        .unwrap();
    let changes = [add("/checkpoint"), delete("/gone")];
    export
        .add_rootfs_diff(&changes, (&bundle.path).into())
        .unwrap();
    let length = expected(&bundle, &*export).len() as u64;
    for options in [plain(), ExportOptions::new()] {
        let watch = door.watch(None);
        export
            .write((&bundle.archive()).into(), &options, Some(&*watch))
            .unwrap();
        let reports = watch.log().reports();
        let phases: Vec<_> = reports.iter().map(|report| report.phase).collect();
        assert!(phases.is_sorted(), "{phases:?}");
        assert_eq!(phases.first(), Some(&MEASURING));
        assert_eq!(phases.last(), Some(&PUBLISHING));
        let mut reports = reports.iter().rev();
        let last = reports.find(|report| report.phase == WRITING).unwrap();
        assert_eq!((last.done, last.total), (length, Some(length)));
    }
}

fn a_cancelled_export_leaves_nothing_whenever_it_is_cancelled(_: &Test, door: &'static dyn Door) {
    let bundle = Bundle::new(door);
    let mut export = with_pages(&bundle, 3_000_001);
    export
        .add_directory_tar("volumes/a.tar", (&bundle.path).into())
        .unwrap();
    for options in [plain(), plain().digest(true), ExportOptions::new()] {
        let mut cancelled = 0;
        for nth in 1.. {
            let watch = door.watch(None);
            watch.cancel_at(nth);
            let outcome = export.write((&bundle.archive()).into(), &options, Some(&*watch));
            if watch.log().reports().last().unwrap().phase == PUBLISHING {
                // It has its name already.
                outcome.unwrap();
                break;
            }
            assert_eq!(outcome.unwrap_err().errno, libc::ECANCELED);
            assert_eq!(bundle.left(), [""; 0], "at report {nth}");
            cancelled += 1;
        }
        // At least at the end of looking, the first step of writing, and its end.
        assert!(cancelled >= 3);
        fs::remove_file(bundle.archive()).unwrap();
    }
}

fn a_deadline_ends_an_export_that_nobody_reads(_: &Test, door: &'static dyn Door) {
    let bundle = Bundle::new(door);
    let export = with_pages(&bundle, 3_000_001);
    for options in [plain(), ExportOptions::new()] {
        let (reader, writer) = std::io::pipe().unwrap();
        let watch = door.watch(Some(300));
        let outcome = export.write(writer.as_fd().into(), &options, Some(&*watch));
        assert_eq!(outcome.unwrap_err().errno, libc::ETIMEDOUT);
        drop(reader);
    }
}

/// How many bytes this process has read and written so far.
fn moved() -> (u64, u64) {
    let text = fs::read_to_string("/proc/self/io").unwrap();
    let number = |key: &str| {
        let line = text.lines().find(|line| line.starts_with(key)).unwrap();
        line.split_whitespace()
            .nth(1)
            .unwrap()
            .parse::<u64>()
            .unwrap()
    };
    (number("rchar:"), number("wchar:"))
}

fn every_byte_is_read_once_and_written_once(t: &Test, door: &'static dyn Door) {
    t.within(Within::Process, || {
        let bundle = Bundle::new(door);
        let (pages, data) = (mebibytes(100), 50);
        large(&bundle.path.join("checkpoint/pages-1.img"), pages);
        let volume = bundle.sandbox.dir("volume");
        large(&volume.join("data"), data);
        let size = (pages + data) << 20;
        let mut export = bundle.of(CRIO);
        export
            .add_directory_tar("volumes/v.tar", (&volume).into())
            .unwrap();
        for options in [plain(), plain().digest(true)] {
            let before = moved();
            let exported = bundle.export(&*export, &options).unwrap();
            let after = moved();
            assert!(exported.bytes > size);
            for moved in [after.0 - before.0, after.1 - before.1] {
                let more = moved.checked_sub(size).expect("all of it");
                assert!(more < 1 << 20, "{more} bytes more than once");
            }
        }
    });
}

/// The most memory that this process ever had, in bytes.
fn peak() -> u64 {
    let text = fs::read_to_string("/proc/self/status").unwrap();
    let line = text
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<u64>()
        .unwrap()
        << 10
}

/// Writes a file of this many MiB without ever holding it in memory.
fn large(path: &Path, mebibytes: u64) {
    let mut file = File::create(path).unwrap();
    let piece = noise(1 << 20, 1);
    (0..mebibytes).for_each(|_| file.write_all(&piece).unwrap());
}

fn peaks_under(limit: u64, options: &ExportOptions, t: &Test, door: &'static dyn Door) {
    t.within(Within::Process, || {
        let bundle = Bundle::new(door);
        large(&bundle.path.join("checkpoint/pages-1.img"), 200);
        let mut export = bundle.of(PODMAN);
        let many = bundle.sandbox.dir("many");
        (0..20_000).for_each(|number| fs::write(many.join(format!("{number}")), "x").unwrap());
        export
            .add_directory_tar("volumes/many.tar", (&many).into())
            .unwrap();
        bundle
            .export(&*export, &options.clone().workers(2))
            .unwrap();
        assert!(peak() < limit << 20, "{} MiB", peak() >> 20);
    });
}

fn a_plain_archive_takes_under_32_mebibytes(t: &Test, door: &'static dyn Door) {
    peaks_under(32, &plain(), t, door);
}

fn a_digested_archive_takes_under_32_mebibytes(t: &Test, door: &'static dyn Door) {
    peaks_under(32, &plain().digest(true), t, door);
}

fn a_gzip_archive_takes_under_96_mebibytes(t: &Test, door: &'static dyn Door) {
    peaks_under(96, &ExportOptions::new().compression(GZIP), t, door);
}

fn a_zstd_archive_takes_under_96_mebibytes(t: &Test, door: &'static dyn Door) {
    peaks_under(96, &ExportOptions::new(), t, door);
}

fn a_pipe_s_flags_and_size_stay_as_they_were(_: &Test, door: &'static dyn Door) {
    let bundle = Bundle::new(door);
    let export = with_pages(&bundle, 10);
    let (_reader, writer) = std::io::pipe().unwrap();
    // SAFETY: F_GETFL and F_GETPIPE_SZ take no argument and touch no memory of this process.
    let asked = |what| unsafe { libc::fcntl(writer.as_raw_fd(), what) };
    let before = (asked(libc::F_GETFL), asked(libc::F_GETPIPE_SZ));
    export.write(writer.as_fd().into(), &plain(), None).unwrap();
    assert_eq!((asked(libc::F_GETFL), asked(libc::F_GETPIPE_SZ)), before);
}
