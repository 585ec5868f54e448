//! The documents among the members, which an export reads where they lie.

#![forbid(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};

use nix::errno::Errno;

use super::{Entry, MemberSource, Refusal};
use crate::budget::ask_for;
use crate::checkpoint::MAX_CONFIG;
use crate::error::{Called as _, Error, Kind, Result};
use crate::fs::{Root, RootPath, open_regular_at};

/// The bytes of a document and the time of its file; none if it isn't there.
pub(super) fn read_document(entry: &Entry, time: i64) -> Result<Option<(Vec<u8>, i64)>> {
    match &entry.content {
        MemberSource::Bytes(bytes) => Ok(Some((bytes.clone(), time))),
        MemberSource::Bundle(root, _) => {
            let Some(file) = open_below(root, &entry.name)? else {
                return Ok(None);
            };
            read_file(&file).map(Some)
        }
        MemberSource::File(file) => read_file(file.file()).map(Some),
        MemberSource::Directory(_) | MemberSource::Diff(_) => Ok(None),
    }
}

fn read_file(file: &File) -> Result<(Vec<u8>, i64)> {
    let metadata = file.metadata().called(|| "fstat")?;
    if metadata.len() > MAX_CONFIG {
        return Err(Refusal::TooLarge(metadata.len()).into());
    }
    let length = usize::try_from(metadata.len()).unwrap_or_default();
    ask_for(length)?;
    let mut bytes = vec![0; length];
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read_at(&mut bytes[filled..], filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::io("read", error)),
        }
    }
    bytes.truncate(filled);
    Ok((bytes, metadata.mtime()))
}

/// A regular file of a bundle; none if it isn't there, or is none: what that means is told when it is to be stored.
fn open_below(root: &Root, path: &RootPath) -> Result<Option<File>> {
    let Some((directory, name)) = path.split() else {
        return Ok(None);
    };
    let gone = [Errno::ENOENT, Errno::ENOTDIR, Errno::EISDIR];
    let directory = match root.directory(&directory) {
        Err(error) if error.is_any(&gone) => return Ok(None),
        directory => directory?,
    };
    match open_regular_at(&directory, &name) {
        Err(error) if error.is_any(&gone) || error.kind() == Kind::Forbidden => Ok(None),
        file => file,
    }
}
