//! SHA-256 of the bytes of an archive.

#![forbid(unsafe_code)]

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt as _;
use std::str::FromStr;

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use nix::errno::Errno;
use sha2::{Digest as _, Sha256};

use crate::error::{self, Called as _, Error, Kind, Result};
use crate::watch::Watch;

/// How much of a file is read at once.
const PIECE: usize = 1 << 20;

/// A SHA-256 digest. As text it is 64 hexadecimal digits: lower-case ones are written, both are read.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sha256Digest(pub [u8; 32]);

/// Why there is no digest.
#[derive(Clone, Copy, Debug, thiserror::Error)]
enum Refusal {
    /// A digest that is read as another, or cut short, would let the wrong archive pass, or the right one fail.
    #[error("digest: is not 64 hexadecimal digits")]
    NotHexadecimal,
    /// The digest would be that of some other file.
    #[error("got shorter while it was read: {0} bytes are missing")]
    Shrank(u64),
}

impl error::Refusal for Refusal {
    fn kind(&self) -> Kind {
        match self {
            Self::NotHexadecimal => Kind::Argument,
            Self::Shrank(_) => Kind::System,
        }
    }

    fn errno(&self) -> Errno {
        match self {
            Self::Shrank(_) => Errno::ESTALE,
            _ => self.kind().errno(),
        }
    }
}

impl fmt::Display for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sha256Digest({self})")
    }
}

impl FromStr for Sha256Digest {
    type Err = Error;

    /// EINVAL for anything but 64 hexadecimal digits.
    fn from_str(text: &str) -> Result<Self> {
        let bytes = HEXLOWER_PERMISSIVE.decode(text.as_bytes());
        let bytes = bytes.map_err(|_| Refusal::NotHexadecimal)?;
        Ok(Self(bytes.try_into().map_err(|_| Refusal::NotHexadecimal)?))
    }
}

/// What becomes a digest.
pub(crate) struct Hasher(Sha256);

impl Hasher {
    /// Of nothing so far.
    pub(crate) fn new() -> Self {
        Self(Sha256::new())
    }

    /// Takes in the next bytes.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Takes in `len` bytes of a regular file, whose offset stays where it is. `passed` is told of each step, and may end
    /// it. A file with fewer bytes is ESTALE.
    pub(crate) fn update_from(
        &mut self,
        file: &File,
        mut from: u64,
        len: u64,
        mut passed: impl FnMut(u64) -> Result<()>,
    ) -> Result<()> {
        let mut buffer = vec![0; usize::try_from(len).unwrap_or(PIECE).min(PIECE)];
        let end = from.saturating_add(len);
        while from < end {
            let want = usize::try_from(end - from).unwrap_or(PIECE).min(PIECE);
            let read = match file.read_at(&mut buffer[..want], from) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                result => result.called(|| "read")?,
            };
            if read == 0 {
                return Err(Refusal::Shrank(end - from).into());
            }
            self.update(&buffer[..read]);
            from += read as u64;
            passed(read as u64)?;
        }
        Ok(())
    }

    /// The digest of what was taken in.
    pub(crate) fn finish(self) -> Sha256Digest {
        Sha256Digest(self.0.finalize().into())
    }
}

/// Passes bytes on and digests what passes.
pub(crate) struct Hashing<T> {
    inner: T,
    hasher: Hasher,
}

impl<T> Hashing<T> {
    /// Starts where `inner` stands.
    pub(crate) fn new(inner: T) -> Self {
        Self {
            inner,
            hasher: Hasher::new(),
        }
    }

    /// What was read from or written to, and the digest of what has passed.
    pub(crate) fn finish(self) -> (T, Sha256Digest) {
        (self.inner, self.hasher.finish())
    }
}

impl<T: Read> Read for Hashing<T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..read]);
        Ok(read)
    }
}

impl<T: Write> Write for Hashing<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// The digest of the first `len` bytes of a regular file, whose offset stays where it is. `watch` is told of each step.
/// A file with fewer bytes is ESTALE.
pub(crate) fn digest_of(file: &File, len: u64, watch: &Watch) -> Result<Sha256Digest> {
    let mut hasher = Hasher::new();
    hasher.update_from(file, 0, len, |read| watch.step(read))?;
    Ok(hasher.finish())
}

#[cfg(test)]
mod tests {
    use std::io::Seek as _;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use nix::sys::memfd::{MFdFlags, memfd_create};

    use super::*;
    use crate::watch::Phase;

    const OF_NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    const OF_ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    const OF_TWO_BLOCKS: &str = "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1";
    const OF_ABCX: &str = "7571ce1f8e21c6b13dd7ec2c5ec7c9e4dd9852e209869511853f2f1f74b17927";
    const OF_A_MILLION: &str = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";
    /// Of 3,000,001 times the letter a.
    const OF_THREE_MILLION: &str =
        "71b1401c2645810a611615bae0fce7b308f0ed904a54af8ec8be0fe435581611";
    const THREE_MILLION: u64 = 3_000_001;

    fn file(content: &[u8]) -> File {
        let mut file = File::from(memfd_create(c"digest", MFdFlags::MFD_CLOEXEC).unwrap());
        file.write_all(content).unwrap();
        file
    }

    #[test]
    fn the_vectors_of_the_standard() {
        for (text, expected) in [
            ("", OF_NOTHING),
            ("abc", OF_ABC),
            (
                "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                OF_TWO_BLOCKS,
            ),
        ] {
            let mut hashing = Hashing::new(Vec::new());
            hashing.write_all(text.as_bytes()).unwrap();
            let (written, digest) = hashing.finish();
            assert_eq!(
                (written, digest.to_string()),
                (text.into(), expected.into())
            );
        }
    }

    #[test]
    fn a_million_bytes_in_pieces_of_any_size() {
        let million = vec![b'a'; 1_000_000];
        for piece in [1, 63, 64, 65, 4096, 999_999, 1_000_000] {
            let mut writing = Hashing::new(io::sink());
            for chunk in million.chunks(piece) {
                writing.write_all(chunk).unwrap();
            }
            assert_eq!(writing.finish().1.to_string(), OF_A_MILLION, "{piece}");
            let mut reading = Hashing::new(million.as_slice());
            let mut buffer = vec![0; piece];
            while reading.read(&mut buffer).unwrap() > 0 {}
            assert_eq!(reading.finish().1.to_string(), OF_A_MILLION, "{piece}");
        }
    }

    /// Takes two bytes of what it gets, and only twice.
    struct Reluctant(Vec<u8>);

    impl Write for Reluctant {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.0.len() >= 4 {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            self.0.extend(&bytes[..2]);
            Ok(2)
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::StorageFull.into())
        }
    }

    #[test]
    fn only_what_was_taken_counts() {
        let mut hashing = Hashing::new(Reluctant(b"a".to_vec()));
        // The first letter was there before.
        assert_eq!(hashing.write(b"abcdef").unwrap(), 2);
        assert_eq!(hashing.write(b"cx!!!!").unwrap(), 2);
        assert!(hashing.write(b"zzz").is_err());
        assert!(hashing.flush().is_err(), "it is passed on");
        let (inner, digest) = hashing.finish();
        assert_eq!(inner.0, b"aabcx");
        assert_eq!(digest.to_string(), OF_ABCX);
    }

    #[test]
    fn a_file_is_read_by_offset_and_each_step_told() {
        let mut file = file(&b"a".repeat(3_000_001));
        file.seek(io::SeekFrom::Start(5)).unwrap();
        let (watch, told) = (Watch::new(), Arc::new(AtomicU64::new(0)));
        let tell = Arc::clone(&told);
        watch.on_progress(move |progress| tell.store(progress.bytes_done, Ordering::Relaxed));
        watch.begin(Phase::Verifying, Some(THREE_MILLION));
        let digest = digest_of(&file, THREE_MILLION, &watch).unwrap();
        watch.end();
        assert_eq!(digest.to_string(), OF_THREE_MILLION);
        assert_eq!(told.load(Ordering::Relaxed), THREE_MILLION);
        assert_eq!(file.stream_position().unwrap(), 5);
        let beginning = digest_of(&file, 1_000_000, &watch).unwrap();
        assert_eq!(beginning.to_string(), OF_A_MILLION);
        let nothing = digest_of(&file, 0, &watch).unwrap();
        assert_eq!(nothing.to_string(), OF_NOTHING);
    }

    #[test]
    fn a_file_that_got_shorter_has_no_digest() {
        for len in [4, u64::MAX] {
            let error = digest_of(&file(b"abc"), len, &Watch::new()).unwrap_err();
            assert_eq!((error.kind(), error.errno()), (Kind::System, libc::ESTALE));
        }
    }

    #[test]
    fn a_cancelled_digest_ends() {
        let watch = Watch::new();
        watch.cancel();
        let error = digest_of(&file(b"abc"), 3, &watch).unwrap_err();
        assert_eq!(error.kind(), Kind::Cancelled);
    }

    #[test]
    fn digits_of_either_case_are_read() {
        let expected = Sha256Digest([0xAB; 32]);
        for text in ["ab", "AB", "Ab", "aB"] {
            assert_eq!(text.repeat(32).parse::<Sha256Digest>().unwrap(), expected);
        }
        let each = "0123456789abcdefABCDEF00".to_owned() + &"0".repeat(40);
        let digest = each.parse::<Sha256Digest>().unwrap();
        assert_eq!(digest.0[..6], [0x01, 0x23, 0x45, 0x67, 0x89, 0xab]);
        assert_eq!(digest.0[6..12], [0xcd, 0xef, 0xab, 0xcd, 0xef, 0]);
        assert_eq!(digest.to_string(), each.to_lowercase());
        assert_eq!(format!("{digest:?}"), format!("Sha256Digest({digest})"));
    }

    #[test]
    fn what_is_no_digest_is_refused() {
        let text = |replaced: &str| format!("{replaced}{}", &OF_ABC[replaced.len()..]);
        for wrong in [
            String::new(),
            OF_ABC[1..].into(),
            OF_ABC[2..].into(),
            format!("{OF_ABC}0"),
            format!("{OF_ABC}00"),
            format!("{OF_ABC}\n"),
            format!("sha256:{OF_ABC}"),
            text("g"),
            text("/"),
            text(":"),
            text("@"),
            text("G"),
            text("`"),
            text(" "),
            text("+1"),
            text("0x"),
            text("é"),
        ] {
            let error = wrong.parse::<Sha256Digest>().unwrap_err();
            assert_eq!(
                (error.kind(), error.errno()),
                (Kind::Argument, libc::EINVAL)
            );
            assert!(error.to_string().starts_with("digest: "), "{error}");
        }
    }
}
