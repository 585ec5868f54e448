//! What a stream has yielded, kept so that it can be read again.

#![forbid(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use super::Refusal;
use crate::budget::NoRoom;
use crate::error::Error;
use crate::sys::write_all_at;

/// How much is kept in memory of what can't be read again. The archives of common engines have their configuration
/// within the first few MiB.
const IN_MEMORY: usize = 32 << 20;
/// How much is kept of what can: decoding it once more takes some milliseconds.
const CONVENIENT: usize = 4 << 20;

/// Where what no longer fits into memory goes.
pub(crate) enum Overflow {
    /// Nowhere: the archive can be read again from its beginning.
    Forget,
    /// Nowhere, and it can't be read again: that is an error.
    Refuse,
    /// Into this unnamed file.
    Spool(File),
}

/// What a stream has yielded so far.
pub(super) struct Recording {
    state: State,
    memory: Vec<u8>,
    /// How much went into the overflow's file after the memory was full.
    spooled: u64,
    overflow: Overflow,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// What is yielded is kept.
    Keeping,
    /// What was kept is yielded again, from the byte `at` on; if it `keeps`, what comes after it is kept too.
    Replaying { at: u64, keeps: bool },
    /// Nothing is kept, and what was is over.
    Off,
}

impl Recording {
    pub(super) fn new(overflow: Overflow) -> Self {
        Self {
            state: State::Keeping,
            memory: Vec::new(),
            spooled: 0,
            overflow,
        }
    }

    /// One that never keeps anything.
    pub(super) fn off() -> Self {
        Self {
            state: State::Off,
            ..Self::new(Overflow::Forget)
        }
    }

    /// Whether nothing is kept any more, and nothing yielded again.
    pub(super) fn is_off(&self) -> bool {
        self.state == State::Off
    }

    /// Yields everything again, if it is still all there, and keeps it all the same if it is said so.
    pub(super) fn rewind(&mut self, keeps: bool) -> bool {
        let has_all = match self.state {
            State::Keeping => true,
            State::Replaying { keeps, .. } => keeps,
            State::Off => false,
        };
        if has_all {
            self.state = State::Replaying { at: 0, keeps };
        }
        has_all
    }

    /// How much may come at once, so that only what is too much is refused: a byte at least.
    pub(super) fn room(&self) -> usize {
        match (self.state, &self.overflow) {
            (State::Keeping, Overflow::Refuse) => {
                IN_MEMORY.saturating_sub(self.memory.len()).max(1)
            }
            _ => usize::MAX,
        }
    }

    /// Takes in what the stream has just yielded.
    pub(super) fn keep(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.state != State::Keeping {
            return Ok(());
        }
        let most = match self.overflow {
            Overflow::Forget => CONVENIENT,
            Overflow::Refuse | Overflow::Spool(_) => IN_MEMORY,
        };
        let may_fit = self.spooled == 0 && self.memory.len() + bytes.len() <= most;
        if may_fit && self.memory.try_reserve(bytes.len()).is_ok() {
            self.memory.extend_from_slice(bytes);
            return Ok(());
        }
        match &self.overflow {
            Overflow::Forget => {
                self.state = State::Off;
                self.memory = Vec::new();
                Ok(())
            }
            Overflow::Refuse if may_fit => Err(Error::from(NoRoom).into()),
            Overflow::Refuse => Err(Error::from(Refusal::NoSpool).into()),
            Overflow::Spool(file) => {
                write_all_at(file, bytes, self.spooled)?;
                self.spooled += bytes.len() as u64;
                Ok(())
            }
        }
    }

    /// Yields some of what was kept, while there is any left to yield again.
    pub(super) fn replay(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let State::Replaying { at, keeps } = self.state else {
            return Ok(None);
        };
        let in_memory = usize::try_from(at)
            .ok()
            .and_then(|at| self.memory.get(at..));
        let count = match (in_memory, &self.overflow) {
            (Some(kept), _) if !kept.is_empty() => {
                let count = kept.len().min(buffer.len());
                buffer[..count].copy_from_slice(&kept[..count]);
                count
            }
            (_, Overflow::Spool(file)) => {
                // The spool goes on where the memory ends.
                let from = at - self.memory.len() as u64;
                let left = usize::try_from(self.spooled - from).unwrap_or(usize::MAX);
                let part = buffer.len().min(left);
                match file.read_at(&mut buffer[..part], from)? {
                    0 if part > 0 => return Err(Refusal::SpoolShrank.into()),
                    count => count,
                }
            }
            _ => 0,
        };
        if count > 0 || buffer.is_empty() {
            let at = at + count as u64;
            self.state = State::Replaying { at, keeps };
            return Ok(Some(count));
        }
        if keeps {
            self.state = State::Keeping;
            return Ok(None);
        }
        self.state = State::Off;
        self.memory = Vec::new();
        self.overflow = Overflow::Forget;
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(record: &mut Recording) -> Vec<u8> {
        let (mut out, mut buffer) = (Vec::new(), [0; 1000]);
        while let Some(count) = record.replay(&mut buffer).unwrap() {
            out.extend_from_slice(&buffer[..count]);
        }
        out
    }

    fn spool() -> Overflow {
        Overflow::Spool(
            nix::sys::memfd::memfd_create(c"spool", nix::sys::memfd::MFdFlags::empty())
                .unwrap()
                .into(),
        )
    }

    #[test]
    fn what_was_kept_is_yielded_once_again() {
        let mut record = Recording::new(Overflow::Forget);
        record.keep(b"ab").unwrap();
        record.keep(b"c").unwrap();
        assert!(record.rewind(false));
        assert_eq!(all(&mut record), b"abc");
        record.keep(b"d").unwrap();
        assert!(!record.rewind(false));
    }

    #[test]
    fn what_is_kept_is_yielded_as_often_as_it_is_begun_again() {
        for overflow in [Overflow::Refuse, spool()] {
            let mut record = Recording::new(overflow);
            record.keep(b"ab").unwrap();
            assert!(record.rewind(true));
            assert_eq!(record.replay(&mut [0; 1]).unwrap(), Some(1));
            assert!(record.rewind(true));
            assert_eq!(all(&mut record), b"ab");
            record.keep(b"c").unwrap();
            assert!(record.rewind(true));
            assert!(record.rewind(false));
            assert_eq!(all(&mut record), b"abc");
            assert!(!record.rewind(true));
        }
    }

    #[test]
    fn what_no_longer_fits_into_memory_goes_into_the_spool() {
        let mut record = Recording::new(spool());
        let mut expected = Vec::new();
        for number in 0..40_u8 {
            let piece = vec![number; 1 << 20];
            record.keep(&piece).unwrap();
            expected.extend(piece);
        }
        assert!(record.rewind(false));
        assert!(all(&mut record) == expected);
    }

    #[test]
    fn a_spool_that_lost_some_bytes_is_an_error() {
        let file = nix::sys::memfd::memfd_create(c"spool", nix::sys::memfd::MFdFlags::empty());
        let file = File::from(file.unwrap());
        let mut record = Recording::new(Overflow::Spool(file.try_clone().unwrap()));
        record.keep(&vec![0; 32 << 20]).unwrap();
        record.keep(b"in the spool").unwrap();
        file.set_len(3).unwrap();
        assert!(record.rewind(false));
        let mut buffer = vec![0; 32 << 20];
        record.replay(&mut buffer).unwrap();
        assert_eq!(record.replay(&mut buffer[..9]).unwrap(), Some(3));
        let error = Error::io("read", record.replay(&mut buffer).unwrap_err());
        assert_eq!(error.errno(), libc::EIO);
    }

    #[test]
    fn without_a_spool_too_much_is_forgotten_or_refused() {
        let piece = vec![0; 4 << 20];
        let mut record = Recording::new(Overflow::Forget);
        record.keep(&piece).unwrap();
        record.keep(b"x").unwrap();
        assert!(!record.rewind(false));
        let piece = vec![0; 32 << 20];
        let mut record = Recording::new(Overflow::Refuse);
        record.keep(&piece).unwrap();
        let error = Error::io("read", record.keep(b"x").unwrap_err());
        assert_eq!(error.kind(), crate::Kind::Limit);
    }
}
