//! What the caller of an import chooses beyond the nine functions.

#![forbid(unsafe_code)]

use super::ids::IdMaps;
use super::limits::Limits;
use super::refusal::Refusal;
use crate::error::{Error, Result, quote};
use crate::fs::{OverlayState, RootPath};
use crate::tar::{Member, MemberKind, MemberType, Reader, Source};

/// Types of members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Types(u32);

impl Types {
    /// Every type.
    pub(crate) const ALL: Types = Types(u32::MAX);

    /// These types.
    pub(crate) fn of(types: &[MemberType]) -> Self {
        let bits = types.iter().map(|&one| Self::bit(one));
        Self(bits.fold(0, |all, bit| all | bit))
    }

    /// Whether `one` is one of them.
    pub(crate) fn allow(self, one: MemberType) -> bool {
        self.0 & Self::bit(one) != 0
    }

    fn bit(one: MemberType) -> u32 {
        1 << one as u32
    }
}

/// What becomes of a member's extended attribute that can't be set. The numbers are those of the C ABI
/// (`CR_XATTRS_*`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
#[repr(u32)]
pub enum UnsettableXattrs {
    /// It is left out, with a warning, where nobody can have it: on a file system or a type of object without such
    /// attributes, and in a user namespace for what the kernel refuses there. Anything else fails the import.
    #[default]
    SkipUnsupported = 1,
    /// It is left out, with a warning, also if it is malformed or too large, or if the caller lacks the privilege.
    SkipAll = 2,
    /// It fails the import.
    Fail = 3,
}

/// What the caller of an import chooses. By default all is as the nine functions do it.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    /// Whether a member or a hard link's source whose name is absolute or has a component `..` fails the extraction,
    /// even a member that would have been skipped. Otherwise names are clamped to the root.
    pub(crate) strict_names: bool,
    /// Whether a directory called `.` gives the root its attributes, as one called `/` does. Otherwise it is passed
    /// over: the root may be a mount point of the engine's. Anything else called `.` is refused.
    pub(crate) root_attributes: bool,
    /// Whether members whose names begin with `.wh.` say what is to be removed, as in the layers of OCI images.
    /// Otherwise they are files like any other.
    pub(crate) oci_whiteouts: bool,
    /// What the archive's ids are on the host: the owners, those in ACLs, the root of a namespace in capabilities.
    /// Directories that no member describes get the ids that 0:0 is mapped to. File capabilities that are valid
    /// everywhere become valid below the id that 0 is mapped to, as on an id-mapped mount.
    pub(crate) ids: IdMaps,
    /// Whether everything belongs to the caller, as the kernel gives it to new objects. Then no setuid and setgid bits
    /// are set and no security.capability: a program of the container's that runs with the caller's own rights, or
    /// with root's, would be a gift to whoever can start it. ACLs are set as they are.
    pub(crate) ignore_ownership: bool,
    /// Whether device nodes may be made, those of number 0:0 included.
    pub(crate) devices: bool,
    /// Which types may be made.
    pub(crate) types: Types,
    /// Whether an archive that doesn't end with an end marker fails the extraction, once all that is there was made.
    pub(crate) end_marker: bool,
    /// How much the archive may ask for.
    pub(crate) limits: Limits,
    /// What becomes of the attributes that overlays keep their state in.
    pub(crate) overlay_state: OverlayState,
    /// Whether all modes let the owner read and write, and enter directories (`u+rwX`).
    pub(crate) usable_modes: bool,
    /// What becomes of attributes that can't be set.
    pub(crate) unsettable_xattrs: UnsettableXattrs,
    /// Whether members go into what is mounted below the root. Otherwise they are refused. Whiteouts never reach it.
    pub(crate) cross_mounts: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            strict_names: false,
            root_attributes: false,
            oci_whiteouts: false,
            ids: IdMaps::default(),
            ignore_ownership: false,
            devices: true,
            types: Types::ALL,
            end_marker: false,
            limits: Limits::default(),
            overlay_state: OverlayState::default(),
            unsettable_xattrs: UnsettableXattrs::default(),
            usable_modes: false,
            cross_mounts: false,
        }
    }
}

impl Rules {
    /// EINVAL for rules that contradict each other: ids can't be mapped and ignored.
    pub(crate) fn check(&self) -> Result<()> {
        if self.ignore_ownership && !self.ids.are_identity() {
            let why = "can't be used where ownership is ignored";
            return Err(Error::argument("id map", why));
        }
        Ok(())
    }

    /// Whether the archive, which was read to its last member, ended as the rules ask for.
    pub(crate) fn check_end<S: Source>(&self, reader: &Reader<S>) -> Result<()> {
        if self.end_marker && !reader.ended_with_marker() {
            return Err(Refusal::NoEndMarker.into());
        }
        Ok(())
    }

    /// Whether the names in a member, not cleaned yet, may be there at all.
    pub(crate) fn check_names(&self, member: &Member) -> Result<()> {
        if !self.strict_names {
            return Ok(());
        }
        if !is_local(&member.path) {
            return Err(Refusal::NotLocal("name".to_owned()).into());
        }
        if let MemberKind::HardLink { source } = &member.kind
            && !is_local(source)
        {
            let link = format!("hard link's source {}", quote(source));
            return Err(Refusal::NotLocal(link).into());
        }
        Ok(())
    }

    /// Whether the member that goes to `path` may be made, as far as its headers tell.
    pub(super) fn check_member(&self, path: &RootPath, member: &Member) -> Result<()> {
        let device = matches!(
            member.kind,
            MemberKind::CharDevice(_) | MemberKind::BlockDevice(_)
        );
        if device && !self.devices {
            return Err(Refusal::Device.into());
        }
        let member_type = member.kind.member_type();
        if !self.types.allow(member_type) {
            return Err(Refusal::Type(member_type.name()).into());
        }
        self.limits.check_path(path)?;
        if let MemberKind::HardLink { source } = &member.kind {
            self.limits.check_path(&RootPath::clean(source)?)?;
        }
        self.limits.check_member(member).map_err(Error::from)
    }
}

/// Whether a name stays below the directory that it starts from, as it is written.
fn is_local(name: &[u8]) -> bool {
    name.first() != Some(&b'/') && name.split(|&byte| byte == b'/').all(|part| part != b"..")
}
