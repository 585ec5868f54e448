//! What the subcommands are asked for that do what engines do.

#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use crutils::checkpoint::{Compression, Engine, Sha256Digest};

/// A directory with a name.
#[derive(Clone)]
pub(crate) struct Volume {
    pub(crate) name: OsString,
    pub(crate) directory: PathBuf,
}

#[derive(Args)]
pub(crate) struct Extract {
    /// The archive
    #[arg(value_name = "ARCHIVE")]
    pub(crate) archive: PathBuf,
    /// The directory; it is made if it is missing
    #[arg(value_name = "DIRECTORY")]
    pub(crate) directory: PathBuf,
    /// The members, with everything below them; if none is named, all but config.dump and spec.dump
    #[arg(value_name = "MEMBER")]
    pub(crate) members: Vec<OsString>,
    /// Where an oci-archive is kept that is compressed or comes through a pipe
    #[arg(long, value_name = "DIR")]
    pub(crate) spool: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct Import {
    /// The archive
    #[arg(value_name = "ARCHIVE")]
    pub(crate) archive: PathBuf,
    /// What the runtime restores from: whatever has no directory of its own; it is made if it is missing
    #[arg(short, long, value_name = "DIR")]
    pub(crate) bundle: Option<PathBuf>,
    /// Puts config.dump and spec.dump into the bundle, too
    #[arg(long, requires = "bundle")]
    pub(crate) config: bool,
    /// Applies the changes of the root file system to DIR, which holds the image's files, and removes there what the
    /// container had deleted
    #[arg(short, long, value_name = "DIR")]
    pub(crate) rootfs: Option<PathBuf>,
    /// Extracts a named volume; may be given for each
    #[arg(short, long = "volume", value_name = "NAME=DIR", value_parser = ParseVolume)]
    pub(crate) volumes: Vec<Volume>,
    /// Extracts the container's own /dev/shm
    #[arg(short = 'm', long, value_name = "DIR")]
    pub(crate) shm: Option<PathBuf>,
    /// Refuses an archive that has another SHA-256
    #[arg(long, value_name = "SHA256", value_parser = parse_digest)]
    pub(crate) expect: Option<Sha256Digest>,
    /// Prints the archive's SHA-256
    #[arg(short, long)]
    pub(crate) digest: bool,
    /// Refuses names at the top that no engine writes, names that are absolute or have a "..", and an archive that ends
    /// without its end marker
    #[arg(short, long)]
    pub(crate) strict: bool,
    /// Refuses an archive that makes more data than this; K, M and G stand for KiB, MiB and GiB
    #[arg(long, value_name = "SIZE", value_parser = crate::text::parse_size)]
    pub(crate) max_bytes: Option<u64>,
    /// Takes ".wh." files in the changes for deletions, as containerd writes them
    #[arg(long)]
    pub(crate) oci_whiteouts: bool,
    /// Makes all files the caller's
    #[arg(long)]
    pub(crate) ignore_ownership: bool,
    /// Where an oci-archive is kept that is compressed or comes through a pipe
    #[arg(long, value_name = "DIR")]
    pub(crate) spool: Option<PathBuf>,
}

/// Whose members a bundle has.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum BundleOf {
    Podman,
    #[value(name = "cri-o", alias = "crio")]
    Crio,
    Containerd,
}

impl From<BundleOf> for Engine {
    fn from(bundle: BundleOf) -> Self {
        match bundle {
            BundleOf::Podman => Engine::Podman,
            BundleOf::Crio => Engine::Crio,
            BundleOf::Containerd => Engine::Containerd,
        }
    }
}

/// How an archive is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Compress {
    pub(crate) kind: Compression,
    pub(crate) level: Option<i32>,
}

#[derive(Args)]
pub(crate) struct Export {
    /// The bundle, where the runtime has put the checkpoint
    #[arg(value_name = "BUNDLE")]
    pub(crate) bundle: PathBuf,
    /// The archive, which appears when it is whole; - is standard output
    #[arg(value_name = "OUTPUT")]
    pub(crate) output: PathBuf,
    /// Whose members a bundle has
    #[arg(short, long, value_enum, default_value = "podman")]
    pub(crate) engine: BundleOf,
    /// Adds the changes of the root file system that is mounted there, an overlay
    #[arg(short, long, value_name = "MOUNT")]
    pub(crate) rootfs: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) overlay: Overlay,
    /// Adds a named volume; may be given for each
    #[arg(short, long = "volume", value_name = "NAME=DIR", value_parser = ParseVolume)]
    pub(crate) volumes: Vec<Volume>,
    /// Adds the container's own /dev/shm
    #[arg(short = 'm', long, value_name = "DIR")]
    pub(crate) shm: Option<PathBuf>,
    /// none, gzip[:LEVEL] or zstd[:LEVEL]
    #[arg(short, long, value_name = "HOW", default_value = "zstd", value_parser = parse_compression)]
    pub(crate) compress: Compress,
    /// Prints the archive's SHA-256
    #[arg(short, long)]
    pub(crate) digest: bool,
    /// Returns when the archive is on the disk
    #[arg(long)]
    pub(crate) sync: bool,
}

/// The directories of an overlay.
#[derive(Args)]
pub(crate) struct Overlay {
    /// A lower directory of the overlay, the top one first; may be given for each. Without --lower and --upper both are
    /// those that the overlay is mounted with
    #[arg(short, long, value_name = "DIR", requires = "upper")]
    pub(crate) lower: Vec<PathBuf>,
    /// The upper directory of the overlay
    #[arg(short, long, value_name = "DIR", requires = "lower")]
    pub(crate) upper: Option<PathBuf>,
    /// Its work directory, if it is mounted with an index
    #[arg(short, long, value_name = "DIR", requires = "upper")]
    pub(crate) work: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct Diff {
    /// Where the root file system is mounted, an overlay
    #[arg(value_name = "MOUNT")]
    pub(crate) mount: PathBuf,
    /// The directory that rootfs-diff.tar and deleted.files are written to; the changes are listed alone without one
    #[arg(value_name = "DESTINATION")]
    pub(crate) destination: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) overlay: Overlay,
    /// Whose own changes are left out
    #[arg(short, long, value_enum, default_value = "podman")]
    pub(crate) engine: BundleOf,
    /// Writes JSON, one array of changes
    #[arg(short, long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct Apply {
    /// The directory with rootfs-diff.tar and deleted.files
    #[arg(value_name = "DIRECTORY")]
    pub(crate) base: PathBuf,
    /// The root directory of the container, which holds the image's files
    #[arg(value_name = "ROOTFS")]
    pub(crate) root: PathBuf,
}

/// Reads `NAME=DIR`, either of which may be any bytes.
#[derive(Clone)]
pub(crate) struct ParseVolume;

impl clap::builder::TypedValueParser for ParseVolume {
    type Value = Volume;

    fn parse_ref(
        &self,
        command: &clap::Command,
        _: Option<&clap::Arg>,
        value: &std::ffi::OsStr,
    ) -> Result<Volume, clap::Error> {
        let bytes = value.as_bytes();
        let at = bytes.iter().position(|&byte| byte == b'=');
        let (name, directory) = bytes.split_at(at.unwrap_or(0));
        let directory = directory.get(1..).unwrap_or_default();
        let is_name = !matches!(name, b"" | b"." | b"..") && !name.contains(&b'/');
        if !is_name || directory.is_empty() {
            let kind = clap::error::ErrorKind::ValueValidation;
            let why = "a volume is NAME=DIR, and its name no path\n";
            return Err(clap::Error::raw(kind, why).with_cmd(command));
        }
        Ok(Volume {
            name: std::ffi::OsStr::from_bytes(name).to_owned(),
            directory: std::ffi::OsStr::from_bytes(directory).into(),
        })
    }
}

/// Reads the digest of an archive.
pub(crate) fn parse_digest(text: &str) -> Result<Sha256Digest, &'static str> {
    text.parse().map_err(|_| "it has 64 hexadecimal digits")
}

/// Reads `none`, `gzip:9`, `zstd` and the like; the library knows which levels there are.
pub(crate) fn parse_compression(text: &str) -> Result<Compress, String> {
    let (name, level) = match text.split_once(':') {
        Some((name, level)) => {
            let level: i32 = level
                .parse()
                .map_err(|_| "a level is a number".to_owned())?;
            (name, Some(level))
        }
        None => (text, None),
    };
    let kind = match (name, level) {
        ("none", None) => Compression::None,
        ("gzip", _) => Compression::Gzip,
        ("zstd", _) => Compression::Zstd,
        _ => return Err("none, gzip[:LEVEL] or zstd[:LEVEL]".to_owned()),
    };
    Ok(Compress { kind, level })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compressions_are_read_with_their_levels() {
        for (text, kind, level) in [
            ("none", Compression::None, None),
            ("gzip:9", Compression::Gzip, Some(9)),
            ("zstd", Compression::Zstd, None),
        ] {
            assert_eq!(parse_compression(text), Ok(Compress { kind, level }));
        }
        for wrong in ["", "none:1", "lz4", "zstd:", "zstd:x", "zstd:1:2"] {
            assert!(parse_compression(wrong).is_err(), "{wrong}");
        }
    }
}
