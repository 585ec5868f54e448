//! The comparer: takes a tree in as a whole, and tells in words what differs between two.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File, Metadata};
use std::hash::Hasher;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::os;

/// What an object is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file: its length and the hash of its bytes.
    File { size: u64, hash: u64 },
    /// A directory.
    Directory,
    /// A symlink and its target.
    Symlink(Vec<u8>),
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A character device.
    Char { major: u32, minor: u32 },
    /// A block device.
    Block { major: u32, minor: u32 },
}

/// One object of a tree, with everything that a restore has to bring back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub kind: Kind,
    /// The low twelve bits; 0o777 for a symlink.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// Seconds and nanoseconds.
    pub mtime: (i64, i64),
    pub atime: (i64, i64),
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The first name in the tree of the same inode, if it has several there.
    pub linked_to: Option<PathBuf>,
    /// All names of the inode, those outside of the tree too.
    pub names: u64,
    /// Where a regular file has data.
    pub data: Vec<(u64, u64)>,
}

/// What a comparison looks at beyond type, content, mode, owner, rdev, link target, hard links and xattrs.
#[derive(Clone, Copy, Debug)]
pub struct Aspects {
    pub mtimes: bool,
    pub atimes: bool,
    pub holes: bool,
    /// Whether the root directory itself is compared.
    pub root: bool,
    pub owners: bool,
    pub xattrs: bool,
}

impl Aspects {
    /// Everything but access times: what a restore promises.
    pub const RESTORE: Self = Self {
        mtimes: true,
        atimes: false,
        holes: true,
        root: false,
        owners: true,
        xattrs: true,
    };
    /// Everything that a read alone doesn't change, and the root too: what nobody may touch.
    pub const UNTOUCHED: Self = Self {
        root: true,
        ..Self::RESTORE
    };
}

/// A tree, by path below its root; the root itself is the empty path.
#[derive(Clone)]
pub struct Snapshot(pub BTreeMap<PathBuf, Node>);

impl Snapshot {
    /// Takes in the tree below `root`, without what is at or below the paths in `except` (relative to `root`).
    pub fn without(root: &Path, except: &[&str]) -> Self {
        let mut nodes = BTreeMap::new();
        let mut first_names = BTreeMap::new();
        let mut open = vec![PathBuf::new()];
        while let Some(path) = open.pop() {
            if except.iter().any(|one| Path::new(one) == path) {
                continue;
            }
            let full = if path.as_os_str().is_empty() {
                root.to_path_buf()
            } else {
                root.join(&path)
            };
            let meta = if path.as_os_str().is_empty() {
                fs::metadata(&full)
            } else {
                fs::symlink_metadata(&full)
            };
            let meta = meta.unwrap_or_else(|error| panic!("{}: {error}", full.display()));
            if meta.is_dir() {
                let list = fs::read_dir(&full)
                    .unwrap_or_else(|error| panic!("{}: {error}", full.display()));
                open.extend(list.map(|entry| path.join(entry.unwrap().file_name())));
            } else if meta.nlink() > 1 {
                let names: &mut Vec<PathBuf> =
                    first_names.entry((meta.dev(), meta.ino())).or_default();
                names.push(path.clone());
            }
            let node = Node::of(&full, &meta)
                .unwrap_or_else(|error| panic!("{}: {error}", full.display()));
            nodes.insert(path, node);
        }
        for names in first_names.values_mut().filter(|names| names.len() > 1) {
            names.sort();
            for name in names.iter() {
                nodes.get_mut(name).unwrap().linked_to = Some(names[0].clone());
            }
        }
        Self(nodes)
    }

    /// Takes in the whole tree below `root`.
    pub fn of(root: &Path) -> Self {
        Self::without(root, &[])
    }

    /// The paths, for tests that ask only what is there.
    pub fn paths(&self) -> Vec<String> {
        let named = self.0.keys().filter(|path| !path.as_os_str().is_empty());
        named
            .map(|path| path.to_string_lossy().into_owned())
            .collect()
    }

    /// The object at `path`.
    pub fn get(&self, path: &str) -> &Node {
        self.0
            .get(Path::new(path))
            .unwrap_or_else(|| panic!("no {path:?} in {:?}", self.paths()))
    }

    /// Every difference to `other`, a line each; none if they are equal in all `aspects`.
    pub fn differences(&self, other: &Self, aspects: Aspects) -> Vec<String> {
        let mut found = Vec::new();
        for (path, node) in &self.0 {
            if path.as_os_str().is_empty() && !aspects.root {
                continue;
            }
            let name = path.display().to_string();
            match other.0.get(path) {
                None => found.push(format!("{name:?} is missing in the second tree")),
                Some(theirs) => node.differences(&name, theirs, aspects, &mut found),
            }
        }
        let added = other.0.keys().filter(|path| !self.0.contains_key(*path));
        found.extend(added.map(|path| {
            format!(
                "{:?} is only in the second tree",
                path.display().to_string()
            )
        }));
        found
    }

    /// Panics with every difference to `other`, if there is any.
    #[track_caller]
    pub fn assert_same(&self, other: &Self, aspects: Aspects, what: &str) {
        let found = self.differences(other, aspects);
        assert!(found.is_empty(), "{what}:\n{}", found.join("\n"));
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(&self.0).finish()
    }
}

impl Node {
    fn of(path: &Path, meta: &Metadata) -> io::Result<Self> {
        let (mut data, kind) = (Vec::new(), meta.file_type());
        let numbers = (libc::major(meta.rdev()), libc::minor(meta.rdev()));
        let kind = if kind.is_file() {
            let file = File::open(path)?;
            data = os::data_map(&file, meta.len())?;
            Kind::File {
                size: meta.len(),
                hash: hash(&file, meta.len(), &data)?,
            }
        } else if kind.is_dir() {
            Kind::Directory
        } else if kind.is_symlink() {
            Kind::Symlink(fs::read_link(path)?.into_os_string().into_vec())
        } else if kind.is_fifo() {
            Kind::Fifo
        } else if kind.is_socket() {
            Kind::Socket
        } else if kind.is_char_device() {
            Kind::Char {
                major: numbers.0,
                minor: numbers.1,
            }
        } else {
            Kind::Block {
                major: numbers.0,
                minor: numbers.1,
            }
        };
        Ok(Self {
            mode: if matches!(kind, Kind::Symlink(_)) {
                0o777
            } else {
                meta.mode() & 0o7777
            },
            uid: meta.uid(),
            gid: meta.gid(),
            mtime: (meta.mtime(), meta.mtime_nsec()),
            atime: (meta.atime(), meta.atime_nsec()),
            xattrs: os::xattrs(path)?,
            linked_to: None,
            names: if meta.is_dir() { 1 } else { meta.nlink() },
            data,
            kind,
        })
    }

    // One question after the other, however many there are.
    #[allow(clippy::too_many_lines)]
    fn differences(&self, name: &str, other: &Self, aspects: Aspects, found: &mut Vec<String>) {
        let mut say = |what: &str, ours: String, theirs: String| {
            if ours != theirs {
                found.push(format!("{name:?}: {what} {ours} became {theirs}"));
            }
        };
        match (&self.kind, &other.kind) {
            (Kind::File { size: a, hash: x }, Kind::File { size: b, hash: y }) => {
                say("size", a.to_string(), b.to_string());
                if a == b {
                    say("content", format!("{x:016x}"), format!("{y:016x}"));
                }
            }
            (Kind::Symlink(a), Kind::Symlink(b)) => say("link target", text(a), text(b)),
            (a, b) => say("type", format!("{a:?}"), format!("{b:?}")),
        }
        say(
            "mode",
            format!("{:04o}", self.mode),
            format!("{:04o}", other.mode),
        );
        if aspects.owners {
            say(
                "owner",
                format!("{}:{}", self.uid, self.gid),
                format!("{}:{}", other.uid, other.gid),
            );
        }
        if aspects.mtimes {
            say(
                "mtime",
                format!("{:?}", self.mtime),
                format!("{:?}", other.mtime),
            );
        }
        if aspects.atimes {
            say(
                "atime",
                format!("{:?}", self.atime),
                format!("{:?}", other.atime),
            );
        }
        let group = |node: &Self| {
            node.linked_to
                .as_ref()
                .map_or("nothing".into(), |to| format!("{to:?}"))
        };
        say("hard link with", group(self), group(other));
        if self.linked_to.is_none() {
            say(
                "number of names",
                self.names.to_string(),
                other.names.to_string(),
            );
        }
        if aspects.holes {
            say(
                "data map",
                format!("{:?}", self.data),
                format!("{:?}", other.data),
            );
        }
        if aspects.xattrs {
            let shown = |node: &Self, key: &[u8]| {
                node.xattrs
                    .get(key)
                    .map_or("absent".into(), |value| text(value))
            };
            let keys: std::collections::BTreeSet<_> =
                self.xattrs.keys().chain(other.xattrs.keys()).collect();
            for key in keys {
                say(
                    &format!("xattr {}", text(key)),
                    shown(self, key),
                    shown(other, key),
                );
            }
        }
    }
}

fn text(bytes: &[u8]) -> String {
    format!("\"{}\"", bytes.escape_ascii())
}

/// The hash of a file's content: of every block of it that isn't zero, and of where it is. Holes needn't be read.
fn hash(file: &File, size: u64, data: &[(u64, u64)]) -> io::Result<u64> {
    const BLOCK: u64 = 4096;
    let mut hasher = std::hash::DefaultHasher::new();
    let mut buffer = vec![0; 1 << 20];
    let mut at = 0;
    for (start, end) in data {
        at = at.max(start - start % BLOCK);
        while at < *end {
            let wanted = usize::try_from((size - at).min(1 << 20)).expect("a mebibyte");
            file.read_exact_at(&mut buffer[..wanted], at)?;
            for block in buffer[..wanted].chunks(BLOCK as usize) {
                if block.iter().any(|byte| *byte != 0) {
                    hasher.write_u64(at);
                    hasher.write(block);
                }
                at += BLOCK;
            }
        }
    }
    Ok(hasher.finish())
}

/// A relative path of the tree as bytes, for names that are not UTF-8.
pub fn bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}
