//! Imports, applies and creates container checkpoint archives: those of podman and CRI-O, and what containerd writes.
//!
//! An archive holds CRIU's memory images, the container's configuration, and the changes of its root file system.
//!
//! # A restore
//!
//! [`Import`](checkpoint::Import) opens an archive, reads what it tells of the container, and extracts the bundle and the
//! changes of the root file system in one pass:
//!
//! ```no_run
//! use crutils::checkpoint::{Import, ImportOptions};
//! use crutils::watch::Watch;
//!
//! let options = ImportOptions::new();
//! let mut import = Import::open("/srv/counter.tar.zst", &options, &Watch::new())?;
//! let runtime = import.metadata()?.validated_runtime_name()?.to_owned();
//!
//! import.to_bundle("/run/counter")?;
//! import.to_root("/run/counter/rootfs")?;
//! let imported = import.extract()?;
//! println!("{} members, to be restored with {runtime}", imported.members);
//! # Ok::<(), crutils::Error>(())
//! ```
//!
//! # A checkpoint
//!
//! [`Export`](checkpoint::Export) writes an archive of a bundle and of what the container changed in its image, here in
//! the directories of an overlay:
//!
//! ```no_run
//! use crutils::changes::{self, overlay_ambient};
//! use crutils::checkpoint::{Engine, Export, ExportOptions};
//! use crutils::watch::Watch;
//!
//! let watch = Watch::new();
//! let mut options = changes::Options::default();
//! options.exclude.all_exact(Engine::Podman.excluded_paths())?;
//! let changes = overlay_ambient(["/srv/layers/image"], "/srv/layers/upper", &options, &watch)?;
//!
//! let mut export = Export::new();
//! export.add_bundle("/run/counter", Engine::Podman)?;
//! export.add_rootfs_diff(changes, "/run/counter/rootfs")?;
//! let exported = export.write("/srv/counter.tar.zst", &ExportOptions::new(), &watch)?;
//! println!("{} bytes", exported.bytes);
//! # Ok::<(), crutils::Error>(())
//! ```
//!
//! # The modules
//!
//! | module | what it has |
//! | --- | --- |
//! | [`checkpoint`] | imports and exports, what an archive tells of its container, and the steps of both as functions of their own |
//! | [`changes`] | what a container changed in its root file system, found in two directories or in an overlay's layers |
//! | [`watch`] | progress, warnings, cancellation and a deadline for works that take long |
//!
//! A file or a directory of the host is a [`Place`]: a path, a descriptor, or a path that starts at a descriptor. A
//! function that fails returns an [`Error`], which has an errno, a [`Kind`], and the archive member that it is about.
//! Whatever an archive holds, nothing outside of the directories that the caller names is read, created, changed or
//! removed.
//!
//! The cargo feature `selinux`, which is on by default, writes labels through libselinux. `vendored`, which is on by
//! default, builds zstd and xz from the sources in their crates. `capi` builds the C ABI (`include/crutils.h`).
//!
//! # Floors
//!
//! For those who change the crate: its modules are floors, and a floor calls only those below it. `unsafe` is in `sys`
//! and `capi` alone.
//!
//! | floor | module | what it knows |
//! | --- | --- | --- |
//! | 4 | `capi` | the C ABI: convert, call one public Rust function, return |
//! | 3 | [`checkpoint`] | what is in a checkpoint archive and what engines do with it |
//! | 2 | `oci` | images in the form of the OCI specification: their documents, layouts and archives; no checkpoint |
//! | 2 | `archive` | a tar stream into a root directory, and a root directory into a tar stream |
//! | 2 | [`changes`] | what differs between two states of a root file system |
//! | 1 | `tar` | the bytes of a tar stream; no file system |
//! | 1 | `criu` | the images that CRIU writes, as bytes; no archive |
//! | 1 | `compress` | which compression a stream has, and how to undo it |
//! | 0 | `stream` | a caller's descriptor that bytes go through in order |
//! | 0 | `fs` | a root directory that paths may not leave, and what is done below it on descriptors |
//! | 0 | `system` | what the process may do here: user namespaces, SELinux |
//! | 0 | `budget` | how much may be remembered to the end of a work, and whether there is memory for it |
//! | 0 | `sys` | one thin function per system call that `nix` lacks or offers unsafely |
//! | - | [`watch`] | how a caller watches a long work, and ends it early |
//! | - | `error` | [`Error`], [`Kind`] and context |
//!
//! Below `checkpoint` nothing takes a host path: everything works on descriptors, and the few functions that do open
//! a host path say `ambient` in their names.

mod archive;
mod budget;
#[cfg(feature = "capi")]
pub mod capi;
pub mod changes;
pub mod checkpoint;
mod compress;
mod criu;
mod error;
mod fs;
mod oci;
mod stream;
mod sys;
mod system;
mod tar;
pub mod watch;

pub use error::{Error, Kind, Result};
pub use fs::{Place, PlaceBuf};
