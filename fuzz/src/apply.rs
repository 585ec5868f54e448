//! Any tar stream, applied to a root: nothing outside is touched, and memory stays bounded (libFuzzer's limit).

use super::stage::{Stage, tar};

/// Holds the library to it.
pub fn check(data: &[u8]) {
    let stage = Stage::new();
    stage.furnish();
    stage.write("rootfs-diff.tar", &tar(data));
    let _ = crutils::checkpoint::apply_rootfs_diff_tar(&stage.base, &stage.root);
    stage.check();
}
