//! Any list of deletions after any diff: nothing outside is touched, and what the diff has put there stays.

use super::stage::{Stage, tar};

/// Holds the library to it.
pub fn check(data: &[u8]) {
    let at = data
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(data.len());
    let (list, diff) = (&data[..at], data.get(at + 1..).unwrap_or_default());
    let stage = Stage::new();
    // What is there after the diff, and wasn't before, is the diff's.
    stage.furnish();
    let before = stage.paths();
    if !diff.is_empty() {
        stage.write("rootfs-diff.tar", &tar(diff));
        if crutils::checkpoint::apply_rootfs_diff_tar(&stage.base, &stage.root).is_err() {
            return stage.check();
        }
    }
    let made: Vec<_> = stage
        .paths()
        .into_iter()
        .filter(|path| !before.contains(path))
        .collect();
    stage.write("deleted.files", list);
    let _ = crutils::checkpoint::remove_deleted_files("fuzz".as_ref(), &stage.base, &stage.root);
    stage.check();
    for path in made {
        assert!(path.symlink_metadata().is_ok(), "{path:?} is gone");
    }
}
