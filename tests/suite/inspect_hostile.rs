//! Inspections of hostile and damaged images.

use std::fs;
use std::path::Path;

use crutils::Kind;
use crutils::checkpoint::inspect::Host;
use crutils::checkpoint::{InspectOptions, Inspection};
use crutils::watch::Watch;

use crate::inspect::inspect;
use crate::inspect_writer::*;
use crate::support::api::MALFORMED;
use crate::support::compressor::Compression;
use crate::support::door::Door;
use crate::support::inspection::Asked;
use crate::support::process::Test;
use crate::support::sandbox::{Sandbox, run};
use crate::support::stage::archives;
use crate::support::tarball::{archive, file};

door_tests! {
    circles_and_twins_among_processes_are_refused_with_the_images_name,
    page_maps_and_mappings_that_contradict_themselves_are_refused,
    every_prefix_of_every_image_is_told_or_refused_with_its_name,
    encrypted_images_are_told_and_not_read,
    a_link_among_the_images_is_not_followed
}

fn circles_and_twins_among_processes_are_refused_with_the_images_name(
    _: &Test,
    door: &'static dyn Door,
) {
    let sandbox = Sandbox::new();
    for processes in [
        &[(1, 1, 1)][..],
        &[(1, 2, 1), (2, 1, 1)],
        &[(1, 0, 1), (5, 6, 1), (6, 5, 1)],
        &[(1, 0, 1), (1, 0, 1)],
    ] {
        let error = refused(door, &Images::new(&sandbox, processes));
        assert_eq!(error.kind, MALFORMED);
        assert_eq!(error.entry.as_deref(), Some(&b"pstree.img"[..]), "{error}");
    }
}

/// A block of LZ4 that is literals alone.
fn lz4_literals(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![0xf0];
    let mut left = bytes.len() - 15;
    while left >= 255 {
        out.push(255);
        left -= 255;
    }
    out.push(left as u8);
    [out, bytes.to_vec()].concat()
}

#[test]
fn a_block_that_expands_beyond_its_page_is_refused() {
    let sandbox = Sandbox::new();
    let mut images = Images::new(&sandbox, &[(1, 0, 1)]);
    // A megabyte in 4 KiB, and one byte less than a page.
    for bomb in [
        lz4_repeated(b'x', 1 << 20),
        lz4_literals(&vec![b'x'; PAGE - 100]),
    ] {
        let sizes = varint(bomb.len() as u64);
        if bomb.len() > PAGE {
            continue;
        }
        let entry = [n(1, 0x10000), n(2, 1), n(4, 4), b(6, sizes)].concat();
        images.memory(&vma(PAGE as u64, 1 << 9, 0), &[entry], bomb);
        let mut inspection = images.inspect().unwrap();
        let problem = inspection.processes()[0].text_problem.as_ref().unwrap();
        assert!(problem.contains("pages-1.img"), "{problem}");
        let error = inspection.read_memory(1, 0x10000, &mut [0; 8]).unwrap_err();
        assert_eq!(error.kind(), Kind::Malformed, "{error}");
        assert_eq!(error.entry(), Some(&b"pages-1.img"[..]));
    }
}

#[test]
fn files_of_pages_of_another_size_are_told() {
    let sandbox = Sandbox::new();
    for size in [0, PAGE - 1, PAGE + 1, 2 * PAGE] {
        let mut images = Images::new(&sandbox, &[(1, 0, 1)]);
        let entry = [n(1, 0x10000), n(2, 1), n(4, 4)].concat();
        images.memory(&vma(PAGE as u64, 1 << 9, 0), &[entry], vec![7; size]);
        let inspection = images.inspect().unwrap();
        let [problem] = inspection.problems() else {
            panic!("{size}")
        };
        assert_eq!(problem.member, "pages-1.img");
        assert!(problem.problem.contains("4096"), "{}", problem.problem);
    }
}

fn page_maps_and_mappings_that_contradict_themselves_are_refused(
    _: &Test,
    door: &'static dyn Door,
) {
    let sandbox = Sandbox::new();
    let page = |address: u64, pages: u64| [n(1, address), n(2, pages), n(4, 4)].concat();
    for entries in [
        vec![page(0x11000, 1), page(0x10000, 1)],
        vec![page(0x10000, 2), page(0x11000, 1)],
        vec![page(u64::MAX - 0xfff, 1)],
    ] {
        let mut images = Images::new(&sandbox, &[(1, 0, 1)]);
        images.memory(&vma(PAGE as u64, 1 << 9, 0), &entries, Vec::new());
        let error = refused(door, &images);
        assert_eq!(
            error.entry.as_deref(),
            Some(&b"pagemap-1.img"[..]),
            "{error}"
        );
    }
    let mut images = Images::new(&sandbox, &[(1, 0, 1)]);
    let backwards = [n(1, 0x20000), n(2, 0x10000)].concat();
    images.add("mm-1.img", image(MM, &[b(14, backwards)]));
    assert_eq!(
        refused(door, &images).entry.as_deref(),
        Some(&b"mm-1.img"[..])
    );
}

fn every_prefix_of_every_image_is_told_or_refused_with_its_name(_: &Test, door: &'static dyn Door) {
    let sandbox = Sandbox::new();
    let bundle = sandbox.dir("bundle");
    let packed = archives().join("rich.tar.zst");
    run(&format!(
        "tar --no-same-owner -xf {} -C {}",
        packed.display(),
        bundle.display()
    ))
    .unwrap();
    let checkpoint = bundle.join("checkpoint");
    let mut count = 0;
    for entry in fs::read_dir(&checkpoint).unwrap() {
        let path = entry.unwrap().path();
        let whole = fs::read(&path).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let step = if whole.len() > 4000 {
            whole.len() / 50
        } else {
            7
        };
        for end in (0..whole.len()).step_by(step) {
            fs::write(&path, &whole[..end]).unwrap();
            check_cut(door, &bundle, &name);
            count += 1;
        }
        fs::write(&path, whole).unwrap();
    }
    assert!(count > 200, "{count}");
    assert!(inspect(&bundle).problems().is_empty());
}

fn check_cut(door: &dyn Door, bundle: &Path, name: &str) {
    let inspected = door.look(bundle.into(), &Asked::NOTHING);
    if let Err(error) = inspected {
        let entry = format!("checkpoint/{name}");
        assert_eq!(error.kind, MALFORMED, "{error}");
        assert_eq!(error.entry.as_deref(), Some(entry.as_bytes()), "{error}");
    }
}

fn encrypted_images_are_told_and_not_read(_: &Test, door: &'static dyn Door) {
    let sandbox = Sandbox::new();
    let mut images = Images::new(&sandbox, &[(1, 0, 1)]);
    images.add("cipher.img", vec![1; 100]);
    images.add("core-1.img", vec![0xaa; 500]);
    images.add("files.img", vec![0xaa; 500]);
    let looked = door.look((&images.directory()).into(), &Asked::NOTHING);
    let looked = looked.unwrap();
    assert_eq!(looked.json["criu"]["encrypted"], true);
    let mut codes = looked.findings.iter().map(|(_, code, ..)| code);
    assert!(codes.any(|code| code == "encrypted"), "{looked:?}");
}

fn a_link_among_the_images_is_not_followed(_: &Test, door: &'static dyn Door) {
    let sandbox = Sandbox::new();
    let images = Images::new(&sandbox, &[(1, 0, 1)]);
    let directory = images.directory();
    let secret = sandbox.path().join("secret.img");
    fs::rename(directory.join("core-1.img"), &secret).unwrap();
    std::os::unix::fs::symlink(&secret, directory.join("core-1.img")).unwrap();
    let looked = door.look((&directory).into(), &Asked::NOTHING).unwrap();
    // Its state is unknown.
    assert_eq!(looked.processes[0].numbers[4], 0);
}

#[test]
fn a_hundred_thousand_processes_are_inspected() {
    let sandbox = Sandbox::new();
    let processes: Vec<_> = (1..=100_000).map(|pid| (pid, pid - 1, 1)).collect();
    let entry = |(pid, ppid, _): &(u64, u64, u64)| {
        [n(1, *pid), n(2, *ppid), n(3, 1), n(4, 1), n(5, *pid)].concat()
    };
    let entries: Vec<_> = processes.iter().map(entry).collect();
    let mut images = Images::new(&sandbox, &[]);
    images.add("pstree.img", image(PSTREE, &entries));
    let inspection = images.inspect().unwrap();
    assert_eq!(inspection.processes().len(), 100_000);
    let tree = inspection.tree();
    assert_eq!(tree.last().unwrap().depth, 99_999);
}

/// The members of the plain archive in tests/data, in any order.
fn members(order: impl Fn(&str) -> u8) -> Vec<u8> {
    let sandbox = Sandbox::new();
    let bundle = sandbox.dir("bundle");
    let packed = archives().join("rich.tar.zst");
    run(&format!(
        "tar --no-same-owner -xf {} -C {}",
        packed.display(),
        bundle.display()
    ))
    .unwrap();
    let images = fs::read_dir(bundle.join("checkpoint")).unwrap();
    let mut images: Vec<_> = images
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, fs::read(path).unwrap())
        })
        .collect();
    images.sort_by_key(|(name, _)| (order(name), name.clone()));
    archive(
        images
            .iter()
            .map(|(name, bytes)| file(format!("checkpoint/{name}"), bytes)),
    )
}

#[test]
fn pages_that_come_before_their_page_map_are_read_where_that_can_be() {
    let sandbox = Sandbox::new();
    let tar = members(|name| u8::from(!name.starts_with("pages-")));
    let packed = Compression::Gzip.pack(&tar);
    for (name, bytes) in [("first.tar", &tar), ("first.tar.gz", &packed)] {
        let path = sandbox.path().join(name);
        fs::write(&path, bytes).unwrap();
        let inspection = inspect(&path);
        for process in inspection.processes() {
            assert_eq!(process.text_problem, None, "{name}");
        }
        let sleep = inspection.process(44).unwrap();
        assert_eq!(sleep.arguments.as_ref().unwrap().len(), 2, "{name}");
    }
    let inspection = crate::inspect::through_pipe(&packed);
    let sleep = inspection.process(44).unwrap();
    assert_eq!(sleep.arguments, None);
    let problem = sleep.text_problem.as_ref().unwrap();
    assert!(problem.contains("pipe"), "{problem}");
    // The other way round a pipe has everything.
    let last = members(|name| u8::from(name.starts_with("pages-")));
    let inspection = crate::inspect::through_pipe(&last);
    assert_eq!(inspection.process(44).unwrap().text_problem, None);
}

#[test]
fn images_with_bytes_changed_anywhere_are_told_or_refused() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.dir("bundle");
    let packed = archives().join("rich.tar.zst");
    run(&format!(
        "tar --no-same-owner -xf {} -C {}",
        packed.display(),
        bundle.display()
    ))
    .unwrap();
    let seed = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    println!("seed {seed}");
    let mut dice = crate::support::dice::Dice::new(seed);
    let names = [
        "pstree.img",
        "core-1.img",
        "mm-1.img",
        "pagemap-1.img",
        "files.img",
        "fdinfo-2.img",
        "inventory.img",
        "mountpoints-13.img",
        "fs-1.img",
        "ids-1.img",
    ];
    let (mut told, mut refused) = (0, 0);
    for _ in 0..400 {
        let path = bundle.join("checkpoint").join(dice.one(&names));
        let whole = fs::read(&path).unwrap();
        let mut bytes = whole.clone();
        for _ in 0..=dice.below(3) {
            let at = dice.below(bytes.len());
            bytes[at] = dice.below(256) as u8;
        }
        fs::write(&path, bytes).unwrap();
        match Inspection::open(&bundle, &InspectOptions::new(), &Watch::new()) {
            Ok(mut inspection) => {
                told += 1;
                assert!(inspection.findings(&Host::new()).len() < 1000);
                inspection.to_json().unwrap();
                assert_eq!(inspection.tree().len(), inspection.processes().len());
                let pids: Vec<_> = inspection.processes().iter().map(|one| one.pid).collect();
                for pid in pids {
                    // Damaged memory is an error, too.
                    let _ = inspection.each_chunk(pid, 0..u64::MAX, |_| Ok(true));
                }
            }
            Err(error) => {
                refused += 1;
                assert!(
                    matches!(error.kind(), Kind::Malformed | Kind::Limit),
                    "{error}"
                );
            }
        }
        fs::write(&path, whole).unwrap();
    }
    assert!(told > 20 && refused > 20, "{told} {refused}");
}
