//! Which OCI runtime a checkpoint was made with.

#![forbid(unsafe_code)]

use super::names::CONFIG_DUMP;
use super::{Import, ImportOptions};
use crate::error::{Error, Kind, Result};
use crate::fs::Place;
use crate::watch::Watch;

/// The name of the OCI runtime in the checkpoint archive `input`: the key `runtime` of its config.dump; "" if the key
/// is absent, null or empty, since writers leave an empty one out. Works in memory, and reads no further than needed.
///
/// # Errors
///
/// ENODATA if the archive has no config.dump; EBADMSG if the archive or the JSON is malformed; EXDEV or EPERM if
/// config.dump isn't a regular file; E2BIG if it is larger than 16 MiB.
pub fn runtime_from_archive<'i>(input: impl Into<Place<'i>>) -> Result<String> {
    let input = input.into();
    let import = Import::open_named(input, "input", &ImportOptions::new(), &Watch::new())?;
    let metadata = import.only_config()?;
    let Some(config) = metadata.config() else {
        let missing = format!("no {CONFIG_DUMP} in the archive");
        return Err(Error::new(Kind::NotInArchive, missing).context(input.named("archive")));
    };
    if config.runtime.contains('\0') {
        // Who takes it for a C string would see another name.
        let text = "the runtime's name holds a NUL";
        let error = Error::new(Kind::Malformed, text).at_entry(CONFIG_DUMP.as_bytes());
        return Err(error.context(input.named("archive")));
    }
    Ok(config.runtime.clone())
}
