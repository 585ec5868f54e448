//! Floor 0: one thin function per system call that `nix` lacks or offers unsafely, and writing without the signals that a
//! write may send.
//!
//! Everything takes a descriptor that the caller has open; `nix::errno::Errno` is the error, since the floor above
//! knows what the call was for. Where a call is younger than the kernels that are supported, the function uses the
//! new one first and then the descriptor's name below `/proc`, never a call that would follow a link.

mod capability;
mod clone;
mod handle;
mod link;
mod memory;
mod mode;
mod proc;
mod quiet;
mod signal;
mod statx;
#[cfg(test)]
pub(crate) mod testing;
mod times;
mod xattr;

pub(crate) use capability::{CAP_SYS_ADMIN, has_cap_sys_admin};
pub(crate) use clone::clone_range;
pub(crate) use handle::file_handle;
pub(crate) use link::link_descriptor;
pub(crate) use memory::has_memory;
pub(crate) use mode::change_mode;
pub(crate) use proc::{Descriptors, reopen};
pub(crate) use quiet::{Quiet, quietly, set_len, write_all_at};
#[cfg(test)]
pub(crate) use signal::{is_pending, take_pending};
pub(crate) use statx::{Status, mount_id, status};
pub(crate) use times::{Timestamp, set_times};
pub(crate) use xattr::{Handle, get_xattr, list_xattrs, list_xattrs_at, remove_xattr, set_xattr};

/// Whether the kernel lacks a call or a filter keeps it from the process.
///
/// Container engines' older seccomp profiles answer EPERM to calls that they don't know.
pub(crate) fn is_missing(errno: nix::errno::Errno) -> bool {
    matches!(errno, nix::errno::Errno::ENOSYS | nix::errno::Errno::EPERM)
}
