//! An archive being read.

#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::os::unix::fs::FileExt as _;

use crate::compress::{self, Compression, MAGIC_LEN};
use crate::error::{Error, Result};
use crate::fs::copy_range;
use crate::tar::Source;
use crate::watch::Watch;

/// How much of a plain file is read ahead, for headers and small members.
const WINDOW: usize = 64 << 10;
/// The buffer between a stream and the files made from it.
const BUFFER: usize = 256 << 10;

/// The tar stream in an archive, decompressed on the way if need be.
pub(crate) enum Input {
    /// A plain archive in a regular file.
    File(FileInput),
    /// Anything else.
    Stream(StreamInput),
}

/// A plain archive in a regular file, read through a window.
pub(crate) struct FileInput {
    file: File,
    len: u64,
    position: u64,
    window: Vec<u8>,
    window_start: u64,
}

/// The output of a decoder, or a pipe.
pub(crate) struct StreamInput {
    reader: Box<dyn Read + Send>,
    buffer: Vec<u8>,
}

impl Input {
    /// Detects the compression by the first bytes; the name plays no part.
    pub(crate) fn new(file: File) -> Result<Self> {
        let read = |error| Error::io("read archive", error);
        let metadata = file.metadata().map_err(read)?;
        let mut magic = Vec::with_capacity(MAGIC_LEN);
        (&file)
            .take(MAGIC_LEN as u64)
            .read_to_end(&mut magic)
            .map_err(read)?;
        let compression = compress::detect(&magic);
        if metadata.is_file() && compression == Compression::None {
            let window = Vec::new();
            let (len, position, window_start) = (metadata.len(), 0, 0);
            return Ok(Input::File(FileInput {
                file,
                len,
                position,
                window,
                window_start,
            }));
        }
        let input = BufReader::with_capacity(BUFFER, Cursor::new(magic).chain(file));
        let reader = compress::decoder(compression, Box::new(input))?;
        Ok(Input::Stream(StreamInput {
            reader,
            buffer: Vec::new(),
        }))
    }

    /// Moves the next `len` bytes to `target` at offset `at`. Returns the bytes moved: fewer if the archive ends.
    pub(crate) fn copy_to(&mut self, target: &File, at: u64, len: u64) -> Result<u64> {
        match self {
            Input::File(input) if len > WINDOW as u64 => input.copy_range_to(target, at, len),
            Input::File(input) => copy_through(input, &mut Vec::new(), target, at, len),
            Input::Stream(StreamInput { reader, buffer }) => {
                copy_through(reader, buffer, target, at, len)
            }
        }
    }
}

impl FileInput {
    fn copy_range_to(&mut self, target: &File, at: u64, len: u64) -> Result<u64> {
        let copied = copy_range(&self.file, self.position, target, at, len, &Watch::new())?;
        self.position += copied;
        Ok(copied)
    }

    /// The bytes of the window from the current position on.
    fn ahead(&self) -> &[u8] {
        let start = self.position.checked_sub(self.window_start);
        start
            .and_then(|start| usize::try_from(start).ok())
            .and_then(|start| self.window.get(start..))
            .unwrap_or_default()
    }

    fn fill(&mut self) -> io::Result<()> {
        self.window.resize(WINDOW, 0);
        self.window_start = self.position;
        let result = self.file.read_at(&mut self.window, self.position);
        self.window.truncate(*result.as_ref().unwrap_or(&0));
        result.map(drop)
    }
}

impl Read for FileInput {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.ahead().is_empty() {
            self.fill()?;
        }
        let ahead = self.ahead();
        let len = ahead.len().min(buffer.len());
        buffer[..len].copy_from_slice(&ahead[..len]);
        self.position += len as u64;
        Ok(len)
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Input::File(input) => input.read(buffer),
            Input::Stream(input) => input.reader.read(buffer),
        }
    }
}

impl Source for Input {
    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        match self {
            Input::File(input) => {
                let end = input
                    .position
                    .checked_add(bytes)
                    .filter(|&end| end <= input.len);
                input.position = end.ok_or(io::ErrorKind::UnexpectedEof)?;
                Ok(())
            }
            Input::Stream(input) => {
                let skipped = io::copy(&mut (&mut input.reader).take(bytes), &mut io::sink())?;
                if skipped < bytes {
                    Err(io::ErrorKind::UnexpectedEof.into())
                } else {
                    Ok(())
                }
            }
        }
    }
}

fn copy_through(
    reader: &mut dyn Read,
    buffer: &mut Vec<u8>,
    target: &File,
    mut at: u64,
    len: u64,
) -> Result<u64> {
    let size = usize::try_from(len).unwrap_or(BUFFER).min(BUFFER);
    if buffer.len() < size {
        buffer.resize(size, 0);
    }
    let mut left = len;
    while left > 0 {
        let want = usize::try_from(left).unwrap_or(BUFFER).min(buffer.len());
        let read = match reader.read(&mut buffer[..want]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            result => result.map_err(|error| Error::io("read archive", error))?,
        };
        if read == 0 {
            break;
        }
        target
            .write_all_at(&buffer[..read], at)
            .map_err(|error| Error::io("write", error))?;
        left -= read as u64;
        at += read as u64;
    }
    Ok(len - left)
}
