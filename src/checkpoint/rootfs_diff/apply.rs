//! Applying rootfs-diff.tar.

#![forbid(unsafe_code)]

use crate::archive::{Extraction, Input, Meter, Policy, Reading, Rules, Terms, Verdict};
use crate::checkpoint::names::ROOTFS_DIFF_TAR;
use crate::checkpoint::{CONTAINER_ROOT, open_in_base_ambient};
use crate::error::{Context as _, Result};
use crate::fs::{Place, Root};
use crate::tar::{Member, Reader};
use crate::watch::Watch;

/// Applies the changes in `base_directory`/rootfs-diff.tar to the root file system below `container_root`, an absolute
/// path. Without that file, or without the base directory, there is nothing to do.
///
/// The archive may be compressed. Directories that it doesn't describe keep their times. In a user namespace device nodes
/// are left out, and xattrs that the kernel refuses.
///
/// # Errors
///
/// ENOENT if the container root is missing; ELOOP, EPERM or EISDIR if rootfs-diff.tar isn't a regular file; EBADMSG,
/// EXDEV and the system calls' own as for the import. What was applied before stays, but nothing of a file that is
/// incomplete.
pub fn apply_rootfs_diff_tar<'b, 'r>(
    base_directory: impl Into<Place<'b>>,
    container_root: impl Into<Place<'r>>,
) -> Result<()> {
    let container_root = container_root.into();
    container_root.check_anchored(CONTAINER_ROOT)?;
    let Some((_, file)) = open_in_base_ambient(base_directory.into(), ROOTFS_DIFF_TAR)? else {
        return Ok(());
    };
    let root = Root::new(container_root.open_directory_ambient(CONTAINER_ROOT)?);
    let terms = Terms {
        rules: &Rules::default(),
        meter: &Meter::default(),
        watch: &Watch::new(),
    };
    Input::new(file, &Reading::default())
        .and_then(|mut input| {
            input.decode_ahead();
            apply(input, &root, terms, &|_| Ok(()))
        })
        .context(|| format!("apply {ROOTFS_DIFF_TAR}"))
}

/// Applies a diff below `root`; each member is told to `note` first.
pub(in crate::checkpoint) fn apply(
    input: Input<'_>,
    root: &Root,
    terms: Terms<'_>,
    note: &dyn Fn(&Member) -> Result<()>,
) -> Result<()> {
    let policy = Policy {
        judge: &|_, member| note(member).map(|()| Verdict::Extract),
        protected: &[],
        own_sources_only: false,
        // A directory that changed is in the diff itself.
        keep_times: true,
        terms,
    };
    let mut reader = Reader::new(input);
    let first = reader.next_member()?;
    Extraction::new(root, policy)?.run(first, &mut reader)
}
