//! Which OCI runtime a checkpoint was made with.

#![forbid(unsafe_code)]

use std::io::Read as _;
use std::path::Path;

use super::import::check_config;
use super::{CONFIG_DUMP, ContainerConfig, archive_step, open_archive_ambient};
use crate::archive::Input;
use crate::error::{Context as _, Error, Kind, Result};
use crate::fs::RootPath;
use crate::tar::{Member, Reader};

/// The name of the OCI runtime in the checkpoint archive `input`: the key `runtime` of its config.dump; "" if the key
/// is absent, null or empty, since writers leave an empty one out. Works in memory, and reads no further than needed.
///
/// # Errors
///
/// ENODATA if the archive has no config.dump; EBADMSG if the archive or the JSON is malformed; EXDEV or EPERM if
/// config.dump isn't a regular file; E2BIG if it is larger than 16 MiB.
pub fn runtime_from_archive(input: &Path) -> Result<String> {
    let mut reader = open_archive_ambient(input)?;
    find_runtime(&mut reader).context(|| archive_step(input))
}

fn find_runtime(reader: &mut Reader<Input>) -> Result<String> {
    while let Some(member) = reader.next_member()? {
        let path = RootPath::clean(&member.path)
            .map_err(Error::from)
            .at_entry(&member.path)?;
        if path.as_bytes() == CONFIG_DUMP.as_bytes() {
            return read_runtime(&member, reader).at_entry(&member.path);
        }
    }
    // A damaged archive may have had one.
    reader.finish()?;
    Err(Error::new(
        Kind::NotInArchive,
        "no config.dump in the archive",
    ))
}

fn read_runtime(member: &Member, reader: &mut Reader<Input>) -> Result<String> {
    check_config(member)?;
    let mut stored = Vec::new();
    reader
        .data()
        .read_to_end(&mut stored)
        .map_err(|error| Error::io("read", error))?;
    let runtime = ContainerConfig::parse(&expand(member, &stored))?.runtime;
    if runtime.contains('\0') {
        // Who takes it for a C string would see another name.
        return Err(Error::new(
            Kind::Malformed,
            "the runtime's name holds a NUL",
        ));
    }
    Ok(runtime)
}

/// The content of a file, zeros for its holes; `size` was checked against the limit.
fn expand(member: &Member, stored: &[u8]) -> Vec<u8> {
    let Some(extents) = &member.sparse else {
        return stored.to_vec();
    };
    let mut content = vec![0; usize::try_from(member.size).unwrap_or(0)];
    let mut rest = stored;
    for extent in extents {
        let Ok(len) = usize::try_from(extent.len) else {
            break;
        };
        let Ok(offset) = usize::try_from(extent.offset) else {
            break;
        };
        let (Some(target), Some((data, after))) = (
            content.get_mut(offset..offset.saturating_add(len)),
            rest.split_at_checked(len),
        ) else {
            break;
        };
        target.copy_from_slice(data);
        rest = after;
    }
    content
}
