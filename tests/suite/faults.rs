//! System calls that fail: each call that an operation makes fails once, and the outcome is told or completely right.
//!
//! strace makes the calls fail. A sample is done; all of it with `CRUTILS_FAULTS=all` (scripts/check-faults).
//!
//! Rust's door alone: C's leads to the same calls of the system, after its arguments are taken.

use std::collections::BTreeMap;
use std::fs;
use std::io::{IsTerminal, Read, Seek, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use crutils::changes::{Change, ChangeKind};
use crutils::checkpoint::{
    Compression, Export, ExportOptions, Import, ImportOptions, apply_rootfs_diff_tar,
    create_rootfs_diff_tar, remove_deleted_files,
};
use crutils::watch::Watch;

use super::system_calls::untraceable;
use crate::support::os;
use crate::support::sandbox::Sandbox;
use crate::support::tarball::{archive, dir, file, hardlink, symlink};
use crate::support::tree::{Aspects, Snapshot};

/// Tells the test that it is the traced process, and in which directory it works.
pub const FAULTY: &str = "CRUTILS_TEST_FAULTY";
/// How many cases there are to one that is done in a sample.
const SAMPLE: usize = 23;
/// What is looked up before and after the operation, so that the trace tells which calls are its own.
const MARKS: [&str; 2] = ["/crutils-faults-begin", "/crutils-faults-end"];

/// How calls fail. What isn't here is memory, threads and signals.
const FAULTS: [(&str, &[&str]); 32] = [
    ("openat", &["EMFILE", "EACCES", "EIO"]),
    ("openat2", &["EMFILE", "EACCES", "ENOSYS"]),
    ("read", &["EIO"]),
    ("pread64", &["EIO", "EINTR"]),
    ("write", &["ENOSPC", "EIO", "EINTR"]),
    ("pwrite64", &["ENOSPC", "EDQUOT", "EINTR"]),
    ("close", &["EIO", "EDQUOT"]),
    ("statx", &["EIO", "EACCES"]),
    ("fstat", &["EIO"]),
    ("newfstatat", &["EIO"]),
    ("fstatfs", &["EIO"]),
    ("lseek", &["EIO"]),
    ("getdents64", &["EIO"]),
    ("readlinkat", &["EIO"]),
    ("flistxattr", &["EIO", "E2BIG"]),
    ("listxattr", &["EIO"]),
    ("fgetxattr", &["EIO"]),
    ("getxattr", &["EIO"]),
    ("fsetxattr", &["EIO", "ENOSPC"]),
    ("fchmod", &["EPERM", "EIO"]),
    ("fchmodat2", &["EPERM", "EIO"]),
    ("fchownat", &["EPERM", "EIO"]),
    ("utimensat", &["EIO"]),
    ("ftruncate", &["EFBIG", "EIO"]),
    ("mkdirat", &["ENOSPC", "EDQUOT"]),
    ("symlinkat", &["ENOSPC", "EIO"]),
    ("linkat", &["EMLINK", "EIO", "EXDEV"]),
    ("renameat", &["EIO", "EBUSY"]),
    ("unlinkat", &["EIO", "EBUSY"]),
    ("copy_file_range", &["EIO", "ENOSPC", "EXDEV"]),
    ("ioctl", &["EIO", "EOPNOTSUPP"]),
    ("rt_sigprocmask", &["EINVAL"]),
];

/// One operation: what there is before, what is done, and what may be found after a failure.
pub struct Operation {
    pub name: &'static str,
    pub prepare: fn(&Path),
    pub work: fn(&Path) -> crutils::Result<()>,
    /// What is wrong with what a failure has left, whose message this is.
    pub wrong: fn(&Path, &str) -> Option<String>,
}

pub const OPERATIONS: [Operation; 6] = [
    Operation {
        name: "create",
        prepare: tree,
        work: create,
        wrong: leaves_output,
    },
    Operation {
        name: "apply",
        prepare: diff,
        work: apply,
        wrong: leaves_halves,
    },
    Operation {
        name: "remove",
        prepare: diff,
        work: remove,
        wrong: leaves_halves,
    },
    Operation {
        name: "export",
        prepare: tree,
        work: export,
        wrong: leaves_output,
    },
    Operation {
        name: "export_compressed",
        prepare: tree,
        work: compress,
        wrong: leaves_output,
    },
    Operation {
        name: "import",
        prepare: checkpoint,
        work: import,
        wrong: leaves_bundle,
    },
];

/// A root with one of each, and a directory for the output.
fn tree(directory: &Path) {
    let root = directory.join("root");
    fs::create_dir_all(root.join("d")).unwrap();
    fs::create_dir(directory.join("out")).unwrap();
    fs::write(root.join("d/small"), "small").unwrap();
    fs::write(root.join("d/large"), vec![b'l'; 200_000]).unwrap();
    fs::hard_link(root.join("d/small"), root.join("d/twin")).unwrap();
    std::os::unix::fs::symlink("small", root.join("d/link")).unwrap();
    let sparse = fs::File::create(root.join("d/sparse")).unwrap();
    sparse.set_len(1 << 20).unwrap();
    let _ = os::set_xattr(&root.join("d/small"), "user.note", b"x");
    for name in ["d/small", "d/large", "d/link", "d/sparse", "d", ""] {
        os::set_times(&root.join(name), (1, 0), (2, 0)).unwrap();
    }
}

fn added() -> Vec<Change> {
    let change = |path: &str, kind| Change {
        path: path.into(),
        kind,
    };
    vec![
        change("/d", ChangeKind::Add),
        change("/gone", ChangeKind::Delete),
    ]
}

fn create(directory: &Path) -> crutils::Result<()> {
    create_rootfs_diff_tar(&added(), &directory.join("root"), &directory.join("out")).map(drop)
}

fn exported(directory: &Path, compression: Compression) -> crutils::Result<()> {
    let (mut export, mut options) = (Export::new(), ExportOptions::new());
    export.add_directory_tar("volumes/v.tar", &directory.join("root"))?;
    export.add_rootfs_diff(added(), &directory.join("root"))?;
    export.add_bytes("config.dump", "{}")?;
    options.compression(compression);
    let archive = directory.join("out/archive");
    export.write(&archive, &options, &Watch::new()).map(drop)
}

fn export(directory: &Path) -> crutils::Result<()> {
    exported(directory, Compression::None)
}

fn compress(directory: &Path) -> crutils::Result<()> {
    exported(directory, Compression::Zstd)
}

fn leaves_output(directory: &Path, message: &str) -> Option<String> {
    let left = Snapshot::of(&directory.join("out")).paths();
    (!left.is_empty() && !message.contains("stays")).then(|| format!("{left:?}"))
}

fn members() -> Vec<u8> {
    archive([
        dir("d").mtime(2),
        file("d/new", "new content").mtime(2),
        file("d/old", vec![b'n'; 100_000]).mtime(2),
        hardlink("d/twin", "d/new").mtime(2),
        symlink("d/link", "new").mtime(2),
    ])
}

/// A bundle with a diff and deletions, and a root that has something for both.
fn diff(directory: &Path) {
    let (base, root) = (directory.join("base"), directory.join("root"));
    fs::create_dir(&base).unwrap();
    fs::create_dir_all(root.join("gone/below")).unwrap();
    fs::create_dir(root.join("d")).unwrap();
    fs::write(root.join("d/old"), "old content").unwrap();
    fs::write(root.join("gone/below/f"), "gone").unwrap();
    fs::write(base.join("rootfs-diff.tar"), members()).unwrap();
    fs::write(base.join("deleted.files"), r#"["/gone"]"#).unwrap();
    for name in ["d/old", "gone/below/f", "gone/below", "gone", "d", ""] {
        os::set_times(&root.join(name), (1, 0), (2, 0)).unwrap();
    }
}

fn apply(directory: &Path) -> crutils::Result<()> {
    apply_rootfs_diff_tar(&directory.join("base"), &directory.join("root"))
}

fn remove(directory: &Path) -> crutils::Result<()> {
    let (base, root) = (directory.join("base"), directory.join("root"));
    remove_deleted_files("id".as_ref(), &base, &root)
}

/// In place of a message: the operation had no chance to tidy up.
pub(crate) const KILLED: &str = "killed: what it made stays, for want of unlink";

fn leaves_halves(directory: &Path, message: &str) -> Option<String> {
    halves(directory, message, &["d/new"])
}

/// What was there is replaced at once. What is new, as these files are, is made under its own name, and only a kill leaves
/// a part of it.
fn halves(directory: &Path, message: &str, made: &[&str]) -> Option<String> {
    let root = directory.join("root");
    let left = Snapshot::of(&root).paths();
    let temporary = left.iter().any(|path| path.contains(".crutils-new-"));
    let whole = |name: &str, old: Option<&[u8]>, new: &[u8]| match fs::read(root.join(name)) {
        Ok(found) if message == KILLED && made.contains(&name) => new.starts_with(&found),
        Ok(found) => found == new || old == Some(&found),
        Err(_) => true,
    };
    let new = vec![b'n'; 100_000];
    let whole = whole("d/new", None, b"new content") && whole("d/old", Some(b"old content"), &new);
    let wrong = temporary && !message.contains("unlink") || !whole;
    wrong.then(|| format!("{left:?}"))
}

fn checkpoint(directory: &Path) {
    fs::create_dir(directory.join("root")).unwrap();
    fs::create_dir(directory.join("volume")).unwrap();
    let input = archive([
        file("config.dump", "{}"),
        dir("checkpoint"),
        file("checkpoint/pages", vec![b'p'; 100_000]),
        file("rootfs-diff.tar", members()),
        file("volumes/v.tar", members()),
    ]);
    fs::write(directory.join("archive"), input).unwrap();
}

fn import(directory: &Path) -> crutils::Result<()> {
    let options = ImportOptions::new();
    let mut import = Import::open(directory.join("archive").as_path(), &options, &Watch::new())?;
    import.to_bundle(&directory.join("bundle"))?;
    import.to_root(&directory.join("root"))?;
    import.to_volume("v", &directory.join("volume"))?;
    import.extract().map(drop)
}

fn leaves_bundle(directory: &Path, message: &str) -> Option<String> {
    let stays = directory.join("bundle").exists() && !message.contains("stays");
    let halves = halves(directory, message, &["d/new", "d/old"]);
    stays.then(|| "the bundle".to_owned()).or(halves)
}

/// Runs the operation in a process of its own under strace; what it said: "ok", or an error's number and message.
fn traced(operation: &Operation, directory: &Path, options: &[&str]) -> Result<String, String> {
    let output = Command::new("strace")
        .args(["-f", "-qq"])
        .args(options)
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "faults::within",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(FAULTY, directory)
        .env("CRUTILS_TEST_OPERATION", operation.name)
        .output()
        .unwrap();
    let said = fs::read_to_string(directory.join("said"));
    said.map_err(|_| {
        format!(
            "{}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        )
    })
}

/// Makes more calls than the loader and the harness do in their thread: each thread has its own count, and only the one
/// that works is to be met.
fn outnumber_other_threads() {
    for _ in 0..150 {
        let mut null = fs::File::options()
            .read(true)
            .write(true)
            .open("/dev/null")
            .unwrap();
        let mut byte = [0];
        let _ = (
            null.read(&mut byte),
            null.read_at(&mut byte, 0),
            null.write(&byte),
        );
        let _ = (null.metadata(), null.stream_position(), null.is_terminal());
        let mut status = std::mem::MaybeUninit::<libc::stat>::uninit();
        // SAFETY: the path ends in NUL, and the call writes the one structure, which lives here.
        unsafe { libc::stat(c"/dev/null".as_ptr(), status.as_mut_ptr()) };
    }
}

/// The operation in the traced process.
#[test]
fn within() {
    let Some(directory) = std::env::var_os(FAULTY) else {
        return;
    };
    let name = std::env::var("CRUTILS_TEST_OPERATION").unwrap();
    let operation = OPERATIONS
        .iter()
        .find(|operation| operation.name == name)
        .unwrap();
    let directory = Path::new(&directory);
    outnumber_other_threads();
    let _ = fs::metadata(MARKS[0]);
    let outcome = (operation.work)(directory);
    let _ = fs::metadata(MARKS[1]);
    let said = match outcome {
        Ok(()) => "ok".to_owned(),
        Err(error) => format!("{} {error}", error.errno()),
    };
    fs::write(directory.join("said"), said).unwrap();
}

/// By the name of each call, the first and the last of its kind that the operation makes, counted in its thread.
fn own_calls(log: &str) -> BTreeMap<String, (usize, usize)> {
    let begin = log
        .lines()
        .find(|line| line.contains(MARKS[0]))
        .expect("the first mark");
    let thread = begin.split_whitespace().next().unwrap();
    let (mut counts, mut own) = (BTreeMap::<String, usize>::new(), BTreeMap::new());
    let mut inside = false;
    for line in log
        .lines()
        .filter(|line| line.split_whitespace().next() == Some(thread))
    {
        let call = line.split_whitespace().nth(1).unwrap_or_default();
        let Some((name, _)) = call.split_once('(') else {
            continue;
        };
        let count = counts.entry(name.to_owned()).or_default();
        *count += 1;
        if line.contains(MARKS[0]) {
            inside = true;
        } else if line.contains(MARKS[1]) {
            break;
        } else if inside {
            own.entry(name.to_owned()).or_insert((*count, *count)).1 = *count;
        }
    }
    own
}

/// What the directory is like when all went well.
pub fn state(directory: &Path) -> Snapshot {
    Snapshot::without(directory, &["said", "log"])
}

/// Whether the difference is the time of what each run makes anew.
fn is_made_anew(difference: &str) -> bool {
    let made = ["base", "out", "archive", "bundle", "root\"", "volume\""];
    let names_it = |name: &&str| {
        difference
            .strip_prefix('"')
            .is_some_and(|line| line.starts_with(name))
    };
    difference.contains(": mtime (") && made.iter().any(names_it)
}

/// What is wrong with the outcome of an operation of which a call has failed.
pub fn fault_of(
    operation: &Operation,
    directory: &Path,
    log: &Path,
    right: &Snapshot,
    said: Result<String, String>,
) -> Option<String> {
    match said {
        Err(end) => Some(format!("no answer: {end}")),
        Ok(said) if said == "ok" => {
            let found = right.differences(&state(directory), Aspects::RESTORE);
            let found = Vec::from_iter(found.iter().filter(|line| !is_made_anew(line)));
            let log = fs::read_to_string(log).unwrap_or_default();
            let line = log.lines().find(|line| line.contains("INJECTED"));
            (!found.is_empty())
                .then(|| format!("success, and {found:?}\n    {}", line.unwrap_or_default()))
        }
        Ok(said) => {
            let left = (operation.wrong)(directory, &said)?;
            Some(format!("{said}: left: {left}"))
        }
    }
}

fn check(operation: &Operation) {
    if let Some(reason) = untraceable() {
        crate::skip!("{reason}");
    }
    let reference = Sandbox::new();
    (operation.prepare)(reference.path());
    let log = reference.path().join("log");
    let said = traced(operation, reference.path(), &["-o", log.to_str().unwrap()]);
    assert_eq!(said.as_deref(), Ok("ok"), "{}", operation.name);
    let calls = own_calls(&fs::read_to_string(&log).unwrap());
    let right = state(reference.path());
    let all = std::env::var("CRUTILS_FAULTS").is_ok_and(|what| what == "all");
    let (mut number, mut done, mut wrong) = (0, 0, Vec::new());
    for (call, errnos) in FAULTS {
        let Some(&(first, last)) = calls.get(call) else {
            continue;
        };
        for (at, errno) in (first..=last).flat_map(|at| errnos.iter().map(move |errno| (at, errno)))
        {
            number += 1;
            if !all && number % SAMPLE != 0 {
                continue;
            }
            done += 1;
            let case = format!(
                "{}: {call} {at} ({first} to {last}): {errno}",
                operation.name
            );
            let sandbox = Sandbox::new();
            (operation.prepare)(sandbox.path());
            let (trace, inject) = (
                format!("trace={call}"),
                format!("inject={call}:error={errno}:when={at}"),
            );
            let log = sandbox.path().join("log");
            let options = ["-o", log.to_str().unwrap(), "-e", &trace, "-e", &inject];
            let said = traced(operation, sandbox.path(), &options);
            let fault = fault_of(operation, sandbox.path(), &log, &right, said);
            wrong.extend(fault.map(|fault| format!("{case}: {fault}")));
        }
    }
    crate::support::say(format_args!(
        "{}: {done} of {number} failures",
        operation.name
    ));
    assert!(number > 50, "{}: {number}", operation.name);
    assert!(
        wrong.is_empty(),
        "{} wrong outcomes:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn while_a_diff_is_created() {
    check(&OPERATIONS[0]);
}

#[test]
fn while_a_diff_is_applied() {
    check(&OPERATIONS[1]);
}

#[test]
fn while_deleted_files_are_removed() {
    check(&OPERATIONS[2]);
}

#[test]
fn while_a_checkpoint_is_exported() {
    check(&OPERATIONS[3]);
}

#[test]
fn while_a_checkpoint_is_exported_and_compressed() {
    check(&OPERATIONS[4]);
}

#[test]
fn while_a_checkpoint_is_imported() {
    check(&OPERATIONS[5]);
}
