//! What the tests of this floor stand on.

#![forbid(unsafe_code)]

use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;

/// How long what surely happens may take, however slow the machine.
pub(crate) const AMPLE: Duration = Duration::from_secs(60);

/// Tells a test that it runs in a process of its own.
const ALONE: &str = "CRUTILS_TEST_ALONE";

/// A directory that is removed with its content.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("crutils-fs-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The names in it, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let mut names = Vec::from_iter(
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()),
        );
        names.sort();
        names
    }

    /// An O_PATH descriptor of it.
    pub(crate) fn directory(&self) -> OwnedFd {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        open(&self.0, flags, Mode::empty()).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Waits until something is so.
#[track_caller]
pub(crate) fn until(what: &str, so: impl Fn() -> bool) {
    let begin = Instant::now();
    while !so() {
        assert!(begin.elapsed() < AMPLE, "not yet: {what}");
        std::thread::yield_now();
    }
}

/// Runs a test of this program, by its whole name, in a process of its own that has these variables, too.
#[track_caller]
pub(crate) fn run_alone(test: &str, variables: &[(&str, &Path)]) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--test-threads=1", "--exact", test]);
    command.envs(variables.iter().copied());
    let output = command.env(ALONE, "yes").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{}: {text}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Whether this process runs one test alone, which may then change what belongs to the whole process.
pub(crate) fn is_alone() -> bool {
    std::env::var_os(ALONE).is_some()
}
