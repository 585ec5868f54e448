//! What a session tells of a checkpoint, and what telling and extracting cost.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use crate::support::compressor::{Compression, filter};
use crate::support::dice::noise;
use crate::support::door::Door;
use crate::support::mebibytes;
use crate::support::os::number_in;
use crate::support::process::{Test, Within};
use crate::support::sandbox::Sandbox;
use crate::support::session::{ID, Listed, NAME, Options, RUNTIME};
use crate::support::stage::archives;
use crate::support::tarball::{Dialect, Entry, archive, file, unended};

/// Name, size and first header of each member, as Python has them.
fn pythons(tar: &Path) -> Vec<(String, u64, u64)> {
    const LIST: &str = "
import sys, tarfile
for m in tarfile.open(sys.argv[1]):
    print(m.name, m.size, m.offset)
";
    let output = Command::new("python3")
        .args(["-c", LIST])
        .arg(tar)
        .output()
        .unwrap();
    assert!(output.status.success());
    let line = |line: &str| {
        let mut words = line.split(' ');
        let name = words.next().unwrap().to_owned();
        let mut number = || words.next().unwrap().parse().unwrap();
        (name, number(), number())
    };
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(line)
        .collect()
}

fn shown(member: &Listed) -> (String, u64, u64) {
    let name = String::from_utf8(member.name.clone()).unwrap();
    (
        name.trim_end_matches('/').to_owned(),
        member.size,
        member.offset,
    )
}

/// The member of a document that the directory of an engine has.
fn document(engine: &str, name: &str) -> Entry {
    file(
        name,
        fs::read(archives().join("metadata").join(engine).join(name)).unwrap(),
    )
}

/// How many bytes this process has read and written.
fn moved() -> (u64, u64) {
    let number = |key| number_in("/proc/self/io", key);
    (number("rchar:"), number("wchar:"))
}

/// Directory, engine, runtime, members, their classes, and the documents that are among them.
type OfEngine = (
    &'static str,
    u32,
    &'static str,
    Vec<Entry>,
    &'static [u32],
    &'static [usize],
);

door_tests! {
    real_archives_tell_their_container_and_members,
    the_other_engines_archives_tell_their_container_and_classes,
    listing_four_gibibytes_reads_little,
    extracting_moves_each_byte_once
}

fn real_archives_tell_their_container_and_members(_: &Test, door: &'static dyn Door) {
    let sandbox = Sandbox::new();
    let plain = sandbox.path().join("plain");
    for name in [
        "plain.tar.zst",
        "plain.tar.gz",
        "plain.uncompressed.tar.zst",
        "plain.pre.tar.zst",
        "plain.withprev.tar.zst",
        "rich.tar.zst",
    ] {
        let input = archives().join(name);
        let packed = fs::read(&input).unwrap();
        let bytes = if name.ends_with("gz") {
            Compression::Gzip.unpack(&packed)
        } else {
            Compression::Zstd.unpack(&packed)
        };
        fs::write(&plain, bytes).unwrap();
        let expected = pythons(&plain);
        for input in [&input, &plain] {
            let mut session = door.file(input, &Options::none());
            let told = session.metadata().unwrap();
            let (container, id) = if name.starts_with("rich") {
                ("rich", "601fef5fe841")
            } else {
                ("plain", "b92e841a277b")
            };
            assert!(told.texts[ID].as_ref().unwrap().starts_with(id), "{name}");
            assert_eq!(told.texts[NAME].as_deref(), Some(container), "{name}");
            assert_eq!(
                (told.texts[RUNTIME].as_deref(), told.engine),
                (Some("runc"), 1),
                "{name}"
            );
            let members = session.members().unwrap();
            assert_eq!(
                members.iter().map(shown).collect::<Vec<_>>(),
                expected,
                "{name}"
            );
            for document in [1, 2] {
                let name = ["", "config.dump", "spec.dump"][document];
                let content = filter(&["tar", "-xO", name], &fs::read(&plain).unwrap());
                assert_eq!(told.documents[document].as_ref(), Some(&content), "{name}");
            }
        }
    }
}

fn the_other_engines_archives_tell_their_container_and_classes(_: &Test, door: &'static dyn Door) {
    let pages = || file("checkpoint/pages-1.img", vec![1; 9000]);
    let crio = vec![
        pages(),
        document("crio", "config.dump"),
        document("crio", "spec.dump"),
        document("crio", "bind.mounts"),
        file("io.kubernetes.cri-o.LogPath", "log"),
        file("rootfs-diff.tar", archive([])),
    ];
    let containerd = vec![
        file("checkpoint/inventory.img", "i"),
        pages(),
        document("containerd", "config.dump"),
        document("containerd", "spec.dump"),
        document("containerd", "status"),
        document("containerd", "status.dump"),
        file("container.log", "l"),
        file("other", ""),
    ];
    // By the numbers of CR_CLASS_*: memory, configuration, log, rootfs diff; CRIU's images.
    let cases: [OfEngine; 2] = [
        ("crio", 2, "crun", crio, &[3, 2, 2, 2, 9, 6], &[1, 2, 4]),
        (
            "containerd",
            3,
            "io.containerd.runc.v2",
            containerd,
            &[5, 3, 2, 2, 2, 2, 9, 1],
            &[1, 2, 7, 8],
        ),
    ];
    for (name, engine, runtime, entries, classes, documents) in cases {
        let sandbox = Sandbox::new();
        let input = sandbox.path().join("input");
        fs::write(&input, archive(entries)).unwrap();
        let mut session = door.file(&input, &Options::none());
        let members = session.members().unwrap();
        assert_eq!(
            members
                .iter()
                .map(|member| member.class)
                .collect::<Vec<_>>(),
            classes,
            "{name}"
        );
        assert_eq!(
            members.iter().map(shown).collect::<Vec<_>>(),
            pythons(&input),
            "{name}"
        );
        let told = session.metadata().unwrap();
        assert_eq!(
            (told.engine, told.texts[RUNTIME].as_deref()),
            (engine, Some(runtime)),
            "{name}"
        );
        assert!(
            told.texts[ID].as_ref().unwrap().starts_with("4f1c8f6f"),
            "{name}"
        );
        let names = [
            "",
            "config.dump",
            "spec.dump",
            "network.status",
            "bind.mounts",
            "pod.options",
            "pod.dump",
            "status",
            "status.dump",
        ];
        for (number, document) in told.documents.iter().enumerate() {
            let expected = documents.contains(&number).then(|| {
                fs::read(archives().join("metadata").join(name).join(names[number])).unwrap()
            });
            assert_eq!(*document, expected, "{name}: {}", names[number]);
        }
    }
}

fn listing_four_gibibytes_reads_little(t: &Test, door: &'static dyn Door) {
    t.within(Within::Process, || {
        const SIZE: u64 = 4 << 30;
        let sandbox = Sandbox::new();
        let input = sandbox.path().join("input");
        let head = unended([file("checkpoint/pages-1.img", "")
            .size(SIZE as i64)
            .dialect(Dialect::Gnu)]);
        let output = File::create(&input).unwrap();
        output.write_all_at(&head, 0).unwrap();
        output
            .write_all_at(
                &archive([
                    file("config.dump", r#"{"runtime":"crun"}"#),
                    file("spec.dump", "{}"),
                ]),
                head.len() as u64 + SIZE,
            )
            .unwrap();
        let before = moved().0;
        let mut session = door.file(&input, &Options::none());
        assert_eq!(
            session.metadata().unwrap().texts[RUNTIME].as_deref(),
            Some("crun")
        );
        assert_eq!(session.members().unwrap()[0].size, SIZE);
        let read = moved().0 - before;
        assert!(read < 200 << 10, "{read} bytes were read");
    });
}

fn extracting_moves_each_byte_once(t: &Test, door: &'static dyn Door) {
    t.within(Within::Process, || {
        const SLACK: u64 = 2 << 20;
        let size = mebibytes(256) << 20;
        let sandbox = Sandbox::new();
        let (input, packed) = (sandbox.path().join("input"), sandbox.path().join("packed"));
        let mut output = File::create(&input).unwrap();
        output
            .write_all(&unended([
                file("checkpoint/pages-1.img", "").size(size as i64)
            ]))
            .unwrap();
        let piece = noise(1 << 20, 1);
        for _ in 0..size >> 20 {
            output.write_all(&piece).unwrap();
        }
        output
            .write_all(&archive([
                file("config.dump", "{}"),
                file("spec.dump", "{}"),
            ]))
            .unwrap();
        drop(output);
        let status = Command::new("zstd")
            .args(["-q", "-1"])
            .args([input.as_path(), Path::new("-o"), &packed])
            .status()
            .unwrap();
        assert!(status.success());
        for (number, archive) in [&input, &packed].into_iter().enumerate() {
            let bundle = sandbox.path().join(format!("bundle{number}"));
            let before = moved();
            let mut session = door.file(archive, &Options::none());
            session.to_bundle((&bundle).into()).unwrap();
            session.extract().unwrap();
            let after = moved();
            let (read, written) = (after.0 - before.0, after.1 - before.1);
            assert!(
                read <= fs::metadata(archive).unwrap().len() + SLACK,
                "{number}: {read} bytes were read"
            );
            assert!(
                written <= size + SLACK,
                "{number}: {written} bytes were written"
            );
            assert_eq!(
                fs::metadata(bundle.join("checkpoint/pages-1.img"))
                    .unwrap()
                    .len(),
                size
            );
            fs::remove_dir_all(bundle).unwrap();
        }
        let peak = number_in("/proc/self/status", "VmHWM:") >> 10;
        assert!(peak < 64, "{peak} MiB");
    });
}
