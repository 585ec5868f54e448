//! Public test archives, which nobody here wrote: unpacked as GNU tar, bsdtar and Python unpack them, apart from what
//! tests/differential/corpora.txt lists with its reason; the same in each compression; and cut at blocks.
//!
//! `CRUTILS_CORPORA` is a directory of plain tar archives (scripts/check-corpora fetches some); without it nothing is done.
//! Of each archive a sample of cuts is tried, which `CRUTILS_SEED` chooses; `CRUTILS_CUTS=all` tries them all.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::attackers::number;
use crate::support::api::{Api, Failure, Rust};
use crate::support::compressor::Compression;
use crate::support::dice::Dice;
use crate::support::sandbox::{Fs, Sandbox};
use crate::support::tree::{Aspects, Kind, Snapshot};

const DIFFERENCES: &str = include_str!("../differential/corpora.txt");
const PROGRAMS: [&str; 3] = ["gnu", "bsdtar", "python"];
/// How many cuts of an archive are tried, unless all are.
const SAMPLE: usize = 200;

/// Never out of the directory, otherwise as the archive says.
const PYTHON: &str = "
import sys, tarfile
def inside(member, path):
    checked = tarfile.tar_filter(member, path)
    return member.replace(name=checked.name, deep=False)
with tarfile.open(sys.argv[1], 'r:', encoding='utf-8', errors='surrogateescape') as archive:
    archive.errorlevel = 1
    archive.extractall(sys.argv[2], numeric_owner=True, filter=inside)
";

/// The archives, the smaller ones first, each with its name.
fn archives() -> Option<Vec<(String, PathBuf)>> {
    let Some(directory) = std::env::var_os("CRUTILS_CORPORA") else {
        crate::support::say(format_args!(
            "skipped: corpora: CRUTILS_CORPORA names no archives (make check-corpora)"
        ));
        return None;
    };
    let entries = fs::read_dir(directory).unwrap().map(Result::unwrap);
    let mut archives: Vec<_> = entries
        .map(|entry| (entry.file_name().into_string().unwrap(), entry.path()))
        .collect();
    archives.sort_by_key(|(name, path)| (fs::metadata(path).unwrap().len(), name.clone()));
    Some(archives)
}

/// Applies these bytes to a new root of the sandbox.
fn own(sandbox: &Sandbox, name: &str, bytes: &[u8]) -> Result<PathBuf, Failure> {
    let (base, root) = (sandbox.dir("base"), sandbox.dir(name));
    fs::write(base.join("rootfs-diff.tar"), bytes).unwrap();
    Rust.apply_rootfs_diff_tar(&base, &root).map(|()| root)
}

fn unpack_with(program: &str, archive: &Path, out: &Path) -> Result<(), String> {
    let mut command = match program {
        "gnu" => {
            let mut command = Command::new("tar");
            command.args(["--xattrs", "--xattrs-include=*", "--acls"]);
            command
                .args(["--numeric-owner", "-pxf"])
                .arg(archive)
                .arg("-C");
            command
        }
        "bsdtar" => {
            let mut command = Command::new("bsdtar");
            command.args(["--numeric-owner", "--acls", "-xpf"]);
            command.arg(archive).arg("-C");
            command
        }
        _ => {
            let mut command = Command::new("python3");
            command.args(["-W", "ignore", "-c", PYTHON]).arg(archive);
            command
        }
    };
    let output = command.arg(out).env("LC_ALL", "C.UTF-8").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() {
        Ok(())
    } else {
        let lines: Vec<_> = said.lines().map(str::trim).collect();
        Err(format!("fails: {}", lines.join(" / ")))
    }
}

/// The directories that the archive describes itself.
fn described(archive: &Path) -> BTreeSet<PathBuf> {
    let output = Command::new("tar")
        .args(["--quoting-style=literal", "-tf"])
        .arg(archive)
        .output()
        .unwrap();
    let list = String::from_utf8_lossy(&output.stdout).into_owned();
    let names = list.lines().filter(|name| name.ends_with('/'));
    names
        .map(|name| {
            name.trim_start_matches(['.', '/'])
                .trim_end_matches('/')
                .into()
        })
        .collect()
}

/// A tree without the times of directories that nothing describes.
fn tree(root: &Path, described: &BTreeSet<PathBuf>) -> Snapshot {
    let mut tree = Snapshot::of(root);
    for (path, node) in &mut tree.0 {
        if node.kind == Kind::Directory && !described.contains(path) {
            node.mtime = (0, 0);
        }
    }
    tree
}

/// What of `found` no line of corpora.txt accounts for; the lines that account for something are noted.
fn unaccounted(
    archive: &str,
    program: &str,
    found: Vec<String>,
    used: &mut BTreeSet<usize>,
) -> Vec<String> {
    let accounts = |line: &str, one: &str| {
        let fields: Vec<_> = line.split('|').map(str::trim).collect();
        let [of, by, words, _reason] = fields[..] else {
            return false;
        };
        let names_it = of == "*" || of.split(' ').any(|part| archive.ends_with(part));
        names_it
            && (by == program || by == "*")
            && words.split("...").all(|word| one.contains(word.trim()))
    };
    let mut rest = Vec::new();
    for one in found {
        match DIFFERENCES.lines().position(|line| accounts(line, &one)) {
            Some(number) => {
                used.insert(number);
            }
            None => rest.push(format!("{archive} | {program} | {one}")),
        }
    }
    rest
}

fn compare(name: &str, archive: &Path, used: &mut BTreeSet<usize>) -> Vec<String> {
    let sandbox = Sandbox::new();
    let described = described(archive);
    let outcome = own(&sandbox, "own", &fs::read(archive).unwrap());
    let mut problems = Vec::new();
    let mut takers = Vec::new();
    for program in PROGRAMS {
        let out = sandbox.dir(program);
        let unpacked = unpack_with(program, archive, &out);
        let Ok(root) = &outcome else {
            takers.extend(unpacked.is_ok().then_some(program));
            continue;
        };
        let found = match unpacked {
            Err(said) => vec![said],
            Ok(()) => {
                let aspects = Aspects {
                    holes: program == "gnu",
                    ..Aspects::RESTORE
                };
                tree(root, &described).differences(&tree(&out, &described), aspects)
            }
        };
        problems.extend(unaccounted(name, program, found, used));
    }
    if let (Err(failure), false) = (&outcome, takers.is_empty()) {
        let said = format!("refused: {} [{}]", failure.message, takers.join(" "));
        problems.extend(unaccounted(name, "own", vec![said], used));
    }
    problems
}

#[test]
fn public_archives_are_unpacked_as_other_programs_unpack_them() {
    needs_root!("make devices and give files away");
    let Some(archives) = archives() else { return };
    let (mut used, mut problems) = (BTreeSet::new(), Vec::new());
    for (name, archive) in &archives {
        problems.extend(compare(name, archive, &mut used));
    }
    let is_rule = |line: &str| !line.starts_with('#') && !line.is_empty();
    let lines = DIFFERENCES.lines().enumerate();
    let unused = lines.filter(|(number, line)| is_rule(line) && !used.contains(number));
    problems.extend(unused.map(|(_, line)| format!("accounts for nothing: {line}")));
    crate::support::say(format_args!("{} archives", archives.len()));
    assert!(
        problems.is_empty(),
        "{} differences:\n{}",
        problems.len(),
        problems.join("\n")
    );
}

#[test]
fn public_archives_are_the_same_in_each_compression() {
    needs_root!("make devices and give files away");
    let Some(archives) = archives() else { return };
    for (name, archive) in &archives {
        let (bytes, described) = (fs::read(archive).unwrap(), described(archive));
        let Some(sandbox) = Sandbox::on(Fs::Tmpfs) else {
            return;
        };
        let plain = own(&sandbox, "plain", &bytes);
        for compression in Compression::REAL {
            let into = format!("{compression:?}");
            let packed = own(&sandbox, &into, &compression.pack(&bytes));
            match (&plain, packed) {
                (Ok(plain), Ok(packed)) => tree(plain, &described).assert_same(
                    &tree(&packed, &described),
                    Aspects {
                        root: false,
                        ..Aspects::RESTORE
                    },
                    &format!("{name}, {compression:?}"),
                ),
                (Err(plain), Err(packed)) => {
                    let what = |failure: &Failure| (failure.errno, failure.kind, failure.offset);
                    assert_eq!(
                        what(plain),
                        what(&packed),
                        "{name}, {compression:?}: {packed:?}"
                    );
                }
                (plain, packed) => panic!("{name}, {compression:?}: {plain:?}, {packed:?}"),
            }
        }
    }
}

/// Where an archive of this length is cut, at each block and one byte beside it: an even sample, or all of them.
fn cuts(length: usize, dice: &mut Dice) -> Vec<usize> {
    let all = std::env::var("CRUTILS_CUTS").is_ok_and(|what| what == "all");
    let beside = |block: usize| [block * 512 - 1, block * 512, block * 512 + 1];
    let cuts = (1..=length / 512).flat_map(beside);
    let cuts = Vec::from_iter(cuts.filter(|cut| *cut < length));
    if all || cuts.len() <= SAMPLE {
        return cuts;
    }
    let part = |number| cuts.len() * number / SAMPLE;
    let parts = (0..SAMPLE).map(|number| &cuts[part(number)..part(number + 1)]);
    parts.map(|part| *dice.one(part)).collect()
}

/// What is wrong with how a cut archive is unpacked whose whole tree has these paths. Success means that nothing is missed
/// by GNU tar and nothing is there that the whole archive hasn't. Only what pads the data of the last member may be missing.
fn wrong(sandbox: &Sandbox, name: &str, whole: &BTreeSet<String>, bytes: &[u8]) -> Vec<String> {
    for directory in ["own", "gnu"] {
        let _ = fs::remove_dir_all(sandbox.path().join(directory));
    }
    let Ok(root) = own(sandbox, "own", bytes) else {
        return Vec::new();
    };
    let (archive, out) = (sandbox.path().join("cut.tar"), sandbox.dir("gnu"));
    let mut padded = bytes.to_vec();
    padded.resize(bytes.len().next_multiple_of(512), 0);
    fs::write(&archive, padded).unwrap();
    if let Err(said) = unpack_with("gnu", &archive, &out) {
        return unaccounted(name, "gnu", vec![said], &mut BTreeSet::new());
    }
    let described = described(&archive);
    let made = tree(&root, &described);
    let found = made.differences(&tree(&out, &described), Aspects::RESTORE);
    let mut found = unaccounted(name, "gnu", found, &mut BTreeSet::new());
    let more = made
        .paths()
        .into_iter()
        .filter(|path| !whole.contains(path));
    found.extend(more.map(|path| format!("success with {path}")));
    found
}

#[test]
fn public_archives_that_are_cut_are_refused_or_end_between_members() {
    needs_root!("make devices and give files away");
    let Some(archives) = archives() else { return };
    let seed = number("CRUTILS_SEED", u64::from(std::process::id()));
    crate::support::say(format_args!("CRUTILS_SEED={seed}"));
    let mut dice = Dice::new(seed);
    let (mut tried, mut problems) = (0, Vec::new());
    for (name, archive) in &archives {
        let Some(sandbox) = Sandbox::on(Fs::Tmpfs) else {
            return;
        };
        let bytes = fs::read(archive).unwrap();
        let cuts = cuts(bytes.len(), &mut dice);
        let Ok(whole) = own(&sandbox, "whole", &bytes) else {
            continue;
        };
        let whole = BTreeSet::from_iter(Snapshot::of(&whole).paths());
        for cut in cuts {
            tried += 1;
            let (found, length) = (wrong(&sandbox, name, &whole, &bytes[..cut]), bytes.len());
            problems.extend(
                found
                    .iter()
                    .map(|what| format!("{cut} of {length}: {what}")),
            );
        }
    }
    crate::support::say(format_args!("{tried} cuts"));
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
