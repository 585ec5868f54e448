//! Importing a chain of incremental dumps.

use super::argument::{Array, At, Optional, Text};
use super::guard::{self, Slot, Status};
use super::import_options::CRImportOptions;
use super::place::CRPlace;
use super::watch::{CRWatch, watch};
use crate::Place;
use crate::checkpoint::import_chain;
use crate::error::Result;

/// A dump of a chain: the name of its directory in the bundle, and its archive.
#[repr(C)]
#[derive(Debug)]
pub struct CRDump {
    /// The name of the dump's directory: one component.
    pub name: Text,
    /// The dump's archive.
    pub archive: CRPlace,
}

impl Array<CRDump> {
    /// The dumps of the array.
    fn dumps(&self, len: usize) -> Result<Vec<(&std::ffi::OsStr, Place<'_>)>> {
        let mut dumps = Vec::with_capacity(len.min(1024));
        for (index, dump) in self.slice(len, "dumps")?.iter().enumerate() {
            let name = dump.name.os_str(&format!("dumps[{index}].name"))?;
            let archive = &dump.archive;
            let argument = format!("dumps[{index}].archive");
            dumps.push((name, archive.path.place(archive.at, &argument)?));
        }
        Ok(dumps)
    }
}

/// Extracts a chain of incremental dumps, each into a directory of its own in a bundle: the archives that
/// podman and runc make with a pre-checkpoint. A dump's link "parent" may lead to "../NAME", the directory
/// of an earlier dump, so that CRIU restores from the last one. config.dump and spec.dump stay in the
/// archives.
///
/// Directories that this call has made are removed after a failure, unless CR_IMPORT_KEEP_FAILED is set.
///
/// @param at, bundle As for CRImportToBundle.
/// @param dumps An array of dumps_len dumps, the oldest first; it may be NULL if dumps_len is 0.
/// @param options NULL for the defaults.
/// @param watch NULL for none.
///
/// Errors:
/// - EINVAL: a name is not one component, is there twice, or is that of a configuration file.
/// - ENODATA: a link "parent" leads nowhere.
/// - As for CRImportOpen and CRImportExtract, for each archive.
#[unsafe(no_mangle)]
pub extern "C" fn CRImportChain(
    at: At,
    bundle: Text,
    dumps: Array<CRDump>,
    dumps_len: usize,
    options: Optional<CRImportOptions>,
    watch: Optional<CRWatch>,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let bundle = bundle.place(at, "bundle")?;
        let dumps = dumps.dumps(dumps_len)?;
        let options = options.copied(|options| &options.0);
        import_chain(bundle, &dumps, &options, &self::watch(&watch)).map(drop)
    })
}
