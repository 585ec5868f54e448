//! The seek table of zstd's seekable format: a skippable frame behind the last frame, that tells how long each one is.
//!
//! The format is described in zstd's contrib/seekable_format: a skippable frame (RFC 8878, section 3.1.2) whose content is
//! an entry for each frame, the compressed and the decompressed size as 32 bits each (and a checksum, if the descriptor
//! says so), and a footer of 9 bytes: the number of entries, a descriptor, a magic number. All numbers are little-endian.

#![forbid(unsafe_code)]

/// The magic number of the skippable frame.
const MAGIC: u32 = 0x184d_2a5e;
/// The magic number at the end of the table.
const FOOTER_MAGIC: u32 = 0x8f92_eab1;
/// How long the skippable frame's header and the footer are.
pub(super) const HEADER: usize = 8;
pub(super) const FOOTER: usize = 9;
/// The format's own limit on the number of frames.
const MAX_FRAMES: usize = 0x800_0000;

/// A table as it grows.
#[derive(Default)]
pub(super) struct SeekTable {
    entries: Vec<u8>,
    /// A frame whose sizes don't fit was left out, and with it the table.
    unfit: bool,
}

impl SeekTable {
    /// Adds the next frame.
    pub(super) fn add(&mut self, compressed: usize, decompressed: usize) {
        match (u32::try_from(compressed), u32::try_from(decompressed)) {
            (Ok(compressed), Ok(decompressed)) => {
                self.entries.extend(compressed.to_le_bytes());
                self.entries.extend(decompressed.to_le_bytes());
            }
            _ => self.unfit = true,
        }
    }

    /// The table as a skippable frame; none if there are more frames than it can hold.
    pub(super) fn finish(self) -> Option<Vec<u8>> {
        let frames = self.entries.len() / 8;
        if self.unfit || frames > MAX_FRAMES {
            return None;
        }
        let length = u32::try_from(self.entries.len() + FOOTER).ok()?;
        let mut frame = Vec::with_capacity(HEADER + self.entries.len() + FOOTER);
        frame.extend(MAGIC.to_le_bytes());
        frame.extend(length.to_le_bytes());
        frame.extend(self.entries);
        frame.extend(u32::try_from(frames).ok()?.to_le_bytes());
        // No checksums: each frame has its own.
        frame.push(0);
        frame.extend(FOOTER_MAGIC.to_le_bytes());
        Some(frame)
    }
}

/// The compressed sizes that a table with this footer has, with its header; none beyond its end.
pub(super) fn compressed_sizes<'t>(
    table: &'t [u8],
    footer: &[u8; FOOTER],
) -> impl Iterator<Item = u64> + 't {
    let entries = table.get(HEADER..table.len().saturating_sub(FOOTER));
    let sizes = entries.unwrap_or_default().chunks_exact(entry_len(footer));
    sizes.filter_map(|entry| Some(u64::from(u32::from_le_bytes(*entry.first_chunk()?))))
}

/// How long an entry is: with a checksum if the descriptor says so.
fn entry_len(footer: &[u8; FOOTER]) -> usize {
    let [_, _, _, _, descriptor, ..] = footer;
    if descriptor & 0x80 == 0 { 8 } else { 12 }
}

/// How long the table is that ends with this footer, with its header. None if it is no footer.
pub(super) fn length(footer: &[u8; FOOTER]) -> Option<u64> {
    let [frames @ .., descriptor, _, _, _, _] = footer;
    let frames = u32::from_le_bytes(*frames);
    let (magic, descriptor) = (footer.last_chunk()?, *descriptor);
    let is_footer = u32::from_le_bytes(*magic) == FOOTER_MAGIC && descriptor & 0b0111_1100 == 0;
    let entry = entry_len(footer) as u64;
    is_footer.then_some(u64::from(frames) * entry + (HEADER + FOOTER) as u64)
}

/// Whether a table of so many bytes begins like this.
pub(super) fn is_header(header: [u8; HEADER], length: u64) -> bool {
    let [magic, content] = [0, 4].map(|at| {
        let bytes = [header[at], header[at + 1], header[at + 2], header[at + 3]];
        u32::from_le_bytes(bytes)
    });
    magic == MAGIC && u64::from(content) + HEADER as u64 == length
}
