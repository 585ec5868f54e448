//! Any tar stream: where GNU tar and the library both extract it without an error, they make the same tree.

use std::fs::{self, File};
use std::process::{Command, Stdio};

use super::stage::{Stage, tar};

/// Holds the library to it. Without GNU tar there is nothing to compare with.
pub fn check(data: &[u8]) {
    let bytes = tar(data);
    let (ours, theirs) = (Stage::new(), Stage::new());
    ours.write("rootfs-diff.tar", &bytes);
    theirs.write("archive", &bytes);
    let applied = crutils::checkpoint::apply_rootfs_diff_tar(&ours.base, &ours.root);
    ours.check();
    if applied.is_err() || says_what_differs(&bytes) {
        return;
    }
    let said = File::create(theirs.base.join("said")).unwrap();
    let status = Command::new("tar")
        .args(["--numeric-owner", "--no-same-owner", "-pxf"])
        .arg(theirs.base.join("archive"))
        .arg("-C")
        .arg(&theirs.root)
        .env("LC_ALL", "C")
        .stderr(Stdio::from(said))
        .status();
    let said = fs::read_to_string(theirs.base.join("said")).unwrap_or_default();
    // A warning says that something was left out or made otherwise.
    if status.is_ok_and(|status| status.success()) && said.is_empty() {
        assert_eq!(ours.objects(), theirs.objects());
    }
}

/// Whether the archive holds something that the two are known to take differently (tests/differential).
fn says_what_differs(_bytes: &[u8]) -> bool {
    false
}
