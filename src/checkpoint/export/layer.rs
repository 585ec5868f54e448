//! An export as the layer of an image.

#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::fs::FileExt as _;

use nix::errno::Errno;

use super::documents::read_document;
use super::members;
use super::output::{Job, Outlet, open_spool_directory};
use super::{Export, ExportOptions, Exported, MemberSource};
use crate::archive::{Hasher, Sha256Digest, Sink};
use crate::checkpoint::DocumentKind;
use crate::checkpoint::image::Facts;
use crate::checkpoint::layer::{check_layer_name, judge_layer_member};
use crate::checkpoint::names::CHECKPOINT;
use crate::compress::{Encode, Encoding, encoder};
use crate::error::{Context as _, Error, Kind, Result};
use crate::fs::{Identity, Root, RootPath, open_regular_at, sorted_names, spool_ambient};
use crate::tar::Member;
use crate::watch::Watch;

/// Where a layer goes.
pub(in crate::checkpoint) struct LayerTarget<'t> {
    /// What takes its bytes.
    pub(in crate::checkpoint) writer: Box<dyn Write + Send + 't>,
    pub(in crate::checkpoint) encoding: Encoding,
    /// The files of the library's own that it goes to.
    pub(in crate::checkpoint) own: &'t [Identity],
    /// The caller's file that it goes to, if it goes to one.
    pub(in crate::checkpoint) output: Option<Identity>,
    /// Where unnamed files go if the options don't say.
    pub(in crate::checkpoint) spool: Option<BorrowedFd<'t>>,
    /// Whether the link to a dump before may be in it.
    pub(in crate::checkpoint) parent_links: bool,
}

/// A layer that was written.
pub(in crate::checkpoint) struct ExportedLayer {
    pub(in crate::checkpoint) exported: Exported,
    pub(in crate::checkpoint) digest: Sha256Digest,
    pub(in crate::checkpoint) diff_id: Sha256Digest,
}

impl Export {
    /// Writes the members as the layer of an image. What can't be in one is refused before anything is written.
    pub(in crate::checkpoint) fn write_layer(
        &self,
        target: LayerTarget<'_>,
        options: &ExportOptions,
        watch: &Watch,
    ) -> Result<ExportedLayer> {
        for entry in &self.entries {
            let checked = check_layer_name(entry.name.as_bytes());
            checked.at_entry(entry.name.as_bytes())?;
        }
        let chosen = open_spool_directory(options)?;
        let directory = chosen.as_ref().map(|chosen| chosen.as_fd());
        let directory = directory.or(target.spool);
        let job = Job {
            export: self,
            options,
            encoding: target.encoding,
            watch,
            output: target.output,
            own: target.own,
            judge: if target.parent_links {
                judge_with_parent
            } else {
                judge_without_parent
            },
            spool: &|| spool_ambient(directory),
        };
        job.layer(target.writer)
    }

    /// What the members tell of the container.
    pub(in crate::checkpoint) fn facts(&self, options: &ExportOptions) -> Result<Facts> {
        let mut facts = Facts::default();
        for entry in &self.entries {
            facts.metadata.saw(entry.name.as_bytes());
            let kind = DocumentKind::of(entry.name.as_bytes());
            let Some(kind) = kind.filter(|kind| kind.is_of_image()) else {
                continue;
            };
            let read = read_document(entry, options.time);
            let Some((bytes, time)) = read.at_entry(entry.name.as_bytes())? else {
                continue;
            };
            let inserted = facts.metadata.insert(kind, bytes);
            inserted.at_entry(entry.name.as_bytes())?;
            if kind == DocumentKind::Config {
                facts.time = time;
            }
        }
        for entry in &self.entries {
            if entry.name.as_bytes() == CHECKPOINT.as_bytes()
                && let MemberSource::Bundle(root, _) = &entry.content
            {
                facts.core = first_core(root, &entry.name)?;
            }
        }
        Ok(facts)
    }
}

fn judge_with_parent(path: &RootPath, member: &Member) -> Result<()> {
    members::judge(path, member)?;
    judge_layer_member(path, member, true)
}

fn judge_without_parent(path: &RootPath, member: &Member) -> Result<()> {
    members::judge(path, member)?;
    judge_layer_member(path, member, false)
}

impl Job<'_> {
    /// Compresses all members, and digests them before and after that.
    fn layer(&self, writer: Box<dyn Write + Send + '_>) -> Result<ExportedLayer> {
        let storing = self.storing();
        let mut found = storing.find()?;
        let mut outlet = Outlet::new(writer, true);
        let mut hasher = Hasher::new();
        let workers = self.options.encoder.number_of_workers();
        let encoder = Digesting {
            inner: encoder(self.encoding, workers, Box::new(&mut outlet))?,
            hasher: &mut hasher,
        };
        let sink = Sink::into_encoder(Box::new(encoder), self.watch)
            .avoiding(self.output)
            .living(self.options.live);
        let (_, members) = storing.store(&mut found, sink)?;
        let (bytes, digest) = outlet.finish();
        let digest = digest.ok_or_else(|| Error::new(Kind::Internal, "no digest of a layer"))?;
        Ok(ExportedLayer {
            exported: Exported {
                bytes,
                members,
                sha256: Some(digest),
                missing: found.missing,
                lacking: found.lacking,
            },
            digest,
            diff_id: hasher.finish(),
        })
    }
}

/// Digests what it is given on its way to an encoder.
struct Digesting<'d> {
    inner: Box<dyn Encode + 'd>,
    hasher: &'d mut Hasher,
}

impl Write for Digesting<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl Encode for Digesting<'_> {
    fn cut(&mut self) -> Result<()> {
        self.inner.cut()
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.inner.finish()
    }
}

/// The beginning of the first image in which CRIU has kept a task's registers.
fn first_core(root: &Root, checkpoint: &RootPath) -> Result<Option<[u8; 14]>> {
    let directory = match root.directory(checkpoint) {
        Err(error) if error.is_any(&[Errno::ENOENT, Errno::ENOTDIR]) => return Ok(None),
        directory => directory?,
    };
    for name in sorted_names(&directory)? {
        let path = [CHECKPOINT.as_bytes(), b"/", name.bytes()].concat();
        if Facts::is_core(&path)
            && let Ok(Some(file)) = open_regular_at(&directory, &name)
        {
            let mut beginning = [0; 14];
            if file.read_exact_at(&mut beginning, 0).is_ok() {
                return Ok(Some(beginning));
            }
        }
    }
    Ok(None)
}
