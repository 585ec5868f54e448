//! What a small file costs in system calls, as strace counts them.
//!
//! Each work is done with some files and with twice as many: what is done once cancels out.
//!
//! Rust's door alone: C's leads to the same calls of the system, after its arguments are taken.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use crutils::changes::{Change, ChangeKind};
use crutils::checkpoint::{
    Compression, Export, ExportOptions, apply_rootfs_diff_tar, create_rootfs_diff_tar,
    remove_deleted_files,
};
use crutils::watch::Watch;

use crate::support::os;
use crate::support::sandbox::Sandbox;
use crate::support::tarball::{Entry, archive, dir, file};

/// Tells the test that it is the traced process, and in which directory it works.
pub const TRACED: &str = "CRUTILS_TEST_TRACED";
/// fstatat(2), as strace calls it on this architecture.
const STAT_AT: &str = if cfg!(target_arch = "x86_64") {
    "newfstatat"
} else {
    "fstatat"
};
/// How many files the smaller work has.
const FILES: usize = 200;
/// From how many calls on, in all, a call counts as one for each file. What is needed for many files at once (reads and
/// writes of the archive, memory) stays far below.
const TO_EACH: usize = FILES / 4;

/// Why nothing can be traced here, if so.
pub(crate) fn untraceable() -> Option<String> {
    match Command::new("strace")
        .args(["-o", "/dev/null", "true"])
        .output()
    {
        Err(error) => Some(format!("strace: {error}")),
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}

/// How often each call was made by this test in a process of its own, which works in `directory`.
pub fn calls(test: &str, directory: &Path) -> BTreeMap<String, usize> {
    let summary = directory.join("summary");
    let output = Command::new("strace")
        .args(["-f", "-c", "-o"])
        .arg(&summary)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(TRACED, directory)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}"
    );
    let text = fs::read_to_string(summary).unwrap();
    let row = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = words.get(3)?.parse().ok()?;
        let name = words.last().filter(|name| **name != "total")?;
        Some(((*name).to_owned(), number))
    };
    text.lines().filter_map(row).collect()
}

/// Checks that `work`, in a directory that `prepare` has filled with a number of files, takes these calls a file.
#[track_caller]
fn assert_costs(
    test: &str,
    expected: &[(&str, usize)],
    prepare: impl Fn(&Path, usize),
    work: impl Fn(&Path),
) {
    if let Some(directory) = std::env::var_os(TRACED) {
        return work(Path::new(&directory));
    }
    if let Some(reason) = untraceable() {
        crate::skip!("{test}: {reason}");
    }
    let count = |files: usize| {
        let sandbox = Sandbox::new();
        prepare(sandbox.path(), files);
        calls(&format!("system_calls::{test}"), sandbox.path())
    };
    let (once, twice) = (count(FILES), count(2 * FILES));
    let mut found = BTreeMap::new();
    // With debug assertions std asks before it closes a descriptor whether it is open.
    let asked = |name: &str| cfg!(debug_assertions) && name == "fcntl";
    for (name, number) in twice.iter().filter(|(name, _)| !asked(name)) {
        let more = number.saturating_sub(once.get(name).copied().unwrap_or(0));
        if more >= TO_EACH {
            assert!(
                more.abs_diff((more + FILES / 2) / FILES * FILES) < TO_EACH,
                "{more} {name}"
            );
            found.insert(name.as_str(), (more + FILES / 2) / FILES);
        }
    }
    assert_eq!(found, expected.iter().copied().collect());
}

/// A base directory with a diff of some files in one directory, and a root.
fn prepare_apply(directory: &Path, files: usize, change: impl Fn(Entry) -> Entry) {
    let members = (0..files).map(|number| change(file(format!("d/{number}"), "content")));
    fs::create_dir(directory.join("root")).unwrap();
    let tar = archive([dir("d")].into_iter().chain(members));
    fs::write(directory.join("rootfs-diff.tar"), tar).unwrap();
}

fn apply(directory: &Path) {
    apply_rootfs_diff_tar(directory, &directory.join("root")).unwrap();
}

fn prepare_store(directory: &Path, files: usize) {
    fs::create_dir_all(directory.join("root/d")).unwrap();
    for number in 0..files {
        fs::write(directory.join(format!("root/d/{number}")), "content").unwrap();
    }
}

fn all() -> Vec<Change> {
    let (path, kind) = ("/d".into(), ChangeKind::Add);
    vec![Change { path, kind }]
}

/// The archive says that files belong to whoever makes them.
fn own(entry: Entry) -> Entry {
    let gid = File::open("/proc/self").unwrap();
    let gid = std::os::unix::fs::MetadataExt::gid(&gid.metadata().unwrap());
    entry.owner(os::uid().into(), gid.into())
}

#[test]
fn of_an_extracted_file() {
    let each = [
        ("openat", 1),
        ("rt_sigprocmask", 2),
        ("pwrite64", 1),
        ("fchmod", 1),
        ("utimensat", 1),
        ("close", 1),
    ];
    let prepare = |directory: &Path, files| prepare_apply(directory, files, own);
    assert_costs("of_an_extracted_file", &each, prepare, apply);
}

#[test]
fn of_an_extracted_empty_file() {
    let each = [("openat", 1), ("fchmod", 1), ("utimensat", 1), ("close", 1)];
    let prepare =
        |directory: &Path, files| prepare_apply(directory, files, |entry| own(entry).body(""));
    assert_costs("of_an_extracted_empty_file", &each, prepare, apply);
}

#[test]
fn of_an_extracted_file_of_somebody_else() {
    crate::needs_root!("give files away");
    let each = [
        ("openat", 1),
        ("rt_sigprocmask", 2),
        ("pwrite64", 1),
        ("fchownat", 1),
        ("fchmod", 1),
        ("utimensat", 1),
        ("close", 1),
    ];
    let other = |entry: Entry| entry.owner(7, 8);
    let prepare = |directory: &Path, files| prepare_apply(directory, files, other);
    assert_costs(
        "of_an_extracted_file_of_somebody_else",
        &each,
        prepare,
        apply,
    );
}

#[test]
fn of_a_stored_file() {
    let each = [
        ("openat", 2),
        ("statx", 1),
        ("flistxattr", 1),
        ("pread64", 1),
        ("close", 2),
    ];
    let store = |directory: &Path| {
        let root = directory.join("root");
        create_rootfs_diff_tar(&all(), &root, directory).unwrap();
    };
    assert_costs("of_a_stored_file", &each, prepare_store, store);
}

/// All is looked at twice: the size of a nested archive comes before it.
const IN_A_NESTED_DIFF: [(&str, usize); 5] = [
    ("openat", 4),
    ("statx", 3),
    ("flistxattr", 2),
    ("pread64", 1),
    ("close", 4),
];

fn export_diff(directory: &Path, watch: &Watch) {
    let mut export = Export::new();
    export
        .add_rootfs_diff(all(), &directory.join("root"))
        .unwrap();
    let archive = directory.join("archive.tar");
    let mut options = ExportOptions::new();
    options.compression(Compression::None);
    export.write(&archive, &options, watch).unwrap();
}

#[test]
fn of_a_file_in_a_nested_diff() {
    let store = |directory: &Path| export_diff(directory, &Watch::new());
    let test = "of_a_file_in_a_nested_diff";
    assert_costs(test, &IN_A_NESTED_DIFF, prepare_store, store);
}

/// A total for the progress needs no further look.
#[test]
fn of_a_file_in_a_nested_diff_that_is_watched() {
    let store = |directory: &Path| {
        let watch = Watch::new();
        watch.on_progress(|_| {});
        export_diff(directory, &watch);
    };
    let test = "of_a_file_in_a_nested_diff_that_is_watched";
    assert_costs(test, &IN_A_NESTED_DIFF, prepare_store, store);
}

/// A root with some files in one directory, and the list that deletes all of them.
fn prepare_delete(directory: &Path, files: usize, make: impl Fn(&Path)) {
    let parent = directory.join("root/some/where");
    fs::create_dir_all(&parent).unwrap();
    let list: Vec<String> = (0..files)
        .map(|number| {
            make(&parent.join(number.to_string()));
            format!("\"/some/where/{number}\"")
        })
        .collect();
    let json = format!("[{}]", list.join(","));
    fs::write(directory.join("deleted.files"), json).unwrap();
}

fn delete(directory: &Path) {
    remove_deleted_files("c".as_ref(), directory, &directory.join("root")).unwrap();
    let left = fs::read_dir(directory.join("root/some/where")).unwrap();
    assert_eq!(left.count(), 0);
}

#[test]
fn of_a_deleted_file() {
    let each = [(STAT_AT, 2), ("unlinkat", 1)];
    let prepare = |directory: &Path, files| {
        prepare_delete(directory, files, |path| fs::write(path, "").unwrap());
    };
    assert_costs("of_a_deleted_file", &each, prepare, delete);
}

#[test]
fn of_a_deleted_symlink() {
    let each = [(STAT_AT, 2), ("unlinkat", 1)];
    let prepare = |directory: &Path, files| {
        prepare_delete(directory, files, |path| {
            std::os::unix::fs::symlink("elsewhere", path).unwrap();
        });
    };
    assert_costs("of_a_deleted_symlink", &each, prepare, delete);
}
