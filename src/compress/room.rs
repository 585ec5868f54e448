//! Memory for codecs that know no error for its lack.

#![forbid(unsafe_code)]

pub(super) use crate::budget::NoRoom;
use crate::budget::ask_for;

/// Makes a codec that takes up to `bytes` bytes. flate2 and bzip2 panic where their codecs get no memory; a panic of a
/// worker prints a backtrace for which there is no memory either, and may wait for it forever. So the memory is asked
/// for first, with a margin for other threads, and given back.
pub(super) fn with_room<T>(bytes: usize, make: impl FnOnce() -> T) -> Result<T, NoRoom> {
    ask_for(bytes)?;
    Ok(make())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_codec_that_no_memory_is_there_for_is_not_made() {
        assert_eq!(with_room(1 << 20, || 7).unwrap(), 7);
        let made = with_room(usize::MAX / 2, || unreachable!("there is no room"));
        let NoRoom = made.unwrap_err();
    }
}
