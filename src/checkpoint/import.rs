//! Importing a checkpoint archive into an OCI bundle.

#![forbid(unsafe_code)]

use std::cell::Cell;
use std::path::Path;

use nix::errno::Errno;
use thiserror::Error as ThisError;

use super::{CONFIG_DUMP, MAX_CONFIG, SPEC_DUMP, archive_step, open_archive_ambient};
use crate::archive::{Extraction, Input, Meter, Policy, Rules, Verdict};
use crate::error::{Context as _, Error, Kind, Result};
use crate::fs::{Root, RootPath, create_directory_ambient};
use crate::tar::{Member, MemberKind, Reader};
use crate::watch::Watch;

/// The bundle's own configuration, which the engine writes anew from spec.dump.
const CONFIG_JSON: &str = "config.json";
/// Names at the top of a bundle that the archive mustn't get at by way of a link.
const PROTECTED: [&[u8]; 3] = [
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
    #[error("a symlink may not be imported into a bundle, but for checkpoint/parent -> ../NAME")]
    Symlink,
    /// The configuration is read by engines as a file of its own: a link may lead to another.
    #[error("is not a regular file")]
    NotRegular,
    /// The configuration is read into memory whole.
    #[error("{0} bytes are more than the {MAX_CONFIG} that a configuration may have")]
    TooLarge(u64),
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let text = refusal.to_string();
        match refusal {
            Refusal::ConfigJson | Refusal::Device | Refusal::Fifo => {
                Error::new(Kind::Escape, text).with_errno(Errno::EPERM)
            }
            Refusal::Symlink | Refusal::NotRegular => Error::new(Kind::Escape, text),
            Refusal::TooLarge(_) => Error::new(Kind::Limit, text),
        }
    }
}

/// Extracts all members of the checkpoint archive `input` into the directory `destination` but for config.dump and
/// spec.dump, which [`import_checkpoint_config_only`] takes.
///
/// The archive may be plain or compressed with gzip, bzip2, xz or zstd. A `destination` that is missing has to be
/// absolute; it is made, with its missing parents, once the archive's first header is understood.
///
/// # Errors
///
/// EPERM for config.json, devices and fifos; EXDEV for links other than those CRIU makes (`checkpoint/parent`) and
/// hard links among the archive's own files; EBADMSG for a malformed archive; what the system calls give. What was
/// extracted before stays.
pub fn import_checkpoint_without_config(destination: &Path, input: &Path) -> Result<()> {
    let judge = |path: &RootPath, member: &Member| {
        if is_config(path) {
            Ok(Verdict::Skip)
        } else {
            judge_bundle_member(path, member)
        }
    };
    import(destination, input, &judge, &|| false)
}

/// Extracts config.dump and spec.dump from the checkpoint archive `input` into the directory `destination`, and
/// nothing else. Reads no further than needed; that one of the two is missing is no error.
///
/// # Errors
///
/// As [`import_checkpoint_without_config`]; E2BIG if one of the two is larger than 16 MiB, EXDEV if it isn't a regular
/// file.
pub fn import_checkpoint_config_only(destination: &Path, input: &Path) -> Result<()> {
    let found = Cell::new([false; 2]);
    let judge = |path: &RootPath, member: &Member| {
        let Some(index) = config_index(path) else {
            return Ok(Verdict::Skip);
        };
        check_config(member)?;
        let mut both = found.get();
        both[index] = true;
        found.set(both);
        Ok(Verdict::Extract)
    };
    import(destination, input, &judge, &|| found.get() == [true; 2])
}

type Judge<'j> = dyn Fn(&RootPath, &Member) -> Result<Verdict> + 'j;

fn import(
    destination: &Path,
    input: &Path,
    judge: &Judge<'_>,
    done: &dyn Fn() -> bool,
) -> Result<()> {
    check_destination(destination)?;
    let mut reader = open_archive_ambient(input)?;
    let first = reader.next_member().context(|| archive_step(input))?;
    let root = create_directory_ambient(destination, "destination")?;
    extract(&root, &mut reader, first, judge, done).context(|| archive_step(input))
}

fn extract(
    root: &Root,
    reader: &mut Reader<Input>,
    first: Option<Member>,
    judge: &Judge<'_>,
    done: &dyn Fn() -> bool,
) -> Result<()> {
    let (rules, meter, watch) = (Rules::default(), Meter::default(), Watch::new());
    let policy = Policy {
        judge,
        protected: &PROTECTED,
        own_sources_only: true,
        keep_times: false,
        rules: &rules,
        meter: &meter,
        watch: &watch,
    };
    let mut extraction = Extraction::new(root, policy)?;
    let mut next = first;
    while let Some(member) = next {
        extraction.extract(&member, &mut reader.data())?;
        if done() {
            return extraction.finish();
        }
        next = reader.next_member()?;
    }
    reader.finish()?;
    extraction.finish()
}

/// A destination that doesn't exist yet is only made where nobody can mistake it.
fn check_destination(destination: &Path) -> Result<()> {
    if destination.as_os_str().is_empty() {
        return Err(Error::argument("destination", "is empty"));
    }
    if !destination.is_absolute() && !destination.exists() {
        return Err(Error::argument(
            "destination",
            "is missing, and not an absolute path to make",
        ));
    }
    Ok(())
}

fn is_config(path: &RootPath) -> bool {
    path.components().next().is_some_and(|top| {
        [CONFIG_DUMP, SPEC_DUMP]
            .iter()
            .any(|name| name.as_bytes() == top)
    })
}

/// Which of config.dump (0) and spec.dump (1) the path names, if one.
fn config_index(path: &RootPath) -> Option<usize> {
    [CONFIG_DUMP, SPEC_DUMP]
        .iter()
        .position(|name| name.as_bytes() == path.as_bytes())
}

/// Whether a member that is called config.dump or spec.dump can be one.
pub(super) fn check_config(member: &Member) -> Result<()> {
    match member.kind {
        MemberKind::Regular if member.size > MAX_CONFIG => {
            Err(Refusal::TooLarge(member.size).into())
        }
        MemberKind::Regular => Ok(()),
        MemberKind::CharDevice | MemberKind::BlockDevice => Err(Refusal::Device.into()),
        MemberKind::Fifo => Err(Refusal::Fifo.into()),
        MemberKind::Directory | MemberKind::Symlink | MemberKind::Hardlink => {
            Err(Refusal::NotRegular.into())
        }
    }
}

fn judge_bundle_member(path: &RootPath, member: &Member) -> Result<Verdict> {
    if path.components().next() == Some(CONFIG_JSON.as_bytes()) {
        return Err(Refusal::ConfigJson.into());
    }
    match member.kind {
        // The bundle's own owner and mode are the engine's: others could get at what the runtime trusts.
        MemberKind::Directory if path.is_root() => Ok(Verdict::Skip),
        // Whether a hard link's source is the archive's own is known when it is made.
        MemberKind::Regular | MemberKind::Directory | MemberKind::Hardlink => Ok(Verdict::Extract),
        MemberKind::Symlink if is_parent_link(path, &member.link) => Ok(Verdict::Extract),
        MemberKind::Symlink => Err(Refusal::Symlink.into()),
        MemberKind::CharDevice | MemberKind::BlockDevice => Err(Refusal::Device.into()),
        MemberKind::Fifo => Err(Refusal::Fifo.into()),
    }
}

/// The one symlink that checkpoints hold: an incremental dump names the directory of the dump before it, beside its
/// own.
fn is_parent_link(path: &RootPath, target: &[u8]) -> bool {
    let name = target.strip_prefix(b"../").and_then(crate::fs::Name::new);
    matches!(
        path.as_bytes(),
        b"checkpoint/parent" | b"pre-checkpoint/parent"
    ) && name.is_some()
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
        assert!(!accepts(b"parent", b"../x"));
        assert!(!accepts(b"checkpoint/sub/parent", b"../x"));
    }
}
