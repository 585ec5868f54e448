//! Any tar stream, applied to a root: nothing outside is touched, and memory stays bounded (libFuzzer's limit).
#![no_main]

mod stage;

use libfuzzer_sys::fuzz_target;
use stage::{Stage, tar};

fuzz_target!(|data: &[u8]| {
    let stage = Stage::new();
    stage.furnish();
    stage.write("rootfs-diff.tar", &tar(data));
    let _ = crutils::checkpoint::apply_rootfs_diff_tar(&stage.base, &stage.root);
    stage.check();
});
