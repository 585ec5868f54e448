//! Members of a tar stream, made into objects below a root.

#![forbid(unsafe_code)]

mod directories;
mod link;
mod metadata;
mod object;
mod places;
mod replace;

use std::os::fd::{AsFd as _, BorrowedFd};
use std::rc::Rc;

use nix::errno::Errno;
use nix::sys::stat::SFlag;
use thiserror::Error as ThisError;

use super::Input;
use crate::error::{Context as _, Error, Kind, Result};
use crate::fs::{Identity, Name, Parent, Parents, Root, RootPath, in_user_namespace, names_start};
use crate::tar::{Data, Member, MemberKind, Reader};
use directories::Directories;
use places::Places;

/// What to do with a member.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Make it.
    Extract,
    /// Leave it in the archive.
    Skip,
}

/// What an archive may do to a root.
pub(crate) struct Policy<'p> {
    /// Decides about a member by its cleaned path, before anything is touched for it.
    pub(crate) judge: &'p dyn Fn(&RootPath, &Member) -> Result<Verdict>,
    /// Names directly in the root that no member may reach through a symlinked path.
    pub(crate) protected: &'p [&'p [u8]],
    /// Whether a hard link's source has to be a regular file that this extraction made.
    pub(crate) own_sources_only: bool,
    /// Whether directories that no member describes get the times back that they had before members were made in
    /// them.
    pub(crate) keep_times: bool,
}

/// Why a member is refused.
#[derive(Debug, ThisError)]
pub(crate) enum Refusal {
    /// Making a file, link or device in the root's own place would first remove everything in it.
    #[error("a {0} in the place of the root directory")]
    ReplacesRoot(&'static str),
    /// A symlink in a directory's place can lead to a name that the judgement by path has refused or excluded.
    #[error("leads to a protected name of the top directory")]
    ProtectedName,
    /// A hard link to a file that was there before shares it with the archive's further members, which then write
    /// to it.
    #[error("hard link to something that is no regular file of this archive")]
    ForeignSource,
    /// An attribute name with a NUL would reach the kernel as another name, an empty one as none.
    #[error("an xattr name is empty or holds a NUL")]
    XattrName,
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let kind = match refusal {
            Refusal::ReplacesRoot(_) | Refusal::ProtectedName | Refusal::ForeignSource => {
                Kind::Escape
            }
            Refusal::XattrName => Kind::Malformed,
        };
        Error::new(kind, refusal.to_string())
    }
}

/// An extraction under way. Members are made as they come; [`finish`](Extraction::finish) gives directories what
/// would have been in the way before: their times, default ACLs, and modes that lock the owner out.
pub(crate) struct Extraction<'r> {
    root: &'r Root,
    parents: Parents<'r>,
    policy: Policy<'r>,
    user_namespace: bool,
    directories: Directories,
    /// The regular files made so far, if hard links may lead to those only.
    own_files: Places<Identity>,
    /// Devices that can't be made in a user namespace.
    skipped_devices: Places<()>,
}

/// Where a member goes.
struct Place<'m> {
    member: &'m Member,
    parent: Rc<Parent>,
    name: Name,
}

impl Place<'_> {
    /// The path without symlinks.
    fn canonical(&self) -> Result<RootPath> {
        Ok(self.parent.canonical().join(&self.name)?)
    }
}

impl<'r> Extraction<'r> {
    pub(crate) fn new(root: &'r Root, policy: Policy<'r>) -> Result<Self> {
        Ok(Self {
            root,
            parents: Parents::new(root),
            policy,
            user_namespace: in_user_namespace(),
            directories: Directories::default(),
            own_files: Places::default(),
            skipped_devices: Places::default(),
        })
    }

    /// Extracts `first`, if there is one, and all members that follow in `reader`, reads the archive to its end, and
    /// finishes.
    pub(crate) fn run(mut self, first: Option<Member>, reader: &mut Reader<Input>) -> Result<()> {
        let mut next = first;
        while let Some(member) = next {
            self.extract(&member, &mut reader.data())?;
            next = reader.next_member()?;
        }
        reader.finish()?;
        self.finish()
    }

    /// Makes one member. The entry's path and its offset are in the error, if there is one.
    pub(crate) fn extract(&mut self, member: &Member, data: &mut Data<'_, Input>) -> Result<()> {
        self.place(member, data)
            .at_entry(&member.path)
            .map_err(|error| error.at_offset(member.offset))
    }

    fn place(&mut self, member: &Member, data: &mut Data<'_, Input>) -> Result<()> {
        // What is called `.` is the root directory as the archive's maker saw it. The root that is extracted into
        // keeps its own attributes: it may be a mount point of the engine's.
        if names_start(&member.path) {
            return Ok(());
        }
        let path = RootPath::clean(&member.path)?;
        if (self.policy.judge)(&path, member)? == Verdict::Skip {
            return Ok(());
        }
        if path.is_root() {
            return self.extract_root(member);
        }
        let place = self.find_place(member, &path)?;
        if member.kind != MemberKind::Directory {
            // A directory, though, may hold devices that were left out before it was described.
            self.skipped_devices.forget(&place.canonical()?);
        }
        match member.kind {
            MemberKind::Regular => self.make_file(&place, data),
            MemberKind::Directory => self.make_directory(&place),
            MemberKind::Symlink => self.make_symlink(&place),
            MemberKind::Hardlink => self.make_hardlink(&place),
            MemberKind::CharDevice | MemberKind::BlockDevice if self.user_namespace => {
                self.skip_device(&place)
            }
            MemberKind::CharDevice => self.make_node(&place, SFlag::S_IFCHR),
            MemberKind::BlockDevice => self.make_node(&place, SFlag::S_IFBLK),
            MemberKind::Fifo => self.make_node(&place, SFlag::S_IFIFO),
        }
    }

    /// Finds the directory that the member goes into, or makes it, and remembers the times of what is changed by that.
    fn find_place<'m>(&mut self, member: &'m Member, path: &RootPath) -> Result<Place<'m>> {
        let Some((parent_path, name)) = path.split() else {
            return Err(Refusal::ReplacesRoot("member").into());
        };
        let (directories, keep) = (&mut self.directories, self.policy.keep_times);
        let mut keep_times = |path: &RootPath, fd: BorrowedFd<'_>| {
            if keep {
                directories.keep(path, fd)
            } else {
                Ok(())
            }
        };
        let parent = self.parents.get_or_create(&parent_path, &mut keep_times)?;
        keep_times(parent.canonical(), parent.as_fd())?;
        let through_link = parent.canonical().is_root() && !parent_path.is_root();
        if through_link && self.policy.protected.contains(&name.bytes()) {
            return Err(Refusal::ProtectedName.into());
        }
        Ok(Place {
            member,
            parent,
            name,
        })
    }

    fn extract_root(&mut self, member: &Member) -> Result<()> {
        let kind = match member.kind {
            MemberKind::Directory => return self.describe_root(member),
            MemberKind::Regular => "regular file",
            MemberKind::Symlink => "symlink",
            MemberKind::Hardlink => "hard link",
            MemberKind::CharDevice | MemberKind::BlockDevice => "device",
            MemberKind::Fifo => "fifo",
        };
        Err(Refusal::ReplacesRoot(kind).into())
    }

    /// Finishes the directories, deepest first.
    pub(crate) fn finish(self) -> Result<()> {
        self.directories.finish(self.root, self.user_namespace)
    }

    /// Remembers that this extraction made the regular file, under this name.
    fn remember_file(&mut self, place: &Place<'_>, identity: Identity) -> Result<()> {
        if self.policy.own_sources_only {
            self.own_files
                .insert(place.canonical()?, identity, size_of::<Identity>())?;
        }
        Ok(())
    }

    /// Forgets what is known of the path and below: it is about to be removed.
    fn forget(&mut self, path: &RootPath) {
        self.directories.forget(path);
        self.own_files.forget(path);
    }
}

/// An object that isn't what it was made as a moment ago: somebody else is at work in the same place.
fn changed_meanwhile(name: &Name) -> Error {
    Error::system(
        format!("{} was replaced by somebody else", name.quoted()),
        Errno::ESTALE,
    )
}
