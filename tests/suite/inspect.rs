//! What an inspection tells of real checkpoints, wherever they lie. These tests read what Rust alone has as values; C
//! tells it in one JSON document (inspect_json), and inspect_doors has what both tell.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use crutils::checkpoint::inspect::{InputKind, Process, RawText, TaskState};
use crutils::checkpoint::{Engine, Export, ExportOptions, InspectOptions, Inspection};
use crutils::watch::Watch;

use crate::support::api::Rust;
use crate::support::compressor::Compression;
use crate::support::dice::noise;
use crate::support::os::number_in;
use crate::support::process::{Test, Within};
use crate::support::sandbox::{Sandbox, run};
use crate::support::stage::archives;

/// Inspects what lies at a path.
pub fn inspect(path: &Path) -> Inspection {
    Inspection::open(path, &InspectOptions::new(), &Watch::new()).unwrap()
}

/// The archive `name` as it is, plain, out of a pipe, and unpacked: as a bundle, and its images alone.
fn everywhere(sandbox: &Sandbox, name: &str) -> Vec<(InputKind, Inspection)> {
    let packed = archives().join(name);
    let plain = sandbox.path().join(format!("{name}.plain"));
    let bytes = Compression::Zstd.unpack(&fs::read(&packed).unwrap());
    fs::write(&plain, &bytes).unwrap();
    let bundle = sandbox.dir(&format!("{name}.bundle"));
    run(&format!(
        "tar --no-same-owner -xf {} -C {}",
        plain.display(),
        bundle.display()
    ))
    .unwrap();
    let mut all = vec![
        (InputKind::Compressed, inspect(&packed)),
        (InputKind::Plain, inspect(&plain)),
        (InputKind::Bundle, inspect(&bundle)),
        (InputKind::Pipe, through_pipe(&fs::read(&packed).unwrap())),
    ];
    for images in ["checkpoint", "pre-checkpoint"] {
        let images = bundle.join(images);
        if images.join("inventory.img").exists() && images.join("pstree.img").exists() {
            all.push((InputKind::Images, inspect(&images)));
        }
    }
    let directory = File::open(&bundle).unwrap();
    let by_descriptor = Inspection::open(directory.as_fd(), &InspectOptions::new(), &Watch::new());
    all.push((InputKind::Bundle, by_descriptor.unwrap()));
    all
}

pub fn through_pipe(bytes: &[u8]) -> Inspection {
    let (reader, mut writer) = std::io::pipe().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            use std::io::Write;
            writer.write_all(bytes).unwrap();
        });
        Inspection::open(reader.as_fd(), &InspectOptions::new(), &Watch::new()).unwrap()
    })
}

fn texts(texts: &Option<Vec<RawText>>) -> Vec<String> {
    texts.iter().flatten().map(ToString::to_string).collect()
}

fn check_process(process: &Process, pid: u32, comm: &str) {
    assert_eq!((process.pid, process.pgid, process.sid), (pid, 1, 1));
    assert_eq!(process.comm, comm);
    assert_eq!(process.state, TaskState::Alive);
    assert_eq!(process.executable.as_ref().unwrap(), &"/bin/busybox");
    assert_eq!(process.cwd.as_ref().unwrap(), &"/");
    assert_eq!(process.root.as_ref().unwrap(), &"/");
    assert_eq!(process.umask, Some(0o22));
    let threads: Vec<_> = process.threads.iter().map(|thread| thread.tid).collect();
    assert_eq!(threads, [pid]);
    assert_eq!(process.text_problem, None);
}

#[test]
fn the_processes_of_a_real_checkpoint_are_told() {
    let sandbox = Sandbox::new();
    for (kind, inspection) in everywhere(&sandbox, "rich.tar.zst") {
        assert_eq!(inspection.input(), kind);
        assert_eq!(inspection.problems(), [], "{kind:?}");
        let [shell, sleep] = inspection.processes() else {
            panic!("{kind:?}: {:?}", inspection.processes())
        };
        check_process(shell, 1, "sh");
        check_process(sleep, 44, "sleep");
        assert_eq!((shell.ppid, sleep.ppid), (0, 1));
        let arguments = texts(&shell.arguments);
        assert_eq!(arguments[..2], ["sh", "-c"]);
        assert!(
            arguments[2].starts_with("echo changed >> /etc/app/main.conf;"),
            "{arguments:?}"
        );
        assert_eq!(arguments.len(), 3);
        assert_eq!(texts(&sleep.arguments), ["sleep", "1"]);
        let environment = texts(&shell.environment);
        let mut names: Vec<_> = environment
            .iter()
            .map(|one| one.split_once('=').unwrap().0)
            .collect();
        names.sort_unstable();
        assert_eq!(names, ["HOME", "HOSTNAME", "PATH", "TERM", "container"]);
        for one in [
            "TERM=xterm",
            "container=podman",
            "HOSTNAME=601fef5fe841",
            "HOME=/",
        ] {
            assert!(environment.iter().any(|own| own == one), "{environment:?}");
        }
        let sleeps = texts(&sleep.environment);
        for one in ["SHLVL=1", "PWD=/"] {
            assert!(sleeps.iter().any(|own| own == one), "{sleeps:?}");
        }
        let tree: Vec<_> = inspection
            .tree()
            .iter()
            .map(|entry| (entry.process.pid, entry.depth))
            .collect();
        assert_eq!(tree, [(1, 0), (44, 1)]);
    }
}

#[test]
fn the_open_files_of_a_real_checkpoint_are_told() {
    let inspection = inspect(&archives().join("rich.tar.zst"));
    for process in inspection.processes() {
        let [null, out, err] = &process.descriptors[..] else {
            panic!("{:?}", process.descriptors)
        };
        assert_eq!([null.fd, out.fd, err.fd], [0, 1, 2]);
        assert_eq!(null.kind, "character device");
        assert_eq!(null.path.as_ref().unwrap(), &"/dev/null");
        assert_eq!(null.flags, Some(0o100_002));
        assert_eq!(null.mode, Some(0o20_666));
        assert_eq!((out.kind, err.kind), ("pipe", "pipe"));
        assert_eq!((out.pipe, err.pipe), (Some(14105), Some(14106)));
        assert_eq!((out.flags, err.flags), (Some(1), Some(1)));
    }
    let pipes = inspection.pipes();
    assert_eq!(pipes.len(), 2);
    for (pipe, fd) in pipes.iter().zip([1, 2]) {
        assert_eq!((pipe.readers.len(), pipe.unread), (0, 0));
        let writers: Vec<_> = pipe.writers.iter().map(|end| (end.pid, end.fd)).collect();
        assert_eq!(writers, [(1, fd), (44, fd)]);
    }
    assert_eq!(
        inspection.standard_descriptors(),
        ["/dev/null", "pipe:[14105]", "pipe:[14106]"]
    );
    assert!(inspection.sockets().is_empty());
    assert!(inspection.ghost_files().is_empty());
}

#[test]
fn the_memory_of_a_real_checkpoint_is_measured() {
    let inspection = inspect(&archives().join("rich.tar.zst"));
    let present: Vec<_> = inspection
        .processes()
        .iter()
        .map(|process| (process.memory.present, process.memory.stored))
        .collect();
    assert_eq!(present, [(81920, 81920), (65536, 65536)]);
    for process in inspection.processes() {
        let memory = process.memory;
        assert_eq!((memory.parent, memory.lazy, memory.compressed), (0, 0, 0));
        assert_eq!(memory.mapped, memory.private + memory.shared);
        let of_mappings: u64 = process.mappings.iter().map(|mapping| mapping.present).sum();
        assert_eq!(of_mappings, memory.present);
        let kinds: Vec<_> = process
            .mappings
            .iter()
            .map(|mapping| mapping.kind)
            .collect();
        for kind in ["file", "stack", "vdso"] {
            assert!(kinds.contains(&kind), "{kinds:?}");
        }
        let text = &process.mappings[0];
        assert_eq!(text.path.as_ref().unwrap(), &"/bin/busybox");
        assert!(text.permissions.ends_with('p'), "{}", text.permissions);
    }
}

#[test]
fn mounts_statistics_and_host_name_are_told() {
    let inspection = inspect(&archives().join("rich.tar.zst"));
    assert_eq!(inspection.mounts().len(), 23);
    let mut external: Vec<_> = inspection
        .mounts()
        .iter()
        .filter_map(|mount| mount.external.as_ref())
        .map(ToString::to_string)
        .collect();
    external.sort();
    let null = "/dev/null";
    let expected = [
        null,
        null,
        null,
        "/dev/shm",
        "/etc/hostname",
        "/etc/hosts",
        "/run/.containerenv",
        "/vol",
    ];
    assert_eq!(external, expected);
    let root = inspection
        .mounts()
        .iter()
        .find(|mount| mount.mountpoint == "/")
        .unwrap();
    assert_eq!(root.fs_type, "overlay");
    assert_eq!(inspection.host_name().unwrap(), &"601fef5fe841");
    let dump = inspection.dump_statistics().unwrap();
    let times = [
        dump.freezing_time,
        dump.frozen_time,
        dump.memdump_time,
        dump.memwrite_time,
    ];
    assert_eq!(times, [8460, 886_921, 10838, 2805]);
    let pages = [
        dump.pages_scanned,
        dump.pages_skipped_parent,
        dump.pages_written,
        dump.pages_lazy,
    ];
    assert_eq!(pages, [1130, 0, 36, 0]);
    assert!(inspection.restore_statistics().is_none());
    let criu = inspection.criu();
    assert_eq!(criu.image_version, Some(2));
    assert_eq!(criu.architecture, Some("x86_64"));
    assert_eq!(criu.lsm, Some("none"));
    assert_eq!((criu.page_size, criu.pre_checkpoint), (4096, false));
    assert_eq!(criu.compression, "none");
    assert!(criu.plugins.is_empty() && criu.parent.is_none());
    let metadata = inspection.metadata().unwrap();
    assert_eq!(metadata.runtime(), Some("runc"));
}

#[test]
fn privileges_limits_and_namespaces_are_told() {
    let inspection = inspect(&archives().join("rich.tar.zst"));
    let shell = &inspection.processes()[0];
    let credentials = shell.credentials.as_ref().unwrap();
    assert_eq!((credentials.uid, credentials.gid), (0, 0));
    // What spec.dump asks for, bit by bit: chown, dac_override, fowner, fsetid, kill, setgid, setuid, setpcap,
    // net_bind_service, sys_chroot, setfcap.
    let expected = [0, 1, 3, 4, 5, 6, 7, 8, 10, 18, 31].map(|bit| 1_u64 << bit);
    assert_eq!(
        credentials.capabilities.effective,
        expected.iter().sum::<u64>()
    );
    assert_eq!(shell.seccomp, Some("disabled"));
    let nofile = shell
        .limits
        .iter()
        .find(|limit| limit.resource == "nofile")
        .unwrap();
    assert_eq!((nofile.soft, nofile.hard), (Some(1 << 20), Some(1 << 20)));
    assert_eq!(shell.limits.len(), 16);
    let namespaces = shell.namespaces.unwrap();
    assert!(namespaces.mnt.is_some() && namespaces.pid.is_some());
    assert_eq!(inspection.processes()[1].namespaces, Some(namespaces));
}

#[test]
fn memory_that_a_previous_checkpoint_holds_is_read_through_the_chain() {
    let with = archives().join("plain.withprev.tar.zst");
    let previous = archives().join("plain.pre.tar.zst");
    // The newest archive alone has the page map, and not the pages.
    let alone = inspect(&with);
    assert_eq!(alone.criu().parent.as_ref().unwrap(), &"../pre-checkpoint");
    assert_eq!(alone.criu().parents_found, 0);
    let shell = alone.process(1).unwrap();
    assert_eq!(shell.memory.present, 36864);
    assert_eq!(shell.memory.stored, 36864);
    assert!(shell.memory.parent > 0);
    let problem = shell.text_problem.as_ref().unwrap();
    assert!(problem.contains("previous checkpoint"), "{problem}");
    // With the one before it everything is there, packed or not.
    let sandbox = Sandbox::new();
    let plain = sandbox.path().join("pre.tar");
    fs::write(
        &plain,
        Compression::Zstd.unpack(&fs::read(&previous).unwrap()),
    )
    .unwrap();
    for previous in [previous, plain] {
        let mut options = InspectOptions::new();
        options.parent(&previous).unwrap();
        let mut both = Inspection::open(&with, &options, &Watch::new()).unwrap();
        assert_eq!(both.criu().parents_found, 1);
        let shell = both.process(1).unwrap();
        assert_eq!(shell.text_problem, None);
        let arguments = texts(&shell.arguments);
        assert_eq!(arguments[..2], ["sh", "-c"]);
        assert!(arguments[2].contains("sleep 1"), "{arguments:?}");
        let environment = texts(&shell.environment);
        assert!(
            environment.iter().any(|one| one == "TERM=xterm"),
            "{environment:?}"
        );
        let memory = shell.memory;
        let mut read = 0;
        let passed_over = both
            .each_chunk(1, 0..u64::MAX, |chunk| {
                read += chunk.bytes.len() as u64;
                Ok(true)
            })
            .unwrap();
        assert_eq!((read, passed_over), (memory.present + memory.parent, 0));
    }
    let mut alone = inspect(&with);
    let memory = alone.process(1).unwrap().memory;
    let passed_over = alone.each_chunk(1, 0..u64::MAX, |_| Ok(true)).unwrap();
    assert_eq!(passed_over, memory.parent);
}

#[test]
fn a_pre_checkpoint_is_memory_without_processes() {
    let sandbox = Sandbox::new();
    for (kind, inspection) in everywhere(&sandbox, "plain.pre.tar.zst") {
        let criu = inspection.criu();
        assert_eq!(criu.image_version, Some(0), "{kind:?}");
        assert!(criu.pre_checkpoint);
        assert!(inspection.processes().is_empty());
    }
}

/// The pages of a process, as GNU tar unpacks them.
pub fn pages(sandbox: &Sandbox, number: u32) -> (PathBuf, Vec<u8>) {
    let bundle = sandbox.dir("unpacked");
    let archive = archives().join("rich.tar.zst");
    run(&format!(
        "tar --no-same-owner -xf {} -C {}",
        archive.display(),
        bundle.display()
    ))
    .unwrap();
    let name = format!("checkpoint/pages-{number}.img");
    let bytes = fs::read(bundle.join(name)).unwrap();
    (bundle, bytes)
}

#[test]
fn all_pages_come_in_the_order_of_their_addresses() {
    let sandbox = Sandbox::new();
    let (bundle, expected) = pages(&sandbox, 2);
    for path in [archives().join("rich.tar.zst"), bundle] {
        let mut inspection = inspect(&path);
        let (mut bytes, mut last) = (Vec::new(), 0);
        inspection
            .each_chunk(44, 0..u64::MAX, |chunk| {
                assert!(chunk.address >= last);
                assert!(chunk.mapping.unwrap().start <= chunk.address);
                last = chunk.address + chunk.bytes.len() as u64;
                bytes.extend_from_slice(chunk.bytes);
                Ok(true)
            })
            .unwrap();
        assert!(bytes == expected, "{}", path.display());
    }
}

#[test]
fn memory_is_read_at_any_address() {
    let mut inspection = inspect(&archives().join("rich.tar.zst"));
    let mut mappings = inspection.process(44).unwrap().mappings.iter();
    let stack = mappings.rfind(|one| one.kind == "stack").unwrap().clone();
    // The file's name stands at the end of the stack: its own bytes, read one by one from the last to the first.
    let mut backwards = Vec::new();
    for back in 1..=23 {
        let mut byte = [0];
        let at = stack.end - back;
        assert_eq!(inspection.read_memory(44, at, &mut byte).unwrap(), 1);
        backwards.push(byte[0]);
    }
    backwards.reverse();
    let text = String::from_utf8_lossy(&backwards);
    assert!(text.contains("/proc/self/exe"), "{text:?}");
    // Reading ends where the mapping does.
    let mut much = vec![0xaa; 1 << 20];
    let read = inspection
        .read_memory(44, stack.end - 23, &mut much)
        .unwrap();
    assert_eq!((read, &much[..23]), (23, &backwards[..]));
    assert_eq!(much[23], 0xaa);
    // Memory that was never written to is zeros.
    assert!(stack.present < stack.end - stack.start);
    let mut untouched = [0xaa; 16];
    assert_eq!(
        inspection
            .read_memory(44, stack.start, &mut untouched)
            .unwrap(),
        16
    );
    assert_eq!(untouched, [0; 16]);
    // What is in files that are mapped, in no mapping, or in no process isn't there.
    let text = inspection.process(44).unwrap().mappings[0].clone();
    for (pid, address) in [(44, text.start), (44, 0), (44, u64::MAX), (45, stack.start)] {
        let error = inspection
            .read_memory(pid, address, &mut untouched)
            .unwrap_err();
        assert_eq!(error.kind(), crutils::Kind::NotInArchive, "{error}");
    }
}

#[test]
fn an_archive_that_came_through_a_pipe_has_no_memory_any_more() {
    let mut inspection = through_pipe(&fs::read(archives().join("rich.tar.zst")).unwrap());
    let heap = inspection.process(44).unwrap().mappings.clone();
    let written = heap.iter().find(|mapping| mapping.present > 0).unwrap();
    let error = inspection
        .read_memory(44, written.start, &mut [0; 8192])
        .unwrap_err();
    assert_eq!(error.kind(), crutils::Kind::Unsupported);
    let message = error.to_string();
    assert!(
        message.contains("pages-2.img") && message.contains("pipe"),
        "{message}"
    );
}

/// An archive's frames are sought: of much memory no more is decoded than where arguments are.
mod looking_into_a_zstd_archive_reads_little_of_it {
    use super::*;

    #[test]
    fn rust() {
        Test::run(module_path!(), "rust", &Rust, |t| {
            t.within(Within::Process, || {
                let sandbox = Sandbox::new();
                let bundle = sandbox.dir("bundle");
                let real = archives().join("plain.tar.zst");
                let unpack = "tar --zstd --no-same-owner -xf";
                run(&format!(
                    "{unpack} {} -C {}",
                    real.display(),
                    bundle.display()
                ))
                .unwrap();
                let pages = OpenOptions::new()
                    .append(true)
                    .open(bundle.join("checkpoint/pages-1.img"));
                pages.unwrap().write_all(&noise(32 << 20, 3)).unwrap();
                let input = sandbox.path().join("checkpoint.tar.zst");
                let mut export = Export::new();
                export.add_bundle(&bundle, Engine::Podman).unwrap();
                let (options, watch) = (ExportOptions::new(), Watch::new());
                export.write(&input, &options, &watch).unwrap();
                assert!(fs::metadata(&input).unwrap().len() > 32 << 20);

                let before = number_in("/proc/self/io", "rchar:");
                let inspection = inspect(&input);
                let read = number_in("/proc/self/io", "rchar:") - before;
                let shell = &inspection.processes()[0];
                assert_eq!(texts(&shell.arguments)[..2], ["sh", "-c"]);
                // A frame or two of 4 MiB.
                assert!(read < 10 << 20, "{} KiB were read", read >> 10);
            });
        });
    }
}
