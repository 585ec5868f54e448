//! An oci-archive that an image is written into.
//!
//! A blob's name is its digest, and a header has its size: both are known at the end. In a file the layer comes first,
//! behind room for its header, which is written last; to a pipe the layer comes last, out of a file that holds it.

#![forbid(unsafe_code)]

use super::document::{Index, media, write};
use super::{BLOBS, Descriptor, INDEX, LAYOUT_DOCUMENT, OCI_LAYOUT, Refusal};
use crate::archive::Sha256Digest;
use crate::error::Result;
use crate::tar::{END_OF_ARCHIVE, Member, encode, fill, padding};

/// The room for a layer's header: data behind it begins on a boundary of file systems' blocks.
pub(crate) const ROOM: u64 = 4096;

/// The small members of an archive.
pub(crate) struct Pack {
    /// The blobs that are documents, by their digests.
    documents: Vec<(Sha256Digest, Vec<u8>)>,
    index: Vec<u8>,
}

impl Pack {
    /// The members for an image: its config, its manifest, and an index that lists it alone.
    pub(crate) fn new(image: Descriptor, documents: Vec<(Sha256Digest, Vec<u8>)>) -> Result<Self> {
        let index = Index {
            schema_version: 2,
            media_type: media::INDEX.to_owned(),
            manifests: Some(vec![image]),
            annotations: None,
        };
        Ok(Self {
            documents,
            index: write("index", &index)?,
        })
    }

    /// What is written into the room before a layer.
    pub(crate) fn room(layer: Sha256Digest, len: u64) -> Result<Vec<u8>> {
        let mut header = Vec::new();
        encode(&blob(layer, len), 0, &mut header)?;
        let mut out = Vec::new();
        let missing = ROOM.saturating_sub(header.len() as u64);
        if missing > 0 {
            fill(missing, &mut out)?;
        }
        out.append(&mut header);
        if out.len() as u64 == ROOM {
            Ok(out)
        } else {
            let text = format!("its header has {} bytes", out.len());
            Err(Refusal::Document("archive", text).into())
        }
    }

    /// All that comes behind a layer of `len` bytes.
    pub(crate) fn behind(&self, len: u64) -> Result<Vec<u8>> {
        let mut out = vec![0; padding(len)];
        self.put_members(&mut out)?;
        out.extend_from_slice(&END_OF_ARCHIVE);
        Ok(out)
    }

    /// All that comes before a layer that comes last, with its header.
    pub(crate) fn before(&self, layer: Sha256Digest, len: u64) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        self.put_members(&mut out)?;
        encode(&blob(layer, len), out.len() as u64, &mut out)?;
        Ok(out)
    }

    /// What ends an archive whose layer of `len` bytes comes last.
    pub(crate) fn end(len: u64) -> Vec<u8> {
        let mut out = vec![0; padding(len)];
        out.extend_from_slice(&END_OF_ARCHIVE);
        out
    }

    fn put_members(&self, out: &mut Vec<u8>) -> Result<()> {
        put(
            member(OCI_LAYOUT, LAYOUT_DOCUMENT.len() as u64),
            LAYOUT_DOCUMENT,
            out,
        )?;
        put(member(INDEX, self.index.len() as u64), &self.index, out)?;
        for (digest, bytes) in &self.documents {
            put(blob(*digest, bytes.len() as u64), bytes, out)?;
        }
        Ok(())
    }
}

#[expect(clippy::needless_pass_by_value, reason = "a member is made for it")]
fn put(member: Member, bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
    // Documents needn't begin on a boundary.
    let mut header = Vec::new();
    encode(&member, 0, &mut header)?;
    out.append(&mut header);
    out.extend_from_slice(bytes);
    out.resize(out.len() + padding(bytes.len() as u64), 0);
    Ok(())
}

fn blob(digest: Sha256Digest, len: u64) -> Member {
    member(&format!("{BLOBS}/{digest}"), len)
}

fn member(path: &str, len: u64) -> Member {
    super::merge::regular(path.as_bytes(), len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tar::{Extents, MemberKind};

    #[test]
    fn the_room_has_one_size_whatever_the_layer_s() {
        let digest = Sha256Digest([7; 32]);
        for len in [
            0,
            1,
            512,
            65_535,
            65_536,
            1 << 20,
            (8 << 30) - 1,
            8 << 30,
            1 << 50,
        ] {
            let room = Pack::room(digest, len).unwrap();
            assert_eq!(room.len() as u64, ROOM, "{len}");
            let mut reader = crate::tar::Reader::new(&room[..]);
            let member = reader.next_member().unwrap().unwrap();
            assert_eq!(member.kind, MemberKind::Regular(Extents::whole(len)));
            assert_eq!(member.path, format!("blobs/sha256/{digest}").into_bytes());
        }
    }
}
