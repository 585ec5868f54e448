//! Inspections through both doors: what of them C has, of every kind of input.

use std::fs::{self, File};
use std::io::{PipeReader, Write as _};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use crate::support::api::{LIMIT, MALFORMED, NOT_IN_ARCHIVE, SYSTEM, UNSUPPORTED};
use crate::support::compressor::Compression;
use crate::support::door::{Door, Place};
use crate::support::inspection::{Asked, Looked};
use crate::support::process::Test;
use crate::support::sandbox::{Sandbox, run};
use crate::support::session::Options;
use crate::support::stage::archives;

const RICH: &str = "rich.tar.zst";

fn plain(sandbox: &Sandbox) -> PathBuf {
    let path = sandbox.path().join("plain.tar");
    let packed = fs::read(archives().join(RICH)).unwrap();
    fs::write(&path, Compression::Zstd.unpack(&packed)).unwrap();
    path
}

fn bundle(sandbox: &Sandbox) -> PathBuf {
    let (archive, bundle) = (plain(sandbox), sandbox.dir("bundle"));
    let (from, to) = (archive.display(), bundle.display());
    run(&format!("tar --no-same-owner -xf {from} -C {to}")).unwrap();
    bundle
}

/// A pipe that yields these bytes.
fn pipe(bytes: Vec<u8>) -> PipeReader {
    let (reader, mut writer) = std::io::pipe().unwrap();
    // Who reads may stop before the end.
    std::thread::spawn(move || drop(writer.write_all(&bytes)));
    reader
}

fn path(door: &dyn Door, path: &Path) -> Looked {
    door.look(Place::Path(path), &Asked::NOTHING).unwrap()
}

/// The golden values of the archive.
fn check(looked: &Looked, input: &str) {
    assert_eq!(looked.json["input"], input);
    assert_eq!(looked.json["schema"], 1);
    let [shell, sleep] = &looked.processes[..] else {
        panic!("{input}: {:?}", looked.processes)
    };
    assert_eq!(shell.numbers, [1, 0, 1, 1, 1, 1]);
    assert_eq!(sleep.numbers, [44, 1, 1, 1, 1, 1]);
    assert_eq!([&shell.comm, &sleep.comm], ["sh", "sleep"]);
    for process in [shell, sleep] {
        assert_eq!(process.executable.as_deref(), Some("/bin/busybox"));
    }
    assert_eq!(sleep.arguments.as_ref().unwrap()[..], ["sleep", "1"]);
    assert_eq!(shell.arguments.as_ref().unwrap()[..2], ["sh", "-c"]);
    // Present, in the parent, lazy, stored, compressed.
    assert_eq!(shell.memory[3..], [81920, 0, 0, 81920, 0]);
    assert_eq!(sleep.memory[3..], [65536, 0, 0, 65536, 0]);
    assert_eq!(looked.memory[3..], [147_456, 0, 0, 147_456, 0]);
    assert_eq!(looked.memory[0], shell.memory[0] + sleep.memory[0]);
    assert_eq!(looked.json["processes"][1]["arguments"][0], "sleep");
}

door_tests! {
    every_kind_of_input_is_inspected,
    an_import_under_way_is_inspected_and_extracted_of_one_reading,
    an_import_of_a_file_is_inspected_at_any_time,
    a_pipe_that_yields_much_needs_a_spool_directory,
    memory_is_read_and_what_isnt_there_is_told,
    texts_are_left_out_and_previous_checkpoints_are_named,
    a_damaged_image_and_a_missing_checkpoint_are_errors
}

fn every_kind_of_input_is_inspected(_: &Test, door: &'static dyn Door) {
    let sandbox = Sandbox::new();
    let (packed, bundle) = (archives().join(RICH), bundle(&sandbox));
    check(&path(door, &packed), "compressed");
    check(&path(door, &sandbox.path().join("plain.tar")), "plain");
    check(&path(door, &bundle), "bundle");
    check(&path(door, &bundle.join("checkpoint")), "images");
    let reader = pipe(fs::read(&packed).unwrap());
    let looked = door.look(Place::Descriptor(reader.as_fd()), &Asked::NOTHING);
    check(&looked.unwrap(), "pipe");
    let directory = File::open(&bundle).unwrap();
    let looked = door.look(Place::Descriptor(directory.as_fd()), &Asked::NOTHING);
    check(&looked.unwrap(), "bundle");
}

fn an_import_under_way_is_inspected_and_extracted_of_one_reading(
    _: &Test,
    door: &'static dyn Door,
) {
    for after in [false, true] {
        let sandbox = Sandbox::new();
        let reader = pipe(fs::read(archives().join(RICH)).unwrap());
        let mut session = door.stream(&reader, &Options::none());
        let before = after.then(|| session.metadata().unwrap());
        check(&session.inspect().unwrap(), "pipe");
        check(&session.inspect().unwrap(), "pipe");
        let told = session.metadata().unwrap();
        assert_eq!(told.texts[3].as_deref(), Some("runc"));
        assert!(before.is_none_or(|before| before == told));
        assert_eq!(session.members().unwrap().len(), 39);
        let bundle = sandbox.dir("bundle");
        session.to_bundle((&bundle).into()).unwrap();
        session.extract().unwrap();
        assert!(bundle.join("checkpoint/inventory.img").exists());
        assert!(bundle.join("rootfs-diff.tar").exists());
        let error = session.inspect().unwrap_err();
        assert_eq!((error.errno, error.kind), (libc::ESPIPE, SYSTEM));
    }
}

fn an_import_of_a_file_is_inspected_at_any_time(_: &Test, door: &'static dyn Door) {
    let sandbox = Sandbox::new();
    for (archive, kind) in [
        (archives().join(RICH), "compressed"),
        (plain(&sandbox), "plain"),
    ] {
        let mut session = door.file(&archive, &Options::none());
        check(&session.inspect().unwrap(), kind);
        session.metadata().unwrap();
        check(&session.inspect().unwrap(), kind);
        let bundle = sandbox.path().join(kind);
        session.to_bundle((&bundle).into()).unwrap();
        session.extract().unwrap();
        check(&session.inspect().unwrap(), kind);
    }
}

fn a_pipe_that_yields_much_needs_a_spool_directory(_: &Test, door: &'static dyn Door) {
    let sandbox = Sandbox::new();
    let plain = plain(&sandbox);
    let mut bytes = fs::read(&plain).unwrap();
    // A member of 33 MiB in front of all others.
    let big = sandbox.dir("big");
    fs::write(big.join("io.log"), vec![b'x'; 33 << 20]).unwrap();
    let front = sandbox.path().join("front.tar");
    run(&format!(
        "tar -cf {} -C {} io.log",
        front.display(),
        big.display()
    ))
    .unwrap();
    let front = fs::read(&front).unwrap();
    bytes.splice(..0, front[..512 + (33 << 20)].iter().copied());
    let reader = pipe(bytes.clone());
    let error = door
        .stream(&reader, &Options::none())
        .inspect()
        .unwrap_err();
    assert_eq!((error.errno, error.kind), (libc::E2BIG, LIMIT));
    let spool = Options {
        spool: Some(sandbox.dir("spool")),
        ..Options::none()
    };
    let reader = pipe(bytes);
    let mut session = door.stream(&reader, &spool);
    check(&session.inspect().unwrap(), "pipe");
    let bundle = sandbox.dir("bundle");
    session.to_bundle((&bundle).into()).unwrap();
    session.extract().unwrap();
    assert_eq!(fs::metadata(bundle.join("io.log")).unwrap().len(), 33 << 20);
}

fn memory_is_read_and_what_isnt_there_is_told(_: &Test, door: &'static dyn Door) {
    let packed = archives().join(RICH);
    let looked = path(door, &packed);
    let stack = looked.json["processes"][1]["mappings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|mapping| mapping["kind"] == "stack")
        .unwrap();
    let end = stack["end"].as_u64().unwrap();
    let ask = |pid, address, len| Asked {
        memory: Some((pid, address, len)),
        ..Asked::NOTHING
    };
    // The stack ends with the path of the executed file and eight zeros.
    let read = door
        .look(Place::Path(&packed), &ask(44, end - 4096, 8192))
        .unwrap()
        .read
        .unwrap();
    assert_eq!(read.len(), 4096);
    assert!(read.ends_with(&[0; 8]));
    assert!(read.windows(8).any(|window| window == b"sleep\x001\0"));
    for (pid, address) in [(44, 4096), (7, end - 8)] {
        let error = door
            .look(Place::Path(&packed), &ask(pid, address, 8))
            .unwrap_err();
        assert_eq!((error.errno, error.kind), (libc::ENODATA, NOT_IN_ARCHIVE));
    }
    let reader = pipe(fs::read(&packed).unwrap());
    let heap = looked.json["processes"][0]["mappings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|mapping| mapping["kind"] == "heap")
        .unwrap();
    let asked = ask(1, heap["start"].as_u64().unwrap(), 8);
    let error = door
        .look(Place::Descriptor(reader.as_fd()), &asked)
        .unwrap_err();
    assert_eq!((error.errno, error.kind), (libc::EOPNOTSUPP, UNSUPPORTED));
}

fn texts_are_left_out_and_previous_checkpoints_are_named(_: &Test, door: &'static dyn Door) {
    let looked = door.look(
        Place::Path(&archives().join(RICH)),
        &Asked {
            text: false,
            ..Asked::NOTHING
        },
    );
    assert!(
        looked
            .unwrap()
            .processes
            .iter()
            .all(|process| process.arguments.is_none())
    );
    let (main, previous) = (
        archives().join("plain.withprev.tar.zst"),
        archives().join("plain.pre.tar.zst"),
    );
    let alone = path(door, &main);
    let codes = |looked: &Looked| -> Vec<String> {
        looked
            .findings
            .iter()
            .map(|(_, code, ..)| code.clone())
            .collect()
    };
    assert!(codes(&alone).contains(&"parent".to_owned()));
    let asked = Asked {
        parent: Some(&previous),
        ..Asked::NOTHING
    };
    let joined = door.look(Place::Path(&main), &asked).unwrap();
    assert!(!codes(&joined).contains(&"parent".to_owned()));
    assert_eq!(joined.processes[0].arguments.as_ref().unwrap()[0], "sh");
}

fn a_damaged_image_and_a_missing_checkpoint_are_errors(_: &Test, door: &'static dyn Door) {
    let sandbox = Sandbox::new();
    let bundle = bundle(&sandbox);
    fs::write(
        bundle.join("checkpoint/pstree.img"),
        b"neither a magic number nor a message",
    )
    .unwrap();
    let error = door
        .look(Place::Path(&bundle), &Asked::NOTHING)
        .unwrap_err();
    assert_eq!((error.errno, error.kind), (libc::EBADMSG, MALFORMED));
    assert_eq!(error.entry.as_deref(), Some(&b"checkpoint/pstree.img"[..]));
    let error = door
        .look(Place::Path(&bundle.join("missing")), &Asked::NOTHING)
        .unwrap_err();
    assert_eq!(error.errno, libc::ENOENT);
}
