//! What a file system says of written data only when a descriptor is closed, or the data is on its disk.

#![forbid(unsafe_code)]

use std::fs::File;
use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;
use nix::unistd::{close, syncfs};

use crate::error::{Called as _, Result};

/// Asks for the errors that close(2) has for what was written to `file`: NFS and FUSE send data away when a descriptor
/// is closed, and only then hear that a quota is exceeded or that the server is gone. The descriptor itself stays open.
pub(crate) fn check_close(file: impl AsFd) -> Result<()> {
    loop {
        let copy = file.as_fd().try_clone_to_owned();
        match close(copy.called(|| "dup")?) {
            // Its descriptor is gone, and what it was closed for may not have been done.
            Err(Errno::EINTR) => {}
            result => return result.called(|| "close"),
        }
    }
}

/// Has everything that was written to the file system of `directory` (an O_PATH descriptor is enough) on its disk.
pub(crate) fn sync_file_system(directory: impl AsFd) -> Result<()> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let open = openat(directory, ".", flags, Mode::empty()).called(|| "open directory")?;
    syncfs(File::from(open)).called(|| "syncfs")
}
