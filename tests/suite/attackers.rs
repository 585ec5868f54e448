//! Attackers who rename, link and exchange below every directory, while the library exports, looks for changes, imports
//! and removes there: nothing outside is ever read or written, and nothing hangs.
//!
//! `CRUTILS_ROUNDS` is how many rounds each operation makes (scripts/check-faults makes thousands), `CRUTILS_SEED` what
//! the attackers begin with.
//!
//! Rust's door alone: C's leads to the same calls of the system, after its arguments are taken.

use std::ffi::{CStr, CString};
use std::fs;
use std::io::Write;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use crutils::changes::{self, Change, ChangeKind, Options};
use crutils::checkpoint::{
    Export, ExportOptions, Import, ImportOptions, apply_rootfs_diff_tar, create_rootfs_diff_tar,
    remove_deleted_files,
};
use crutils::watch::Watch;

use crate::support::dice::Dice;
use crate::support::sandbox::Sandbox;
use crate::support::tarball::{archive, dir, file, hardlink, symlink as link};
use crate::support::tree::{Aspects, Snapshot, bytes as raw};

const SECRET: &str = "what is outside, and nobody else's to read";
const ATTACKERS: u64 = 2;

pub fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().expect("a number"))
}

/// A root, three directories deep, and what is outside of it.
struct Place {
    sandbox: Sandbox,
    root: PathBuf,
    outside: PathBuf,
}

impl Place {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        let (root, outside) = (sandbox.dir("inside/root"), sandbox.dir("outside"));
        for name in ["f0", "f1", "f2"] {
            for directory in ["", "d0", "d1", "d0/d1", "d1/d0"] {
                let below = outside.join(directory);
                fs::create_dir_all(&below).unwrap();
                fs::write(below.join(name), SECRET).unwrap();
            }
        }
        fill(&root);
        sandbox.dir("base");
        fill(&sandbox.dir("old"));
        Self {
            sandbox,
            root,
            outside,
        }
    }

    /// Begins anew with the root: directories that are moved into one another make ever deeper trees.
    fn renew(&self, round: u64) {
        let old = self.at(&format!("inside/old-{round}"));
        fs::rename(&self.root, &old).unwrap();
        fs::create_dir(&self.root).unwrap();
        fill(&self.root);
        // What an attacker makes there meanwhile may stay until the end.
        let _ = fs::remove_dir_all(&old);
    }

    fn at(&self, name: &str) -> PathBuf {
        self.sandbox.path().join(name)
    }
}

fn directories() -> Vec<String> {
    let names = ["d0", "d1"];
    let mut all = vec![String::new()];
    for depth in 0..3 {
        let last = all.iter().filter(|path| path.matches('/').count() == depth);
        let next = last.flat_map(|path| names.map(|name| format!("{path}/{name}")));
        let next: Vec<_> = next.collect();
        all.extend(next);
    }
    all
}

/// A directory below the root by descriptor, through no link: what the attackers do must not lead outside itself.
fn open(root: &Path, path: &str) -> Option<OwnedFd> {
    let mut directory = OwnedFd::from(fs::File::open(root).ok()?);
    for name in path.split('/').filter(|name| !name.is_empty()) {
        let name = CString::new(name).unwrap();
        let flags = libc::O_DIRECTORY | libc::O_NOFOLLOW | libc::O_CLOEXEC;
        // SAFETY: the descriptor is open, the string ends in NUL.
        let fd = unsafe { libc::openat(directory.as_raw_fd(), name.as_ptr(), flags) };
        if fd < 0 {
            return None;
        }
        // SAFETY: a new descriptor is owned by nobody else.
        directory = unsafe { OwnedFd::from_raw_fd(fd) };
    }
    Some(directory)
}

fn make_directory(parent: &OwnedFd, name: &CStr) {
    // SAFETY: the descriptor is open, the string ends in NUL.
    unsafe { libc::mkdirat(parent.as_raw_fd(), name.as_ptr(), 0o755) };
}

fn make_link(parent: &OwnedFd, name: &CStr, target: &Path) {
    let target = CString::new(target.as_os_str().as_bytes()).unwrap();
    // SAFETY: the descriptor is open, the strings end in NUL.
    unsafe { libc::symlinkat(target.as_ptr(), parent.as_raw_fd(), name.as_ptr()) };
}

fn make_file(parent: &OwnedFd, name: &CStr) {
    let flags = libc::O_CREAT | libc::O_EXCL | libc::O_WRONLY | libc::O_CLOEXEC;
    // SAFETY: the descriptor is open, the string ends in NUL; a new descriptor is owned by nobody else.
    let fd = unsafe { libc::openat(parent.as_raw_fd(), name.as_ptr(), flags, 0o644) };
    if fd >= 0 {
        // SAFETY: as above.
        let _ = unsafe { fs::File::from_raw_fd(fd) }.write_all(b"inside");
    }
}

fn remove(parent: &OwnedFd, name: &CStr) {
    // SAFETY: the descriptor is open, the string ends in NUL.
    unsafe { libc::unlinkat(parent.as_raw_fd(), name.as_ptr(), 0) };
}

/// Makes what there was at first, where nothing else is.
fn fill(root: &Path) {
    for path in directories() {
        let Some(directory) = open(root, &path) else {
            continue;
        };
        for name in [c"d0", c"d1"] {
            make_directory(&directory, name);
        }
        for name in [c"f0", c"f1", c"f2"] {
            make_file(&directory, name);
        }
    }
}

/// Works below every directory of the root until told to stop. Whatever fails, something else has come before.
fn attack(place: &Place, seed: u64, stop: &AtomicBool) {
    let mut dice = Dice::new(seed);
    let all = directories();
    let names = [c"d0", c"d1", c"f0", c"f1", c"f2", c"spare"];
    while !stop.load(Ordering::Relaxed) {
        let mut some = || {
            let directory = open(&place.root, dice.one::<String>(&all));
            (directory, *dice.one(&names))
        };
        let ((Some(from), one), (Some(to), other)) = (some(), some()) else {
            fill(&place.root);
            continue;
        };
        let (at, into) = (from.as_raw_fd(), to.as_raw_fd());
        let (old, new) = (one.as_ptr(), other.as_ptr());
        match dice.below(12) {
            0 => {
                // SAFETY: the descriptors are open, the strings end in NUL.
                unsafe { libc::renameat(at, old, into, new) };
            }
            1..4 => {
                // SAFETY: as above.
                unsafe { libc::renameat2(at, old, into, new, libc::RENAME_EXCHANGE) };
            }
            4 => {
                // SAFETY: as above.
                unsafe { libc::linkat(at, old, into, new, 0) };
            }
            5 => make_link(&from, one, &place.outside),
            6 => make_link(&from, one, Path::new("../../../../../../outside/d0")),
            7 => {
                remove(&from, one);
                make_link(&from, one, &place.outside.join("f0"));
            }
            8 => {
                make_link(&from, c"spare", &place.outside.join("d1"));
                // SAFETY: as above.
                unsafe { libc::renameat2(at, c"spare".as_ptr(), into, new, libc::RENAME_EXCHANGE) };
            }
            9 => make_link(&from, one, Path::new("/")),
            10 => remove(&from, one),
            _ => fill(&place.root),
        }
    }
}

struct Stop<'s>(&'s AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What of the outside counts: everything but the times of access.
fn guarded(name: &str, rounds: u64, work: impl Fn(&Place, u64)) {
    let seed = number("CRUTILS_SEED", u64::from(std::process::id()));
    let rounds = number("CRUTILS_ROUNDS", rounds);
    eprintln!("{name}: CRUTILS_SEED={seed}");
    let place = Place::new();
    let before = Snapshot::of(&place.outside);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let stopping = Stop(&stop);
        for attacker in 0..ATTACKERS {
            let (place, stop) = (&place, &stop);
            scope.spawn(move || attack(place, seed + attacker, stop));
        }
        for round in 0..rounds {
            work(&place, round);
            if round % 8 == 7 {
                place.renew(round);
            }
        }
        drop(stopping);
    });
    before.assert_same(
        &Snapshot::of(&place.outside),
        Aspects::UNTOUCHED,
        "something outside of the root was touched",
    );
}

#[track_caller]
fn assert_no_secret(path: &Path) {
    let found = fs::read(path).unwrap_or_default();
    let hidden = found
        .windows(SECRET.len())
        .any(|at| at == SECRET.as_bytes());
    assert!(!hidden, "what is outside was read");
}

fn listed() -> Vec<Change> {
    let below = directories().into_iter().skip(1);
    let all = below.flat_map(|path| [format!("{path}/f0"), path]);
    all.map(|path| Change {
        path: path.into(),
        kind: ChangeKind::Add,
    })
    .collect()
}

#[test]
fn an_export_reads_nothing_outside() {
    guarded("export", 25, |place, round| {
        let mut export = Export::new();
        export
            .add_directory_tar("volumes/v.tar", &place.root)
            .unwrap();
        export.add_rootfs_diff(listed(), &place.root).unwrap();
        let mut options = ExportOptions::new();
        options.live(round % 2 == 0);
        let archive = place.at("archive");
        let written = export.write(&archive, &options, &Watch::new());
        if round % 2 == 0 {
            // Whatever happens below the root, what lives is exported.
            written.unwrap();
            let volume = place.at("restored");
            fs::create_dir(&volume).unwrap();
            let mut import = Import::open(&archive, &ImportOptions::new(), &Watch::new()).unwrap();
            import.to_volume("v", &volume).unwrap();
            import.extract().unwrap();
            fs::remove_dir_all(&volume).unwrap();
        }
        assert_no_secret(&archive);
    });
}

#[test]
fn a_diff_reads_nothing_outside() {
    guarded("diff", 25, |place, _| {
        let _ = create_rootfs_diff_tar(&listed(), &place.root, &place.at("base"));
        assert_no_secret(&place.at("base/rootfs-diff.tar"));
    });
}

#[test]
fn looking_for_changes_sees_nothing_outside() {
    guarded("changes", 25, |place, _| {
        let options = Options {
            compare_content: true,
            ..Options::default()
        };
        // Every path is one of those that there are below the root, or none is told.
        let old = place.at("old");
        let found =
            changes::directories_ambient(&place.root, Some((&old).into()), &options, &Watch::new());
        for change in found.unwrap_or_default() {
            let mut names = raw(Path::new(&change.path))
                .split(|byte| *byte == b'/')
                .skip(1);
            let known = |name: &[u8]| {
                [&b"d0"[..], b"d1", b"f0", b"f1", b"f2", b"spare", b"root"].contains(&name)
            };
            assert!(names.all(known), "{:?}", change.path);
        }
    });
}

fn members() -> Vec<u8> {
    let mut entries = Vec::new();
    for path in directories().into_iter().skip(1) {
        let path = path.trim_start_matches('/');
        entries.extend([
            dir(path).mode(0o700).mtime(5),
            file(format!("{path}/f0"), "hostile").xattr("user.a", "1"),
            hardlink(format!("{path}/f1"), format!("{path}/f0")),
            link(format!("{path}/f2"), "/f0"),
        ]);
    }
    archive(entries)
}

#[test]
fn an_import_writes_nothing_outside() {
    guarded("import", 25, |place, round| {
        let input = place.at("archive");
        if round == 0 {
            let entries = [
                file("rootfs-diff.tar", members()),
                file("volumes/v.tar", members()),
                file("deleted.files", r#"["/d0/d1/f0", "/d1/d0", "/d1/spare"]"#),
            ];
            fs::write(&input, archive(entries)).unwrap();
        }
        let mut import = Import::open(&input, &ImportOptions::new(), &Watch::new()).unwrap();
        import.to_root(&place.root).unwrap();
        import.to_volume("v", &place.root).unwrap();
        let _ = import.extract();
    });
}

#[test]
fn applying_and_removing_write_nothing_outside() {
    guarded("apply", 25, |place, round| {
        let base = place.at("base");
        if round == 0 {
            fs::write(base.join("rootfs-diff.tar"), members()).unwrap();
            let list = r#"["/d0/d1/f0", "/d0/d0", "/d1/d0/spare", "/d1/f1"]"#;
            fs::write(base.join("deleted.files"), list).unwrap();
        }
        let _ = apply_rootfs_diff_tar(&base, &place.root);
        fs::write(base.join("empty"), "").unwrap();
        let _ = remove_deleted_files("id".as_ref(), &base, &place.root);
    });
}
