//! Inspections of images that no test archive has.

use std::fs;

use crutils::checkpoint::inspect::{Host, Severity, TaskState};

use crate::inspect::inspect;
use crate::inspect_writer::*;
use crate::support::compressor::Compression;
use crate::support::sandbox::Sandbox;
use crate::support::tarball::{Sparse, archive, file, sparse};

#[test]
fn processes_that_have_ended_are_told_with_how_they_ended() {
    let sandbox = Sandbox::new();
    let images = Images::new(&sandbox, &[(1, 0, 1), (7, 1, 6), (8, 1, 3), (9, 8, 2)]);
    let inspection = images.inspect().unwrap();
    let states: Vec<_> = inspection
        .processes()
        .iter()
        .map(|process| process.state)
        .collect();
    use TaskState::{Alive, Dead, Stopped, Zombie};
    assert_eq!(states, [Alive, Zombie, Stopped, Dead]);
    let zombie = inspection.process(7).unwrap();
    assert_eq!((zombie.exit_status, zombie.exit_signal), (Some(9), None));
    assert_eq!(inspection.process(8).unwrap().exit_status, None);
    let tree: Vec<_> = inspection
        .tree()
        .iter()
        .map(|one| (one.process.pid, one.depth))
        .collect();
    assert_eq!(tree, [(1, 0), (7, 1), (8, 1), (9, 2)]);
    assert!(inspection.problems().is_empty());
}

#[test]
fn a_missing_core_is_a_problem_and_no_end() {
    let sandbox = Sandbox::new();
    let mut images = Images::new(&sandbox, &[(1, 0, 1), (2, 1, 1)]);
    images.files.retain(|(name, _)| name != "core-2.img");
    let inspection = images.inspect().unwrap();
    assert_eq!(inspection.process(2).unwrap().state, TaskState::Unknown);
    let [problem] = inspection.problems() else {
        panic!()
    };
    assert_eq!(problem.member, "core-2.img");
    let findings = inspection.findings(&Host::new());
    assert!(
        findings
            .iter()
            .any(|one| one.severity == Severity::Blocks && one.code == "damaged")
    );
}

/// Opens sockets of several kinds and a pipe, with bytes in them.
fn open_sockets(images: &mut Images<'_>) {
    let inet = |id, ino, state, ports: [u64; 2]| {
        let fields = [n(1, id), n(2, ino), n(3, 2), n(4, 1), n(5, 6), n(6, state)];
        let ports = [n(7, ports[0]), n(8, ports[1]), n(10, 128)];
        let addresses = [n(11, 0x0100_007f), n(12, 0x0202_000a)];
        [fields.concat(), ports.concat(), addresses.concat()].concat()
    };
    let unix = |id, ino, peer, name: &[u8]| {
        [
            n(1, id),
            n(2, ino),
            n(3, 1),
            n(4, 1),
            n(8, peer),
            b(11, name),
        ]
        .concat()
    };
    images.open(&[
        (4, 1, 4, inet(1, 0x1f, 10, [8080, 0])),
        (4, 2, 4, inet(2, 0x2f, 1, [8080, 4711])),
        (5, 3, 16, unix(3, 100, 101, b"\0abs\xfftract")),
        (5, 4, 16, unix(4, 101, 100, b"")),
        (5, 5, 16, unix(5, 102, 999, b"/run/log\0")),
        (2, 6, 18, [n(1, 6), n(2, 77), n(3, 0)].concat()),
    ]);
    let queues = [[framed(&[n(1, 300), n(3, 20)].concat()), vec![0; 320]].concat()];
    let mut stream = image(0x5146_5506, &[]);
    stream.extend(&queues[0]);
    images.add("tcp-stream-2f.img", stream);
    let mut packets = image(0x5626_4026, &[]);
    packets.extend([framed(&[n(1, 3), n(2, 5)].concat()), b"hello".to_vec()].concat());
    packets.extend([framed(&[n(1, 3), n(2, 2)].concat()), b"hi".to_vec()].concat());
    images.add("sk-queues.img", packets);
    let mut data = image(0x5645_3709, &[]);
    data.extend(
        [
            framed(&[n(1, 77), n(2, 4), n(3, 65536)].concat()),
            b"pipe".to_vec(),
        ]
        .concat(),
    );
    images.add("pipes-data.img", data);
}

#[test]
fn sockets_and_what_is_in_them_are_told() {
    let sandbox = Sandbox::new();
    let mut images = Images::new(&sandbox, &[(1, 0, 1)]);
    open_sockets(&mut images);
    let inspection = images.inspect().unwrap();
    let [listening, connected, abstracted, peer, logging] = inspection.sockets() else {
        panic!("{:?}", inspection.sockets())
    };
    assert_eq!((listening.state, listening.backlog), ("listen", Some(128)));
    assert_eq!(listening.ends(), "127.0.0.1:8080");
    assert_eq!(connected.state, "established");
    assert_eq!(connected.ends(), "127.0.0.1:8080 -> 10.0.2.2:4711");
    assert_eq!((connected.unread, connected.unsent), (300, 20));
    assert_eq!(
        abstracted.name.as_ref().unwrap().to_string(),
        "@abs\\xfftract"
    );
    assert_eq!((abstracted.unread, abstracted.peer), (7, Some(101)));
    assert_eq!((peer.name.as_ref(), peer.peer), (None, Some(100)));
    assert_eq!(logging.name.as_ref().unwrap(), &"/run/log");
    let [pipe] = inspection.pipes() else { panic!() };
    assert_eq!(
        (pipe.unread, pipe.capacity, pipe.readers.len()),
        (4, Some(65536), 1)
    );
    let codes: Vec<_> = inspection
        .findings(&Host::new())
        .iter()
        .map(|one| one.code)
        .collect();
    assert_eq!(
        codes
            .iter()
            .filter(|code| **code == "tcp-connection")
            .count(),
        1
    );
    assert_eq!(
        codes
            .iter()
            .filter(|code| **code == "external-socket")
            .count(),
        1
    );
}

#[test]
fn deleted_files_are_told_with_their_content() {
    let sandbox = Sandbox::new();
    let mut images = Images::new(&sandbox, &[(1, 0, 1)]);
    let regular = [
        n(1, 9),
        n(2, 0o2),
        n(3, 12),
        b(6, "/tmp/gone"),
        n(8, 3),
        n(10, 0o100_600),
    ];
    images.open(&[(1, 9, 3, regular.concat())]);
    images.add(
        "remap-fpath.img",
        image(0x5913_3954, &[[n(1, 9), n(2, 31), n(3, 1)].concat()]),
    );
    let mut ghost = image(0x5258_3605, &[[n(1, 5), n(2, 6), n(3, 0o100_600)].concat()]);
    ghost.extend(b"abc");
    images.add("ghost-file-1f.img", ghost);
    let inspection = images.inspect().unwrap();
    let [ghost] = inspection.ghost_files() else {
        panic!()
    };
    assert_eq!((ghost.id, ghost.size, ghost.stored), (31, 3, 3));
    assert_eq!((ghost.uid, ghost.gid, ghost.mode), (5, 6, 0o100_600));
    assert_eq!(ghost.path.as_ref().unwrap(), &"/tmp/gone");
    let descriptor = &inspection.processes()[0].descriptors[0];
    assert!(descriptor.deleted);
    assert_eq!(descriptor.position, Some(12));
}

#[test]
fn shared_memory_is_read_where_it_is_mapped() {
    let sandbox = Sandbox::new();
    let mut images = Images::new(&sandbox, &[(1, 0, 1)]);
    let mut mapping = vma(4 * PAGE as u64, 1 << 8, 5);
    // From the second page of the shared memory on.
    mapping.push(n(3, PAGE as u64));
    images.memory(&mapping, &[], Vec::new());
    let entry = [n(1, 2 * PAGE as u64), n(2, 1), n(4, 4)].concat();
    images.add("pagemap-shmem-5.img", image(PAGEMAP, &[n(1, 2), entry]));
    images.add("pages-2.img", vec![7; PAGE]);
    let mut inspection = images.inspect().unwrap();
    assert_eq!(inspection.shared_memory()[0].present, PAGE as u64);
    assert_eq!(inspection.processes()[0].memory.shared, 4 * PAGE as u64);
    let mut chunks = Vec::new();
    let passed = inspection.each_chunk(1, 0..u64::MAX, |chunk| {
        chunks.push((chunk.address, chunk.bytes.to_vec()));
        Ok(true)
    });
    assert_eq!(passed.unwrap(), 0);
    assert_eq!(chunks, [(0x10000 + PAGE as u64, vec![7; PAGE])]);
    let mut around = [1; 4];
    let at = 0x10000 + PAGE as u64 - 2;
    assert_eq!(inspection.read_memory(1, at, &mut around).unwrap(), 4);
    assert_eq!(around, [0, 0, 7, 7]);
}

#[test]
fn compressed_pages_are_read_from_directories_and_archives() {
    let sandbox = Sandbox::new();
    let mut images = Images::new(&sandbox, &[(1, 0, 1)]);
    images.add(
        "inventory.img",
        image(INVENTORY, &[[n(1, 3), n(15, 1)].concat()]),
    );
    let packed = lz4_repeated(b'x', PAGE);
    let raw = vec![b'r'; PAGE];
    let sizes = [packed.len() as u64, 0, PAGE as u64].map(varint).concat();
    let entry = [n(1, 0x10000), n(2, 0), n(4, 4), n(5, 3), b(6, sizes)].concat();
    let pages = [packed.clone(), raw.clone()].concat();
    images.memory(&vma(3 * PAGE as u64, 1 << 9, 0), &[entry], pages);
    let expected = [vec![b'x'; PAGE], vec![0; PAGE], raw].concat();
    let plain = sandbox.path().join("plain.tar");
    fs::write(&plain, images.tar()).unwrap();
    let zstd = sandbox.path().join("packed.tar.zst");
    fs::write(&zstd, Compression::Zstd.pack(&images.tar())).unwrap();
    for path in [images.directory(), plain, zstd] {
        let mut inspection = inspect(&path);
        assert!(
            inspection.problems().is_empty(),
            "{:?}",
            inspection.problems()
        );
        let memory = inspection.processes()[0].memory;
        assert_eq!(
            (memory.present, memory.compressed),
            (3 * PAGE as u64, 3 * PAGE as u64)
        );
        assert_eq!(memory.stored, (packed.len() + PAGE) as u64);
        let arguments = inspection.processes()[0].arguments.as_ref().unwrap();
        assert_eq!(arguments[0], "xxxx");
        let mut all = vec![1; 3 * PAGE];
        assert_eq!(
            inspection.read_memory(1, 0x10000, &mut all).unwrap(),
            3 * PAGE
        );
        assert!(all == expected, "{}", path.display());
        let findings = inspection.findings(Host::new().criu(Some("4.2")));
        let found = findings
            .iter()
            .find(|one| one.code == "compressed-pages")
            .unwrap();
        assert_eq!(found.severity, Severity::Blocks);
    }
}

#[test]
fn pages_that_lie_in_a_sparse_member_are_read() {
    let sandbox = Sandbox::new();
    let mut images = Images::new(&sandbox, &[(1, 0, 1)]);
    let len = 64 * PAGE as u64;
    let entry = [n(1, 0x10000), n(2, 64), n(4, 4)].concat();
    images.memory(&vma(len, 1 << 9, 0), &[entry], vec![0; len as usize]);
    let parts = [
        (4 * PAGE as u64, vec![b'a'; PAGE]),
        (40 * PAGE as u64, vec![b'b'; 2 * PAGE]),
    ];
    let mut expected = vec![0; len as usize];
    for (at, bytes) in &parts {
        expected[*at as usize..][..bytes.len()].copy_from_slice(bytes);
    }
    let others = images
        .files
        .iter()
        .filter(|(name, _)| name != "pages-1.img");
    let others = others.map(|(name, bytes)| file(format!("checkpoint/{name}"), bytes));
    let pages = sparse(Sparse::Pax10, "checkpoint/pages-1.img", len, &parts);
    let tar = archive(others.chain([pages]));
    for (name, bytes) in [
        ("s.tar", tar.clone()),
        ("s.tar.zst", Compression::Zstd.pack(&tar)),
    ] {
        let path = sandbox.path().join(name);
        fs::write(&path, bytes).unwrap();
        let mut inspection = inspect(&path);
        let mut all = vec![1; len as usize];
        assert_eq!(
            inspection.read_memory(1, 0x10000, &mut all).unwrap(),
            all.len()
        );
        assert!(all == expected, "{name}");
        // From the middle of an extent, and out of order.
        for at in [41 * PAGE + 5, 3 * PAGE + 4000, 40 * PAGE - 1] {
            let mut some = [1; 300];
            inspection
                .read_memory(1, 0x10000 + at as u64, &mut some)
                .unwrap();
            assert!(some[..] == expected[at..at + 300], "{name} {at}");
        }
    }
}
