//! Exporting a checkpoint: everything into the archive, once.
//!
//! An [`Export`] is a list of members; writing it goes through them in their order. Nothing is copied to the disk
//! first: what is an archive in the archive (the diff of the root file system, volumes, shared memory) is measured,
//! which reads no data, and then written where it belongs.

#![forbid(unsafe_code)]

mod completeness;
mod documents;
mod layer;
mod members;
mod options;
mod output;
mod source;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::Arc;

use nix::errno::Errno;
use thiserror::Error as ThisError;

use crate::archive::OpenFile;
use crate::changes::Change;
use crate::checkpoint::names::{CONFIG_JSON, DELETED_FILES, Need, ROOTFS_DIFF_TAR, layout};
use crate::checkpoint::rootfs_diff::Plan;
use crate::checkpoint::{DocumentKind, Engine, Metadata};
use crate::error::{self, Called as _, Context as _, Error, Kind, Result};
use crate::fs::{Identity, Place, Root, RootPath};
use crate::sys::mount_id;
use source::open_source_ambient;

pub(in crate::checkpoint) use layer::LayerTarget;
pub use options::{ExportOptions, Exported};
pub(in crate::checkpoint) use output::check_place;

/// Whether a member has to be there.
///
/// The numbers are those of the C ABI (`CR_PRESENCE_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Presence {
    /// An export without it fails.
    Required = 1,
    /// [`Exported::missing`] tells if it isn't there.
    Optional = 2,
}

/// Why a member can't be exported.
#[derive(Debug, ThisError)]
enum Refusal {
    /// Readers differ in what they make of such a name, and some place it outside of the bundle.
    #[error("is no clean relative path")]
    Unclean,
    /// No import takes it: a runtime would run the hooks that it names.
    #[error("config.json may not be in an archive: a runtime would run its hooks")]
    ConfigJson,
    /// Of two members of the same name readers keep one, and not all of them the same.
    #[error("was added before")]
    Twice,
    /// Two lists would name the same members.
    #[error("the members of a bundle were added before")]
    SecondBundle,
    /// A file can't hold the members below it, so that no reader could extract them.
    #[error("is no directory, and {0} was added below it")]
    Below(String),
    /// An archive can't hold a socket, and reading a fifo or a device is no copy of it.
    #[error("is not a regular file")]
    NotRegular,
    /// A restore needs it; found missing there, the container is gone already.
    #[error("is required and isn't there")]
    Missing,
    /// An engine that never wrote one has to learn how: a restore reads the container's name, image and runtime in it.
    #[error(
        "is required and isn't there; CRMetadataBuild makes one, and `crutils import --config` takes that of an archive"
    )]
    NoConfiguration,
    /// A checkpoint without some of its memory passes for a whole one until its container is restored.
    #[error("has fewer files than when it was looked for")]
    Vanished,
    /// What is required would be missing, since an archive leaves its place empty.
    #[error("is required and is a socket, which no archive can hold")]
    Socket,
    /// The configuration is read into memory whole.
    #[error("has {0} bytes, more than 16 MiB")]
    TooLarge(u64),
}

impl error::Refusal for Refusal {
    fn kind(&self) -> Kind {
        match self {
            Self::Missing | Self::NoConfiguration | Self::Vanished => Kind::System,
            Self::Socket => Kind::Unsupported,
            Self::TooLarge(_) => Kind::Limit,
            _ => Kind::Argument,
        }
    }

    fn errno(&self) -> Errno {
        match self {
            Self::Missing | Self::NoConfiguration => Errno::ENOENT,
            Self::Vanished => Errno::ESTALE,
            _ => self.kind().errno(),
        }
    }
}

/// A checkpoint that is going to be an archive: its members, in the order in which they were added.
///
/// Directories and files are opened when they are added, and read when the archive is written; that may be done
/// several times. Names are relative, without `.`, `..` and superfluous slashes, at most 4095 bytes long, and each
/// is there once: the same again is EINVAL, as is `config.json`.
#[derive(Default)]
pub struct Export {
    entries: Vec<Entry>,
    /// The names of all entries.
    names: BTreeSet<RootPath>,
    /// The bundles, by what their directories are and the mounts these are on.
    roots: Vec<((Identity, u64), Arc<Root>)>,
    has_layout: bool,
}

/// A member, or what is known under one name.
struct Entry {
    name: RootPath,
    content: MemberSource,
    /// Whether it is here because a list of a bundle's members has it.
    listed: bool,
}

/// Where a member comes from.
enum MemberSource {
    /// An object below a bundle directory, with the same name there.
    Bundle(Arc<Root>, Need),
    Bytes(Vec<u8>),
    File(OpenFile),
    /// A directory, as an archive of its own.
    Directory(Root),
    /// rootfs-diff.tar and deleted.files.
    Diff(Diff),
}

/// The changes of a root file system.
struct Diff {
    plan: Plan,
    root: Root,
}

impl Export {
    /// An export without members.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the file or directory `name` of the directory `bundle`; a directory with everything below it that is on the
    /// same mount. Symlinks above the last component are followed, and don't lead out of `bundle`.
    ///
    /// What has no place in a bundle fails the export before anything is written: devices, fifos, and symlinks but for
    /// the `parent` that CRIU makes. Sockets are left out, with a warning. Several names of a file are kept within a
    /// member, so that each can be extracted without the others.
    ///
    /// # Errors
    ///
    /// EINVAL and E2BIG for the name, the system calls' own for the directory.
    pub fn add_member<'d>(
        &mut self,
        bundle: impl Into<Place<'d>>,
        name: impl AsRef<OsStr>,
        presence: Presence,
    ) -> Result<()> {
        let root = self.open_bundle_ambient(bundle.into())?;
        let need = match presence {
            Presence::Required => Need::Required,
            Presence::Optional => Need::Optional,
        };
        self.add(name.as_ref(), MemberSource::Bundle(root, need))
    }

    /// Adds all members that an engine has in its `bundle`, in the engine's order:
    ///
    /// - podman: artifacts, devshm-checkpoint.tar, config.dump, spec.dump, network.status, stats-dump, ctr.log,
    ///   checkpoint, pre-checkpoint, rootfs-diff.tar, deleted.files, and all that is in the directory volumes;
    /// - CRI-O: stats-dump, dump.log, checkpoint, config.dump, spec.dump, bind.mounts, rootfs-diff.tar, deleted.files,
    ///   io.kubernetes.cri-o.LogPath;
    /// - containerd: checkpoint, config.dump, container.log, dump.log, rootfs-diff.tar, spec.dump, stats-dump, status,
    ///   status.dump.
    ///
    /// config.dump, spec.dump and checkpoint are required (of podman's checkpoint and pre-checkpoint one of them), and so
    /// is containerd's status.dump; all others are optional. A name that is added by itself, before or afterwards, is
    /// left out here.
    ///
    /// # Errors
    ///
    /// EINVAL for a second bundle and for [`Engine::Unknown`], the system calls' own for the directory.
    pub fn add_bundle<'d>(&mut self, bundle: impl Into<Place<'d>>, engine: Engine) -> Result<()> {
        if engine == Engine::Unknown {
            return Err(Error::argument("engine", "is not a known engine"));
        }
        if self.has_layout {
            return Err(Refusal::SecondBundle).context(|| "bundle");
        }
        let root = self.open_bundle_ambient(bundle.into())?;
        for (name, need) in layout(engine) {
            let name = check_name(name.as_ref())?;
            if self.names.insert(name.clone()) {
                self.entries.push(Entry {
                    name,
                    content: MemberSource::Bundle(Arc::clone(&root), need),
                    listed: true,
                });
            }
        }
        self.has_layout = true;
        Ok(())
    }

    /// Adds a file of these bytes, with mode 0600 and owner 0:0; [`ExportOptions::time`] is its time.
    ///
    /// # Errors
    ///
    /// EINVAL and E2BIG for the name.
    pub fn add_bytes(&mut self, name: impl AsRef<OsStr>, bytes: impl Into<Vec<u8>>) -> Result<()> {
        self.add(name.as_ref(), MemberSource::Bytes(bytes.into()))
    }

    /// Adds every document that the metadata holds (config.dump, spec.dump and their like) as a file of its bytes.
    ///
    /// # Errors
    ///
    /// EINVAL for a document whose name was added before; then none is added.
    pub fn add_metadata(&mut self, metadata: &Metadata) -> Result<()> {
        let held = |kind: DocumentKind| Some((kind.name(), metadata.document(kind)?));
        let documents: Vec<_> = DocumentKind::ALL.into_iter().filter_map(held).collect();
        for (name, _) in &documents {
            self.check_free(&check_name(name.as_ref())?)?;
        }
        for (name, bytes) in documents {
            self.add_bytes(name, bytes)?;
        }
        Ok(())
    }

    /// Adds a regular file of the host under another name, with its own attributes. A descriptor keeps its offset: the
    /// whole file is meant, wherever that is.
    ///
    /// # Errors
    ///
    /// EINVAL and E2BIG for the name, EINVAL for what isn't a regular file, the system calls' own for the file.
    pub fn add_file<'f>(
        &mut self,
        name: impl AsRef<OsStr>,
        file: impl Into<Place<'f>>,
    ) -> Result<()> {
        let file = open_source_ambient(file.into());
        let file = file.at_entry(name.as_ref().as_bytes())?;
        self.add(name.as_ref(), MemberSource::File(file))
    }

    /// Adds a directory as a nested archive, such as `volumes/NAME.tar`: itself (as `./`) and everything below it that
    /// is on the same mount, of any type but sockets. The archive has mode 0600 and owner 0:0.
    ///
    /// # Errors
    ///
    /// EINVAL and E2BIG for the name, the system calls' own for the directory.
    pub fn add_directory_tar<'d>(
        &mut self,
        name: impl AsRef<OsStr>,
        directory: impl Into<Place<'d>>,
    ) -> Result<()> {
        let fd = directory.into().open_directory_ambient("directory");
        let root = Root::new(fd.at_entry(name.as_ref().as_bytes())?);
        self.add(name.as_ref(), MemberSource::Directory(root))
    }

    /// Adds the `changes` of the root file system mounted at `root`: rootfs-diff.tar with what was added and modified,
    /// and deleted.files with what was deleted, each only if there is anything to put into it. Both are what
    /// [`create_rootfs_diff_tar`](crate::checkpoint::create_rootfs_diff_tar) makes of them.
    ///
    /// # Errors
    ///
    /// EINVAL for a second diff, an empty path or a deletion of the root, E2BIG for a path longer than 4095 bytes, the
    /// system calls' own for the directory.
    pub fn add_rootfs_diff<'d>(
        &mut self,
        changes: Vec<Change>,
        root: impl Into<Place<'d>>,
    ) -> Result<()> {
        let plan = Plan::new(changes)?;
        let root = Root::new(root.into().open_directory_ambient("root")?);
        for name in [ROOTFS_DIFF_TAR, DELETED_FILES] {
            self.check_free(&check_name(name.as_ref())?)?;
        }
        self.claim(DELETED_FILES.as_ref())?;
        let content = MemberSource::Diff(Diff { plan, root });
        self.add(ROOTFS_DIFF_TAR.as_ref(), content)
    }

    fn add(&mut self, name: &OsStr, content: MemberSource) -> Result<()> {
        let name = self.claim(name)?;
        let listed = false;
        self.entries.push(Entry {
            name,
            content,
            listed,
        });
        Ok(())
    }

    /// Takes a name for the caller, from the list of a bundle's members if need be.
    fn claim(&mut self, name: &OsStr) -> Result<RootPath> {
        let path = check_name(name).at_entry(name.as_bytes())?;
        self.check_free(&path)?;
        self.entries.retain(|entry| entry.name != path);
        self.names.insert(path.clone());
        Ok(path)
    }

    /// Whether the caller may still take this name.
    fn check_free(&self, name: &RootPath) -> Result<()> {
        let is_listed = |entry: &Entry| entry.listed && entry.name == *name;
        if self.names.contains(name) && !self.entries.iter().any(is_listed) {
            return Err(Refusal::Twice).at_entry(name.as_bytes());
        }
        Ok(())
    }

    /// Opens a bundle directory, or finds it among those that are open.
    fn open_bundle_ambient(&mut self, bundle: Place<'_>) -> Result<Arc<Root>> {
        let fd = bundle.open_directory_ambient("bundle")?;
        let place = (Identity::of(&fd)?, mount_id(fd.as_fd()).called(|| "statx")?);
        let known = self.roots.iter().find(|(known, _)| *known == place);
        if let Some((_, root)) = known {
            return Ok(Arc::clone(root));
        }
        let root = Arc::new(Root::new(fd));
        self.roots.push((place, Arc::clone(&root)));
        Ok(root)
    }
}

/// A member's name as a path, if it is one that importers take as it stands.
fn check_name(name: &OsStr) -> Result<RootPath> {
    let bytes = name.as_bytes();
    if bytes.contains(&0) {
        return Err(Refusal::Unclean.into());
    }
    let path = RootPath::clean(bytes)?;
    if path.is_root() || path.as_bytes() != bytes {
        return Err(Refusal::Unclean.into());
    }
    if path.components().next() == Some(CONFIG_JSON.as_bytes()) {
        return Err(Refusal::ConfigJson.into());
    }
    Ok(path)
}
