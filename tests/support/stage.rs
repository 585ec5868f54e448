//! The stage of an unpacking test: a root, and around it everything that must stay as it is.

use std::fs;
use std::path::{Path, PathBuf};

use super::api::{Change, Outcome};
use super::process::Test;
use super::sandbox::{Fs, Sandbox};
use super::tarball::{Entry, archive};
use super::tree::{Aspects, Snapshot};

/// A root directory `outer/dest` with hostile neighbours, and a `base` directory for the files of a bundle.
pub struct Stage<'t> {
    test: &'t Test,
    pub sandbox: Sandbox,
    pub base: PathBuf,
    pub root: PathBuf,
}

impl<'t> Stage<'t> {
    pub fn new(test: &'t Test) -> Self {
        Self::set(test, Sandbox::new())
    }

    /// On a chosen file system, or None if there is none.
    pub fn on(test: &'t Test, fs: Fs) -> Option<Self> {
        Sandbox::on(fs).map(|sandbox| Self::set(test, sandbox))
    }

    fn set(test: &'t Test, sandbox: Sandbox) -> Self {
        let (base, root) = (sandbox.dir("base"), sandbox.dir("outer/dest"));
        for neighbour in ["outer/victim", "outer/dest-evil", "victim"] {
            fs::write(sandbox.dir(neighbour).join("hello"), "hello from outside").unwrap();
        }
        Self {
            test,
            sandbox,
            base,
            root,
        }
    }

    /// The sandbox but for the root: what no call may touch.
    pub fn outside(&self) -> Snapshot {
        Snapshot::without(self.sandbox.path(), &["outer/dest"])
    }

    /// Runs `work` and checks that it touched nothing outside of the root.
    #[track_caller]
    pub fn guarded<T>(&self, work: impl FnOnce() -> T) -> T {
        let before = self.outside();
        let result = work();
        before.assert_same(
            &self.outside(),
            Aspects::UNTOUCHED,
            "something outside of the root was touched",
        );
        result
    }

    /// Applies these bytes as the rootfs diff.
    #[track_caller]
    pub fn apply_bytes(&self, bytes: &[u8]) -> Outcome {
        fs::write(self.base.join("rootfs-diff.tar"), bytes).unwrap();
        self.guarded(|| self.test.apply_rootfs_diff_tar(&self.base, &self.root))
    }

    /// Applies an archive of these members.
    #[track_caller]
    pub fn apply(&self, entries: impl IntoIterator<Item = Entry>) -> Outcome {
        self.apply_bytes(&archive(entries))
    }

    /// Removes what this deleted.files says.
    #[track_caller]
    pub fn remove(&self, list: impl AsRef<[u8]>) -> Outcome {
        fs::write(self.base.join("deleted.files"), list).unwrap();
        self.guarded(|| {
            self.test
                .remove_deleted_files("id".as_ref(), &self.base, &self.root)
        })
    }

    /// Creates the diff of `changes` in the base directory, from the root.
    pub fn create(&self, changes: &[Change]) -> Outcome<Vec<String>> {
        self.test
            .create_rootfs_diff_tar(changes, &self.root, &self.base)
    }

    /// The same, and checks that only the base directory changed.
    #[track_caller]
    pub fn guarded_create(&self, changes: &[Change]) -> Outcome<Vec<String>> {
        let around = || Snapshot::without(self.sandbox.path(), &["base"]);
        let before = around();
        let outcome = self.create(changes);
        before.assert_same(
            &around(),
            Aspects::UNTOUCHED,
            "something outside of the base directory was touched",
        );
        outcome
    }

    /// The tree in the root.
    pub fn tree(&self) -> Snapshot {
        Snapshot::of(&self.root)
    }

    /// A path in the root.
    pub fn at(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// Writes a file in the root.
    pub fn write(&self, path: &str, content: &str) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Reads a file in the root.
    #[track_caller]
    pub fn read(&self, path: &str) -> String {
        String::from_utf8(fs::read(self.at(path)).unwrap_or_else(|error| panic!("{path}: {error}")))
            .unwrap()
    }

    /// The mode of an object in the root, also where the tree as a whole can't be read.
    pub fn tree_mode(&self, path: &str) -> u32 {
        use std::os::unix::fs::MetadataExt;
        fs::symlink_metadata(self.at(path)).unwrap().mode() & 0o7777
    }

    /// Whether there is anything of this name in the root.
    pub fn exists(&self, path: &str) -> bool {
        fs::symlink_metadata(self.at(path)).is_ok()
    }
}

/// The directory of the real archives.
pub fn archives() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data"))
}

/// Asserts that an outcome is this errno.
#[track_caller]
pub fn assert_errno<T: std::fmt::Debug>(outcome: Outcome<T>, errno: i32) {
    match outcome {
        Err(failure) => assert_eq!(failure.errno, errno, "{failure:?}"),
        Ok(value) => panic!("success ({value:?}) instead of errno {errno}"),
    }
}
