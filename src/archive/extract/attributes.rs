//! What the rules make of the attributes that a member brings: ids of the host, and nothing that ownership gives.

#![forbid(unsafe_code)]

use std::borrow::Cow;

use super::ids::IdMaps;
use super::refusal::Refusal;
use super::rules::Rules;
use crate::error::quote;
use crate::fs::{ACCESS_ACL, DEFAULT_ACL, ImplicitOwner};
use crate::tar::{Member, MemberKind, Xattr};

const CAPABILITY: &[u8] = b"security.capability";
const SET_ID_BITS: u32 = 0o6000;
const OWNER_ALL: u32 = 0o700;
const EXECUTE: u32 = 0o111;

/// The kernel's form of an ACL, all little-endian (linux/posix_acl_xattr.h): four bytes of version, then entries of
/// two bytes of tag, two of permissions and four of id.
const ACL_VERSION: [u8; 4] = [2, 0, 0, 0];
const ACL_ENTRY: usize = 8;
/// The tag of the owner's entry.
const ACL_USER_OWNER: [u8; 2] = [1, 0];
/// The tags of the entries whose id means something.
const ACL_USER: [u8; 2] = [2, 0];
const ACL_GROUP: [u8; 2] = [8, 0];

/// The kernel's form of file capabilities, all little-endian (linux/capability.h): four bytes of version and flags,
/// 16 of capabilities, and in version 3 the user id of the root that they are valid below.
const CAPABILITY_2: (u8, usize) = (2, 20);
const CAPABILITY_3: (u8, usize) = (3, 24);

impl Rules {
    /// The member with the attributes that it is to get. Nothing is left out but what [`Rules::ignore_ownership`] says.
    pub(super) fn adapt<'m>(&self, member: &'m Member) -> Result<Cow<'m, Member>, Refusal> {
        let needed = if self.usable_modes {
            needed_by_owner(member)
        } else {
            0
        };
        if needed == 0 && !self.ignore_ownership && self.ids.are_identity() {
            return Ok(Cow::Borrowed(member));
        }
        let mut member = member.clone();
        if needed != 0 {
            allow_owner(&mut member, needed);
        }
        if self.ignore_ownership {
            member.mode &= !SET_ID_BITS;
            member.xattrs.retain(|xattr| xattr.name != CAPABILITY);
            return Ok(Cow::Owned(member));
        }
        if self.ids.are_identity() {
            return Ok(Cow::Owned(member));
        }
        member.uid = self.ids.user("user id", member.uid)?;
        member.gid = self.ids.group("group id", member.gid)?;
        for xattr in &mut member.xattrs {
            self.ids.map_xattr(xattr)?;
        }
        Ok(Cow::Owned(member))
    }

    /// Whom a directory belongs to that no member describes.
    pub(super) fn implicit_owner(&self) -> Result<ImplicitOwner, Refusal> {
        if self.ignore_ownership {
            return Ok(ImplicitOwner::Caller);
        }
        if self.ids.are_identity() {
            return Ok(ImplicitOwner::Root);
        }
        Ok(ImplicitOwner::Exactly(
            self.ids.user("user id", 0)?,
            self.ids.group("group id", 0)?,
        ))
    }
}

/// The bits that the owner of such an object needs to work with it. A symlink has none.
fn needed_by_owner(member: &Member) -> u32 {
    match member.kind {
        MemberKind::Symlink { .. } => 0,
        MemberKind::Directory => OWNER_ALL,
        _ if member.mode & EXECUTE != 0 => OWNER_ALL,
        _ => OWNER_ALL & !EXECUTE,
    }
}

/// Gives the owner these bits, in the mode and in the ACL that the mode would follow.
fn allow_owner(member: &mut Member, bits: u32) {
    member.mode |= bits;
    let is_acl = |xattr: &&mut Xattr| xattr.name == ACCESS_ACL.to_bytes();
    let Some(acl) = member.xattrs.iter_mut().find(is_acl) else {
        return;
    };
    if let Some((&mut ACL_VERSION, entries)) = acl.value.split_first_chunk_mut::<4>() {
        for entry in entries.chunks_exact_mut(ACL_ENTRY) {
            if entry.starts_with(&ACL_USER_OWNER) {
                entry[2] |= u8::try_from(bits >> 6).unwrap_or_default();
            }
        }
    }
}

impl IdMaps {
    fn user(&self, what: &'static str, id: u32) -> Result<u32, Refusal> {
        let host = self.uids.to_host(id);
        host.ok_or(Refusal::Unmapped { what, id })
    }

    fn group(&self, what: &'static str, id: u32) -> Result<u32, Refusal> {
        let host = self.gids.to_host(id);
        host.ok_or(Refusal::Unmapped { what, id })
    }

    fn map_xattr(&self, xattr: &mut Xattr) -> Result<(), Refusal> {
        if [ACCESS_ACL, DEFAULT_ACL]
            .iter()
            .any(|acl| acl.to_bytes() == xattr.name)
        {
            return self.map_acl(xattr);
        }
        if xattr.name == CAPABILITY {
            return self.map_capability(&mut xattr.value);
        }
        Ok(())
    }

    fn map_acl(&self, acl: &mut Xattr) -> Result<(), Refusal> {
        // The kernel takes an empty value for no ACL.
        if acl.value.is_empty() {
            return Ok(());
        }
        match acl.value.split_first_chunk_mut::<4>() {
            Some((&mut ACL_VERSION, entries)) if entries.len() % ACL_ENTRY == 0 => entries
                .chunks_exact_mut(ACL_ENTRY)
                .try_for_each(|entry| self.map_entry(entry)),
            _ => Err(Refusal::Acl(quote(&acl.name))),
        }
    }

    fn map_entry(&self, entry: &mut [u8]) -> Result<(), Refusal> {
        let Some((&mut [tag, kind, _, _], id)) = entry.split_first_chunk_mut::<4>() else {
            return Ok(());
        };
        map_bytes(id, |id| match [tag, kind] {
            ACL_USER => self.user("user id of an ACL", id),
            ACL_GROUP => self.group("group id of an ACL", id),
            _ => Ok(id),
        })
    }

    /// Capabilities of version 2 are valid in the container, whose root is the user 0 as it sees it; on the host that
    /// takes version 3, unless that root is the host's.
    fn map_capability(&self, value: &mut Vec<u8>) -> Result<(), Refusal> {
        let version = value.get(3).copied().unwrap_or(0);
        let root = |id| self.user("root user id of capabilities", id);
        match (version, value.len()) {
            CAPABILITY_2 => {
                let root = root(0)?;
                if root != 0 {
                    value[3] = CAPABILITY_3.0;
                    value.extend_from_slice(&root.to_le_bytes());
                }
                Ok(())
            }
            CAPABILITY_3 => map_bytes(&mut value[CAPABILITY_2.1..], root),
            _ => Err(Refusal::Capability),
        }
    }
}

/// Maps the id that four bytes hold.
fn map_bytes(bytes: &mut [u8], map: impl Fn(u32) -> Result<u32, Refusal>) -> Result<(), Refusal> {
    if let Ok(id) = <[u8; 4]>::try_from(&*bytes) {
        bytes.copy_from_slice(&map(u32::from_le_bytes(id))?.to_le_bytes());
    }
    Ok(())
}
