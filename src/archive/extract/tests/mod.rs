//! Archives extracted under rules into directories, and what is on the disk afterwards.

#![forbid(unsafe_code)]

mod cancelled;
mod ids;
mod limits;
mod rules;
mod ways;
mod whiteouts;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use nix::unistd::{getegid, geteuid};

use super::*;
use crate::archive::Reading;
use crate::error::Kind;
use crate::fs::testing::Scratch;
use crate::fs::{Node, Place};
use crate::tar::{self, END_OF_ARCHIVE, Extent, Extents, Time, Xattr};

/// When everything in the archives was changed, and what was there before.
const ARCHIVED: i64 = 1_000_000_000;
const BEFORE: i64 = 500_000_000;

/// A directory with a root to extract into; all of it is removed in the end.
struct Temp(Scratch);

impl Temp {
    fn new() -> Self {
        let temp = Self(Scratch::new());
        fs::create_dir(temp.path("")).unwrap();
        temp
    }

    /// A path below the root.
    fn path(&self, path: &str) -> PathBuf {
        self.0.join("root").join(path)
    }

    /// Makes a file, and the directories above it, long ago.
    fn put(&self, path: &str, content: &str) -> &Self {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        self.age()
    }

    /// Makes a symlink, long ago.
    fn put_link(&self, path: &str, target: &str) -> &Self {
        std::os::unix::fs::symlink(target, self.path(path)).unwrap();
        self.age()
    }

    /// Gives every file and directory a time long ago.
    fn age(&self) -> &Self {
        for path in walk(&self.path("")) {
            if !path.is_symlink() {
                touch(&path, BEFORE);
            }
        }
        self
    }

    /// All objects below the root with a letter for the type (a symlink's target, a file's content).
    fn tree(&self) -> BTreeMap<String, String> {
        let root = self.path("");
        let name = |path: &Path| {
            path.strip_prefix(&root)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned()
        };
        let what = |path: &Path| {
            if path.is_symlink() {
                format!("-> {}", fs::read_link(path).unwrap().display())
            } else if path.is_dir() {
                "/".to_owned()
            } else {
                fs::read_to_string(path).unwrap()
            }
        };
        let below = walk(&root).into_iter().filter(|path| *path != root);
        below.map(|path| (name(&path), what(&path))).collect()
    }

    /// Whatever changes when anything at or below the root is touched.
    fn state(&self) -> Vec<(PathBuf, [i64; 8])> {
        let state = |path: PathBuf| {
            let meta = fs::symlink_metadata(&path).unwrap();
            let numbers = [
                meta.ino().cast_signed(),
                meta.mode().into(),
                meta.uid().into(),
            ];
            let times = [
                meta.mtime(),
                meta.mtime_nsec(),
                meta.ctime(),
                meta.ctime_nsec(),
            ];
            let [a, b, c] = numbers;
            let [d, e, f, g] = times;
            (path, [a, b, c, meta.gid().into(), d, e, f, g])
        };
        walk(&self.path("")).into_iter().map(state).collect()
    }

    fn meta(&self, path: &str) -> fs::Metadata {
        fs::symlink_metadata(self.path(path)).unwrap()
    }

    fn mode(&self, path: &str) -> u32 {
        self.meta(path).permissions().mode() & 0o7777
    }

    fn owner(&self, path: &str) -> (u32, u32) {
        (self.meta(path).uid(), self.meta(path).gid())
    }

    fn node(&self, path: &str) -> Node {
        let path = self.path(path);
        let parent = File::open(path.parent().unwrap()).unwrap();
        let name = path.file_name().unwrap().as_encoded_bytes();
        Node::open_at(&parent, &Name::new(name).unwrap()).unwrap()
    }

    fn xattr(&self, path: &str, name: &str) -> Option<Vec<u8>> {
        let name = std::ffi::CString::new(name).unwrap();
        self.node(path).xattr(&name).unwrap()
    }
}

/// The path and all below it, sorted.
fn walk(path: &Path) -> Vec<PathBuf> {
    let mut found = vec![path.to_owned()];
    if !path.is_symlink() && path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            found.extend(walk(&entry.unwrap().path()));
        }
    }
    found.sort();
    found
}

fn touch(path: &Path, seconds: i64) {
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds.cast_unsigned());
    let times = fs::FileTimes::new().set_accessed(time).set_modified(time);
    File::open(path).unwrap().set_times(times).unwrap();
}

/// A member that belongs to the caller, with its data.
#[derive(Clone)]
struct Entry(Member, Vec<u8>);

impl Entry {
    fn new(kind: MemberKind, path: &str) -> Self {
        let time = |seconds| Time {
            seconds,
            nanoseconds: 0,
        };
        let mode = if kind == MemberKind::Directory {
            0o755
        } else {
            0o644
        };
        let member = Member {
            mode,
            uid: geteuid().as_raw(),
            gid: getegid().as_raw(),
            ..Member::made(path.as_bytes(), kind, time(ARCHIVED))
        };
        Self(member, Vec::new())
    }

    fn with(mut self, change: impl FnOnce(&mut Member)) -> Self {
        change(&mut self.0);
        self
    }

    fn xattr(self, name: &str, value: &[u8]) -> Self {
        let (name, value) = (name.as_bytes().to_vec(), value.to_vec());
        self.with(|member| member.xattrs.push(Xattr { name, value }))
    }
}

fn file(path: &str, content: &str) -> Entry {
    let extents = Extents::whole(content.len() as u64);
    let mut entry = Entry::new(MemberKind::Regular(extents), path);
    entry.1 = content.as_bytes().to_vec();
    entry
}

/// A file of `size` bytes whose last ones are the content, after a hole.
fn sparse_file(path: &str, size: u64, content: &str) -> Entry {
    let len = content.len() as u64;
    file(path, content).with(|member| {
        let extents = vec![Extent {
            offset: size - len,
            len,
        }];
        member.kind = MemberKind::Regular(Extents::sparse(extents, size).unwrap());
    })
}

/// The name as it is in archives, with a slash at its end.
fn directory(path: &str) -> Entry {
    let path = format!("{}/", path.trim_end_matches('/'));
    Entry::new(MemberKind::Directory, &path)
}

fn symlink(path: &str, target: &str) -> Entry {
    let target = target.into();
    Entry::new(MemberKind::Symlink { target }, path)
}

fn hard_link(path: &str, source: &str) -> Entry {
    let source = source.into();
    Entry::new(MemberKind::HardLink { source }, path)
}

fn device(kind: fn(DeviceNumber) -> MemberKind, path: &str, major: u32, minor: u32) -> Entry {
    Entry::new(kind(DeviceNumber { major, minor }), path)
}

/// One entry of every type.
fn all_types() -> [(&'static str, Entry); 7] {
    let source = "source";
    [
        ("regular file", file("new/x", "x")),
        ("directory", directory("new/x")),
        ("symlink", symlink("new/x", "target")),
        ("hard link", hard_link("new/x", source)),
        (
            "character device",
            device(MemberKind::CharDevice, "new/x", 1, 3),
        ),
        (
            "block device",
            device(MemberKind::BlockDevice, "new/x", 7, 99),
        ),
        ("fifo", Entry::new(MemberKind::Fifo, "new/x")),
    ]
}

/// The tar stream of the entries, without its end.
fn stream(entries: &[Entry]) -> Vec<u8> {
    let mut stream = Vec::new();
    for Entry(member, data) in entries {
        tar::encode(member, stream.len() as u64, &mut stream).unwrap();
        stream.extend_from_slice(data);
        stream.resize(stream.len().next_multiple_of(512), 0);
    }
    stream
}

type Judge<'j> = dyn Fn(&RootPath, &Member) -> Result<Verdict> + 'j;

/// An extraction to come, with everything that a policy is made of.
struct Setup<'s> {
    temp: &'s Temp,
    root: PathBuf,
    rules: Rules,
    meter: Meter,
    watch: Watch,
    judge: &'s Judge<'s>,
    protected: &'s [&'s [u8]],
    user_namespace: bool,
}

impl<'s> Setup<'s> {
    fn new(temp: &'s Temp, rules: Rules) -> Self {
        Self {
            temp,
            root: temp.path(""),
            rules,
            meter: Meter::default(),
            watch: Watch::new(),
            judge: &|_, _| Ok(Verdict::Extract),
            protected: &[],
            user_namespace: in_user_namespace(),
        }
    }

    /// Extracts an archive of these bytes.
    fn extract_stream(&self, stream: &[u8]) -> Result<()> {
        let archive = self.temp.0.join("archive.tar");
        fs::write(&archive, stream).unwrap();
        let root = Root::new(
            Place::from(&self.root)
                .open_directory_ambient("root")
                .unwrap(),
        );
        let policy = Policy {
            judge: self.judge,
            protected: self.protected,
            own_sources_only: false,
            keep_times: true,
            terms: Terms {
                rules: &self.rules,
                meter: &self.meter,
                watch: &self.watch,
            },
        };
        let mut extraction = Extraction::new(&root, policy)?;
        extraction.user_namespace = self.user_namespace;
        let mut reader = Reader::new(Input::new(
            File::open(&archive).unwrap(),
            &Reading::default(),
        )?);
        let first = reader.next_member()?;
        extraction.run(first, &mut reader)
    }

    fn extract(&self, entries: &[Entry]) -> Result<()> {
        self.extract_stream(&[&stream(entries)[..], &END_OF_ARCHIVE].concat())
    }

    /// The warnings to come, each with its member.
    fn warnings(&self) -> Arc<Mutex<Vec<(WarningKind, String)>>> {
        let warnings = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&warnings);
        self.watch.on_warning(move |warning| {
            let member = String::from_utf8(warning.member.to_vec()).unwrap();
            told.lock().unwrap().push((warning.kind, member));
        });
        warnings
    }
}

fn extract(temp: &Temp, rules: Rules, entries: &[Entry]) -> Result<()> {
    Setup::new(temp, rules).extract(entries)
}

/// Extracts, and checks that it is refused for the last entry, with this kind, errno and words, and that nothing was
/// touched.
#[track_caller]
fn assert_refused(temp: &Temp, rules: Rules, entry: &Entry, expected: (Kind, i32), words: &str) {
    let before = temp.state();
    let error = extract(temp, rules, std::slice::from_ref(entry)).unwrap_err();
    assert_eq!((error.kind(), error.errno()), expected, "{error}");
    assert_eq!(error.entry(), Some(&entry.0.path[..]), "{error}");
    assert!(error.to_string().contains(words), "{error}");
    assert_eq!(temp.state(), before, "{error}");
}

/// Whether the test's process can do what only root can; says so if it can't.
fn is_root() -> bool {
    let root = !in_user_namespace();
    if !root {
        println!("skipped: takes root, outside of a user namespace");
    }
    root
}

fn tree<const N: usize>(objects: [(&str, &str); N]) -> BTreeMap<String, String> {
    objects
        .map(|(path, what)| (path.to_owned(), what.to_owned()))
        .into()
}
