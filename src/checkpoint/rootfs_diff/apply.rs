//! Applying rootfs-diff.tar.

#![forbid(unsafe_code)]

use std::fs::File;
use std::path::Path;

use crate::archive::{Extraction, Input, Meter, Policy, Rules, Verdict};
use crate::checkpoint::{ROOTFS_DIFF_TAR, check_container_root, open_in_base_ambient};
use crate::error::{Context as _, Result};
use crate::fs::{Root, open_directory_ambient};
use crate::tar::Reader;
use crate::watch::Watch;

/// Applies the changes in `base_directory`/rootfs-diff.tar to the root file system below `container_root`, an absolute
/// path. Without that file, or without the base directory, there is nothing to do.
///
/// The archive may be compressed. Directories that it doesn't describe keep their times. In a user namespace device nodes are left out, and xattrs that the kernel refuses.
///
/// # Errors
///
/// ENOENT if the container root is missing; ELOOP, EPERM or EISDIR if rootfs-diff.tar isn't a regular file; EBADMSG,
/// EXDEV and the system calls' own as for the import. What was applied before stays.
pub fn apply_rootfs_diff_tar(base_directory: &Path, container_root: &Path) -> Result<()> {
    check_container_root(container_root)?;
    let Some((_, file)) = open_in_base_ambient(base_directory, ROOTFS_DIFF_TAR)? else {
        return Ok(());
    };
    let root = Root::new(open_directory_ambient(
        container_root,
        "container_root_directory",
    )?);
    apply(file, &root).context(|| format!("apply {ROOTFS_DIFF_TAR}"))
}

fn apply(file: File, root: &Root) -> Result<()> {
    let (rules, meter, watch) = (Rules::default(), Meter::default(), Watch::new());
    let policy = Policy {
        judge: &|_, _| Ok(Verdict::Extract),
        protected: &[],
        own_sources_only: false,
        // A directory that changed is in the diff itself.
        keep_times: true,
        rules: &rules,
        meter: &meter,
        watch: &watch,
    };
    let mut reader = Reader::new(Input::new(file)?);
    let first = reader.next_member()?;
    Extraction::new(root, policy)?.run(first, &mut reader)
}
