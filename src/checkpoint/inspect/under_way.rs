//! Inspecting an archive that is open for import.

#![forbid(unsafe_code)]

use std::sync::Arc;

use super::store::Store;
use super::{InspectOptions, Inspection};
use crate::archive::ArchiveOrigin;
use crate::checkpoint::Import;
use crate::criu::Items;
use crate::error::{Context as _, Result};

impl Import {
    /// Inspects the archive before it is extracted. A file or an image is read from its beginning. A pipe or a socket is read once: what
    /// it yields is kept until it is extracted, up to 32 MiB in memory and the rest in
    /// [`ImportOptions::spool_directory`](crate::checkpoint::ImportOptions::spool_directory); of its processes' memory
    /// arguments and environments alone are read. The ratio of compression that the import allows holds for the archive,
    /// that of `options` for previous checkpoints.
    ///
    /// # Errors
    ///
    /// As [`Inspection::open`]; E2BIG for a pipe that yields more than 32 MiB without a spool directory; ESPIPE for one that
    /// was extracted.
    pub fn inspect(&mut self, options: &InspectOptions) -> Result<Inspection> {
        let step = format!("inspect {}", self.step());
        let mut items = Items::default();
        let reading = self.reading().clone();
        let again = match self.origin() {
            ArchiveOrigin::File(file) => Some(ArchiveOrigin::File(Arc::clone(file))),
            ArchiveOrigin::Made(make, len) => Some(ArchiveOrigin::Made(Arc::clone(make), *len)),
            ArchiveOrigin::Stream(_) => None,
        };
        let store = match again {
            Some(origin) => Store::archive(&step, origin, &reading, &mut items),
            None => self
                .look_from_beginning(|reader| Store::stream(&step, reader, &reading, &mut items)),
        };
        let store = store.context(|| step.clone())?;
        Inspection::of(store, options, &options.reading(&reading.watch), items)
    }
}
