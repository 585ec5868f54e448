//! Giving an open object a name.

use std::os::fd::{AsFd as _, BorrowedFd};

use nix::NixPath;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::unistd::linkat;

use super::proc::{descriptor_path, name_missing_proc};

/// Gives the object that `fd` (an O_PATH descriptor is enough) stands for the further name `name` in `directory`.
///
/// Through the descriptor itself that takes CAP_DAC_READ_SEARCH (or Linux 6.10 and the same credentials), otherwise
/// its name below `/proc` serves.
pub(crate) fn link_descriptor<P: ?Sized + NixPath>(
    fd: BorrowedFd<'_>,
    directory: BorrowedFd<'_>,
    name: &P,
) -> Result<(), Errno> {
    match linkat(fd, c"", directory, name, AtFlags::AT_EMPTY_PATH) {
        Err(Errno::ENOENT | Errno::EPERM) => {
            let path = descriptor_path(fd.as_fd());
            linkat(
                AT_FDCWD,
                path.as_c_str(),
                directory,
                name,
                AtFlags::AT_SYMLINK_FOLLOW,
            )
            .map_err(name_missing_proc)
        }
        result => result,
    }
}
