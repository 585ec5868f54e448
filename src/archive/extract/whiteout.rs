//! Whiteouts: members that say what is to be removed, as in the layers of OCI images (image-spec, layer.md).
//!
//! A whiteout is about what was there before its layer, wherever in the layer it stands. So what this extraction has
//! made stays, and the directories on the way to it. A directory that was there before and stays for that reason is
//! emptied of the rest; it keeps those of its attributes that no member describes.

#![forbid(unsafe_code)]

use std::os::fd::AsFd as _;
use std::rc::Rc;

use nix::sys::stat::SFlag;
use thiserror::Error as ThisError;

use super::places::PathMap;
use super::{Extraction, Verdict};
use crate::error::{self, Called as _, Kind, Result};
use crate::fs::{Keep, Name, Node, Parent, RootPath, file_type};
use crate::sys::mount_id;
use crate::tar::{Member, MemberKind, MemberType};
use crate::watch::WarningKind;

/// What the name of a whiteout begins with; the rest is the name of what is removed.
const PREFIX: &[u8] = b".wh.";
/// What the names begin with that AUFS keeps for itself.
const AUFS: &[u8] = b".wh..wh.";
/// The one of them that is a whiteout: everything in its directory is removed.
const OPAQUE: &[u8] = b".wh..wh..opq";

/// Why a whiteout is refused.
#[derive(Debug, ThisError)]
enum Bad {
    /// A whiteout of no name, of `.` or of `..` would remove the directory that it is in, or the one above.
    #[error("a whiteout of a directory by way of its own content")]
    Name,
    /// What is in a whiteout, or below one, is lost without a word: it isn't made, and nobody looks at it.
    #[error("a whiteout that is a {0}, not an empty file")]
    Type(&'static str),
    /// Content is lost in the same way.
    #[error("a whiteout with content")]
    Content,
    /// What is mounted below the root isn't part of the container's file system.
    #[error("a whiteout below a mount point")]
    OtherMount,
}

impl error::Refusal for Bad {
    fn kind(&self) -> Kind {
        match self {
            Self::OtherMount => Kind::Escape,
            Self::Name | Self::Type(_) | Self::Content => Kind::Malformed,
        }
    }
}

/// What a member says by its name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Whiteout {
    /// The object of this path is removed.
    Object(RootPath),
    /// Everything in the directory of this path is removed.
    Opaque(RootPath),
    /// Nothing: it is AUFS's own, or below what is.
    Aufs,
}

impl Whiteout {
    /// What the member `path` says; `None` if it is like any other.
    pub(super) fn of(path: &RootPath, member: &Member) -> Result<Option<Self>> {
        let marks = |name: &&[u8]| name.starts_with(PREFIX);
        let mut names = path.components().skip_while(|name| !marks(name));
        let Some(mark) = names.next() else {
            return Ok(None);
        };
        if mark.starts_with(AUFS) && mark != OPAQUE {
            return Ok(Some(Whiteout::Aufs));
        }
        if names.next().is_some() {
            return Err(Bad::Type(MemberType::Directory.name()).into());
        }
        check_empty(member)?;
        let Some((directory, _)) = path.split() else {
            return Ok(None);
        };
        if mark == OPAQUE {
            return Ok(Some(Whiteout::Opaque(directory)));
        }
        let removed = Name::new(&mark[PREFIX.len()..]).ok_or(Bad::Name)?;
        Ok(Some(Whiteout::Object(directory.join(&removed)?)))
    }

    /// The path that is judged.
    pub(super) fn path(&self) -> Option<&RootPath> {
        match self {
            Whiteout::Object(path) | Whiteout::Opaque(path) => Some(path),
            Whiteout::Aufs => None,
        }
    }
}

/// A whiteout is an empty file. On AUFS all are names of one file, so that its archives have hard links from one to
/// another; those are taken for what they are.
fn check_empty(member: &Member) -> Result<(), Bad> {
    let is_whiteout = |source: &[u8]| {
        let name = source.rsplit(|&byte| byte == b'/').next();
        name.is_some_and(|name| name.starts_with(PREFIX))
    };
    match &member.kind {
        MemberKind::Regular(extents) if extents.size() == 0 => Ok(()),
        MemberKind::Regular(_) => Err(Bad::Content),
        MemberKind::HardLink { source } if is_whiteout(source) => Ok(()),
        other => Err(Bad::Type(other.member_type().name())),
    }
}

/// What there is of the layer that is being extracted, by paths without symlinks.
#[derive(Default)]
pub(super) struct LayerSoFar {
    /// What this extraction has made, or left out as a device that can't be made. What was replaced since is in here,
    /// too: it is in something that was made.
    made: PathMap<()>,
    /// Directories that were rid of all that this extraction hasn't made. Nothing else gets into them any more, and so
    /// none is looked through twice: an archive full of whiteouts costs no more than its members and what it removes.
    cleared: PathMap<()>,
}

impl Keep for LayerSoFar {
    fn keeps(&self, path: &RootPath) -> bool {
        self.made.get(path).is_some()
    }

    fn keeps_below(&self, directory: &RootPath) -> bool {
        self.made.has_within(directory)
    }

    fn keeps_all_below(&self, directory: &RootPath) -> bool {
        self.cleared.get(directory).is_some()
    }
}

impl LayerSoFar {
    pub(super) fn remember(&mut self, path: RootPath) -> Result<()> {
        self.made.insert(path, (), 0)
    }

    /// Remembers that the directory was cleared, and so was all below it.
    fn remember_cleared(&mut self, directory: RootPath) -> Result<()> {
        self.cleared.forget(&directory);
        self.cleared.insert(directory, (), 0)
    }

    /// Whether the path is, or is in, a directory that was cleared.
    fn is_cleared(&self, path: &RootPath) -> bool {
        self.cleared.is_within_one(path)
    }
}

impl Extraction<'_> {
    /// Removes what a whiteout is about. What isn't there needs no removal.
    pub(super) fn white_out(&mut self, whiteout: &Whiteout, member: &Member) -> Result<()> {
        if let Some(path) = whiteout.path() {
            if (self.policy.judge)(path, member)? == Verdict::Skip {
                return Ok(());
            }
            self.policy.terms.rules.limits.check_path(path)?;
        }
        match whiteout {
            Whiteout::Object(path) => self.remove_object(path),
            Whiteout::Opaque(path) => self.clear_directory(path, member),
            Whiteout::Aufs => {
                let why = "is AUFS's own and means nothing elsewhere";
                self.warn(WarningKind::Ignored, member, why);
                Ok(())
            }
        }
    }

    fn remove_object(&mut self, path: &RootPath) -> Result<()> {
        // That of the root is refused by its name.
        let Some((directory, name)) = path.split() else {
            return Ok(());
        };
        let Some(parent) = self.find_lower(&directory)? else {
            return Ok(());
        };
        let Some(node) = Node::find_at(&*parent, &name)? else {
            return Ok(());
        };
        self.check_protected(&parent, &directory, &name)?;
        let canonical = parent.canonical().join(&name)?;
        let kind = file_type(&node.stat()?);
        if self.layer.is_cleared(&canonical) {
            return Ok(());
        }
        self.prepare_removal(&parent)?;
        let watch = self.policy.terms.watch;
        self.parents
            .remove_except(&parent, &name, &self.layer, watch)?;
        if kind == SFlag::S_IFDIR && self.layer.keeps_below(&canonical) {
            self.layer.remember_cleared(canonical)?;
        }
        Ok(())
    }

    fn clear_directory(&mut self, path: &RootPath, member: &Member) -> Result<()> {
        let Some(parent) = self.find_lower(path)? else {
            return Ok(());
        };
        if let Some((above, name)) = path.split() {
            let own = self.parents.get(&above)?.canonical().join(&name)?;
            if own != *parent.canonical() {
                // What is opaque is a directory, which takes the symlink's place in this layer and has nothing of what
                // the symlink leads to.
                let why = "is in a directory that is a symlink below the root: nothing is removed";
                self.warn(WarningKind::Ignored, member, why);
                return Ok(());
            }
        }
        let canonical = parent.canonical().clone();
        if self.layer.is_cleared(&canonical) {
            return Ok(());
        }
        self.prepare_removal(&parent)?;
        let watch = self.policy.terms.watch;
        self.parents.clear_except(&parent, &self.layer, watch)?;
        self.layer.remember_cleared(canonical)
    }

    /// The directory `path` as it was before this layer. `None`: it wasn't there, or is found through a symlink of this
    /// layer's, so that it isn't what had that path before.
    fn find_lower(&mut self, path: &RootPath) -> Result<Option<Rc<Parent>>> {
        let parent = match self.parents.get(path) {
            Err(error) if error.is_absent() => {
                return Ok(None);
            }
            result => result?,
        };
        let own = parent.links().iter().any(|link| self.layer.keeps(link));
        Ok((!own).then_some(parent))
    }

    fn prepare_removal(&mut self, directory: &Parent) -> Result<()> {
        let mount = mount_id(self.root.as_fd()).called(|| "statx")?;
        if directory.mount()? != mount {
            return Err(Bad::OtherMount.into());
        }
        if self.policy.keep_times {
            let path = directory.canonical();
            self.directories.keep(path, directory.as_fd())?;
        }
        Ok(())
    }
}
