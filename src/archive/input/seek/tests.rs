//! What is read of frames, against what one decoder makes of the whole stream.

#![forbid(unsafe_code)]

use std::io::Write as _;
use std::num::NonZeroUsize;
use std::os::unix::fs::FileExt as _;

use super::super::{ArchiveOrigin, Hash, Input};
use super::*;
use crate::compress::{Encoding, Framing, encoder};
use crate::fs::spool_ambient;

const FRAME: usize = 64 << 10;

fn content(len: usize) -> Vec<u8> {
    (0..len)
        .map(|n| (n / 700 * 31 % 251 + n % 3).to_le_bytes()[0])
        .collect()
}

fn packed(content: &[u8], framing: Framing) -> Vec<u8> {
    let mut packed = Vec::new();
    let encoding = Encoding::zstd(None, framing).unwrap();
    let mut encoder = encoder(encoding, NonZeroUsize::MIN, Box::new(&mut packed)).unwrap();
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap();
    packed
}

fn framed(content: &[u8]) -> Vec<u8> {
    packed(content, Framing::Sized(u32::try_from(FRAME).unwrap()))
}

fn origin(stream: &[u8]) -> ArchiveOrigin {
    let file = spool_ambient(None).unwrap();
    file.write_all_at(stream, 0).unwrap();
    ArchiveOrigin::File(Arc::new(file))
}

/// The same read in two ways: as a look, and as a stream.
fn both(stream: &[u8]) -> [Input<'static>; 2] {
    let reading = Reading::default();
    [
        origin(stream).look(&reading, Hash::Never, None).unwrap(),
        origin(stream).read(&reading, Hash::Never, None).unwrap(),
    ]
}

/// All that comes after skips, with the error at the end.
fn outcome(mut input: Input<'_>, skips: &[u64], read: usize) -> (Vec<u8>, String) {
    let mut all = Vec::new();
    for skip in skips {
        if let Err(error) = input.skip(*skip) {
            return (all, error.to_string());
        }
        let mut part = vec![0; read];
        match read_up_to(&mut input, read, &mut part) {
            (count, Ok(())) => all.extend_from_slice(&part[..count]),
            (_, Err(error)) => return (all, error.to_string()),
        }
    }
    let result = input.read_to_end(&mut all).and_then(|_| input.drain());
    (
        all,
        result
            .err()
            .map_or(String::new(), |error| error.to_string()),
    )
}

#[test]
fn what_is_passed_over_changes_nothing_of_what_is_read() {
    let content = content(20 * FRAME + 77);
    let stream = framed(&content);
    assert!(matches!(
        both(&stream),
        [Input::Frames(_), Input::Stream(_)]
    ));
    let frame = FRAME as u64;
    for skips in [
        &[0][..],
        &[1, frame - 1, frame, frame + 1, 0, 5 * frame],
        &[frame, frame, frame],
        &[20 * frame + 76],
        &[20 * frame + 77],
        &[20 * frame + 78],
        &[u64::MAX],
    ] {
        for read in [0, 1, 512, 3 * FRAME] {
            let [look, whole] = both(&stream).map(|input| outcome(input, skips, read));
            assert!(
                look == whole,
                "{skips:?} {read}: {} and {}",
                look.1,
                whole.1
            );
        }
    }
}

#[test]
fn what_is_passed_over_is_not_decoded() {
    let content = content(20 * FRAME);
    let mut stream = framed(&content);
    let reading = Reading::default();
    let mut input = origin(&stream).look(&reading, Hash::Never, None).unwrap();
    // A byte of a frame's data, behind the headers of frame and block.
    let hit = stream.len() / 2;
    stream[hit] ^= 0x55;
    let mut damaged = origin(&stream).look(&reading, Hash::Never, None).unwrap();
    for input in [&mut input, &mut damaged] {
        input.skip(19 * FRAME as u64).unwrap();
        let mut last = Vec::new();
        input.read_to_end(&mut last).unwrap();
        assert!(last == content[19 * FRAME..]);
    }
}

/// Frames of which the second one's data holds a stream of its own, and a table that has that stream's frames in place of
/// the second frame.
fn lying(content: &[u8]) -> Vec<u8> {
    let hidden = packed(b"hidden content that nobody sees", Framing::One);
    let mut outer = vec![0; FRAME - hidden.len() - 300];
    outer.extend_from_slice(&hidden);
    outer.resize(FRAME, 1);
    // A raw block, so that the hidden stream lies in the file as it is.
    let size = u32::try_from(outer.len()).unwrap();
    let mut second = b"\x28\xb5\x2f\xfd\xa0".to_vec();
    second.extend(size.to_le_bytes());
    second.extend(&(size << 3 | 1).to_le_bytes()[..3]);
    second.extend(&outer);
    let first = zstd::bulk::compress(&content[..FRAME], 1).unwrap();
    let third = zstd::bulk::compress(&content[FRAME..2 * FRAME], 1).unwrap();
    let start = second
        .windows(hidden.len())
        .position(|part| part == hidden)
        .unwrap();
    let entries = [
        (first.len() + start, FRAME),
        (hidden.len(), 31),
        (second.len() - start - hidden.len() + third.len(), FRAME),
    ];
    let mut stream = [first, second, third].concat();
    let mut table: Vec<u8> = Vec::new();
    for (compressed, decompressed) in entries {
        table.extend(u32::try_from(compressed).unwrap().to_le_bytes());
        table.extend(u32::try_from(decompressed).unwrap().to_le_bytes());
    }
    append_table(&mut stream, &table, 3);
    stream
}

fn append_table(stream: &mut Vec<u8>, entries: &[u8], count: u32) {
    stream.extend(0x184d_2a5e_u32.to_le_bytes());
    stream.extend(u32::try_from(entries.len() + 9).unwrap().to_le_bytes());
    stream.extend(entries);
    stream.extend(count.to_le_bytes());
    stream.push(0);
    stream.extend(0x8f92_eab1_u32.to_le_bytes());
}

#[test]
fn a_table_that_lies_makes_no_content_appear() {
    let content = content(3 * FRAME);
    let frames = || -> Vec<u8> {
        let parts = content.chunks(FRAME);
        parts
            .flat_map(|part| zstd::bulk::compress(part, 1).unwrap())
            .collect()
    };
    let mut streams = vec![lying(&content)];
    for (first, second) in [
        (0_u32, 0_u32),
        (1, 1),
        (u32::MAX, u32::MAX),
        (0, u32::MAX),
        (7, 1 << 20),
    ] {
        let entry = [first.to_le_bytes(), second.to_le_bytes()].concat();
        let mut stream = frames();
        append_table(&mut stream, &entry.repeat(3), 3);
        streams.push(stream);
    }
    // Tables that don't hang together are no tables.
    for count in [0, 2, 4, u32::MAX] {
        let mut stream = frames();
        append_table(&mut stream, &[9; 24], count);
        streams.push(stream);
    }
    for (number, stream) in streams.iter().enumerate() {
        for skips in [
            &[0][..],
            &[FRAME as u64],
            &[2 * FRAME as u64 + 5],
            &[10, 2 * FRAME as u64],
        ] {
            let [look, whole] = both(stream).map(|input| outcome(input, skips, 512));
            assert!(whole.1.is_empty(), "{number}: {}", whole.1);
            assert!(look == whole, "{number} {skips:?}: {}", look.1);
        }
    }
    assert!(
        matches!(both(&streams[0]), [Input::Frames(_), _]),
        "the lie was looked at"
    );
}

/// The archive with the frames that threads find by its table.
fn found(stream: &[u8]) -> Box<SeekInput> {
    let reading = Reading::default();
    match origin(stream).look(&reading, Hash::Never, None).unwrap() {
        Input::Frames(mut input) => {
            let found = FoundFrames::look(&*input.file, input.len, 3, &input.watch);
            input.found = Some(found);
            input
        }
        _ => panic!("there is no table"),
    }
}

#[test]
fn what_threads_find_is_what_is_there() {
    let content = content(20 * FRAME + 77);
    let stream = framed(&content);
    let mut input = found(&stream);
    let frames = input.found.take().unwrap();
    let (mut start, mut number) = (0, 0);
    while let Some(frame) = frames.at(start) {
        assert_eq!(Some(frame), input.hops.frame(&*input.file, start).unwrap());
        (start, number) = (frame.end, number + 1);
    }
    assert_eq!((number, start), (21, stream.len() as u64 - 21 * 8 - 17));
}

#[test]
fn what_threads_find_makes_no_content_appear_whatever_the_table_says() {
    let content = content(3 * FRAME);
    let parts: Vec<Vec<u8>> = content
        .chunks(FRAME)
        .map(|part| zstd::bulk::compress(part, 1).unwrap())
        .collect();
    let mut streams = vec![lying(&content)];
    let size = |part: usize| u32::try_from(parts[part].len()).unwrap();
    for sizes in [
        // Within frames, across them, and beyond the file.
        [size(0) - 9, 9, size(1)],
        [size(0), size(1) + size(2), 0],
        [size(0) + size(1), size(2), u32::MAX],
        [u32::MAX; 3],
        [0, 0, 1],
    ] {
        let mut stream = parts.concat();
        let entries = sizes.map(|size| [size.to_le_bytes(), [7; 4]].concat());
        append_table(&mut stream, &entries.concat(), 3);
        streams.push(stream);
    }
    for (number, stream) in streams.iter().enumerate() {
        for skips in [&[0][..], &[FRAME as u64], &[10, 2 * FRAME as u64]] {
            let [_, whole] = both(stream).map(|input| outcome(input, skips, 512));
            assert!(whole.1.is_empty(), "{number}: {}", whole.1);
            let found = outcome(Input::Frames(found(stream)), skips, 512);
            assert!(found == whole, "{number} {skips:?}: {}", found.1);
        }
    }
}

#[test]
fn damage_ends_both_at_the_same_place_with_the_same_error() {
    let content = content(6 * FRAME);
    let whole = framed(&content);
    for at in (0..whole.len()).step_by(whole.len() / 50) {
        let mut changed = whole.clone();
        changed[at] ^= 0x55;
        let tail = [&whole[..], &[0; 9]].concat();
        for stream in [&whole[..at], &changed, &tail] {
            let [look, expected] = both_or_refused(stream);
            assert!(look == expected, "{at}: {} and {}", look.1, expected.1);
        }
    }
}

fn both_or_refused(stream: &[u8]) -> [(Vec<u8>, String); 2] {
    let reading = Reading::default();
    let look = origin(stream).look(&reading, Hash::Never, None);
    let whole = origin(stream).read(&reading, Hash::Never, None);
    [look, whole].map(|input| match input {
        Ok(input) => outcome(input, &[], 0),
        Err(error) => (Vec::new(), error.to_string()),
    })
}

#[test]
fn frames_that_do_not_say_how_long_they_are_are_read_through() {
    let content = content(5 * FRAME);
    let mut stream = framed(&content);
    let table = stream.split_off(stream.len() - 5 * 8 - 17);
    stream.extend(packed(&content, Framing::One));
    stream.extend(framed(&content));
    let cut = stream.len() - 5 * 8 - 17;
    stream.truncate(cut);
    stream.extend(table);
    assert!(matches!(both(&stream), [Input::Frames(_), _]));
    for skips in [
        &[0][..],
        &[4 * FRAME as u64],
        &[7 * FRAME as u64],
        &[12 * FRAME as u64],
    ] {
        let [look, whole] = both(&stream).map(|input| outcome(input, skips, 100));
        assert!(look == whole, "{skips:?}: {} and {}", look.1, whole.1);
    }
}

#[test]
fn a_ratio_holds_for_what_is_passed_over() {
    let stream = framed(&vec![0; 400 * FRAME]);
    let reading = Reading {
        max_ratio: 100,
        ..Reading::default()
    };
    let mut input = origin(&stream).look(&reading, Hash::Never, None).unwrap();
    assert!(matches!(input, Input::Frames(_)));
    let error = input.skip(300 * FRAME as u64).unwrap_err();
    assert!(
        error.to_string().contains("expands to more than 100"),
        "{error}"
    );
}
