//! What the unit tests of this floor and those above it stand on.

#![forbid(unsafe_code)]

use std::fs;
use std::hash::BuildHasher as _;
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

/// Random numbers (splitmix64), the same for the same seed.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// One that nobody has seen, whose seed a failed test shows.
    pub(crate) fn unseen(what: &str) -> Self {
        let seed = std::hash::RandomState::new().hash_one(what);
        println!("{what}: seed {seed:#x}");
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 on that is less than `end`; 0 if that is 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).unwrap()
    }
}

/// Bytes that no encoder makes smaller, always the same.
pub(crate) fn noise(len: usize) -> Vec<u8> {
    let mut random = Random::new(7);
    let words = std::iter::repeat_with(|| random.next().to_le_bytes());
    words.flatten().take(len).collect()
}

/// A directory that is removed with its content.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("crutils-unit-{}-{number}", std::process::id());
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
