//! A blob of an image in a regular file, and whether it is what its descriptor says.

#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use super::{Descriptor, MAX_DOCUMENT, Refusal};
use crate::archive::{ArchiveOrigin, Hash, Hasher, Input, Peer, Reading, Sha256Digest};
use crate::error::{Called as _, Error, Kind, Result, quote};
use crate::watch::{Cancellation, Phase};

/// How much is read at once.
const PIECE: usize = 256 << 10;

/// A range of a regular file that is a blob.
#[derive(Clone, Debug)]
pub(crate) struct Blob {
    pub(crate) file: Arc<File>,
    pub(crate) start: u64,
    pub(crate) len: u64,
}

/// What a layer has to be.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    /// What messages call it.
    pub(crate) what: &'static str,
    pub(crate) descriptor: Descriptor,
    /// The digest of what it decodes to, if that is known.
    pub(crate) diff_id: Option<Sha256Digest>,
}

impl Blob {
    /// Reads the blob from its beginning.
    pub(crate) fn reader(&self) -> Box<dyn Read + Send> {
        Box::new(Range {
            file: Arc::clone(&self.file),
            at: self.start,
            end: self.start.saturating_add(self.len),
        })
    }

    /// Reads the whole blob, which is a document.
    pub(crate) fn document(&self, what: &'static str) -> Result<Vec<u8>> {
        if self.len > MAX_DOCUMENT {
            return Err(Refusal::DocumentSize(what, self.len).into());
        }
        let mut bytes = Vec::new();
        self.reader()
            .read_to_end(&mut bytes)
            .called(|| format!("read the {what}"))?;
        Ok(bytes)
    }

    /// Reads a document that a descriptor names, if it is what the descriptor says.
    pub(crate) fn verified_document(
        &self,
        what: &'static str,
        descriptor: &Descriptor,
    ) -> Result<Vec<u8>> {
        let shown = || quote(descriptor.digest.as_bytes());
        if self.len != descriptor.size {
            return Err(Refusal::Size(what, shown(), self.len, descriptor.size).into());
        }
        let bytes = self.document(what)?;
        let mut hasher = Hasher::new();
        hasher.update(&bytes);
        let digest = hasher.finish();
        if digest != descriptor.sha256()? {
            return Err(Refusal::Damaged(what, shown(), digest.to_string()).into());
        }
        Ok(bytes)
    }
}

/// Reads a range of a regular file, whatever its descriptor's own offset is.
struct Range {
    file: Arc<File>,
    at: u64,
    end: u64,
}

impl Read for Range {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let want = buffer.len().min(left);
        let count = self.file.read_at(&mut buffer[..want], self.at)?;
        if count == 0 && want > 0 {
            return Err(Error::from(Refusal::Shrank(left)).into());
        }
        self.at += count as u64;
        Ok(count)
    }
}

/// Reads a layer once, and fails unless size, digest and diff_id are those that are expected.
pub(crate) fn verify(blob: &Blob, expected: &Expected, reading: &Reading) -> Result<()> {
    let shown = quote(expected.descriptor.digest.as_bytes());
    if blob.len != expected.descriptor.size {
        let size = expected.descriptor.size;
        return Err(Refusal::Size(expected.what, shown, blob.len, size).into());
    }
    let digest = expected.descriptor.sha256()?;
    reading.watch.begin(Phase::Verifying, Some(blob.len));
    let decoded = decode(blob, reading);
    let found = match &decoded {
        Ok((found, _)) => *found,
        // Whoever reads that a stream is corrupt wants to know first that the blob isn't what was pushed.
        Err(error) if error.kind() == Kind::Malformed => digest_of(blob, reading)?,
        Err(_) => return decoded.map(drop),
    };
    if found != digest {
        return Err(Refusal::Damaged(expected.what, shown, found.to_string()).into());
    }
    let (_, content) = decoded?;
    reading.watch.end();
    match expected.diff_id {
        Some(diff_id) if diff_id != content => {
            Err(Refusal::DiffId(shown, diff_id.to_string(), content.to_string()).into())
        }
        _ => Ok(()),
    }
}

/// The digests of a blob and of what it decodes to.
fn decode(blob: &Blob, reading: &Reading) -> Result<(Sha256Digest, Sha256Digest)> {
    let peer = Peer {
        reader: blob.reader(),
        abandoned: Cancellation::new(),
    };
    let mut input: Input<'static> =
        ArchiveOrigin::Stream(Some(peer)).read(reading, Hash::Always, None)?;
    input.decode_ahead();
    let mut hasher = Hasher::new();
    read_all(&mut input, |bytes| {
        hasher.update(bytes);
        Ok(())
    })?;
    let blobs = input.take_digest();
    let blobs = blobs.ok_or_else(|| Error::new(Kind::Internal, "no digest of a blob"))?;
    Ok((blobs, hasher.finish()))
}

fn digest_of(blob: &Blob, reading: &Reading) -> Result<Sha256Digest> {
    let mut hasher = Hasher::new();
    read_all(&mut blob.reader(), |bytes| {
        hasher.update(bytes);
        reading.watch.check()
    })?;
    Ok(hasher.finish())
}

fn read_all(reader: &mut impl Read, mut take: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let mut buffer = vec![0; PIECE];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => take(&buffer[..count])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::io("read the layer", error)),
        }
    }
}
