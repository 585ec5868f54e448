//! Exports through both doors: Rust's and C's.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use crutils::PlaceBuf;
use crutils::changes::{Change as RustChange, ChangeKind};
use crutils::checkpoint::{
    Compression, Engine, Export as RustExport, ExportOptions as RustOptions, FrameSize, Presence,
};

use super::api::{Change, Outcome, Rust};
use super::door::{Place, Watched, host, rust_watch};
use super::image::{Image, ImageOptions, rust_image_options, rust_written};

const COMPRESSION: u32 = 1;
const LEVEL: u32 = 2;
const DIGEST: u32 = 3;
const SYNC: u32 = 4;
const WORKERS: u32 = 5;
const TIME: u32 = 6;
const LIVE: u32 = 7;
const OVERLAY_XATTRS: u32 = 8;
const FRAME_SIZE: u32 = 9;

pub const REQUIRED: u32 = 1;
pub const OPTIONAL: u32 = 2;

/// How an archive is written.
#[derive(Clone, Debug, Default)]
pub struct ExportOptions {
    /// Scalar options by their numbers, with their values.
    pub set: Vec<(u32, u64)>,
    pub spool: Option<PathBuf>,
    /// Members, and what is left out of each.
    pub excluded: Vec<(String, String)>,
}

impl ExportOptions {
    pub fn new() -> Self {
        Self::default()
    }

    fn with(mut self, option: u32, value: u64) -> Self {
        self.set.push((option, value));
        self
    }

    pub fn compression(self, which: u64) -> Self {
        self.with(COMPRESSION, which)
    }

    pub fn level(self, level: i32) -> Self {
        self.with(LEVEL, i64::from(level) as u64)
    }

    pub fn digest(self, wanted: bool) -> Self {
        self.with(DIGEST, wanted.into())
    }

    pub fn sync(self) -> Self {
        self.with(SYNC, 1)
    }

    pub fn workers(self, number: u64) -> Self {
        self.with(WORKERS, number)
    }

    pub fn time(self, seconds: u64) -> Self {
        self.with(TIME, seconds)
    }

    pub fn live(self, wanted: bool) -> Self {
        self.with(LIVE, wanted.into())
    }

    pub fn overlay_xattrs(self, wanted: bool) -> Self {
        self.with(OVERLAY_XATTRS, wanted.into())
    }

    pub fn frame_size(self, size: u64) -> Self {
        self.with(FRAME_SIZE, size)
    }

    pub fn spool(self, directory: &Path) -> Self {
        Self {
            spool: Some(directory.into()),
            ..self
        }
    }

    pub fn exclude(mut self, member: &str, path: &str) -> Self {
        self.excluded.push((member.into(), path.into()));
        self
    }
}

/// What an export tells of the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    pub bytes: u64,
    pub members: u64,
    pub digest: Option<String>,
    pub missing: Vec<String>,
    pub lacking: Vec<String>,
}

/// A checkpoint that is put together.
pub trait Export: Send + Sync {
    fn add_bundle(&mut self, bundle: Place<'_>, engine: u32) -> Outcome;
    fn add_member(&mut self, bundle: Place<'_>, name: &str, presence: u32) -> Outcome;
    fn add_bytes(&mut self, name: &str, bytes: &[u8]) -> Outcome;
    fn add_file(&mut self, name: &str, file: Place<'_>) -> Outcome;
    fn add_directory_tar(&mut self, name: &str, directory: Place<'_>) -> Outcome;
    fn add_rootfs_diff(&mut self, changes: &[Change], root: Place<'_>) -> Outcome;
    fn write(
        &self,
        archive: Place<'_>,
        options: &ExportOptions,
        watch: Option<&dyn Watched>,
    ) -> Outcome<Exported>;
    fn write_image(&self, image: Place<'_>, options: &ImageOptions) -> Outcome<Image>;
}

/// A way to exports.
pub trait Exports {
    fn export(&self) -> Box<dyn Export>;
    /// Whether there can be such options.
    fn check_export_options(&self, options: &ExportOptions) -> Outcome;
}

const COMPRESSIONS: [Compression; 3] = [Compression::None, Compression::Gzip, Compression::Zstd];

pub fn rust_compression(number: u64) -> Compression {
    COMPRESSIONS[number as usize - 1]
}

pub fn rust_frame_size(size: u64) -> FrameSize {
    match size {
        0 => FrameSize::Usual,
        u64::MAX => FrameSize::Whole,
        size => FrameSize::Bytes(size.try_into().unwrap()),
    }
}

fn rust_options(from: &ExportOptions) -> Outcome<RustOptions> {
    let mut options = RustOptions::new();
    for (option, value) in &from.set {
        match *option {
            COMPRESSION => options.compression(rust_compression(*value)),
            LEVEL => options.level(Some(*value as i32)),
            DIGEST => options.digest(*value == 1),
            SYNC => options.sync(*value == 1),
            WORKERS => options.workers(NonZeroUsize::new(*value as usize)),
            TIME => options.time(*value as i64),
            LIVE => options.live(*value == 1),
            OVERLAY_XATTRS => options.overlay_xattrs(*value == 1),
            _ => options.frame_size(rust_frame_size(*value)),
        };
    }
    if let Some(directory) = &from.spool {
        options.spool_directory(Some(PlaceBuf::new(directory)?));
    }
    for (member, path) in &from.excluded {
        options.exclude(member, path)?;
    }
    Ok(options)
}

pub fn rust_changes(changes: &[Change]) -> Vec<RustChange> {
    let kinds = [ChangeKind::Modify, ChangeKind::Add, ChangeKind::Delete];
    let change = |one: &Change| RustChange {
        path: one.path.clone(),
        kind: kinds[one.kind as usize],
    };
    changes.iter().map(change).collect()
}

fn engine(number: u32) -> Engine {
    [
        Engine::Unknown,
        Engine::Podman,
        Engine::Crio,
        Engine::Containerd,
    ][number as usize]
}

impl Export for RustExport {
    fn add_bundle(&mut self, bundle: Place<'_>, number: u32) -> Outcome {
        Ok(RustExport::add_bundle(self, host(bundle), engine(number))?)
    }

    fn add_member(&mut self, bundle: Place<'_>, name: &str, presence: u32) -> Outcome {
        let presence = [Presence::Required, Presence::Optional][presence as usize - 1];
        Ok(RustExport::add_member(self, host(bundle), name, presence)?)
    }

    fn add_bytes(&mut self, name: &str, bytes: &[u8]) -> Outcome {
        Ok(RustExport::add_bytes(self, name, bytes)?)
    }

    fn add_file(&mut self, name: &str, file: Place<'_>) -> Outcome {
        Ok(RustExport::add_file(self, name, host(file))?)
    }

    fn add_directory_tar(&mut self, name: &str, directory: Place<'_>) -> Outcome {
        Ok(RustExport::add_directory_tar(self, name, host(directory))?)
    }

    fn add_rootfs_diff(&mut self, changes: &[Change], root: Place<'_>) -> Outcome {
        Ok(RustExport::add_rootfs_diff(
            self,
            rust_changes(changes),
            host(root),
        )?)
    }

    fn write(
        &self,
        archive: Place<'_>,
        options: &ExportOptions,
        watch: Option<&dyn Watched>,
    ) -> Outcome<Exported> {
        let (options, watch) = (rust_options(options)?, rust_watch(watch));
        let exported = RustExport::write(self, host(archive), &options, &watch)?;
        let names = |names: Vec<std::ffi::OsString>| {
            names
                .into_iter()
                .map(|name| name.into_string().unwrap())
                .collect()
        };
        Ok(Exported {
            bytes: exported.bytes,
            members: exported.members,
            digest: exported.sha256.map(|digest| digest.to_string()),
            missing: names(exported.missing),
            lacking: names(exported.lacking),
        })
    }

    fn write_image(&self, image: Place<'_>, options: &ImageOptions) -> Outcome<Image> {
        let (options, own, watch) = (
            rust_image_options(options)?,
            RustOptions::new(),
            rust_watch(None),
        );
        let written = RustExport::write_image(self, host(image), &options, &own, &watch)?;
        Ok(rust_written(&written))
    }
}

impl Exports for Rust {
    fn export(&self) -> Box<dyn Export> {
        Box::new(RustExport::new())
    }

    fn check_export_options(&self, options: &ExportOptions) -> Outcome {
        rust_options(options).map(drop)
    }
}
