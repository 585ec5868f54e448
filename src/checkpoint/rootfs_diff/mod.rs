//! The changes of a container's root file system, as a tar archive and a list of deletions.

#![forbid(unsafe_code)]

mod apply;
mod create;
mod plan;

pub(super) use apply::apply;
pub use apply::apply_rootfs_diff_tar;
pub use create::create_rootfs_diff_tar;
pub(super) use plan::Plan;
