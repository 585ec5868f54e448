//! Members of a tar stream, made into objects below a root.

#![forbid(unsafe_code)]

mod attributes;
mod directories;
mod ids;
mod limits;
mod link;
mod metadata;
mod object;
mod places;
mod refusal;
mod replace;
mod rules;
#[cfg(test)]
mod tests;
mod whiteout;

use std::os::fd::{AsFd as _, BorrowedFd};
use std::rc::Rc;

use nix::errno::Errno;
use nix::sys::stat::{SFlag, makedev};

use super::Input;
use crate::error::{Called as _, Context as _, Error, Result};
use crate::fs::{Identity, Name, Parent, Parents, Root, RootPath, names_start};
use crate::sys::mount_id;
use crate::system::in_user_namespace;
use crate::tar::{Data, DeviceNumber, Member, MemberKind, MemberType, Reader};
use crate::watch::{WarningKind, Watch};
use directories::Directories;
use metadata::XattrSetting;
use places::PathMap;
use refusal::Refusal;
use whiteout::{LayerSoFar, Whiteout};

pub(crate) use ids::IdMap;
pub use ids::IdRange;
pub(crate) use limits::Meter;
pub use rules::UnsettableXattrs;
pub(crate) use rules::{Rules, Types};

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
    pub(crate) terms: Terms<'p>,
}

/// What holds for an extraction whatever its archive is for.
#[derive(Clone, Copy)]
pub(crate) struct Terms<'t> {
    /// What the caller of the import chose.
    pub(crate) rules: &'t Rules,
    /// What the archive has used up of the rules' limits, shared by all extractions of an import.
    pub(crate) meter: &'t Meter,
    /// Who watches, and is told of what is left out. A cancelled extraction leaves what was made so far.
    pub(crate) watch: &'t Watch,
}

/// An extraction under way. Members are made as they come; [`finish`](Extraction::finish) gives directories what
/// would have been in the way before: their times, default ACLs, and modes that lock the owner out.
pub(crate) struct Extraction<'r> {
    root: &'r Root,
    /// The number of the mount that members may go to; nothing if they may go to any.
    mount: Option<u64>,
    parents: Parents<'r>,
    policy: Policy<'r>,
    user_namespace: bool,
    directories: Directories,
    /// The regular files made so far, if hard links may lead to those only.
    own_files: PathMap<Identity>,
    /// Devices that can't be made in a user namespace.
    skipped_devices: PathMap<()>,
    /// What was made, if there may be whiteouts.
    layer: LayerSoFar,
}

/// Where a member goes.
struct Location<'m> {
    member: &'m Member,
    parent: Rc<Parent>,
    name: Name,
}

impl Location<'_> {
    /// The path without symlinks.
    fn canonical(&self) -> Result<RootPath> {
        Ok(self.parent.canonical().join(&self.name)?)
    }
}

impl<'r> Extraction<'r> {
    /// An extraction into `root`; EINVAL for rules that contradict each other.
    pub(crate) fn new(root: &'r Root, policy: Policy<'r>) -> Result<Self> {
        policy.terms.rules.check()?;
        let mount = if policy.terms.rules.cross_mounts {
            None
        } else {
            Some(mount_id(root.as_fd()).called(|| "statx")?)
        };
        Ok(Self {
            root,
            mount,
            parents: Parents::new(root),
            policy,
            user_namespace: in_user_namespace(),
            directories: Directories::default(),
            own_files: PathMap::default(),
            skipped_devices: PathMap::default(),
            layer: LayerSoFar::default(),
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
        let ended = self.policy.terms.rules.check_end(reader);
        let finished = self.finish();
        ended.and(finished)
    }

    /// Makes one member. The entry's path and its offset are in the error, if there is one.
    pub(crate) fn extract(&mut self, member: &Member, data: &mut Data<'_, Input>) -> Result<()> {
        self.place(member, data)
            .at_entry(&member.path)
            .map_err(|error| error.at_offset(member.offset))
    }

    fn place(&mut self, member: &Member, data: &mut Data<'_, Input>) -> Result<()> {
        let Terms {
            rules,
            meter,
            watch,
        } = self.policy.terms;
        watch.check()?;
        watch.at(&member.path);
        meter.count_member(&rules.limits)?;
        rules.check_names(member)?;
        // A directory called `.` is the root as the archive's maker saw it. The root that is extracted into keeps its own
        // attributes: it may be a mount point of the engine's.
        let is_directory = member.kind == MemberKind::Directory;
        if is_directory && names_start(&member.path) && !rules.root_attributes {
            return Ok(());
        }
        let path = RootPath::clean(&member.path)?;
        if rules.oci_whiteouts
            && let Some(whiteout) = Whiteout::of(&path, member)?
        {
            return self.white_out(&whiteout, member);
        }
        if (self.policy.judge)(&path, member)? == Verdict::Skip {
            return Ok(());
        }
        rules.check_member(&path, member)?;
        let member = &*rules.adapt(member)?;
        if path.is_root() {
            return self.extract_root(member);
        }
        meter.count_data(member, &rules.limits)?;
        self.make(member, &path, data)
    }

    fn make(&mut self, member: &Member, path: &RootPath, data: &mut Data<'_, Input>) -> Result<()> {
        let place = self.find_place(member, path)?;
        if member.kind != MemberKind::Directory && !self.skipped_devices.is_empty() {
            // A directory, though, may hold devices that were left out before it was described.
            self.skipped_devices.forget(&place.canonical()?);
        }
        match &member.kind {
            MemberKind::Regular(extents) => self.make_file(&place, extents, data),
            MemberKind::Directory => self.make_directory(&place),
            MemberKind::Symlink { target } => self.make_symlink(&place, target),
            MemberKind::HardLink { source } => self.make_hardlink(&place, source),
            MemberKind::CharDevice(_) | MemberKind::BlockDevice(_) if self.user_namespace => {
                self.skip_device(&place)
            }
            MemberKind::CharDevice(number) => {
                self.make_node(&place, SFlag::S_IFCHR, device(*number))
            }
            MemberKind::BlockDevice(number) => {
                self.make_node(&place, SFlag::S_IFBLK, device(*number))
            }
            MemberKind::Fifo => self.make_node(&place, SFlag::S_IFIFO, 0),
        }?;
        if self.policy.terms.rules.oci_whiteouts {
            self.layer.remember(place.canonical()?)?;
        }
        Ok(())
    }

    /// Finds the directory that the member goes into, or makes it, and remembers the times of what is changed by that.
    fn find_place<'m>(&mut self, member: &'m Member, path: &RootPath) -> Result<Location<'m>> {
        let Some((parent_path, name)) = path.split() else {
            return Err(Refusal::ReplacesRoot("member").into());
        };
        let (directories, policy, mount) = (&mut self.directories, &self.policy, self.mount);
        let mut keep_times = |path: &RootPath, fd: BorrowedFd<'_>| {
            if policy.keep_times {
                directories.keep(path, fd)
            } else {
                Ok(())
            }
        };
        let mut before_making = |path: &RootPath, fd: BorrowedFd<'_>| {
            if mount.is_some() && mount != Some(mount_id(fd).called(|| "statx")?) {
                return Err(Refusal::OtherMount.into());
            }
            keep_times(path, fd)?;
            Ok(policy.terms.rules.implicit_owner()?)
        };
        let parent = self
            .parents
            .get_or_create(&parent_path, &mut before_making)?;
        if mount.is_some() && mount != Some(parent.mount()?) {
            return Err(Refusal::OtherMount.into());
        }
        keep_times(parent.canonical(), parent.as_fd())?;
        self.check_protected(&parent, &parent_path, &name)?;
        Ok(Location {
            member,
            parent,
            name,
        })
    }

    /// Refuses a protected name that the directory `path`, being a symlink or below one, leads to as `parent`.
    fn check_protected(&self, parent: &Parent, path: &RootPath, name: &Name) -> Result<()> {
        let through_link = parent.canonical().is_root() && !path.is_root();
        if through_link && self.policy.protected.contains(&name.bytes()) {
            return Err(Refusal::ProtectedName.into());
        }
        Ok(())
    }

    fn extract_root(&mut self, member: &Member) -> Result<()> {
        match member.kind.member_type() {
            MemberType::Directory => self.describe_root(member),
            other => Err(Refusal::ReplacesRoot(other.name()).into()),
        }
    }

    /// Finishes the directories, deepest first.
    pub(crate) fn finish(self) -> Result<()> {
        let Terms { rules, watch, .. } = self.policy.terms;
        let setting = XattrSetting {
            unsettable: rules.unsettable_xattrs,
            user_namespace: self.user_namespace,
            watch,
        };
        self.directories.finish(self.root, &setting)
    }

    /// Remembers that this extraction made the regular file, under this name, if hard links may lead to no other.
    fn remember_file(&mut self, place: &Location<'_>, identity: Identity) -> Result<()> {
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

    /// Tells that a member was left out.
    fn warn(&self, kind: WarningKind, member: &Member, why: &str) {
        self.policy.terms.watch.warn(kind, &member.path, why);
    }
}

fn device(number: DeviceNumber) -> u64 {
    makedev(number.major.into(), number.minor.into())
}

/// An object that isn't what it was made as a moment ago: somebody else is at work in the same place.
fn changed_meanwhile(name: &Name) -> Error {
    Error::system(
        format!("{} was replaced by somebody else", name.quoted()),
        Errno::ESTALE,
    )
}
