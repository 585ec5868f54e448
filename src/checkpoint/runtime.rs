//! Which OCI runtime a checkpoint was made with.

#![forbid(unsafe_code)]

use thiserror::Error as ThisError;

use super::names::CONFIG_DUMP;
use super::{Import, ImportOptions};
use crate::error::{self, Context as _, Kind, Result};
use crate::fs::Place;
use crate::watch::Watch;

/// Why an archive's runtime isn't told.
#[derive(Debug, ThisError)]
enum Refusal {
    /// A name that is guessed would have another runtime restore the container.
    #[error("no {CONFIG_DUMP} in the archive")]
    NoConfig,
    /// Whoever takes it for a C string would see another name.
    #[error("the runtime's name holds a NUL")]
    Nul,
}

impl error::Refusal for Refusal {
    fn kind(&self) -> Kind {
        match self {
            Self::NoConfig => Kind::NotInArchive,
            Self::Nul => Kind::Malformed,
        }
    }
}

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
        return Err(Refusal::NoConfig).context(|| input.named("archive"));
    };
    if config.runtime.contains('\0') {
        return Err(Refusal::Nul)
            .at_entry(CONFIG_DUMP.as_bytes())
            .context(|| input.named("archive"));
    }
    Ok(config.runtime.clone())
}
