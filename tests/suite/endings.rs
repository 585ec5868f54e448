//! Operations that end early: killed at any point, without room on the file system, or at a limit of the process. The
//! outcome is told or completely right; nothing half is published, and the same operation afterwards does its work.
//!
//! A sample is done; all of it with `CRUTILS_FAULTS=all` (scripts/check-faults). `CRUTILS_SEED` chooses the moments.

use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::attackers::number;
use super::faults::{FAULTY, KILLED, OPERATIONS, Operation, fault_of, state};
use crate::support::dice::Dice;
use crate::support::sandbox::{Fs, Sandbox};
use crate::support::tree::{Node, Snapshot};

fn all() -> bool {
    std::env::var("CRUTILS_FAULTS").is_ok_and(|what| what == "all")
}

/// The directory of one case, and what it is like when all has gone well.
struct Case {
    sandbox: Sandbox,
    right: Snapshot,
}

impl Case {
    fn new(operation: &Operation, sandbox: Sandbox) -> Self {
        let place = sandbox.dir("work");
        (operation.prepare)(&place);
        (operation.work)(&place).unwrap();
        let right = state(&place);
        Self { sandbox, right }
    }

    /// The directory before the operation, new each time.
    fn prepare(&self, operation: &Operation) -> PathBuf {
        let place = self.sandbox.path().join("work");
        let _ = fs::remove_dir_all(&place);
        fs::create_dir(&place).unwrap();
        (operation.prepare)(&place);
        place
    }

    /// What is wrong in the directory of an operation that had no chance to tidy up.
    fn wrong_when_killed(&self, operation: &Operation, place: &Path) -> Option<String> {
        let found = state(place);
        for (path, node) in &found.0 {
            let published = path.starts_with("out") && path != Path::new("out");
            // A name that nobody asked for is one that was to be renamed.
            let temporary = path
                .to_str()
                .is_some_and(|path| path.contains(".crutils-new-"));
            let right = self.right.0.get(path).map(|node| &node.kind);
            if published && !temporary && right != Some(&node.kind) {
                return Some(format!("half of {}", path.display()));
            }
        }
        (operation.wrong)(place, KILLED).map(|what| format!("left: {what}"))
    }

    /// What is wrong once the operation is done again in a directory in which it was killed.
    fn wrong_again(&self, operation: &Operation, place: &Path) -> Option<String> {
        if let Err(error) = (operation.work)(place) {
            return Some(format!("again: {error}"));
        }
        let found = state(place);
        let lacks = |(path, node): &(&PathBuf, &Node)| {
            let other = found.0.get(*path).map(|node| &node.kind);
            other != Some(&node.kind)
        };
        let differs = self.right.0.iter().find(lacks);
        differs.map(|(path, _)| format!("again: {}", path.display()))
    }
}

/// Starts the operation in a process of its own, behind these words of a command.
fn start(operation: &Operation, place: &Path, before: &[&str]) -> Child {
    let own = std::env::current_exe().unwrap();
    let mut line: Vec<&std::ffi::OsStr> = before.iter().map(AsRef::as_ref).collect();
    line.push(own.as_os_str());
    let mut command = Command::new(line[0]);
    command
        .args(&line[1..])
        .args(["--exact", "faults::within", "--nocapture"])
        .arg("--test-threads=1")
        .env(FAULTY, place)
        .env("CRUTILS_TEST_OPERATION", operation.name)
        .env("RUST_BACKTRACE", "0")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.spawn().unwrap()
}

fn report(operation: &Operation, what: &str, number: u64, wrong: &[String]) {
    crate::support::say(format_args!("{}: {what}: {number} cases", operation.name));
    let (count, lines) = (wrong.len(), wrong.join("\n"));
    assert!(wrong.is_empty(), "{count} wrong outcomes:\n{lines}");
}

/// Kills the operation at moments that are spread over all of its time.
#[test]
fn that_are_killed_publish_nothing_half_and_can_be_done_again() {
    let seed = number("CRUTILS_SEED", u64::from(std::process::id()));
    eprintln!("CRUTILS_SEED={seed}");
    let mut dice = Dice::new(seed);
    let rounds = if all() { 250 } else { 12 };
    for operation in &OPERATIONS {
        let case = Case::new(operation, Sandbox::new());
        let begin = Instant::now();
        let whole = start(operation, &case.prepare(operation), &["env"]).wait();
        assert!(whole.unwrap().success());
        let mut length = begin.elapsed().as_micros() as usize;
        let (mut killed, mut wrong) = (0_u64, Vec::new());
        for _ in 0..rounds {
            let place = case.prepare(operation);
            let mut child = start(operation, &place, &["env"]);
            // Which moment it is doesn't matter, only that it is any.
            let moment = dice.below(length);
            std::thread::sleep(Duration::from_micros(moment as u64));
            let _ = child.kill();
            if child.wait().unwrap().signal().is_some() {
                killed += 1;
            } else {
                // It takes less than this by now: what slowed it down when it was timed may have ended.
                length = moment.max(1);
            }
            let found = case.wrong_when_killed(operation, &place);
            let found = found.or_else(|| case.wrong_again(operation, &place));
            wrong.extend(found.map(|what| format!("{}, {moment} us: {what}", operation.name)));
        }
        assert!(killed > 0, "{}: nothing was killed", operation.name);
        report(operation, "killed", killed, &wrong);
    }
}

/// Takes all room of the file system but so many KiB.
fn fill(path: &Path, left: u64) {
    let (mut file, block) = (File::create(path).unwrap(), vec![0; 64 << 10]);
    for size in [block.len(), 4096, 1] {
        while std::io::Write::write(&mut file, &block[..size]).is_ok_and(|count| count > 0) {}
    }
    let length = file.metadata().unwrap().len();
    file.set_len(length.saturating_sub(left << 10)).unwrap();
    file.sync_all().unwrap();
}

fn on_a_full_file_system(kind: Fs) {
    for operation in &OPERATIONS {
        let Some(sandbox) = Sandbox::on(kind) else {
            return;
        };
        let case = Case::new(operation, sandbox);
        let (mut cases, mut failed, mut wrong) = (0, 0, Vec::new());
        let step = if all() { 4 } else { 92 };
        for left in (0..600).step_by(step) {
            let ballast = case.sandbox.path().join("ballast");
            let _ = fs::remove_file(&ballast);
            let place = case.prepare(operation);
            fill(&ballast, left);
            cases += 1;
            let said = match (operation.work)(&place) {
                Ok(()) => "ok".to_owned(),
                Err(error) => {
                    failed += 1;
                    assert_eq!(error.errno(), libc::ENOSPC, "{left} KiB: {error}");
                    error.to_string()
                }
            };
            fs::remove_file(&ballast).unwrap();
            let nowhere = Path::new("/dev/null");
            let found = fault_of(operation, &place, nowhere, &case.right, Ok(said));
            wrong.extend(found.map(|what| format!("{}, {left} KiB: {what}", operation.name)));
        }
        // What only removes needs no room.
        assert!(failed > 0 || operation.name == "remove", "{kind:?}");
        report(operation, "full", cases, &wrong);
    }
}

#[test]
fn on_a_full_tmpfs_are_told_and_leave_nothing() {
    needs_root!("mount file systems");
    on_a_full_file_system(Fs::Small);
}

#[test]
fn on_a_full_ext4_are_told_and_leave_nothing() {
    needs_root!("mount file systems");
    on_a_full_file_system(Fs::Ext4);
}

/// Runs each operation with each of these limits.
fn limited(option: &str, limits: &(impl Iterator<Item = u64> + Clone), errno: i32) {
    let may_abort = errno == libc::ENOMEM;
    for operation in &OPERATIONS {
        let case = Case::new(operation, Sandbox::new());
        let (mut answered, mut failed, mut wrong) = (0, 0, Vec::new());
        for limit in limits.clone() {
            let place = case.prepare(operation);
            let script = format!("ulimit -{option} {limit}; exec \"$@\"");
            let mut child = start(operation, &place, &["sh", "-c", &script, "sh"]);
            let ended = child.wait().unwrap();
            let Ok(said) = fs::read_to_string(place.join("said")) else {
                // The process didn't get to the operation, or memory has run out within it: then it ends as if killed.
                let untouched = case.wrong_when_killed(operation, &place);
                let aborted = ended.signal() == Some(libc::SIGABRT);
                let told = (aborted && !may_abort).then(|| format!("{ended}"));
                let found = untouched.or(told);
                wrong.extend(found.map(|what| format!("{} {limit}: {what}", operation.name)));
                continue;
            };
            if said.is_empty() {
                continue;
            }
            answered += 1;
            if said != "ok" {
                failed += 1;
                let told = said.starts_with(&format!("{errno} "));
                assert!(told, "{}: {said}", operation.name);
            }
            let nowhere = Path::new("/dev/null");
            let found = fault_of(operation, &place, nowhere, &case.right, Ok(said));
            wrong.extend(found.map(|what| format!("{} {limit}: {what}", operation.name)));
        }
        assert!(answered > 0, "{}: no answer", operation.name);
        let what = format!("-{option}: {failed} failed");
        report(operation, &what, answered, &wrong);
    }
}

#[test]
fn with_few_descriptors_are_told_and_leave_nothing() {
    let step = if all() { 1 } else { 5 };
    limited("n", &(4..34).step_by(step), libc::EMFILE);
}

#[test]
fn with_little_memory_are_told_or_abort_and_publish_nothing_half() {
    let step = if all() { 2 << 10 } else { 19 << 10 };
    // In KiB: from what the process can't even start with to what is plenty.
    limited("v", &(10 << 10..200 << 10).step_by(step), libc::ENOMEM);
}

#[test]
fn that_may_only_make_small_files_are_told_and_leave_nothing() {
    let step = if all() { 2 } else { 61 };
    // In blocks of 512 bytes; less than one wouldn't do for the answer.
    limited("f", &(1..700).step_by(step), libc::EFBIG);
}
