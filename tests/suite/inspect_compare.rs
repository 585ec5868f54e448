//! Two checkpoints beside each other, and single members.

use std::fs::{self, File};
use std::os::fd::AsFd;

use crutils::checkpoint::{InspectOptions, Inspection};
use crutils::watch::Watch;

use crate::inspect::{inspect, pages};
use crate::support::compressor::Compression;
use crate::support::sandbox::Sandbox;
use crate::support::stage::archives;

#[test]
fn two_checkpoints_of_one_container_are_compared_page_by_page() {
    let with = archives().join("plain.withprev.tar.zst");
    let previous = archives().join("plain.pre.tar.zst");
    // A checkpoint and itself are the same.
    let (mut one, mut other) = (inspect(&with), inspect(&with));
    let same = one.compare(&mut other).unwrap();
    assert!(same.members.is_empty() && same.new_processes.is_empty());
    let shell = same
        .processes
        .iter()
        .find(|process| process.pid == 1)
        .unwrap();
    assert_eq!((shell.memory.same, shell.memory.changed), (36864, 0));
    assert_eq!(
        shell.memory.unknown,
        other.process(1).unwrap().memory.parent
    );
    assert!(shell.changed.is_empty() && shell.mappings.is_empty());
    // Arguments that can't be read of one of them aren't known to differ.
    let mut plain = inspect(&archives().join("plain.tar.zst"));
    let unread = one.compare(&mut plain).unwrap();
    assert_eq!(unread.processes[0].changed, [""; 0]);
    // Pages that the second one has anew are what its page map says.
    let mut options = InspectOptions::new();
    options.parent(&previous).unwrap();
    let mut both = Inspection::open(&with, &options, &Watch::new()).unwrap();
    let mut rich = inspect(&archives().join("rich.tar.zst"));
    let apart = both.compare(&mut rich).unwrap();
    let gone: Vec<_> = apart
        .gone_processes
        .iter()
        .map(|process| process.pid)
        .collect();
    let new: Vec<_> = apart
        .new_processes
        .iter()
        .map(|process| process.pid)
        .collect();
    assert_eq!((gone, new), (vec![25], vec![44]));
    let shell = &apart.processes[0];
    let [own, theirs] = [&both, &rich].map(|one| one.process(1).unwrap().memory);
    let memory = shell.memory;
    assert_eq!(
        memory.same + memory.changed + memory.gone,
        own.present + own.parent
    );
    assert_eq!(memory.same + memory.changed + memory.new, theirs.present);
    assert_eq!(shell.changed, ["arguments"]);
    assert!(
        apart
            .members
            .iter()
            .any(|member| member.name == "volumes/vol1.tar")
    );
}

#[test]
fn a_byte_that_differs_is_found_in_its_mapping() {
    let sandbox = Sandbox::new();
    let (bundle, mut pages) = pages(&sandbox, 2);
    let mut before = inspect(&archives().join("rich.tar.zst"));
    pages[5 * 4096 + 17] ^= 1;
    fs::write(bundle.join("checkpoint/pages-2.img"), pages).unwrap();
    let mut after = inspect(&bundle);
    let comparison = before.compare(&mut after).unwrap();
    let [shell, sleep] = &comparison.processes[..] else {
        panic!()
    };
    assert_eq!((shell.memory.same, shell.memory.changed), (81920, 0));
    assert_eq!((sleep.memory.same, sleep.memory.changed), (61440, 4096));
    let [mapping] = &sleep.mappings[..] else {
        panic!("{:?}", sleep.mappings)
    };
    assert_eq!(mapping.memory.changed, 4096);
}

#[test]
fn a_member_is_copied_out_of_any_archive() {
    use crutils::checkpoint::inspect::copy_member;
    let sandbox = Sandbox::new();
    let (_, expected) = pages(&sandbox, 2);
    let packed = archives().join("rich.tar.zst");
    let plain = sandbox.path().join("rich.tar");
    fs::write(
        &plain,
        Compression::Zstd.unpack(&fs::read(&packed).unwrap()),
    )
    .unwrap();
    for path in [&packed, &plain] {
        let (mut bytes, watch) = (Vec::new(), Watch::new());
        let copied = copy_member(path, b"./checkpoint/pages-2.img", &mut bytes, &watch).unwrap();
        assert!(bytes == expected && copied == 65536);
        let error = copy_member(path, b"nothing", &mut bytes, &watch).unwrap_err();
        assert_eq!(error.kind(), crutils::Kind::NotInArchive);
        let error = copy_member(path, b"checkpoint", &mut bytes, &watch).unwrap_err();
        assert_eq!(error.kind(), crutils::Kind::Unsupported);
    }
    let file = File::open(&packed).unwrap();
    let mut bytes = Vec::new();
    copy_member(
        file.as_fd(),
        b"checkpoint/pages-2.img",
        &mut bytes,
        &Watch::new(),
    )
    .unwrap();
    assert!(bytes == expected);
}
