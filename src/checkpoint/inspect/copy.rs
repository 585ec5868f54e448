//! One member of an archive, on its own.

#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::os::fd::{AsFd as _, BorrowedFd};

use crate::archive::{ArchiveOrigin, Content, Hash, Reading};
use crate::error::{self, Called as _, Context as _, Kind, Result};
use crate::fs::{Place, RootPath, open_input_ambient};
use crate::tar::Reader;
use crate::watch::{Phase, Watch};

/// Why a member isn't copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Refusal {
    #[error("is not in the archive")]
    Missing,
    #[error("is not a regular file")]
    NotRegular,
}

impl error::Refusal for Refusal {
    fn kind(&self) -> Kind {
        match self {
            Self::Missing => Kind::NotInArchive,
            Self::NotRegular => Kind::Unsupported,
        }
    }
}

/// Writes the content of a regular file in an archive to `to`, holes as zeros. Reads no further than to its end; a pipe or
/// a socket is read once. Returns how many bytes the file has.
///
/// # Errors
///
/// ENODATA if there is no such member, EOPNOTSUPP if it isn't a regular file, EBADMSG for a malformed archive; what
/// writing fails with.
pub fn copy_member<'p>(
    archive: impl Into<Place<'p>>,
    name: &[u8],
    to: &mut dyn Write,
    watch: &Watch,
) -> Result<u64> {
    let archive = archive.into();
    let copied = match archive.descriptor() {
        Some(fd) => copy_from(fd, name, to, watch),
        None => {
            open_input_ambient(archive).and_then(|file| copy_from(file.as_fd(), name, to, watch))
        }
    };
    copied.context(|| archive.named("archive"))
}

fn copy_from(input: BorrowedFd<'_>, name: &[u8], to: &mut dyn Write, watch: &Watch) -> Result<u64> {
    let wanted = RootPath::clean(name)?;
    let reading = Reading {
        watch: watch.clone(),
        ..Reading::default()
    };
    let mut origin: ArchiveOrigin = super::origin(input, &reading)?;
    watch.begin(Phase::Reading, origin.len()?);
    let mut reader = Reader::new(origin.look(&reading, Hash::Never, None)?);
    while let Some(member) = reader.next_member()? {
        if RootPath::clean(&member.path)? != wanted {
            continue;
        }
        let Some(file) = member.extents() else {
            return Err(Refusal::NotRegular).at_entry(name);
        };
        let mut data = reader.data();
        let mut content = Content::new(file, &mut data);
        let copied = io::copy(&mut content, to);
        watch.end();
        return copied.called(|| "copy").at_entry(name);
    }
    watch.end();
    Err(Refusal::Missing).at_entry(name)
}
