//! Inspections of images that no test archive has: written here, byte by byte, and hostile ones.

use std::fs;
use std::path::Path;

use crutils::checkpoint::inspect::{Host, Severity, TaskState};
use crutils::checkpoint::{InspectOptions, Inspection};
use crutils::watch::Watch;
use crutils::{Error, Kind, Result};

use crate::inspect::inspect;
use crate::support::compressor::Compression;
use crate::support::sandbox::{Sandbox, run};
use crate::support::stage::archives;
use crate::support::tarball::{Sparse, archive, file, sparse};

const INVENTORY: u32 = 0x5831_3116;
const PSTREE: u32 = 0x5027_3030;
const CORE: u32 = 0x5505_3847;
const IDS: u32 = 0x5443_2030;
const MM: u32 = 0x5749_2820;
const PAGEMAP: u32 = 0x5608_4025;
const FILES: u32 = 0x5630_3138;
const FDINFO: u32 = 0x5621_3732;
const PAGE: usize = 4096;

fn varint(mut number: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while number > 0x7f {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
    out
}

/// A field with a number.
fn n(field: u32, value: u64) -> Vec<u8> {
    [varint(u64::from(field) << 3), varint(value)].concat()
}

/// A field with bytes, a text or a message.
fn b(field: u32, value: impl AsRef<[u8]>) -> Vec<u8> {
    let value = value.as_ref();
    let key = varint((u64::from(field) << 3) | 2);
    [key, varint(value.len() as u64), value.to_vec()].concat()
}

fn framed(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u32).to_le_bytes(), message].concat()
}

fn image(magic: u32, messages: &[Vec<u8>]) -> Vec<u8> {
    let common: &[u8] = if magic == INVENTORY {
        &[]
    } else {
        &0x5456_4319_u32.to_le_bytes()
    };
    let frames: Vec<u8> = messages
        .iter()
        .flat_map(|message| framed(message))
        .collect();
    [common, &magic.to_le_bytes(), &frames].concat()
}

/// A directory of images that grows.
struct Images<'s> {
    sandbox: &'s Sandbox,
    files: Vec<(String, Vec<u8>)>,
}

impl<'s> Images<'s> {
    /// One with an inventory and these processes: number, parent and state.
    fn new(sandbox: &'s Sandbox, processes: &[(u64, u64, u64)]) -> Self {
        let entry = |(pid, ppid, _): &(u64, u64, u64)| {
            [n(1, *pid), n(2, *ppid), n(3, 1), n(4, 1), n(5, *pid)].concat()
        };
        let mut images = Images {
            sandbox,
            files: Vec::new(),
        };
        images.add("inventory.img", image(INVENTORY, &[n(1, 2)]));
        images.add(
            "pstree.img",
            image(PSTREE, &processes.iter().map(entry).collect::<Vec<_>>()),
        );
        for (pid, _, state) in processes {
            let task = [n(1, *state), n(2, 9 << 8), b(6, format!("task{pid}"))].concat();
            let core = [n(1, 1), b(3, task)].concat();
            images.add(&format!("core-{pid}.img"), image(CORE, &[core]));
            let ids = [n(1, 1), n(2, *pid), n(3, 1), n(4, 1)].concat();
            images.add(&format!("ids-{pid}.img"), image(IDS, &[ids]));
        }
        images
    }

    fn add(&mut self, name: &str, bytes: Vec<u8>) -> &mut Self {
        self.files.retain(|(own, _)| own != name);
        self.files.push((name.to_owned(), bytes));
        self
    }

    /// Gives the process 1 one mapping, with this page map and these pages.
    fn memory(&mut self, vma: &[Vec<u8>], entries: &[Vec<u8>], pages: Vec<u8>) -> &mut Self {
        let mm = [n(8, 0x10000), n(9, 0x10004), b(14, vma.concat())].concat();
        self.add("mm-1.img", image(MM, &[mm]));
        self.add(
            "pagemap-1.img",
            image(PAGEMAP, &[&[n(1, 1)], entries].concat()),
        );
        self.add("pages-1.img", pages)
    }

    /// Gives the process 1 these open files: type, number, field and message.
    fn open(&mut self, files: &[(u64, u64, u32, Vec<u8>)]) -> &mut Self {
        let fd = |(at, (of, id, ..)): (usize, &(u64, u64, u32, Vec<u8>))| {
            [n(1, *id), n(2, 0), n(3, *of), n(4, at as u64)].concat()
        };
        let fds: Vec<_> = files.iter().enumerate().map(fd).collect();
        let entry = |(of, id, field, message): &(u64, u64, u32, Vec<u8>)| {
            [n(1, *of), n(2, *id), b(*field, message)].concat()
        };
        let entries: Vec<_> = files.iter().map(entry).collect();
        self.add("fdinfo-1.img", image(FDINFO, &fds));
        self.add("files.img", image(FILES, &entries))
    }

    fn directory(&self) -> std::path::PathBuf {
        let directory = self.sandbox.path().join("images");
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir(&directory).unwrap();
        for (name, bytes) in &self.files {
            fs::write(directory.join(name), bytes).unwrap();
        }
        directory
    }

    fn inspect(&self) -> Result<Inspection> {
        Inspection::open(&self.directory(), &InspectOptions::new(), &Watch::new())
    }

    /// The same as a plain archive, with the directory's name in front.
    fn tar(&self) -> Vec<u8> {
        let member = |(name, bytes): &(String, Vec<u8>)| file(format!("checkpoint/{name}"), bytes);
        archive(self.files.iter().map(member))
    }
}

fn refused(images: &Images<'_>) -> Error {
    match images.inspect() {
        Ok(_) => panic!("it wasn't refused"),
        Err(error) => error,
    }
}

/// A mapping from 0x10000 on, of this length, with the status bits and the shared memory's number.
fn vma(len: u64, status: u64, shmid: u64) -> Vec<Vec<u8>> {
    let flags = if shmid > 0 { 0x21 } else { 0x22 };
    vec![
        n(1, 0x10000),
        n(2, 0x10000 + len),
        n(4, shmid),
        n(5, 3),
        n(6, flags),
        n(7, status),
        n(8, 1),
    ]
}

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
fn circles_and_twins_among_processes_are_refused_with_the_images_name() {
    let sandbox = Sandbox::new();
    for processes in [
        &[(1, 1, 1)][..],
        &[(1, 2, 1), (2, 1, 1)],
        &[(1, 0, 1), (5, 6, 1), (6, 5, 1)],
        &[(1, 0, 1), (1, 0, 1)],
    ] {
        let error = refused(&Images::new(&sandbox, processes));
        assert_eq!(error.kind(), Kind::Malformed);
        assert_eq!(error.entry(), Some(&b"pstree.img"[..]), "{error}");
    }
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

/// A block of LZ4 that is one byte, repeated.
fn lz4_repeated(byte: u8, len: usize) -> Vec<u8> {
    // One literal, a match one byte back, and five literals at the end, which the format asks for.
    let matched = len - 1 - 5;
    let mut out = vec![0x1f, byte, 1, 0];
    let mut left = matched - 4 - 15;
    while left >= 255 {
        out.push(255);
        left -= 255;
    }
    out.push(left as u8);
    out.push(0x50);
    [out, vec![byte; 5]].concat()
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

#[test]
fn page_maps_and_mappings_that_contradict_themselves_are_refused() {
    let sandbox = Sandbox::new();
    let page = |address: u64, pages: u64| [n(1, address), n(2, pages), n(4, 4)].concat();
    for entries in [
        vec![page(0x11000, 1), page(0x10000, 1)],
        vec![page(0x10000, 2), page(0x11000, 1)],
        vec![page(u64::MAX - 0xfff, 1)],
    ] {
        let mut images = Images::new(&sandbox, &[(1, 0, 1)]);
        images.memory(&vma(PAGE as u64, 1 << 9, 0), &entries, Vec::new());
        let error = refused(&images);
        assert_eq!(error.entry(), Some(&b"pagemap-1.img"[..]), "{error}");
    }
    let mut images = Images::new(&sandbox, &[(1, 0, 1)]);
    let backwards = [n(1, 0x20000), n(2, 0x10000)].concat();
    images.add("mm-1.img", image(MM, &[b(14, backwards)]));
    assert_eq!(refused(&images).entry(), Some(&b"mm-1.img"[..]));
}

#[test]
fn every_prefix_of_every_image_is_told_or_refused_with_its_name() {
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
            check_cut(&bundle, &name);
            count += 1;
        }
        fs::write(&path, whole).unwrap();
    }
    assert!(count > 200, "{count}");
    assert!(inspect(&bundle).problems().is_empty());
}

fn check_cut(bundle: &Path, name: &str) {
    let inspected = Inspection::open(bundle, &InspectOptions::new(), &Watch::new());
    if let Err(error) = inspected {
        let entry = format!("checkpoint/{name}");
        assert_eq!(error.kind(), Kind::Malformed, "{error}");
        assert_eq!(error.entry(), Some(entry.as_bytes()), "{error}");
    }
}

#[test]
fn encrypted_images_are_told_and_not_read() {
    let sandbox = Sandbox::new();
    let mut images = Images::new(&sandbox, &[(1, 0, 1)]);
    images.add("cipher.img", vec![1; 100]);
    images.add("core-1.img", vec![0xaa; 500]);
    images.add("files.img", vec![0xaa; 500]);
    let inspection = images.inspect().unwrap();
    assert!(inspection.criu().encrypted);
    let findings = inspection.findings(&Host::new());
    assert!(
        findings.iter().any(|one| one.code == "encrypted"),
        "{findings:?}"
    );
}

#[test]
fn a_link_among_the_images_is_not_followed() {
    let sandbox = Sandbox::new();
    let images = Images::new(&sandbox, &[(1, 0, 1)]);
    let directory = images.directory();
    let secret = sandbox.path().join("secret.img");
    fs::rename(directory.join("core-1.img"), &secret).unwrap();
    std::os::unix::fs::symlink(&secret, directory.join("core-1.img")).unwrap();
    let inspection = inspect(&directory);
    assert_eq!(inspection.process(1).unwrap().state, TaskState::Unknown);
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
