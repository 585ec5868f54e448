//! Files that the runtime writes into and that need an SELinux label before.

#![forbid(unsafe_code)]

use std::ffi::{CStr, OsStr};
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStrExt as _;

use crate::error::{Context as _, Error, Result};
use crate::fs::{Name, Place, create_empty_at};
use crate::system::selinux;

/// Makes the empty file `file_name`, a single component, in `directory`, mode 0600 less the umask, and gives it the
/// SELinux label `file_label`. A regular file that is there is emptied and keeps its mode.
///
/// The label is written as it is, untranslated; none is written if it is empty or SELinux is disabled.
///
/// # Errors
///
/// EINVAL for a `file_name` with several components; ELOOP, EPERM or EISDIR if something else than a regular file has
/// the name; EOPNOTSUPP, before anything is made, if this build can't label and SELinux is enabled; the kernel's own
/// for a label that it refuses, and then the file stays.
pub fn create_file_with_label<'d>(
    directory: impl Into<Place<'d>>,
    file_name: &OsStr,
    file_label: &CStr,
) -> Result<()> {
    let Some(name) = Name::new(file_name.as_bytes()) else {
        return Err(Error::argument("file_name", "is no single path component"));
    };
    let label = Some(file_label).filter(|label| !label.is_empty() && selinux::is_enabled());
    if label.is_some() && !selinux::CAN_LABEL {
        return Err(selinux::NoLabels.into());
    }
    let directory = directory.into().open_directory_ambient("directory")?;
    let file = create_empty_at(&directory, &name)?;
    match label {
        Some(label) => {
            selinux::set_label(file.as_fd(), label).context(|| format!("label {}", name.quoted()))
        }
        None => Ok(()),
    }
}
