//! Where an import's members go.

#![forbid(unsafe_code)]

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;

use crate::archive::Verdict;
use crate::checkpoint::bundle::{
    check_config, is_config, is_config_file, is_dumps_link, judge_bundle_member,
};
use crate::checkpoint::names::{DELETED_FILES, ROOTFS_DIFF_TAR, SHM_TAR, volume_of, volume_tar};
use crate::error::{Error, Result};
use crate::fs::{Destination, Name, Place, PlaceBuf, Root, RootPath};
use crate::tar::Member;

/// Which members go into the bundle, of those that have no destination of their own.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) enum Selection {
    /// None.
    #[default]
    Nothing,
    /// All but config.dump and spec.dump.
    AllButConfiguration,
    /// All of them.
    All,
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
            Selection::Nothing | Selection::AllButConfiguration | Selection::All => (&[], false),
        };
        names
            .iter()
            .filter(move |name| path == *name || with_content && path.is_within(name))
    }

    /// Whether a member goes into the bundle. `in_chain` is its path below the directory of all dumps, if the bundle is that of
    /// one in a chain: links lead from one to the other.
    pub(super) fn judge(
        &self,
        path: &RootPath,
        in_chain: Option<&RootPath>,
        member: &Member,
    ) -> Result<Verdict> {
        let chosen = match self {
            Selection::Nothing => false,
            Selection::All => true,
            Selection::AllButConfiguration => !is_config(path),
            Selection::Named(_) | Selection::Configuration(_) => {
                self.choices(path).next().is_some()
            }
        };
        if !chosen {
            Ok(Verdict::Skip)
        } else if is_config_file(path) {
            check_config(member).map(|_| Verdict::Extract)
        } else if in_chain.is_some_and(|path| is_dumps_link(path, member)) {
            Ok(Verdict::Extract)
        } else {
            judge_bundle_member(path, member)
        }
    }
}

/// A dump's place among the others of a chain.
pub(super) struct Dump {
    /// The directory that all dumps are in.
    pub(super) bundle: Root,
    /// The dump's own.
    pub(super) path: RootPath,
}

/// The directories that an import extracts into.
#[derive(Default)]
pub(super) struct Targets {
    /// What is extracted into; it may be missing until the archive turns out to be one.
    pub(super) bundle: Option<Bundle>,
    pub(super) selection: Selection,
    /// If the bundle is one of a chain of dumps.
    pub(super) dump: Option<Dump>,
    pub(super) root: Option<Root>,
    pub(super) shm: Option<Root>,
    /// By the name of the volume.
    pub(super) volumes: Vec<(OsString, Root)>,
}

/// Where the bundle is, and what the caller calls the argument that says so.
pub(super) struct Bundle {
    pub(super) place: PlaceBuf,
    pub(super) argument: &'static str,
}

impl Targets {
    pub(super) fn set_bundle(
        &mut self,
        place: Place<'_>,
        argument: &'static str,
        selection: Selection,
    ) -> Result<()> {
        check_unset(self.bundle.as_ref(), argument)?;
        Destination::check_ambient(place, argument)?;
        let place = PlaceBuf::new(place)?;
        self.bundle = Some(Bundle { place, argument });
        self.selection = selection;
        Ok(())
    }

    pub(super) fn set_root(&mut self, root: Place<'_>) -> Result<()> {
        check_unset(self.root.as_ref(), "root")?;
        root.check_anchored("root")?;
        self.root = Some(Root::new(root.open_directory_ambient("root")?));
        Ok(())
    }

    pub(super) fn set_shm(&mut self, directory: Place<'_>) -> Result<()> {
        check_unset(self.shm.as_ref(), "directory")?;
        self.shm = Some(Root::new(directory.open_directory_ambient("directory")?));
        Ok(())
    }

    pub(super) fn add_volume(&mut self, volume: &OsStr, directory: Place<'_>) -> Result<()> {
        if Name::new(volume.as_bytes()).is_none() {
            return Err(Error::argument("volume", "is no single component"));
        }
        let known = self.volumes.iter().find(|(other, _)| other == volume);
        check_unset(known, "volume")?;
        let root = Root::new(directory.open_directory_ambient("directory")?);
        self.volumes.push((volume.to_owned(), root));
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
    pub(super) fn goal(&self, path: &RootPath) -> Option<Goal<'_>> {
        let path = path.as_bytes();
        if let Some(root) = &self.root {
            if path == ROOTFS_DIFF_TAR.as_bytes() {
                return Some(Goal::Diff(root));
            }
            if path == DELETED_FILES.as_bytes() {
                return Some(Goal::Deleted);
            }
        }
        if path == SHM_TAR.as_bytes() {
            return self.shm.as_ref().map(Goal::Tree);
        }
        let volume = volume_of(path)?;
        let volume = self
            .volumes
            .iter()
            .find(|(name, _)| name.as_bytes() == volume);
        volume.map(|(_, root)| Goal::Tree(root))
    }

    /// The members that have to be in the archive, since a directory waits for them.
    pub(super) fn expected(&self) -> Vec<Vec<u8>> {
        let volume = |(name, _): &(OsString, Root)| volume_tar(name.as_bytes());
        let shm = self.shm.as_ref().map(|_| SHM_TAR.as_bytes().to_vec());
        self.volumes.iter().map(volume).chain(shm).collect()
    }
}

/// A destination that was replaced by another would be missed only when the container runs.
fn check_unset<T>(destination: Option<&T>, argument: &str) -> Result<()> {
    match destination {
        None => Ok(()),
        Some(_) => Err(Error::argument(argument, "was set before")),
    }
}

/// Where a member goes that doesn't go into the bundle.
#[derive(Clone, Copy)]
pub(super) enum Goal<'t> {
    /// It is the rootfs diff, to be applied below this root.
    Diff(&'t Root),
    /// It is the list of what is deleted at the end.
    Deleted,
    /// It is the archive of a directory.
    Tree(&'t Root),
}
