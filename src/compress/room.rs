//! Memory for codecs that know no error for its lack.

#![forbid(unsafe_code)]

use std::hint::black_box;

/// How much more than a codec takes has to be there: other threads take memory at the same time, the other workers of
/// an encoder above all, and a few hundred KiB each.
const SLACK: usize = 4 << 20;

/// There is no memory.
#[derive(Debug)]
pub(super) struct NoRoom;

/// Makes a codec that takes up to `bytes` bytes. flate2 and bzip2 panic where their codecs get no memory; a panic of a
/// worker prints a backtrace for which there is no memory either, and may wait for it forever. So the memory is asked
/// for first, with a margin, and given back.
pub(super) fn with_room<T>(bytes: usize, make: impl FnOnce() -> T) -> Result<T, NoRoom> {
    let mut room = Vec::<u8>::new();
    room.try_reserve_exact(bytes.saturating_add(SLACK))
        .map_err(|_| NoRoom)?;
    // Without a look at it the compiler may leave out the whole request.
    drop(black_box(room));
    Ok(make())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_codec_that_no_memory_is_there_for_is_not_made() {
        assert_eq!(with_room(1 << 20, || 7).unwrap(), 7);
        let made = with_room(usize::MAX / 2 - SLACK, || unreachable!("there is no room"));
        let NoRoom = made.unwrap_err();
    }
}
