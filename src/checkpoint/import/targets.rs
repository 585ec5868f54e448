//! Where an import's members go.

#![forbid(unsafe_code)]

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;

use crate::checkpoint::{CONTAINER_ROOT, DELETED_FILES, ROOTFS_DIFF_TAR};
use crate::error::{Error, Result};
use crate::fs::{Destination, Directory, DirectoryBuf, Name, Root, RootPath};

/// Which members go into the bundle, of those that have no destination of their own.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) enum Selection {
    /// None.
    #[default]
    Nothing,
    /// All but config.dump and spec.dump.
    AllButConfiguration,
    /// config.dump and spec.dump, which are these names. Reading ends with the second of them.
    Configuration([RootPath; 2]),
    /// Those of these names, and everything below them.
    Named(Vec<RootPath>),
}

impl Selection {
    /// The names that `path` was chosen by; several, if some are below others.
    pub(super) fn choices(&self, path: &RootPath) -> impl Iterator<Item = &RootPath> {
        let (names, with_content): (&[RootPath], _) = match self {
            Selection::Named(names) => (names, true),
            Selection::Configuration(names) => (names, false),
            Selection::Nothing | Selection::AllButConfiguration => (&[], false),
        };
        names
            .iter()
            .filter(move |name| path == *name || with_content && path.is_within(name))
    }
}

/// The directories that an import extracts into.
#[derive(Default)]
pub(super) struct Targets {
    /// It may be missing until the archive turns out to be one.
    pub(super) bundle: Option<DirectoryBuf>,
    pub(super) selection: Selection,
    pub(super) root: Option<Root>,
    pub(super) shm: Option<Root>,
    /// By the name of the volume.
    pub(super) volumes: Vec<(OsString, Root)>,
}

impl Targets {
    pub(super) fn set_bundle(&mut self, bundle: Directory<'_>, selection: Selection) -> Result<()> {
        Destination::check_ambient(bundle, "destination")?;
        self.bundle = Some(DirectoryBuf::new(bundle)?);
        self.selection = selection;
        Ok(())
    }

    pub(super) fn set_root(&mut self, root: Directory<'_>) -> Result<()> {
        root.check_absolute(CONTAINER_ROOT)?;
        self.root = Some(Root::new(root.open_ambient(CONTAINER_ROOT)?));
        Ok(())
    }

    pub(super) fn set_shm(&mut self, shm: Directory<'_>) -> Result<()> {
        self.shm = Some(Root::new(shm.open_ambient("shm_directory")?));
        Ok(())
    }

    pub(super) fn add_volume(&mut self, name: &OsStr, directory: Directory<'_>) -> Result<()> {
        if Name::new(name.as_bytes()).is_none() {
            return Err(Error::argument("volume", "its name is no single component"));
        }
        if self.volumes.iter().any(|(other, _)| other == name) {
            return Err(Error::argument("volume", "has a directory already"));
        }
        let root = Root::new(directory.open_ambient("volume_directory")?);
        self.volumes.push((name.to_owned(), root));
        Ok(())
    }

    /// Whether nothing goes anywhere but members that were named, so that the others needn't be read.
    pub(super) fn are_few(&self) -> bool {
        let is_few = matches!(
            self.selection,
            Selection::Named(_) | Selection::Configuration(_)
        );
        is_few && self.root.is_none() && self.shm.is_none() && self.volumes.is_empty()
    }

    /// Whether a member goes anywhere else than into the bundle.
    pub(super) fn route(&self, path: &RootPath) -> Option<Route<'_>> {
        let path = path.as_bytes();
        if let Some(root) = &self.root {
            if path == ROOTFS_DIFF_TAR.as_bytes() {
                return Some(Route::Diff(root));
            }
            if path == DELETED_FILES.as_bytes() {
                return Some(Route::Deleted);
            }
        }
        if path == SHM_TAR.as_bytes() {
            return self.shm.as_ref().map(Route::Tree);
        }
        let volume = path.strip_prefix(b"volumes/")?.strip_suffix(b".tar")?;
        let volume = self
            .volumes
            .iter()
            .find(|(name, _)| name.as_bytes() == volume);
        volume.map(|(_, root)| Route::Tree(root))
    }

    /// The members that have to be in the archive, since a directory waits for them.
    pub(super) fn expected(&self) -> Vec<Vec<u8>> {
        let volume =
            |(name, _): &(OsString, Root)| [b"volumes/", name.as_bytes(), b".tar"].concat();
        let shm = self.shm.as_ref().map(|_| SHM_TAR.as_bytes().to_vec());
        self.volumes.iter().map(volume).chain(shm).collect()
    }
}

/// The content of the container's own /dev/shm.
pub(super) const SHM_TAR: &str = "devshm-checkpoint.tar";

/// Where a member goes that doesn't go into the bundle.
#[derive(Clone, Copy)]
pub(super) enum Route<'t> {
    /// It is the rootfs diff, to be applied below this root.
    Diff(&'t Root),
    /// It is the list of what is deleted at the end.
    Deleted,
    /// It is the archive of a directory.
    Tree(&'t Root),
}
