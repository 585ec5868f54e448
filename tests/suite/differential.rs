//! Random archives of every type, dialect and compression: what this library makes of them is what GNU tar, bsdtar and
//! Python's tarfile make of them, apart from what tests/differential/differences.txt lists with its reason.
//!
//! `CRUTILS_SEEDS=FIRST-LAST` chooses the archives; a failure names its seed.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::api::{Api, Rust};
use crate::support::compressor::Compression;
use crate::support::dice::Dice;
use crate::support::os;
use crate::support::sandbox::Sandbox;
use crate::support::tarball::{
    Checksum, Dialect, Entry, Sparse, block_device, char_device, dir, fifo, file, global, member,
    sparse, symlink, unended,
};
use crate::support::tree::{Aspects, Kind, Snapshot};

pub const DIFFERENCES: &str = include_str!("../differential/differences.txt");

const PYTHON: &str = "
import sys, tarfile
with tarfile.open(sys.argv[1], 'r:', encoding='utf-8', errors='surrogateescape') as archive:
    # Which of several descriptions of a directory is the one that stays depends on tarfile's version.
    members = archive.getmembers()
    last = {member.name: member for member in members if member.isdir()}
    for member in filter(tarfile.TarInfo.isdir, members):
        for attribute in 'mode', 'uid', 'gid', 'mtime':
            setattr(member, attribute, getattr(last[member.name], attribute))
    trusting = {'filter': 'fully_trusted'} if hasattr(tarfile, 'fully_trusted_filter') else {}
    archive.extractall(sys.argv[2], members, numeric_owner=True, **trusting)
";

/// An archive under construction.
struct Generator {
    random: Dice,
    entries: Vec<Entry>,
    files: Vec<String>,
    /// Directories that have an entry; the times of others are those of the unpacking.
    explicit: BTreeSet<PathBuf>,
    number: u32,
}

impl Generator {
    fn new(seed: u64) -> Self {
        Self {
            random: Dice::new(seed),
            entries: Vec::new(),
            files: Vec::new(),
            explicit: BTreeSet::new(),
            number: 0,
        }
    }

    fn directory(&mut self) -> String {
        let depth = self.random.below(4);
        (0..depth)
            .map(|_| format!("d{}/", self.random.below(3)))
            .collect()
    }

    fn name(&mut self, kind: &str) -> String {
        self.number += 1;
        let tail = match self.random.below(8) {
            0 => "\u{e9}\u{4e2d}".to_owned(),
            1 => "n".repeat(60 + self.random.below(150) as usize),
            2 => " space".to_owned(),
            _ => String::new(),
        };
        let prefix = if self.random.one_in(12) { "./" } else { "" };
        format!("{prefix}{}{kind}{}{tail}", self.directory(), self.number)
    }

    fn bytes(&mut self) -> Vec<u8> {
        let length = *self
            .random
            .one(&[0_usize, 1, 511, 512, 513, 1024, 5000, 100_000]);
        (0..length)
            .map(|_| b'a' + self.random.below(26) as u8)
            .collect()
    }

    fn dress(&mut self, entry: Entry, may_have_attributes: bool) -> Entry {
        let mode = *self
            .random
            .one(&[0o644, 0o600, 0o755, 0o4755, 0o2750, 0o1777, 0o400, 0o777]);
        let mut entry = entry
            .mode(mode)
            .mtime(self.random.below(2_000_000_000) as i64);
        if os::is_real_root() {
            let most = *self.random.one(&[1_u64, 70_000, 2_097_152, 4_000_000_000]);
            let (uid, gid) = (
                self.random.below(most) as i64,
                self.random.below(most) as i64,
            );
            entry = entry.owner(uid, gid);
            if uid.max(gid) >= 2_097_152 {
                return entry.dialect(Dialect::Gnu);
            }
        }
        let dialect = *self.random.one(&[
            Dialect::Ustar,
            Dialect::Gnu,
            Dialect::Pax,
            Dialect::Pax,
            Dialect::Star,
        ]);
        entry = entry.dialect(dialect);
        if self.random.one_in(6) {
            entry = entry.checksum(Checksum::Signed);
        }
        if dialect == Dialect::Pax {
            if self.random.one_in(3) {
                let (seconds, nanoseconds) = (
                    self.random.below(2_000_000_000),
                    self.random.below(1_000_000_000),
                );
                entry = entry.pax("mtime", format!("{seconds}.{nanoseconds:09}"));
            }
            if may_have_attributes && self.random.one_in(3) {
                entry = entry.xattr("user.a", "x\0\n=y");
                if os::is_real_root() {
                    entry = entry.xattr("trusted.t", "1");
                }
            }
        }
        entry
    }

    fn sparse(&mut self, name: &str) -> Entry {
        let number = self.random.below(40_u32);
        let mut parts = Vec::new();
        let mut at = 0_u64;
        for _ in 0..number {
            at += 4096 * (1 + self.random.below(8));
            let length = 4096 * (1 + self.random.below(3));
            parts.push((
                at,
                vec![b'a' + self.random.below(26) as u8; length as usize],
            ));
            at += length;
        }
        let size = at + 4096 * self.random.below(9);
        sparse(
            *self.random.one(&Sparse::ALL),
            name.trim_start_matches("./"),
            size,
            &parts,
        )
    }

    fn device(&mut self) -> Entry {
        if self.random.one_in(2) {
            let (major, minor) = (self.random.below(4096), self.random.below(1 << 20));
            return char_device(self.name("char"), major as i64, minor as i64);
        }
        let (major, minor) = (self.random.below(512), self.random.below(256));
        block_device(self.name("block"), major as i64, minor as i64)
    }

    fn step(&mut self) {
        let (entry, attributes) = match self.random.below(12) {
            0..=3 => {
                let name = self.name("file");
                self.files.push(name.clone());
                let kind = *self.random.one(b"0007");
                (member(kind, name).body(self.bytes()), true)
            }
            4 | 5 => {
                let name = format!("{}d{}", self.directory(), self.random.below(3));
                self.explicit.insert(PathBuf::from(&name));
                (dir(format!("{name}/")), true)
            }
            6 => {
                let target = *self
                    .random
                    .one(&["target", "/etc/passwd", "../../../x", "d0", "."]);
                (symlink(self.name("link"), target), false)
            }
            7 if !self.files.is_empty() => {
                let target = self.random.one(&self.files).clone();
                // All names of a file carry the same metadata, as every writer does it.
                let first = self
                    .entries
                    .iter()
                    .find(|entry| entry.is_named(&target))
                    .expect("an earlier file")
                    .clone();
                let name = self.name("hard");
                self.entries.push(first.into_hardlink(&name, &target));
                return;
            }
            8 => (fifo(self.name("fifo")), false),
            9 if os::is_real_root() => (self.device(), false),
            10 => {
                let name = self.name("sparse");
                let entry = self.sparse(&name);
                let (mode, mtime) = (0o640, self.random.below(2_000_000_000) as i64);
                self.entries.push(entry.mode(mode).mtime(mtime));
                return;
            }
            11 if self.random.one_in(4) => {
                // Never last: tarfile refuses a global header that no member follows.
                self.entries
                    .insert(0, global("pax_global_header", "comment", "x"));
                return;
            }
            _ => {
                // The same name again: the later content counts.
                let name = format!("again{}", self.random.below(2));
                (file(name, self.bytes()), true)
            }
        };
        let entry = self.dress(entry, attributes);
        self.entries.push(entry);
    }

    fn archive(&mut self, ordered: bool) -> Vec<u8> {
        for _ in 0..5 + self.random.below(30) {
            self.step();
        }
        if ordered {
            self.put_in_order();
        }
        let end = *self.random.one(&[0, 1024, 1024, 1024, 10_240]);
        [unended(self.entries.clone()), vec![0; end]].concat()
    }

    /// Makes the archive one that a program writes who walks a tree: every directory has one entry, before its content.
    fn put_in_order(&mut self) {
        let (links, mut rest): (Vec<_>, Vec<_>) =
            self.entries.drain(..).partition(Entry::is_hardlink);
        let needed: BTreeSet<PathBuf> = rest
            .iter()
            .flat_map(|entry| {
                entry
                    .path()
                    .ancestors()
                    .skip(1)
                    .map(Path::to_path_buf)
                    .collect::<Vec<_>>()
            })
            .filter(|path| !path.as_os_str().is_empty())
            .collect();
        for path in needed {
            if self.explicit.insert(path.clone()) {
                rest.push(dir(format!("{}/", path.display())).mode(0o751).mtime(77));
            }
        }
        rest.retain(|entry| !entry.is_global());
        // GNU tar takes `./d` and `d` for different directories when it decides which times to set.
        let mut rest: Vec<_> = rest.into_iter().map(Entry::without_dot).collect();
        rest.sort_by_key(Entry::path);
        rest.dedup_by_key(|entry| entry.path());
        // Links come last, in the root, so that they follow what they link to.
        let links = links
            .into_iter()
            .enumerate()
            .map(|(number, link)| link.renamed(&format!("zz{number}")));
        self.entries = rest.into_iter().chain(links).collect();
    }
}

/// What a program says is different; lines of differences.txt that account for it are marked as used.
fn unaccounted(program: &str, found: Vec<String>, used: &mut BTreeSet<usize>) -> Vec<String> {
    let lines: Vec<Vec<&str>> = DIFFERENCES
        .lines()
        .map(|line| line.split('|').map(str::trim).collect())
        .collect();
    let mut rest = Vec::new();
    for one in found {
        let accounts = |line: &Vec<&str>| {
            line.len() == 3
                && line[0] == program
                && line[1].split("...").all(|word| one.contains(word.trim()))
        };
        match lines.iter().position(accounts) {
            Some(number) => {
                used.insert(number);
            }
            None => rest.push(one),
        }
    }
    rest
}

/// The tree that a program left, with the times of directories that the archive doesn't name made equal.
fn tree(root: &Path, explicit: &BTreeSet<PathBuf>) -> Snapshot {
    let mut tree = Snapshot::of(root);
    for (path, node) in &mut tree.0 {
        if node.kind == Kind::Directory && !explicit.contains(path) {
            node.mtime = (0, 0);
        }
    }
    tree
}

pub fn unpack_with(program: &str, packed: &Path, plain: &Path, out: &Path) -> Result<(), String> {
    let mut command = match program {
        "gnu" => {
            let mut command = Command::new("tar");
            command
                .args([
                    "--xattrs",
                    "--xattrs-include=*",
                    "--numeric-owner",
                    "-pP",
                    "-xf",
                ])
                .arg(packed)
                .arg("-C");
            command
        }
        "bsdtar" => {
            let mut command = Command::new("bsdtar");
            command
                .args(["--numeric-owner", "-xpf"])
                .arg(packed)
                .arg("-C");
            command
        }
        _ => {
            let mut command = Command::new("python3");
            command.args(["-c", PYTHON]).arg(plain);
            command
        }
    };
    let output = command
        .arg(out)
        .env("LC_ALL", "C.UTF-8")
        .output()
        .map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() {
        Ok(())
    } else {
        Err(format!("fails: {said}"))
    }
}

/// What sort of object a difference is about.
fn kind_of(line: &str, tree: &Snapshot) -> &'static str {
    let name = line.split('"').nth(1).unwrap_or_default();
    match tree.0.get(Path::new(name)).map(|node| &node.kind) {
        Some(Kind::Directory) => "directory",
        Some(Kind::Symlink(_)) => "symlink",
        Some(Kind::File { .. }) => "file",
        Some(_) => "special",
        None => "absent",
    }
}

fn compare(seed: u64, used: &mut BTreeSet<usize>) -> Vec<String> {
    let sandbox = Sandbox::new();
    let mut generator = Generator::new(seed);
    let ordered = seed.is_multiple_of(2);
    let bytes = generator.archive(ordered);
    let compression = *generator.random.one(&Compression::ALL);
    let (base, plain) = (sandbox.dir("base"), sandbox.path().join("plain.tar"));
    let packed = base.join("rootfs-diff.tar");
    fs::write(&plain, &bytes).unwrap();
    fs::write(&packed, compression.pack(&bytes)).unwrap();
    let own = sandbox.dir("own");
    let mut problems = Vec::new();
    if let Err(failure) = Rust.apply_rootfs_diff_tar(&base, &own) {
        return vec![format!("seed {seed}: {failure:?}")];
    }
    let own = tree(&own, &generator.explicit);
    for program in ["gnu", "bsdtar", "python"] {
        let out = sandbox.dir(program);
        let mut found = Vec::new();
        if let Err(said) = unpack_with(program, &packed, &plain, &out) {
            found.push(said);
        }
        let theirs = tree(&out, &generator.explicit);
        let aspects = Aspects {
            holes: program == "gnu",
            ..Aspects::RESTORE
        };
        let order = if ordered { "ordered" } else { "unordered" };
        let tagged = |line: String| format!("{line} [{} {order}]", kind_of(&line, &own));
        found.extend(own.differences(&theirs, aspects).into_iter().map(tagged));
        let rest = unaccounted(program, found, used);
        problems.extend(
            rest.into_iter()
                .map(|line| format!("seed {seed}, {program}: {line}")),
        );
    }
    problems
}

#[test]
fn random_archives_are_unpacked_as_other_programs_unpack_them() {
    let seeds = std::env::var("CRUTILS_SEEDS").unwrap_or_else(|_| "1-200".into());
    let (first, last) = seeds.split_once('-').expect("CRUTILS_SEEDS=FIRST-LAST");
    let (first, last): (u64, u64) = (first.parse().unwrap(), last.parse().unwrap());
    eprintln!("seeds {first} to {last}");
    let mut used = BTreeSet::new();
    let mut problems = Vec::new();
    for seed in first..=last {
        problems.extend(compare(seed, &mut used));
        assert!(problems.len() < 50, "{}", problems.join("\n"));
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    if last - first >= 199 && os::is_real_root() {
        let is_rule =
            |line: &str| !line.starts_with('#') && !line.is_empty() && refused(line).is_none();
        let unused = DIFFERENCES
            .lines()
            .enumerate()
            .filter(|(number, line)| is_rule(line) && !used.contains(number));
        let unused: Vec<_> = unused.map(|(_, line)| line).collect();
        assert!(unused.is_empty(), "these account for nothing: {unused:?}");
    }
}

/// The name of what is refused here, if the line of differences.txt is about that.
pub fn refused(line: &str) -> Option<&str> {
    let name = line.strip_prefix("refused |")?;
    name.split('|').next().map(str::trim)
}
