//! What an archive of four gibibytes costs: memory that doesn't depend on its size, and no reads that aren't needed.
//! What a long list costs.

use std::fs::{self, File};
use std::io::{BufWriter, Read, Write};
use std::os::unix::fs::{FileExt, symlink as make_symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::api::Rust;
use crate::support::compressor::Compression;
use crate::support::dice::noise;
use crate::support::os::number_in;
use crate::support::process::{Test, Within};
use crate::support::sandbox::Sandbox;
use crate::support::stage::Stage;
use crate::support::tarball::{Dialect, archive, file, unended};

const SIZE: u64 = 4 << 30;
const LIMIT: u64 = 64 << 20;

/// The header of a member of four gibibytes, and what comes after its data.
fn around() -> (Vec<u8>, Vec<u8>) {
    let pages = file("checkpoint/pages-1.img", "")
        .size(SIZE as i64)
        .dialect(Dialect::Gnu);
    (
        unended([pages]),
        archive([
            file("config.dump", r#"{"runtime":"crun"}"#),
            file("spec.dump", "{}"),
            file("ctr.log", "x"),
        ]),
    )
}

/// A plain archive whose large member is a hole.
fn plain(sandbox: &Sandbox) -> PathBuf {
    let (path, (head, tail)) = (sandbox.path().join("plain.tar"), around());
    let file = File::create(&path).unwrap();
    file.write_all_at(&head, 0).unwrap();
    file.write_all_at(&tail, head.len() as u64 + SIZE).unwrap();
    path
}

/// The same, compressed by a program as it is made.
fn compressed(sandbox: &Sandbox, program: &[&str]) -> PathBuf {
    let (path, (head, tail)) = (sandbox.path().join("packed.tar"), around());
    let output = File::create(&path).unwrap();
    let mut child = Command::new(program[0])
        .args(&program[1..])
        .stdin(Stdio::piped())
        .stdout(output)
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(&head).unwrap();
    std::io::copy(&mut File::open("/dev/zero").unwrap().take(SIZE), &mut stdin).unwrap();
    stdin.write_all(&tail).unwrap();
    drop(stdin);
    assert!(child.wait().unwrap().success());
    path
}

/// The most memory that this process ever had, in bytes.
fn peak() -> u64 {
    number_in("/proc/self/status", "VmHWM:") << 10
}

/// Imports in this process, which must have done nothing large before.
fn import(t: &Test, input: &Path, sandbox: &Sandbox) {
    let bundle = sandbox.path().join("bundle");
    t.import_without_config(&bundle, input).unwrap();
    assert_eq!(
        fs::metadata(bundle.join("checkpoint/pages-1.img"))
            .unwrap()
            .len(),
        SIZE
    );
    assert_eq!(fs::read_to_string(bundle.join("ctr.log")).unwrap(), "x");
    assert!(peak() < LIMIT, "{} MiB", peak() >> 20);
}

mod importing_a_plain_archive_takes_under_64_mebibytes {
    use super::*;

    #[test]
    fn rust() {
        Test::run(module_path!(), "rust", &Rust, |t| {
            t.within(Within::Process, || {
                let sandbox = Sandbox::new();
                import(t, &plain(&sandbox), &sandbox);
            });
        });
    }
}

mod importing_a_compressed_archive_takes_under_64_mebibytes {
    use super::*;

    #[test]
    fn rust() {
        Test::run(module_path!(), "rust", &Rust, |t| {
            t.within(Within::Process, || {
                let sandbox = Sandbox::new();
                import(t, &compressed(&sandbox, &["zstd", "-q", "-1"]), &sandbox);
            });
        });
    }
}

/// Frames of so much content, half of which no compressor makes smaller.
fn frames(sandbox: &Sandbox, content: usize, number: usize) -> PathBuf {
    let path = sandbox.path().join("frames.tar.zst");
    let pack = |bytes: &[u8]| zstd::bulk::compress(bytes, 1).unwrap();
    let mut part = noise(content / 2, 1);
    part.resize(content, 7);
    let pages = file("checkpoint/pages-1.img", "")
        .size((content * number) as i64)
        .dialect(Dialect::Gnu);
    let mut output = BufWriter::new(File::create(&path).unwrap());
    output.write_all(&pack(&unended([pages]))).unwrap();
    let part = pack(&part);
    for _ in 0..number {
        output.write_all(&part).unwrap();
    }
    output
        .write_all(&pack(&archive([file("ctr.log", "x")])))
        .unwrap();
    output.flush().unwrap();
    path
}

mod importing_an_archive_of_frames_takes_under_64_mebibytes {
    use super::*;

    #[test]
    fn rust() {
        Test::run(module_path!(), "rust", &Rust, |t| {
            t.within(Within::Process, || {
                // Those of ours, those of pzstd, and the largest that are decoded at once.
                for mib in [4, 8, 15, 16] {
                    let sandbox = Sandbox::new();
                    let archive = frames(&sandbox, mib << 20, 200 / mib);
                    // What the test has taken itself counts, too, and the most that there was once.
                    let before = number_in("/proc/self/status", "VmRSS:") << 10;
                    fs::write("/proc/self/clear_refs", "5").unwrap();
                    t.import_without_config(&sandbox.path().join("bundle"), &archive)
                        .unwrap();
                    let taken = peak() - before.min(peak());
                    assert!(
                        taken < LIMIT,
                        "{mib} MiB a frame: {} MiB of memory",
                        taken >> 20
                    );
                    println!("{mib} MiB a frame: {} MiB", taken >> 20);
                }
            });
        });
    }
}

mod finding_the_runtime_in_a_plain_archive_reads_little {
    use super::*;

    #[test]
    fn rust() {
        Test::run(module_path!(), "rust", &Rust, |t| {
            t.within(Within::Process, || {
                let sandbox = Sandbox::new();
                let input = plain(&sandbox);
                let read = || number_in("/proc/self/io", "rchar:");
                let before = read();
                assert_eq!(t.runtime_from_archive(&input).unwrap(), "crun");
                let bundle = sandbox.path().join("bundle");
                t.import_config_only(&bundle, &input).unwrap();
                assert!(
                    read() - before < 16 << 20,
                    "{} MiB were read",
                    (read() - before) >> 20
                );
            });
        });
    }
}

/// In podman's order, with pages that no compressor makes smaller.
fn podmans(compression: Compression) -> Vec<u8> {
    compression.pack(&archive([
        file("config.dump", r#"{"runtime":"crun"}"#),
        file("spec.dump", "{}"),
        file("checkpoint/pages-1.img", noise(8 << 20, 1)),
    ]))
}

mod finding_the_runtime_in_a_compressed_archive_reads_its_beginning {
    use super::*;

    #[test]
    fn rust() {
        Test::run(module_path!(), "rust", &Rust, |t| {
            t.within(Within::Process, || {
                let sandbox = Sandbox::new();
                let input = sandbox.path().join("input");
                // bzip2's blocks have 900 kB, the others yield sooner.
                for (compression, most) in [
                    (Compression::Gzip, 128 << 10),
                    (Compression::Zstd, 512 << 10),
                    (Compression::Xz, 512 << 10),
                    (Compression::Bzip2, 2 << 20),
                ] {
                    fs::write(&input, podmans(compression)).unwrap();
                    let read = || number_in("/proc/self/io", "rchar:");
                    let before = read();
                    assert_eq!(t.runtime_from_archive(&input).unwrap(), "crun");
                    let read = read() - before;
                    assert!(read < most, "{compression:?}: {} KiB were read", read >> 10);
                }
            });
        });
    }
}

api_tests! {
    a_path_that_is_listed_again_and_again_takes_under_300_mebibytes,
    a_list_of_a_million_names_takes_a_small_multiple_of_its_size
}

fn a_path_that_is_listed_again_and_again_takes_under_300_mebibytes(t: &Test) {
    t.within(Within::AddressSpace(1024), || {
        let stage = Stage::new(t);
        // The names of the links on the way take more than a hundred kilobytes.
        let deep = vec!["d".repeat(200); 17].join("/");
        stage.write(&format!("{deep}/f"), "x");
        make_symlink(".", stage.at(&format!("{deep}/l0"))).unwrap();
        for number in 1..38 {
            make_symlink(
                format!("l{}", number - 1),
                stage.at(&format!("{deep}/l{number}")),
            )
            .unwrap();
        }
        make_symlink(format!("{deep}/l37"), stage.at("s")).unwrap();
        let list = vec![r#""/s/f""#; 200_000].join(",");
        match stage.remove(format!("[{list}]")) {
            Ok(()) => assert!(!stage.exists(&format!("{deep}/f"))),
            Err(failure) => assert_eq!(failure.errno, libc::E2BIG, "{failure:?}"),
        }
        assert!(peak() < 300 << 20, "{} MiB", peak() >> 20);
    });
}

fn a_list_of_a_million_names_takes_a_small_multiple_of_its_size(t: &Test) {
    t.within(Within::Process, || {
        let stage = Stage::new(t);
        let path = stage.base.join("deleted.files");
        let mut list = BufWriter::new(File::create(&path).unwrap());
        write!(list, "[\"/0\"").unwrap();
        for number in 1..1_000_000 {
            write!(list, ",\"/{number}\"").unwrap();
        }
        write!(list, "]").unwrap();
        drop(list);
        let (size, before) = (fs::metadata(&path).unwrap().len(), peak());
        assert!(size > 9_000_000, "{size}");
        stage.write("999999", "x");
        t.remove_deleted_files("id".as_ref(), &stage.base, &stage.root)
            .unwrap();
        assert!(!stage.exists("999999"));
        assert!(
            peak() - before < 3 * size,
            "{} MiB",
            (peak() - before) >> 20
        );
    });
}
