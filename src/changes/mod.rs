//! What changed in a container's root file system since its image.
//!
//! Two detectors, one result. [`directories_ambient`] compares two trees; [`overlay_ambient`] reads the upper and the
//! lower directories of an overlay, and what didn't change isn't looked at; [`mount_ambient`] finds these directories for
//! it. Both give a list that goes into
//! [`create_rootfs_diff_tar`](crate::checkpoint::create_rootfs_diff_tar) as it is: sorted by the bytes of the paths, each
//! object once, the root itself never.
//!
//! # How it is built
//!
//! Both are one walk over two `View`s, the new and the old one. A view is a stack of layers seen as one
//! tree; a plain directory is a stack of one. An overlay's new view begins at its upper directory, its old one below it.
//!
//! | module | its job |
//! | --- | --- |
//! | `layers` | looks up a name in a stack of layers, and lists the names of a directory there |
//! | `layers::markers` | what a layer says in xattrs and devices: whiteouts, opaque directories, redirects, metacopy |
//! | `layers::index`, `layers::origin` | which upper file stands for which lower one under all its names |
//! | `layers::route` | where the layers below have an object that was renamed |
//! | `walk` | goes through both views at once, one directory at a time |
//! | `board` | has other threads look into directories before their turn |
//! | `look` | what both views have in a directory |
//! | `compare` | whether two objects of one type differ |
//! | `content` | whether two files' bytes differ |
//! | `links` | names of one file that belong together: if one is listed, all are |
//! | `mounted` | which directories an overlay has that is mounted |
//! | `list` | the result: sorted, unique, with the directories on the way |
//! | `exclude` | what isn't to be listed, and the engines' own lists of it |
//!
//! Two directories are compared by as many threads as the process may use cores, with the result of one. A thread
//! processes a directory as a whole before it opens the next one: descriptors are open for one pair of directories at a
//! time and a thread, one for each layer that has it. Nothing is followed: an object is opened by its name in the directory above,
//! in its own layer, and the path to a directory has to lead to the very directory that was found there. What lies below a mount point isn't looked into. What vanishes meanwhile counts as not there.

#![forbid(unsafe_code)]

mod board;
mod compare;
mod content;
mod exclude;
mod layers;
mod links;
mod list;
mod look;
mod mounted;
#[cfg(test)]
mod tests;
mod walk;

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::thread::available_parallelism;

pub use exclude::Exclude;
pub use layers::OverlayXattrs;

use crate::error::{self, Context as _, Kind, Result};
use crate::fs::{Place, PlaceBuf, Root};
use crate::system::in_user_namespace;
use crate::watch::Watch;
use compare::{Comparison, ContentCheck};
use layers::{Layer, MAX_LAYERS, Markers, View, indexed_files};
use list::OnTheWay;
use look::Look;
use mounted::Mounted;
use walk::Walk;

/// More threads than this wait for each other, and for the file system.
const MAX_HELPERS: usize = 15;

/// One changed object of a root file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The path as the container sees it, such as `/etc/hosts`; any bytes but NUL.
    pub path: OsString,
    /// What happened to it.
    pub kind: ChangeKind,
}

/// What happened to an object of a root file system. The numbers are those of the C ABI (`CR_CHANGE_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum ChangeKind {
    /// It was there before and is now different, in content, metadata or type.
    Modify = 0,
    /// It is new.
    Add = 1,
    /// It is gone. (A directory that was deleted and made again is deleted, and its new content added.)
    Delete = 2,
}

/// How changes are looked for, and which aren't listed.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Whether the bytes of two files are compared where size and modification time agree. Only for
    /// [`directories_ambient`]: a file in an overlay's upper directory is compared anyway.
    pub compare_content: bool,
    /// Whether modification times within the same second are told apart even where one of them has no nanoseconds.
    /// Without it they count as equal, since many image layers keep whole seconds only. Only for
    /// [`directories_ambient`]: an overlay copies times as they are.
    pub exact_times: bool,
    /// Which xattrs an overlay speaks in. Only for [`overlay_ambient`].
    pub overlay_xattrs: OverlayXattrs,
    /// The work directory of an overlay that is mounted with an index (`index=on`, `nfs_export=on`): a lower file with
    /// several names may have changed and be there alone. Without an index it may be missing. Only for
    /// [`overlay_ambient`].
    pub work_directory: Option<PlaceBuf>,
    /// What isn't listed.
    pub exclude: Exclude,
}

/// Each of them is open until the end.
#[derive(Debug, thiserror::Error)]
#[error("more than {MAX_LAYERS} lower directories")]
struct TooManyLayers;

impl error::Refusal for TooManyLayers {
    fn kind(&self) -> Kind {
        Kind::Limit
    }
}

/// Finds what differs between the directory `new` and the directory `old`. Without an old one everything is new.
///
/// Compared are type, permissions, owner, device number, size, modification time, a symlink's target and all xattrs that
/// travel in archives: ACLs, capabilities and trusted ones, but neither SELinux labels nor an overlay's own. What is the
/// same object on both sides isn't looked into. An object that changed its type is modified; of a directory that became
/// something else, the content isn't listed. A directory with a change in it is listed as modified, too. So are all names
/// of a file with several, if one of them is listed or they belong together otherwise than before.
///
/// As many threads look into directories as the process may use cores, up to 16; what is found, and what fails, is what
/// one thread would meet. Progress is told by the caller's.
///
/// # Errors
///
/// ENOENT and ENOTDIR for what is no directory, E2BIG for more than 4 million changes, or 256 MiB of them, or a path above 4095 bytes, and the
/// system calls' own, such as EACCES for a directory that may not be read.
pub fn directories_ambient<'n>(
    new: impl Into<Place<'n>>,
    old: Option<Place<'_>>,
    options: &Options,
    watch: &Watch,
) -> Result<Vec<Change>> {
    let cores = available_parallelism().map_or(1, NonZeroUsize::get);
    let helpers = MAX_HELPERS.min(cores - 1);
    directories_with(helpers, new.into(), old, options, watch)
}

/// As [`directories_ambient`], with up to so many threads beside the caller's.
fn directories_with(
    helpers: usize,
    new: Place<'_>,
    old: Option<Place<'_>>,
    options: &Options,
    watch: &Watch,
) -> Result<Vec<Change>> {
    let new = [open_layer_ambient(new, "new_directory")?];
    let old = match old {
        Some(old) => vec![open_layer_ambient(old, "old_directory")?],
        None => Vec::new(),
    };
    let look = Look {
        new: View::new(&new, 0, None),
        old: View::new(&old, 0, None),
        comparison: Comparison {
            exact_times: options.exact_times,
            content: if options.compare_content {
                ContentCheck::Compared
            } else {
                ContentCheck::Trusted
            },
            watch,
        },
        exclude: &options.exclude,
    };
    Walk::new(look, OnTheWay::ToAnyChange, watch)
        .with_helpers(helpers)
        .run()
        .context(|| "compare directories")
}

/// Finds what an overlay's `upper` directory changes in its `lower` directories, the top one first. The overlay needn't
/// be mounted; if it is, and is written to meanwhile, what is found is a mixture of before and after.
///
/// Understood are whiteouts (devices and xattrs), opaque directories, redirected directories and files, and files whose
/// data is still in a lower layer. A directory that hides its lower one is listed as modified, and what it hides as
/// deleted, name by name; a renamed one as added, with all that came along. A file that was copied up is listed only
/// if something about it differs, its bytes included, or if it has several names. The directories above what was added
/// or deleted are listed as modified. Several names of one file are treated as by [`directories_ambient`]; other names
/// of a lower file that the overlay's index holds together with a changed one are found. What the index alone has is
/// found only with [`Options::work_directory`].
///
/// # Errors
///
/// As for [`directories_ambient`]; E2BIG for more than 500 lower directories, EBADMSG for a redirect that is none, or a
/// file whose data is in no layer.
pub fn overlay_ambient<'l, 'u>(
    lower: impl IntoIterator<Item: Into<Place<'l>>>,
    upper: impl Into<Place<'u>>,
    options: &Options,
    watch: &Watch,
) -> Result<Vec<Change>> {
    let lower: Vec<Place<'_>> = lower.into_iter().map(Into::into).collect();
    if lower.len() > MAX_LAYERS {
        return Err(TooManyLayers.into());
    }
    let mut layers = vec![open_layer_ambient(upper.into(), "upper_directory")?];
    for directory in lower {
        layers.push(open_layer_ambient(directory, "lower_directories")?);
    }
    let markers = Markers::new(options.overlay_xattrs, in_user_namespace());
    let look = Look {
        new: View::new(&layers, 0, Some(markers)),
        old: View::new(&layers, 1, Some(markers)),
        comparison: Comparison {
            exact_times: true,
            content: ContentCheck::Compared,
            watch,
        },
        exclude: &options.exclude,
    };
    let indexed = match &options.work_directory {
        Some(work) => {
            let work = Root::new(work.get().open_directory_ambient("work_directory")?);
            indexed_files(&work).context(|| "work_directory")?
        }
        None => Vec::new(),
    };
    Walk::new(look, OnTheWay::ToAddedAndDeleted, watch)
        .with_indexed(indexed)
        .run()
        .context(|| "compare the layers of an overlay")
}

/// Finds what a container changed in its root file system, which is an overlay that is mounted at `mount_point`:
/// [`overlay_ambient`] with the directories that the mount's options tell. [`Options::overlay_xattrs`], if it isn't `Auto`,
/// and [`Options::work_directory`] stand before what the mount tells.
///
/// The options are read from the caller's mount namespace, and their paths are looked up there. An overlay that is
/// mounted without an upper directory has no changes.
///
/// # Errors
///
/// As for [`overlay_ambient`]; EINVAL if no whole file system is mounted there, [`Kind::Unsupported`] if it is another one
/// than the kernel's overlay, or has layers of data alone, ENOENT if its directories aren't where the options tell.
pub fn mount_ambient<'m>(
    mount_point: impl Into<Place<'m>>,
    options: &Options,
    watch: &Watch,
) -> Result<Vec<Change>> {
    let mounted = Mounted::at_ambient(mount_point.into())?;
    let Some(upper) = &mounted.upper else {
        return Ok(Vec::new());
    };
    let mut options = options.clone();
    if options.overlay_xattrs == OverlayXattrs::Auto {
        options.overlay_xattrs = mounted.xattrs;
    }
    if let (None, Some(work)) = (&options.work_directory, &mounted.work) {
        options.work_directory = Some(PlaceBuf::new(work)?);
    }
    overlay_ambient(&mounted.lower, upper, &options, watch)
}

fn open_layer_ambient(directory: Place<'_>, what: &str) -> Result<Layer> {
    let root = Root::new(directory.open_directory_ambient(what)?);
    Layer::new(root).context(|| directory.named(what))
}
