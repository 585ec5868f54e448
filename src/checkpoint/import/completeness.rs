//! What a restore from a bundle would miss.
//!
//! CRIU reads `inventory.img` before anything else, and an incremental dump's memory comes from the dump before it, to
//! which its link `parent` leads. Without one of them a restore fails hours later, with the archive perhaps gone.

#![forbid(unsafe_code)]

use std::collections::BTreeSet;

use nix::sys::stat::SFlag;

use crate::budget::Budget;
use crate::checkpoint::file_name;
use crate::checkpoint::names::{DUMPS, INVENTORY, PARENT};
use crate::error::{Error, Kind, Result};
use crate::fs::{Node, Root, RootPath, file_type, is_empty_directory};
use crate::tar::{Member, MemberKind};
use crate::watch::{WarningKind, Watch};

/// What fails an import.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// All is told, and nothing fails.
    Nothing,
    /// A link to a dump before that leads nowhere.
    MissingParents,
    Everything,
}

/// The directories of CRIU's images that an import makes.
#[derive(Default)]
pub(super) struct Images {
    directories: BTreeSet<RootPath>,
    /// Of these the link to the dump before has to lead somewhere.
    with_parent: BTreeSet<RootPath>,
    budget: Budget,
}

impl Images {
    /// Takes in a member that goes into the bundle, or into the directory `within` it.
    pub(super) fn add(
        &mut self,
        path: &RootPath,
        within: Option<&RootPath>,
        member: &Member,
    ) -> Result<()> {
        let whole = |path: RootPath| match within {
            Some(within) => within.below(&path),
            None => Ok(path),
        };
        let top = path.components().next().unwrap_or_default();
        if DUMPS.iter().any(|dump| dump.as_bytes() == top) {
            self.directories.insert(whole(RootPath::clean(top)?)?);
        }
        if matches!(member.kind, MemberKind::Symlink { .. })
            && let Some((directory, name)) = path.split()
            && name.bytes() == PARENT.as_bytes()
        {
            let directory = whole(directory)?;
            self.budget.take(2 * directory.as_bytes().len())?;
            self.directories.insert(directory.clone());
            self.with_parent.insert(directory);
        }
        Ok(())
    }

    /// Tells what is missing in the bundle, or fails for it if that is `refused`.
    pub(super) fn check(&self, bundle: &Root, refused: Refused, watch: &Watch) -> Result<()> {
        let tell = |path: &RootPath, refused: bool, why: &str| {
            if refused {
                let error = Error::new(Kind::NotInArchive, why.to_owned());
                return Err(error.at_entry(path.as_bytes()));
            }
            watch.warn(WarningKind::Incomplete, path.as_bytes(), why);
            Ok(())
        };
        for path in &self.directories {
            watch.check()?;
            let Some(directory) = find(bundle, path)? else {
                continue;
            };
            if is_empty_directory(&directory)? {
                let why = "is empty: nothing can be restored from it";
                tell(path, refused == Refused::Everything, why)?;
            } else if !has_inventory(&directory)? {
                let why = "isn't there: CRIU restores nothing without it";
                let inventory = path.join(&file_name(INVENTORY)?)?;
                tell(&inventory, refused == Refused::Everything, why)?;
            }
            if self.with_parent.contains(path) {
                let parent = path.join(&file_name(PARENT)?)?;
                if find(bundle, &parent)?.is_none() {
                    let why = "leads nowhere: the dump that this one continues is missing";
                    tell(&parent, refused != Refused::Nothing, why)?;
                }
            }
        }
        Ok(())
    }
}

/// The directory of this path, symlinks followed inside the bundle, if there is one.
fn find(bundle: &Root, path: &RootPath) -> Result<Option<Node>> {
    match bundle.directory(path) {
        Ok(directory) => Ok(Some(Node::from_path_only(directory))),
        Err(error) if error.is_absent() => Ok(None),
        Err(error) => Err(error),
    }
}

fn has_inventory(directory: &Node) -> Result<bool> {
    let found = Node::find_at(directory, &file_name(INVENTORY)?)?;
    let stat = found.map(|node| node.stat()).transpose()?;
    Ok(stat.is_some_and(|stat| file_type(&stat) == SFlag::S_IFREG))
}
