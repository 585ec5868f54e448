//! What each target begins with: whole archives of each dialect, lists, and what is in the checkpoints of tests/data.

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use super::pieces;
use super::stage::Stage;

/// The largest input that the targets are given.
const LARGEST: usize = 60_000;
/// A file of the archives that is larger is no seed: most of it would be memory pages.
const LARGEST_FILE: u64 = 20_000;

type Seeds = Vec<(String, Vec<u8>)>;

/// The seeds of a target, each with a name. `data` is tests/data. What needs a program that isn't there is left out.
pub fn of(target: &str, data: &Path) -> Seeds {
    match target {
        "apply" | "gnu_tar" | "import" => dialects(),
        "compressed" => compressed(),
        "deleted" => lists(),
        "delete" => deletions(),
        "sparse" => maps(),
        "metadata" => documents(data),
        "layers" => layers(),
        "inspect" => images(data),
        _ => Vec::new(),
    }
}

fn run(program: &str, arguments: &[&OsStr]) -> Option<Vec<u8>> {
    let output = Command::new(program)
        .args(arguments)
        .stderr(Stdio::null())
        .output()
        .ok()?;
    output.status.success().then_some(output.stdout)
}

/// An archive of a tree with one of everything that checkpoints have, in each of GNU tar's formats.
fn dialects() -> Seeds {
    let stage = Stage::new();
    let tree = &stage.root;
    fs::create_dir_all(tree.join("d/e")).unwrap();
    fs::write(tree.join("d/e/f"), "content\n").unwrap();
    fs::hard_link(tree.join("d/e/f"), tree.join("d/h")).unwrap();
    symlink("../d/e", tree.join("l")).unwrap();
    let mut holes = fs::File::create(tree.join("holes")).unwrap();
    holes.set_len(1 << 20).unwrap();
    std::io::Seek::seek(&mut holes, std::io::SeekFrom::End(0)).unwrap();
    holes.write_all(b"x\n").unwrap();
    fs::create_dir(tree.join("checkpoint")).unwrap();
    fs::write(tree.join("config.dump"), "{\"runtime\":\"runc\"}").unwrap();
    symlink("../pre-checkpoint", tree.join("checkpoint/parent")).unwrap();
    let mut seeds = Seeds::new();
    for (format, sparse) in [
        ("v7", ""),
        ("ustar", ""),
        ("oldgnu", "-S"),
        ("gnu", "-S"),
        ("posix", "-S"),
        ("posix", "--sparse-version=0.1"),
    ] {
        let (option, tree) = (format!("--format={format}"), tree.as_os_str());
        let mut line: Vec<&OsStr> = vec![option.as_ref(), "-b1".as_ref(), "-C".as_ref(), tree];
        if sparse.starts_with("--") {
            line.push("-S".as_ref());
        }
        if !sparse.is_empty() {
            line.push(sparse.as_ref());
        } else {
            line.push("--exclude=holes".as_ref());
        }
        line.extend(["-cf", "-", "."].map(OsStr::new));
        if let Some(tar) = run("tar", &line) {
            seeds.push((format!("{format}{sparse}"), tar));
        }
    }
    seeds
}

/// The archives in each compression, packed once and in three pieces, and packed ones as they are.
fn compressed() -> Seeds {
    let Some((_, tar)) = dialects().pop() else {
        return Seeds::new();
    };
    let mut seeds = Seeds::new();
    for form in 1..5 {
        for pieces in [0, 3] {
            seeds.push((
                format!("{form}-{pieces}"),
                [&[form, pieces], &*tar].concat(),
            ));
        }
    }
    for program in ["gzip", "bzip2", "xz", "zstd"] {
        if let Some(packed) = filter(program, "-c", &tar) {
            seeds.push((program.to_owned(), [&[0, 0], &*packed].concat()));
        }
    }
    seeds
}

fn filter(program: &str, option: &str, bytes: &[u8]) -> Option<Vec<u8>> {
    let mut child = Command::new(program)
        .arg(option)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    let (mut stdin, bytes) = (child.stdin.take()?, bytes.to_vec());
    let writer = thread::spawn(move || stdin.write_all(&bytes));
    let output = child.wait_with_output().ok()?;
    let _ = writer.join();
    output.status.success().then_some(output.stdout)
}

fn lists() -> Seeds {
    [
        "null",
        "[]",
        r#"["/d","/a"]"#,
        r#"["/d/e/f","/d/e/f/g","d//b/","/missing/x"]"#,
        r#"["/l/b","/up/victim","/out/victim","/absolute"]"#,
        r#"["/"]"#,
        "[\"\\u0061\", \"\\/d\\/b\"]",
    ]
    .iter()
    .enumerate()
    .map(|(number, list)| (number.to_string(), list.as_bytes().to_vec()))
    .collect()
}

fn deletions() -> Seeds {
    let with = |(name, tar): (String, Vec<u8>)| {
        (
            name,
            [&b"[\"/d\",\"/d/e\",\"/l/f\",\"/a\"]\0"[..], &tar].concat(),
        )
    };
    dialects().into_iter().map(with).collect()
}

fn maps() -> Seeds {
    let seed = |name: &str, bytes: &[u8]| (name.to_owned(), bytes.to_vec());
    vec![
        seed("1.0", b"\x001\n4096\n4\n\0abcd"),
        seed("0.1", b"\x014096,4\0abcd"),
        seed("old", b"\x0200000010000 00000000004 \0abcd"),
    ]
}

/// The documents by hand, each set by itself and each document alone.
fn documents(data: &Path) -> Seeds {
    let mut seeds = Seeds::new();
    for directory in listed(&data.join("metadata")) {
        let mut all = Vec::new();
        for path in listed(&directory) {
            let (Some(name), Ok(content)) = (named(&path), fs::read(&path)) else {
                continue;
            };
            let one = pieces::one(&name, &content);
            seeds.push((
                format!("{}-{name}", named(&directory).unwrap_or_default()),
                one.clone(),
            ));
            all.extend(one);
        }
        if !all.is_empty() && all.len() < LARGEST {
            seeds.push((named(&directory).unwrap_or_default(), all));
        }
    }
    seeds
}

fn listed(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

fn named(path: &Path) -> Option<String> {
    Some(path.file_name()?.to_str()?.to_owned())
}

/// Whiteouts of each form over the furnished tree, and an image of one layer.
fn layers() -> Seeds {
    let member = |name: &str| super::stage::member(&[], name, b'0', &[], b"");
    let whiteouts = [
        member(".wh.a"),
        member("d/.wh.b"),
        member("d/e/.wh..wh..opq"),
        member("d/e/new"),
    ]
    .concat();
    let layer = super::stage::member(&[], "config.dump", b'0', &[], b"{}");
    let image = [
        pieces::one("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#),
        pieces::one("layer", &layer),
        pieces::one(
            "config",
            br#"{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":["DIGEST(layer)"]}}"#,
        ),
        pieces::one(
            "manifest",
            br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"DIGEST(config)","size":SIZE(config)},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"DIGEST(layer)","size":SIZE(layer)}]}"#,
        ),
        pieces::one(
            "index.json",
            br#"{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"DIGEST(manifest)","size":SIZE(manifest)}]}"#,
        ),
    ]
    .concat();
    vec![
        ("whiteouts".to_owned(), [&[0], &*whiteouts].concat()),
        ("image".to_owned(), [&[1], &*image].concat()),
    ]
}

/// Images of the real checkpoints: each alone, and as many together as fit.
fn images(data: &Path) -> Seeds {
    let mut seeds = Seeds::new();
    for archive in listed(data) {
        let Some(name) =
            named(&archive).and_then(|name| name.strip_suffix(".tar.zst").map(str::to_owned))
        else {
            continue;
        };
        let stage = Stage::new();
        let line: [&OsStr; 5] = [
            "--zstd".as_ref(),
            "-xf".as_ref(),
            archive.as_ref(),
            "-C".as_ref(),
            stage.root.as_ref(),
        ];
        if run("tar", &line).is_none() {
            continue;
        }
        let mut all = Vec::new();
        for directory in ["checkpoint", "pre-checkpoint"] {
            for path in listed(&stage.root.join(directory)) {
                let small = path
                    .symlink_metadata()
                    .is_ok_and(|meta| meta.is_file() && meta.len() < LARGEST_FILE);
                let (Some(image), true) = (named(&path), small) else {
                    continue;
                };
                let one = pieces::one(&image, &fs::read(&path).unwrap());
                seeds.push((format!("{name}-{image}"), one.clone()));
                if all.len() + one.len() < LARGEST {
                    all.extend(one);
                }
            }
        }
        if !all.is_empty() {
            seeds.push((name, all));
        }
    }
    seeds
}
