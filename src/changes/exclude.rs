//! What isn't listed although it changed.

#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

use crate::error::{Error, Result};
use crate::fs::RootPath;

/// Paths that aren't listed.
///
/// A directory that was added and holds something excluded is listed as modified instead, and the rest of its content
/// name by name: an added directory stands for all that is below it. A directory isn't listed either if nothing else
/// changed there than that something excluded was made: one that differs in its times alone, or was added with mode 0755,
/// without xattrs, with the owner of what is excluded, and holds nothing that is listed.
#[derive(Clone, Debug, Default)]
pub struct Exclude {
    exact: BTreeSet<Vec<u8>>,
    subtrees: BTreeSet<Vec<u8>>,
}

impl Exclude {
    /// Leaves out the object at `path` itself, not what is below it.
    ///
    /// # Errors
    ///
    /// EINVAL for a path that is empty, EBADMSG for one with a NUL, E2BIG for one above 4095 bytes.
    pub fn exact(&mut self, path: impl AsRef<OsStr>) -> Result<()> {
        self.exact.insert(clean(path.as_ref())?);
        Ok(())
    }

    /// Leaves out the object at `path` and everything below it, without looking there.
    ///
    /// # Errors
    ///
    /// As for [`Exclude::exact`].
    pub fn subtree(&mut self, path: impl AsRef<OsStr>) -> Result<()> {
        self.subtrees.insert(clean(path.as_ref())?);
        Ok(())
    }

    /// Leaves out each of `paths` as [`Exclude::exact`] does, or none of them: [what an engine leaves
    /// out](crate::checkpoint::Engine::excluded_paths), or the [bind mounts of a
    /// specification](crate::checkpoint::bind_destinations).
    ///
    /// # Errors
    ///
    /// As for [`Exclude::exact`].
    pub fn all_exact<P: AsRef<OsStr>>(&mut self, paths: impl IntoIterator<Item = P>) -> Result<()> {
        let paths = paths.into_iter().map(|path| clean(path.as_ref()));
        let paths = paths.collect::<Result<Vec<_>>>()?;
        self.exact.extend(paths);
        Ok(())
    }

    /// The paths that [`Exclude::exact`] was given, cleaned and absolute.
    #[must_use]
    pub fn exact_paths(&self) -> Vec<OsString> {
        self.exact.iter().map(|path| absolute(path)).collect()
    }

    /// The paths that [`Exclude::subtree`] was given, in the same form.
    #[must_use]
    pub fn subtree_paths(&self) -> Vec<OsString> {
        self.subtrees.iter().map(|path| absolute(path)).collect()
    }

    /// Whether everything is listed.
    pub(super) fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.subtrees.is_empty()
    }

    /// Whether the object itself isn't listed.
    pub(super) fn leaves_out(&self, path: &RootPath) -> bool {
        self.exact.contains(path.as_bytes()) || self.subtrees.contains(path.as_bytes())
    }

    /// Whether nothing below the object is listed, of which the directories above were let pass.
    pub(super) fn closes(&self, path: &RootPath) -> bool {
        self.subtrees.contains(path.as_bytes())
    }
}

fn clean(path: &OsStr) -> Result<Vec<u8>> {
    if path.is_empty() {
        return Err(Error::argument("path", "is empty"));
    }
    Ok(RootPath::clean(path.as_bytes())?.as_bytes().to_vec())
}

/// A path below the root, as the container sees it.
pub(super) fn absolute(path: &[u8]) -> OsString {
    OsString::from_vec([b"/", path].concat())
}
