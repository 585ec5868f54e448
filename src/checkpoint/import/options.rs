//! What an import is asked to heed.

#![forbid(unsafe_code)]

use std::ffi::OsStr;

use super::{Refusal, member_path};
use crate::archive::{IdMap, IdRange, Rules, Sha256Digest, Types, UnsettableXattrs};
use crate::checkpoint::layer::has_whiteout;
use crate::error::{Error, Result};
use crate::fs::{OverlayState, PlaceBuf, RootPath};
use crate::tar::MemberType;

/// How much an archive may ask for. Exceeding a limit is E2BIG, and nothing is touched for the member that does. The
/// numbers are those of the C ABI (`CR_LIMIT_*`); more may follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[repr(u32)]
pub enum Limit {
    /// How many members the archive may have, with those of the archives in it. Without limit if not set: an inode costs
    /// the caller no more than what it asked for, and a full disk is an error like any other.
    Members = 1,
    /// How many bytes of data may be written for all members together, holes left out. Without limit if not set: only
    /// the caller knows how large a container's memory is.
    TotalBytes = 2,
    /// How large one file may be for its readers, holes included. Without limit if not set: holes cost nothing here. Who
    /// later copies files without minding holes wants a limit.
    MemberBytes = 3,
    /// How long a path may be, in bytes. 4095 if not set, as long as the kernel takes it; a larger value changes nothing.
    PathBytes = 4,
    /// How many names a path may have. 2048 if not set, as many as fit 4095 bytes. Programs that walk trees by recursion
    /// die of less.
    Depth = 5,
    /// How many bytes the names and values of one member's xattrs may have together. 1 MiB if not set, as much as a
    /// header holds; a larger value changes nothing.
    XattrBytes = 6,
    /// How many bytes may come of one byte of a compressed archive, once they are more than 1 MiB; those of archives in
    /// it come of the same byte. Without limit if not
    /// set: memory is mostly zeros, so that honest archives expand a thousandfold.
    Ratio = 7,
}

/// What an import heeds beside the archive and its destinations. Without changes it does what the functions do that
/// take no options.
#[derive(Clone, Debug)]
pub struct ImportOptions {
    pub(super) digest: bool,
    pub(super) expected_digest: Option<Sha256Digest>,
    pub(super) spool_directory: Option<PlaceBuf>,
    pub(super) max_ratio: u64,
    pub(super) keep_failed: bool,
    pub(super) configuration: bool,
    pub(super) require_complete: bool,
    pub(super) sync: bool,
    pub(super) rules: Rules,
    /// Whether the archive is the layer of an image.
    pub(super) layer: bool,
    names: Option<Vec<RootPath>>,
}

impl Default for ImportOptions {
    fn default() -> Self {
        Self {
            digest: false,
            expected_digest: None,
            spool_directory: None,
            max_ratio: u64::MAX,
            keep_failed: false,
            configuration: false,
            require_complete: false,
            sync: false,
            rules: Rules::default(),
            layer: false,
            names: None,
        }
    }
}

impl ImportOptions {
    /// Options that change nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the archive's SHA-256 is computed while it is extracted. Everything is read through memory then.
    pub fn digest(&mut self, wanted: bool) -> &mut Self {
        self.digest = wanted;
        self
    }

    /// The SHA-256 that the archive has to have; otherwise the import fails with EBADMSG. An archive in a regular file
    /// is read for it once before anything else is done; in a pipe or a socket, which can be read but once, the
    /// difference is found at the end, and what was extracted is treated as after any other failure. So is a file that
    /// was written to after it was compared, as far as its size and time of modification tell.
    pub fn expected_digest(&mut self, digest: Sha256Digest) -> &mut Self {
        self.expected_digest = Some(digest);
        self
    }

    /// Where to keep what comes before the configuration in a pipe or a socket, if it doesn't fit into 32 MiB of memory:
    /// an unnamed file in this directory. Without one that is E2BIG, since no default place is sure to hold a
    /// container's memory. An import that isn't asked for metadata keeps nothing.
    pub fn spool_directory(&mut self, directory: PlaceBuf) -> &mut Self {
        self.spool_directory = Some(directory);
        self
    }

    /// Sets a limit: a number of members, bytes, names or times.
    pub fn limit(&mut self, limit: Limit, value: u64) -> &mut Self {
        let limits = &mut self.rules.limits;
        match limit {
            Limit::Members => limits.members = value,
            Limit::TotalBytes => limits.total_bytes = value,
            Limit::MemberBytes => limits.member_bytes = value,
            Limit::PathBytes => limits.path_bytes = value,
            Limit::Depth => limits.depth = value,
            Limit::XattrBytes => limits.xattr_bytes = value,
            Limit::Ratio => self.max_ratio = value,
        }
        self
    }

    /// Whether a bundle that was made by an import which failed stays. Otherwise it is removed; one that was there
    /// before stays with what was done.
    pub fn keep_failed(&mut self, keep: bool) -> &mut Self {
        self.keep_failed = keep;
        self
    }

    /// Whether [`to_bundle`](super::Import::to_bundle) extracts config.dump and spec.dump too. Otherwise they are left
    /// out, as an engine writes its own.
    pub fn configuration(&mut self, wanted: bool) -> &mut Self {
        self.configuration = wanted;
        self
    }

    /// Whether a member, or a hard link's source, whose name is absolute or has a `..` fails the import (EXDEV).
    /// Otherwise names are clamped to the directory that is extracted into.
    pub fn strict_names(&mut self, strict: bool) -> &mut Self {
        self.rules.strict_names = strict;
        self
    }

    /// Whether an archive without an end marker fails the import (EBADMSG), at its end. Otherwise one that is cut off
    /// right after a member passes for a complete one, as tar has it.
    pub fn require_end_marker(&mut self, require: bool) -> &mut Self {
        self.rules.end_marker = require;
        self
    }

    /// Whether `./` in a rootfs diff, a volume or /dev/shm gives the directory that is extracted into its owner, mode,
    /// times and xattrs. Otherwise that directory keeps its own: it may be a mount point of the engine's.
    pub fn root_attributes(&mut self, apply: bool) -> &mut Self {
        self.rules.root_attributes = apply;
        self
    }

    /// Whether names that begin with `.wh.` in a rootfs diff say what is to be removed, as in the layers of OCI images,
    /// which is what containerd writes. Otherwise they are files like any other.
    pub fn oci_whiteouts(&mut self, convert: bool) -> &mut Self {
        self.rules.oci_whiteouts = convert;
        self
    }

    /// Whether everything belongs to the caller. Setuid and setgid bits and file capabilities aren't set then: they
    /// would lend the caller's rights to the container's programs.
    pub fn ignore_ownership(&mut self, ignore: bool) -> &mut Self {
        self.rules.ignore_ownership = ignore;
        self
    }

    /// Whether device nodes may be made in root file systems, volumes and /dev/shm, as they may if not set. Refused ones
    /// are EPERM. In a bundle there are never any.
    pub fn devices(&mut self, allow: bool) -> &mut Self {
        self.rules.devices = allow;
        self
    }

    /// The types that members may have, wherever they go; others are EPERM. All if not set, but for what a bundle never
    /// has.
    pub fn types(&mut self, types: &[MemberType]) -> &mut Self {
        self.rules.types = Types::of(types);
        self
    }

    /// Whether all that was extracted is on its disk before the import is done: the file systems of all destinations are
    /// synced (syncfs(2)), with whatever else was written to them. What a disk or a server refuses is the import's error
    /// then.
    pub fn sync(&mut self, wanted: bool) -> &mut Self {
        self.sync = wanted;
        self
    }

    /// The names that may be at the top of the archive, with everything below them; others are EPERM. Any if not set.
    /// [`KNOWN_MEMBERS`](crate::checkpoint::KNOWN_MEMBERS) has those that engines write.
    ///
    /// # Errors
    ///
    /// EINVAL for a name that means the archive's root.
    pub fn names(&mut self, names: &[impl AsRef<OsStr>]) -> Result<&mut Self> {
        let names = names.iter().map(|name| member_path(name.as_ref()));
        self.names = Some(names.collect::<Result<_>>()?);
        Ok(self)
    }

    /// Lets any name be at the top of the archive again.
    pub fn any_names(&mut self) -> &mut Self {
        self.names = None;
        self
    }

    /// What the ids in a rootfs diff, in volumes and in /dev/shm are on the host: owners, those in ACLs, and the root of
    /// a namespace in capabilities. An id that isn't in the map is EOVERFLOW. Without ranges ids are as they are. What
    /// goes into the bundle is the engine's, and isn't mapped.
    ///
    /// # Errors
    ///
    /// EINVAL for an empty range, ranges that overlap on either side or go beyond 4294967294, and more than 340 of them.
    pub fn map_ids(&mut self, uids: &[IdRange], gids: &[IdRange]) -> Result<&mut Self> {
        let map = |argument: &str, ranges: &[IdRange]| {
            IdMap::new(ranges.to_vec()).map_err(|bad| Error::argument(argument, bad))
        };
        (self.rules.ids.uids, self.rules.ids.gids) = (map("uids", uids)?, map("gids", gids)?);
        Ok(self)
    }

    /// What becomes of an extended attribute that can't be set.
    pub fn unsettable_xattrs(&mut self, what: UnsettableXattrs) -> &mut Self {
        self.rules.unsettable_xattrs = what;
        self
    }

    /// Whether the attributes in a rootfs diff are set in which overlays keep their own state (`trusted.overlay.*`,
    /// `user.overlay.*`, `user.fuseoverlayfs.*`). Otherwise they are left out, with a warning: below a root that is an
    /// overlay's upper directory they would change what the overlay shows. In volumes and /dev/shm they are data, and are
    /// always set.
    pub fn overlay_xattrs(&mut self, keep: bool) -> &mut Self {
        self.rules.overlay_state = if keep {
            OverlayState::Kept
        } else {
            OverlayState::LeftOut
        };
        self
    }

    /// Whether members go into what is mounted below the directories that are extracted into. Otherwise that is EXDEV: a
    /// bind mount leads to a directory of the host. Whiteouts and deletions never reach it.
    pub fn cross_mounts(&mut self, cross: bool) -> &mut Self {
        self.rules.cross_mounts = cross;
        self
    }

    /// Whether a bundle that a restore would miss something in fails the import (ENODATA): a directory of CRIU's images
    /// that is empty or has no inventory.img, and a link `parent` that leads nowhere. Otherwise each of these is told as a
    /// warning.
    pub fn require_complete(&mut self, require: bool) -> &mut Self {
        self.require_complete = require;
        self
    }

    /// Whether files and directories get modes that their owner can work with: read and write for all, execute for
    /// directories and for what anybody may execute, as `chmod u+rwX`. Some engines write directories that nobody but root
    /// can enter.
    pub fn usable_modes(&mut self, usable: bool) -> &mut Self {
        self.rules.usable_modes = usable;
        self
    }

    /// Where to keep what can't be read again.
    pub(in crate::checkpoint) fn spool_place(&self) -> Option<&PlaceBuf> {
        self.spool_directory.as_ref()
    }

    /// What holds for the bundle, whose owners and top directory are the engine's.
    pub(super) fn bundle_rules(&self) -> Rules {
        Rules {
            root_attributes: false,
            oci_whiteouts: false,
            ids: Rules::default().ids,
            overlay_state: OverlayState::LeftOut,
            ..self.rules.clone()
        }
    }

    /// What holds for volumes and /dev/shm, in which a name is a name, and an attribute an attribute.
    pub(super) fn tree_rules(&self) -> Rules {
        Rules {
            oci_whiteouts: false,
            overlay_state: OverlayState::Kept,
            ..self.rules.clone()
        }
    }

    /// Whether a member of this name may be in the archive.
    pub(super) fn check_name(&self, path: &RootPath) -> Result<(), Refusal> {
        if self.layer && has_whiteout(path.as_bytes()) {
            return Err(Refusal::Whiteout);
        }
        let allowed = |name: &RootPath| path.is_within(name) || name.is_within(path);
        match &self.names {
            Some(names) if !names.iter().any(allowed) => Err(Refusal::Name),
            _ => Ok(()),
        }
    }
}
