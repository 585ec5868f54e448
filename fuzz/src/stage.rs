//! A root directory with neighbours, which nothing may touch whatever the input says.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hasher as _};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use super::scratch::Scratch;

pub struct Stage {
    path: PathBuf,
    /// Removes all of it.
    _scratch: Scratch,
    pub base: PathBuf,
    pub root: PathBuf,
    outside: BTreeMap<PathBuf, String>,
}

impl Stage {
    /// An empty root between its neighbours.
    pub fn new() -> Self {
        let scratch = Scratch::new();
        let path = scratch.path().to_path_buf();
        let (base, root) = (path.join("base"), path.join("outer/root"));
        for directory in [&base, &root, &path.join("outer/root-evil")] {
            fs::create_dir_all(directory).unwrap();
        }
        for file in ["victim", "outer/victim", "outer/root-evil/victim"] {
            fs::write(path.join(file), "from outside").unwrap();
        }
        let mut new = Self {
            path,
            _scratch: scratch,
            base,
            root,
            outside: BTreeMap::new(),
        };
        new.outside = new.look_outside();
        new
    }

    /// Puts something into the root for links and removals to meet.
    pub fn furnish(&self) {
        let at = |path: &str| self.root.join(path);
        fs::create_dir_all(at("d/e/f")).unwrap();
        for file in ["a", "d/b", "d/e/c", "d/e/f/g"] {
            fs::write(at(file), file).unwrap();
        }
        symlink("d", at("l")).unwrap();
        symlink("../../..", at("up")).unwrap();
        symlink("/outer/victim", at("absolute")).unwrap();
        symlink(self.path.join("outer"), at("out")).unwrap();
    }

    pub fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.base.join(name), bytes).unwrap();
    }

    fn look_outside(&self) -> BTreeMap<PathBuf, String> {
        let mut found = BTreeMap::new();
        let mut ahead = vec![self.path.clone()];
        while let Some(path) = ahead.pop() {
            if path == self.root || path.starts_with(&self.base) {
                continue;
            }
            let meta = fs::symlink_metadata(&path).unwrap();
            let mut state = format!("{:o} {}:{}", meta.mode(), meta.uid(), meta.gid());
            if meta.is_dir() {
                ahead.extend(
                    fs::read_dir(&path)
                        .unwrap()
                        .map(|entry| entry.unwrap().path()),
                );
            } else {
                let content = fs::read_to_string(&path).unwrap();
                state = format!("{state} {} {} {content}", meta.mtime(), meta.nlink());
            }
            found.insert(path, state);
        }
        found
    }

    /// Checks that nothing outside of the root was touched.
    pub fn check(&self) {
        assert_eq!(self.look_outside(), self.outside);
    }

    /// What is in the root, each path with its kind, mode, and content or target.
    pub fn objects(&self) -> BTreeMap<PathBuf, String> {
        let describe = |path: PathBuf| {
            let meta = fs::symlink_metadata(&path).unwrap();
            let kind = meta.file_type();
            let what = if kind.is_symlink() {
                format!("symlink to {:?}", fs::read_link(&path).unwrap())
            } else if kind.is_dir() {
                "directory".into()
            } else if kind.is_file() {
                let mode = meta.mode() & 0o7777;
                format!(
                    "file {mode:o} {} {:x}",
                    meta.len(),
                    digest(&path, meta.len())
                )
            } else {
                format!("{kind:?} {}", meta.rdev())
            };
            let below = path.strip_prefix(&self.root).unwrap().to_path_buf();
            (below, what)
        };
        self.paths().into_iter().map(describe).collect()
    }

    /// What is in the root: paths, no deeper than paths go.
    pub fn paths(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut ahead = vec![self.root.clone()];
        while let Some(path) = ahead.pop() {
            let Ok(entries) = fs::read_dir(&path) else {
                continue;
            };
            for entry in entries.flatten() {
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    ahead.push(entry.path());
                }
                found.push(entry.path());
            }
        }
        found
    }
}

/// The input as a tar stream, in which headers have the right checksum: what a fuzzer changes would be refused for its
/// checksum alone otherwise.
pub fn tar(data: &[u8]) -> Vec<u8> {
    let mut bytes = data.to_vec();
    bytes.resize(data.len().next_multiple_of(512), 0);
    for block in bytes.chunks_exact_mut(512) {
        if &block[257..262] == b"ustar" {
            block[148..156].fill(b' ');
            let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
            block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
    }
    bytes
}

/// The bytes of a member with these pax records before it, and for an old sparse file its map.
pub fn member(records: &[(&str, &[u8])], name: &str, kind: u8, map: &[u8], body: &[u8]) -> Vec<u8> {
    let mut pax = Vec::new();
    for (key, value) in records {
        let rest = [b" ", key.as_bytes(), b"=", value, b"\n"].concat();
        let length = (1..).find(|length: &usize| length.to_string().len() + rest.len() == *length);
        pax.extend(length.unwrap_or_default().to_string().into_bytes());
        pax.extend(rest);
    }
    let mut out = Vec::new();
    if !records.is_empty() {
        out.extend(block("pax", b'x', pax.len(), &[]));
        out.extend(padded(&pax));
    }
    out.extend(block(name, kind, body.len(), map));
    out.extend(padded(body));
    out
}

fn block(name: &str, kind: u8, size: usize, map: &[u8]) -> Vec<u8> {
    let mut block = vec![0; 512];
    block[..name.len()].copy_from_slice(name.as_bytes());
    block[100..108].copy_from_slice(b"0000644\0");
    block[108..124].fill(b'0');
    block[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
    block[136..148].copy_from_slice(b"00000000005\0");
    block[156] = kind;
    block[257..265].copy_from_slice(if kind == b'S' {
        b"ustar  \0"
    } else {
        b"ustar\x0000"
    });
    let map = &map[..map.len().min(109)];
    block[386..386 + map.len()].copy_from_slice(map);
    tar(&block)
}

/// The same with zeros up to the next block.
pub fn padded(body: &[u8]) -> Vec<u8> {
    let mut body = body.to_vec();
    body.resize(body.len().next_multiple_of(512), 0);
    body
}

/// What tells contents apart. Of a huge file, which is sparse, the ends are looked at.
fn digest(path: &Path, size: u64) -> u64 {
    let file = fs::File::open(path).unwrap();
    let mut hasher = DefaultHasher::new();
    for at in [0, size.saturating_sub(1 << 20)] {
        let mut bytes = Vec::new();
        let mut part = file.try_clone().unwrap();
        part.seek(SeekFrom::Start(at)).unwrap();
        part.take(1 << 20).read_to_end(&mut bytes).unwrap();
        hasher.write(&bytes);
    }
    hasher.finish()
}

/// The size of what is there, if there is anything.
pub fn size_of(path: &Path) -> Option<u64> {
    fs::symlink_metadata(path).ok().map(|meta| meta.len())
}
