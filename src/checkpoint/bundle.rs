//! What may go into an OCI bundle.

#![forbid(unsafe_code)]

use thiserror::Error as ThisError;

use crate::archive::Verdict;
use crate::checkpoint::MAX_CONFIG;
use crate::checkpoint::names::{CONFIG_DUMP, CONFIG_JSON, CONFIGURATIONS, PARENT, SPEC_DUMP};
use crate::error::{self, Kind, Result};
use crate::fs::{Name, RootPath};
use crate::tar::{Extents, Member, MemberKind};

/// Names at the top of a bundle that the archive mustn't get at by way of a link.
pub(super) const PROTECTED: [&[u8]; 3] = [
    CONFIG_JSON.as_bytes(),
    CONFIG_DUMP.as_bytes(),
    SPEC_DUMP.as_bytes(),
];

/// Why a member may not be imported into a bundle.
#[derive(Debug, ThisError)]
enum Refusal {
    /// The runtime executes the hooks that config.json names, on the host.
    #[error("config.json may not come from an archive: a runtime would run its hooks")]
    ConfigJson,
    /// A device node in the bundle gives whoever opens it the device; CRIU's images are regular files.
    #[error("a device may not be imported into a bundle")]
    Device,
    /// Whoever opens a fifo to read an image waits for ever.
    #[error("a fifo may not be imported into a bundle")]
    Fifo,
    /// A symlink leads the engine or CRIU, which read and write the bundle's files as root, to any file of the host.
    #[error("a symlink may not be imported into a bundle, but for DIRECTORY/parent -> ../NAME")]
    Symlink,
    /// The configuration is read by engines as a file of its own: a link may lead to another.
    #[error("is not a regular file")]
    NotRegular,
    /// The configuration is read into memory whole.
    #[error("{0} bytes are more than the {MAX_CONFIG} that a configuration may have")]
    TooLarge(u64),
}

impl error::Refusal for Refusal {
    fn kind(&self) -> Kind {
        match self {
            Self::ConfigJson | Self::Device | Self::Fifo => Kind::Forbidden,
            Self::Symlink | Self::NotRegular => Kind::Escape,
            Self::TooLarge(_) => Kind::Limit,
        }
    }
}

/// Whether the path is that of config.dump or spec.dump, or below.
pub(super) fn is_config(path: &RootPath) -> bool {
    path.components()
        .next()
        .is_some_and(|top| CONFIGURATIONS.iter().any(|name| name.as_bytes() == top))
}

/// Whether the path names config.dump or spec.dump.
pub(super) fn is_config_file(path: &RootPath) -> bool {
    CONFIGURATIONS
        .iter()
        .any(|name| name.as_bytes() == path.as_bytes())
}

/// The file that a member is which is called config.dump or spec.dump, if it can be one.
pub(super) fn check_config(member: &Member) -> Result<&Extents> {
    match &member.kind {
        MemberKind::Regular(file) if file.size() > MAX_CONFIG => {
            Err(Refusal::TooLarge(file.size()).into())
        }
        MemberKind::Regular(file) => Ok(file),
        MemberKind::CharDevice(_) | MemberKind::BlockDevice(_) => Err(Refusal::Device.into()),
        MemberKind::Fifo => Err(Refusal::Fifo.into()),
        MemberKind::Directory | MemberKind::Symlink { .. } | MemberKind::HardLink { .. } => {
            Err(Refusal::NotRegular.into())
        }
    }
}

/// Whether a member may come into a bundle.
pub(super) fn judge_bundle_member(path: &RootPath, member: &Member) -> Result<Verdict> {
    if path.components().next() == Some(CONFIG_JSON.as_bytes()) {
        return Err(Refusal::ConfigJson.into());
    }
    match &member.kind {
        // The bundle's own owner and mode are the engine's: others could get at what the runtime trusts.
        MemberKind::Directory if path.is_root() => Ok(Verdict::Skip),
        // Whether a hard link's source is the archive's own is known when it is made.
        MemberKind::Regular(_) | MemberKind::Directory | MemberKind::HardLink { .. } => {
            Ok(Verdict::Extract)
        }
        MemberKind::Symlink { target } if is_parent_link(path, target) => Ok(Verdict::Extract),
        MemberKind::Symlink { .. } => Err(Refusal::Symlink.into()),
        MemberKind::CharDevice(_) | MemberKind::BlockDevice(_) => Err(Refusal::Device.into()),
        MemberKind::Fifo => Err(Refusal::Fifo.into()),
    }
}

/// Whether a member is the link of one dump in a chain to another.
pub(super) fn is_dumps_link(path: &RootPath, member: &Member) -> bool {
    matches!(&member.kind, MemberKind::Symlink { target } if is_parent_link(path, target))
}

/// The one symlink that checkpoints hold: an incremental dump names the directory of the dump before it, beside its
/// own. Dumps may be in any directory.
fn is_parent_link(path: &RootPath, target: &[u8]) -> bool {
    let Some((directory, name)) = path.split() else {
        return false;
    };
    let Some((_, own)) = directory.split() else {
        return false;
    };
    let sibling = target.strip_prefix(b"../").and_then(Name::new);
    name.bytes() == PARENT.as_bytes() && sibling.is_some_and(|sibling| sibling != own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_criu_s_parent_link_is_accepted() {
        let accepts =
            |path: &[u8], target: &[u8]| is_parent_link(&RootPath::clean(path).unwrap(), target);
        assert!(accepts(b"checkpoint/parent", b"../pre-checkpoint"));
        assert!(accepts(b"./pre-checkpoint/parent", b"../before"));
        for target in [
            &b".."[..],
            b"../..",
            b"../.",
            b"../a/b",
            b"/etc",
            b"pre-checkpoint",
            b"../",
        ] {
            assert!(
                !accepts(b"checkpoint/parent", target),
                "{}",
                target.escape_ascii()
            );
        }
        assert!(accepts(b"dump-2/parent", b"../dump-1"));
        assert!(accepts(b"checkpoint/2/parent", b"../1"));
        assert!(!accepts(b"parent", b"../x"));
        assert!(!accepts(b"checkpoint/parent", b"../checkpoint"));
        assert!(!accepts(b"checkpoint/2/parents", b"../1"));
        assert!(!accepts(b"checkpoint/2/parent/x", b"../1"));
    }
}
