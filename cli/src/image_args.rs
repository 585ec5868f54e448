//! What `crutils image` is asked for.

#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::engine_args::{BundleOf, Compress, Overlay, ParseVolume, Volume, parse_compression};

#[derive(Subcommand)]
pub(crate) enum Image {
    /// Makes an image of an archive, or of a bundle and of what belongs to its container
    Build(Box<Build>),
    /// Tells what an image says of itself, or which images there are
    Inspect(Inspect),
}

#[derive(Args)]
pub(crate) struct Build {
    /// The archive, or a bundle: the directory where the runtime has put the checkpoint; - is standard input
    #[arg(value_name = "ARCHIVE|BUNDLE")]
    pub(crate) checkpoint: PathBuf,
    /// Where the image goes: DIRECTORY[:NAME] or oci:DIRECTORY[:NAME] for a layout, which keeps its other images;
    /// oci-archive:FILE[:NAME] for one file; oci-archive:- for standard output
    #[arg(short, long, value_name = "IMAGE")]
    pub(crate) output: OsString,
    /// gzip[:LEVEL] or zstd[:LEVEL]; if not given, gzip for what isn't compressed with one of the two already
    #[arg(short, long, value_name = "HOW", value_parser = parse_compression)]
    pub(crate) compress: Option<Compress>,
    /// Adds an annotation to the manifest; may be given for each
    #[arg(long = "annotation", value_name = "KEY=VALUE", value_parser = parse_annotation)]
    pub(crate) annotations: Vec<(String, String)>,
    /// The architecture that the image is for, such as amd64; that of CRIU's images if not given
    #[arg(long, value_name = "NAME")]
    pub(crate) arch: Option<String>,
    /// When the image was created, as RFC 3339; when the checkpoint was made if not given
    #[arg(long, value_name = "TIME")]
    pub(crate) created: Option<String>,
    /// Lets the link of an incremental checkpoint to the one before into the image
    #[arg(long)]
    pub(crate) parent_links: bool,
    /// Returns when the image is on the disk
    #[arg(long)]
    pub(crate) sync: bool,
    /// Whose members a bundle has
    #[arg(short, long, value_enum, default_value = "podman")]
    pub(crate) engine: BundleOf,
    /// Adds the changes of the root file system that is mounted there, an overlay, to a bundle's members
    #[arg(short, long, value_name = "MOUNT")]
    pub(crate) rootfs: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) overlay: Overlay,
    /// Adds a named volume to a bundle's members; may be given for each
    #[arg(short, long = "volume", value_name = "NAME=DIR", value_parser = ParseVolume)]
    pub(crate) volumes: Vec<Volume>,
    /// Adds the container's own /dev/shm to a bundle's members
    #[arg(short = 'm', long, value_name = "DIR")]
    pub(crate) shm: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct Inspect {
    /// DIRECTORY[:NAME] or oci:DIRECTORY[:NAME], oci-archive:FILE[:NAME], or - for an oci-archive from standard input;
    /// instead of a name, sha256: and the digest of an image
    #[arg(value_name = "IMAGE")]
    pub(crate) image: OsString,
    /// Writes JSON
    #[arg(short, long)]
    pub(crate) json: bool,
    /// Lists the digests and the names of all images instead
    #[arg(long)]
    pub(crate) list: bool,
    /// Where an oci-archive is kept that is compressed or comes through a pipe
    #[arg(long, value_name = "DIR")]
    pub(crate) spool: Option<PathBuf>,
}

fn parse_annotation(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("is not KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}
