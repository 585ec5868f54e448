//! The import session through both doors: Rust's and C's.

use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crutils::PlaceBuf;
use crutils::checkpoint::{
    DocumentKind, IdRange, Import, ImportOptions, KNOWN_MEMBERS, Limit, MemberType, Metadata, Text,
    UnsettableXattrs, import_chain,
};

use super::api::{Outcome, Rust};
use super::door::{Door, Place, Watched, host, rust_watch};
use super::image::{Image, rust_image};

pub const CANCELLED: u32 = 9;
pub const DEADLINE: u32 = 10;

pub const DIGEST: u32 = 1;
pub const CONFIGURATION: u32 = 2;
pub const KEEP_FAILED: u32 = 3;
pub const STRICT_NAMES: u32 = 4;
pub const END_MARKER: u32 = 5;
pub const ROOT_ATTRIBUTES: u32 = 6;
pub const OCI_WHITEOUTS: u32 = 7;
pub const IGNORE_OWNERSHIP: u32 = 8;
pub const NO_DEVICES: u32 = 9;
pub const KNOWN_NAMES: u32 = 10;

pub const MEMBERS: u32 = 11;
pub const TOTAL_BYTES: u32 = 12;
pub const MEMBER_BYTES: u32 = 13;
pub const PATH_BYTES: u32 = 14;
pub const DEPTH: u32 = 15;
pub const XATTR_BYTES: u32 = 16;
pub const RATIO: u32 = 17;

pub const SYNC: u32 = 18;
pub const XATTRS: u32 = 19;
pub const OVERLAY_XATTRS: u32 = 20;
pub const CROSS_MOUNTS: u32 = 21;
pub const REQUIRE_COMPLETE: u32 = 22;
pub const USABLE_MODES: u32 = 23;
/// Values of [`XATTRS`].
pub const SKIP_ALL: u64 = 2;
pub const FAIL: u64 = 3;

pub const TEXTS: u32 = 14;
pub const ID: usize = 1;
pub const NAME: usize = 2;
pub const RUNTIME: usize = 3;

/// What an import is asked to heed.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Scalar options by their numbers, with their values.
    pub set: Vec<(u32, u64)>,
    pub expected: Option<String>,
    pub spool: Option<PathBuf>,
    pub types: Option<Vec<u32>>,
    pub names: Option<Vec<&'static str>>,
    /// First in the container, first on the host, size.
    pub uids: Vec<[u32; 3]>,
    pub gids: Vec<[u32; 3]>,
}

impl Options {
    pub fn none() -> Self {
        Self::default()
    }

    pub fn on(what: u32) -> Self {
        Self::none().and(what)
    }

    pub fn and(mut self, what: u32) -> Self {
        self.set.push((what, 1));
        self
    }

    pub fn with(mut self, what: u32, value: u64) -> Self {
        self.set.push((what, value));
        self
    }

    pub fn limit(limit: u32, value: u64) -> Self {
        Self {
            set: vec![(limit, value)],
            ..Self::none()
        }
    }
}

/// What a session tells of the container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub engine: u32,
    /// By `CR_TEXT_*`.
    pub texts: Vec<Option<String>>,
    /// By `CR_DOCUMENT_*`.
    pub documents: Vec<Option<Vec<u8>>>,
}

/// A member as a session lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub name: Vec<u8>,
    pub kind: u32,
    pub class: u32,
    pub size: u64,
    pub stored: u64,
    pub offset: u64,
}

/// An archive that is open for import.
pub trait Session {
    fn metadata(&mut self) -> Outcome<Told>;
    fn members(&mut self) -> Outcome<Vec<Listed>>;
    fn to_bundle(&mut self, place: Place<'_>) -> Outcome;
    fn to_bundle_only(&mut self, place: Place<'_>, names: &[&str]) -> Outcome;
    fn to_root(&mut self, place: Place<'_>) -> Outcome;
    fn to_volume(&mut self, name: &str, place: Place<'_>) -> Outcome;
    fn to_shm(&mut self, place: Place<'_>) -> Outcome;
    /// The digest, if it was asked for.
    fn extract(&mut self) -> Outcome<Option<String>>;
    fn inspect(&mut self) -> Outcome<super::inspection::Looked>;
    /// The image that the session is of, if it is of one.
    fn image(&self) -> Option<Image>;
}

/// Where all files of a container go.
#[derive(Clone, Copy, Default)]
pub struct Everything<'e> {
    pub bundle: Option<&'e Path>,
    pub root: Option<&'e Path>,
    pub shm: Option<&'e Path>,
    pub volumes: &'e [(&'e str, &'e Path)],
}

/// A way to sessions.
pub trait Sessions: Sync {
    fn open(
        &self,
        archive: Place<'_>,
        options: &Options,
        watch: Option<&dyn Watched>,
    ) -> Outcome<Box<dyn Session>>;
    fn open_image(
        &self,
        image: Place<'_>,
        reference: Option<&str>,
        options: &Options,
        watch: Option<&dyn Watched>,
    ) -> Outcome<Box<dyn Session>>;
    /// Imports a chain of dumps, each with the name of its directory.
    fn chain(&self, bundle: Place<'_>, dumps: &[(&str, &Path)], options: &Options) -> Outcome;
}

impl dyn Door + '_ {
    /// Opens a file without a watch.
    pub fn file(&self, path: &Path, options: &Options) -> Box<dyn Session> {
        self.open(path.into(), options, None).unwrap()
    }

    /// Opens a descriptor without a watch.
    pub fn stream(&self, fd: &impl AsFd, options: &Options) -> Box<dyn Session> {
        self.open(fd.as_fd().into(), options, None).unwrap()
    }

    /// A whole restore: opens, sets all destinations, extracts.
    pub fn import_files(
        &self,
        input: &Path,
        everything: Everything<'_>,
        options: &Options,
        watch: Option<&dyn Watched>,
    ) -> Outcome {
        let mut session = self.open(input.into(), options, watch)?;
        if let Some(bundle) = everything.bundle {
            session.to_bundle(bundle.into())?;
        }
        if let Some(root) = everything.root {
            session.to_root(root.into())?;
        }
        if let Some(shm) = everything.shm {
            session.to_shm(shm.into())?;
        }
        for (name, path) in everything.volumes {
            session.to_volume(name, (*path).into())?;
        }
        session.extract().map(drop)
    }
}

const UNSETTABLE: [UnsettableXattrs; 3] = [
    UnsettableXattrs::SkipUnsupported,
    UnsettableXattrs::SkipAll,
    UnsettableXattrs::Fail,
];

const LIMITS: [Limit; 7] = [
    Limit::Members,
    Limit::TotalBytes,
    Limit::MemberBytes,
    Limit::PathBytes,
    Limit::Depth,
    Limit::XattrBytes,
    Limit::Ratio,
];

pub fn rust_options(from: &Options) -> Outcome<ImportOptions> {
    let mut options = ImportOptions::new();
    for (option, value) in &from.set {
        match *option {
            DIGEST => options.digest(true),
            CONFIGURATION => options.configuration(true),
            KEEP_FAILED => options.keep_failed(true),
            STRICT_NAMES => options.strict_names(true),
            END_MARKER => options.require_end_marker(true),
            ROOT_ATTRIBUTES => options.root_attributes(true),
            OCI_WHITEOUTS => options.oci_whiteouts(true),
            IGNORE_OWNERSHIP => options.ignore_ownership(true),
            NO_DEVICES => options.devices(false),
            KNOWN_NAMES => options.names(&KNOWN_MEMBERS)?,
            SYNC => options.sync(true),
            XATTRS => options.unsettable_xattrs(UNSETTABLE[*value as usize - 1]),
            OVERLAY_XATTRS => options.overlay_xattrs(true),
            CROSS_MOUNTS => options.cross_mounts(true),
            REQUIRE_COMPLETE => options.require_complete(true),
            USABLE_MODES => options.usable_modes(true),
            limit => options.limit(LIMITS[(limit - MEMBERS) as usize], *value),
        };
    }
    if let Some(digest) = &from.expected {
        options.expected_digest(digest.parse()?);
    }
    if let Some(directory) = &from.spool {
        options.spool_directory(PlaceBuf::new(directory)?);
    }
    if let Some(types) = &from.types {
        let types: Vec<_> = types
            .iter()
            .map(|kind| MemberType::ALL[*kind as usize - 1])
            .collect();
        options.types(&types);
    }
    if let Some(names) = &from.names {
        options.names(names)?;
    }
    let ranges = |ranges: &[[u32; 3]]| -> Vec<IdRange> {
        let range = |[container, host, size]: &[u32; 3]| IdRange {
            container: *container,
            host: *host,
            size: *size,
        };
        ranges.iter().map(range).collect()
    };
    options.map_ids(&ranges(&from.uids), &ranges(&from.gids))?;
    Ok(options)
}

fn told(metadata: &Metadata) -> Told {
    let document = |kind| metadata.document(kind).map(<[u8]>::to_vec);
    Told {
        engine: metadata.engine() as u32,
        texts: std::iter::once(None)
            .chain(Text::ALL.map(|which| metadata.text(which).map(Into::into)))
            .collect(),
        documents: std::iter::once(None)
            .chain(DocumentKind::ALL.into_iter().map(document))
            .collect(),
    }
}

impl Session for Import {
    fn inspect(&mut self) -> Outcome<super::inspection::Looked> {
        super::inspection::rust_inspect(self)
    }

    fn image(&self) -> Option<Image> {
        Import::image(self).map(rust_image)
    }

    fn metadata(&mut self) -> Outcome<Told> {
        Ok(told(Import::metadata(self)?))
    }

    fn members(&mut self) -> Outcome<Vec<Listed>> {
        let members = Import::members(self)?.iter();
        let listed = members.map(|member| Listed {
            name: member.name.as_bytes().to_vec(),
            kind: member.kind as u32,
            class: member.class as u32,
            size: member.size,
            stored: member.stored,
            offset: member.offset,
        });
        Ok(listed.collect())
    }

    fn to_bundle(&mut self, place: Place<'_>) -> Outcome {
        Ok(Import::to_bundle(self, host(place))?)
    }

    fn to_bundle_only(&mut self, place: Place<'_>, names: &[&str]) -> Outcome {
        Ok(Import::to_bundle_only(self, host(place), names)?)
    }

    fn to_root(&mut self, place: Place<'_>) -> Outcome {
        Ok(Import::to_root(self, host(place))?)
    }

    fn to_volume(&mut self, name: &str, place: Place<'_>) -> Outcome {
        Ok(Import::to_volume(self, name, host(place))?)
    }

    fn to_shm(&mut self, place: Place<'_>) -> Outcome {
        Ok(Import::to_shm(self, host(place))?)
    }

    fn extract(&mut self) -> Outcome<Option<String>> {
        let imported = Import::extract(self)?;
        Ok(imported.sha256.map(|digest| digest.to_string()))
    }
}

impl Sessions for Rust {
    fn open(
        &self,
        archive: Place<'_>,
        options: &Options,
        watch: Option<&dyn Watched>,
    ) -> Outcome<Box<dyn Session>> {
        let (options, watch) = (rust_options(options)?, rust_watch(watch));
        Ok(Box::new(Import::open(host(archive), &options, &watch)?))
    }

    fn open_image(
        &self,
        image: Place<'_>,
        reference: Option<&str>,
        options: &Options,
        watch: Option<&dyn Watched>,
    ) -> Outcome<Box<dyn Session>> {
        let (options, watch) = (rust_options(options)?, rust_watch(watch));
        let import = Import::open_image(host(image), reference, &options, &watch)?;
        Ok(Box::new(import))
    }

    fn chain(&self, bundle: Place<'_>, dumps: &[(&str, &Path)], options: &Options) -> Outcome {
        let dumps: Vec<_> = dumps
            .iter()
            .map(|(name, path)| (OsStr::new(*name), (*path).into()))
            .collect();
        let options = rust_options(options)?;
        Ok(import_chain(host(bundle), &dumps, &options, &rust_watch(None)).map(drop)?)
    }
}
