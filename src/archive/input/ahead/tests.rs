//! What a stream yields, whoever decodes it.

#![forbid(unsafe_code)]

use std::collections::HashSet;
use std::io::{Read, Write as _};
use std::num::NonZeroUsize;
use std::os::fd::AsFd as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::thread::{self, ThreadId};

use super::super::decoded;
use super::super::raw::Raw;
use super::super::record::Recording;
use super::super::stream::{Account, BUFFER, Feed, StreamInput};
use super::*;
use crate::compress::{Compression, Encoding, Framing, encoder};
use crate::error::{Error, Kind};
use crate::stream::Channel;
use crate::watch::{Phase, Watch};

/// Three mebibytes and a little, half of which are the same every time.
fn content() -> Vec<u8> {
    let mut state = 1_u32;
    let byte = |n: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        if n & 0x1000 == 0 {
            7
        } else {
            state.to_be_bytes()[0] & 0x1f
        }
    };
    (0..(3 << 20) + 77).map(byte).collect()
}

fn pack(compression: Compression, content: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    match compression {
        Compression::None => packed.extend_from_slice(content),
        Compression::Xz => {
            let mut encoder = liblzma::write::XzEncoder::new(&mut packed, 0);
            encoder.write_all(content).unwrap();
            encoder.finish().unwrap();
        }
        Compression::Bzip2 => {
            let mut encoder = bzip2::write::BzEncoder::new(&mut packed, bzip2::Compression::fast());
            encoder.write_all(content).unwrap();
            encoder.finish().unwrap();
        }
        Compression::Gzip | Compression::Zstd => {
            let encoding = match compression {
                Compression::Gzip => Encoding::gzip(None),
                _ => Encoding::zstd(None, Framing::One),
            };
            let output = Box::new(&mut packed);
            let mut encoder = encoder(encoding.unwrap(), NonZeroUsize::MIN, output).unwrap();
            encoder.write_all(content).unwrap();
            encoder.finish().unwrap();
        }
    }
    packed
}

/// Frames of 200 kB, one after the other, some of them of other writers.
fn frames(content: &[u8]) -> Vec<u8> {
    let mut stream = Vec::new();
    for (number, part) in content.chunks(200_000).enumerate() {
        match number % 4 {
            0 => stream.extend(pack(Compression::Zstd, part)),
            1 => stream.extend(zstd::bulk::compress(part, 1).unwrap()),
            2 => {
                // A skippable one, and one without content, before it.
                stream.extend(b"\x53\x2a\x4d\x18\x03\0\0\0abc");
                stream.extend(zstd::bulk::compress(b"", 1).unwrap());
                stream.extend(zstd::bulk::compress(part, 1).unwrap());
            }
            _ => {
                let mut encoder = zstd::stream::write::Encoder::new(&mut stream, 1).unwrap();
                encoder.include_checksum(true).unwrap();
                encoder.window_log(14).unwrap();
                encoder.write_all(part).unwrap();
                encoder.finish().unwrap();
            }
        }
    }
    stream
}

/// Who decodes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Who {
    Reader,
    Caller,
    Thread,
}

fn input(who: Who, packed: &[u8], max_ratio: u64) -> Result<StreamInput<'static>, Error> {
    let (tally, watch) = (Tally::new(false), Watch::new());
    let raw = Raw::new(io::Cursor::new(packed.to_vec()), &tally, &watch);
    let (reader, compression) = decoded(raw, &watch)?;
    let decoding = Decoding {
        reader,
        watch: watch.clone(),
        abandoned: Cancellation::new(),
    };
    let feed = match who {
        Who::Reader => Feed::Own(decoding),
        Who::Caller => {
            let filler = Filler::new(decoding.reader, &tally);
            Feed::Ahead(Ahead::with(Labour::Here(filler)))
        }
        Who::Thread => {
            let ahead = Ahead::new(decoding, &tally);
            assert!(matches!(ahead.labour, Labour::Thread(_)));
            Feed::Ahead(ahead)
        }
    };
    let account = Account::new(tally, Some(watch), max_ratio);
    let record = Recording::off();
    Ok(StreamInput::new(feed, compression, record, account))
}

/// All that comes, and the error behind it, which has to come again if the stream is read on.
fn outcome(who: Who, packed: &[u8], max_ratio: u64) -> (Vec<u8>, String) {
    let (mut all, mut buffer) = (Vec::new(), vec![0; 100_000]);
    let mut input = match input(who, packed, max_ratio) {
        Ok(input) => input,
        Err(error) => return (all, error.to_string()),
    };
    loop {
        match input.read(&mut buffer) {
            Ok(0) => {
                assert_eq!(input.read(&mut buffer).unwrap(), 0, "{who:?}");
                return (all, String::new());
            }
            Ok(count) => all.extend_from_slice(&buffer[..count]),
            Err(error) => {
                let text = error.to_string();
                assert_eq!(
                    input.read(&mut buffer).unwrap_err().to_string(),
                    text,
                    "{who:?}"
                );
                return (all, text);
            }
        }
    }
}

#[test]
fn a_damaged_stream_ends_at_the_same_place_with_the_same_error() {
    let content = content();
    for (compression, places) in [
        (Compression::Gzip, 24),
        (Compression::Zstd, 24),
        (Compression::Xz, 6),
        (Compression::Bzip2, 6),
    ] {
        let whole = pack(compression, &content);
        let mut errors = HashSet::new();
        for at in (0..=whole.len()).step_by(whole.len() / places) {
            let mut changed = whole.clone();
            if let Some(byte) = changed.get_mut(at) {
                *byte ^= 0x55;
            }
            let trailing = [&whole[..], &vec![b'x'; at]].concat();
            for stream in [&whole[..at], &changed, &trailing] {
                let expected = outcome(Who::Reader, stream, u64::MAX);
                assert!(expected.0.len() <= content.len());
                for who in [Who::Caller, Who::Thread] {
                    let (bytes, error) = outcome(who, stream, u64::MAX);
                    assert_eq!(
                        (bytes.len(), &error),
                        (expected.0.len(), &expected.1),
                        "{who:?} {at}"
                    );
                    assert!(bytes == expected.0, "{who:?} {at}");
                }
                errors.insert(expected.1);
            }
        }
        assert!(errors.len() >= 3, "whole, cut and corrupt: {errors:?}");
    }
}

#[test]
fn damaged_frames_end_at_the_same_place_with_the_same_error() {
    let content = content();
    let whole = frames(&content);
    assert!(outcome(Who::Reader, &whole, u64::MAX) == (content.clone(), String::new()));
    assert!(outcome(Who::Thread, &whole, u64::MAX) == (content, String::new()));
    let mut errors = HashSet::new();
    for at in (0..=whole.len()).step_by(whole.len() / 20) {
        let mut changed = whole.clone();
        if let Some(byte) = changed.get_mut(at) {
            *byte ^= 0x55;
        }
        let tail = [&whole[..], &vec![b'x'; at % 7]].concat();
        let zeros = [&whole[..], &vec![0; at]].concat();
        let empty = zstd::bulk::compress(b"", 1).unwrap();
        let window = [&whole[..], b"\x28\xb5\x2f\xfd\0\xff", &whole].concat();
        let many = [&whole[..], &empty.repeat(1000), &whole].concat();
        for stream in [&whole[..at], &changed, &tail, &zeros, &window, &many] {
            let expected = outcome(Who::Reader, stream, u64::MAX);
            let (bytes, error) = outcome(Who::Thread, stream, u64::MAX);
            assert_eq!(
                (bytes.len(), &error),
                (expected.0.len(), &expected.1),
                "{at}"
            );
            assert!(bytes == expected.0, "{at}");
            errors.insert(expected.1);
        }
    }
    assert!(errors.len() >= 5, "{errors:?}");
}

#[test]
fn a_frame_too_large_for_a_thread_is_decoded_among_others() {
    let small = frames(&content());
    let large = vec![7; 40 << 20];
    let large = [
        pack(Compression::Zstd, &large),
        zstd::bulk::compress(&large, 1).unwrap(),
    ]
    .concat();
    let stream = [&small[..], &large, &small, &large].concat();
    let expected = outcome(Who::Reader, &stream, u64::MAX);
    assert_eq!(expected.0.len(), 2 * content().len() + 4 * (40 << 20));
    assert!(outcome(Who::Thread, &stream, u64::MAX) == expected);
}

#[test]
fn frames_are_decoded_by_threads_of_their_own() {
    if std::thread::available_parallelism().unwrap().get() < 2 {
        return println!("skipped: there is one core");
    }
    // More than may be decoded ahead: the thread waits for room, and its helpers for it.
    let stream = frames(&content()).repeat(40);
    let mut input = input(Who::Thread, &stream, u64::MAX).unwrap();
    input.read_exact(&mut [0; 300_000]).unwrap();
    // A thread gives itself its name after it has begun.
    let is_there = || {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        tasks
            .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok())
            .any(|name| name == "crutils-zstd\n")
    };
    assert!((0..1_000_000).any(|_| is_there()));
}

#[test]
fn a_frame_comes_out_though_the_peer_stays_silent_behind_it() {
    let content = content();
    let stream = frames(&content);
    let (reader, mut writer) = io::pipe().unwrap();
    let (watch, tally, abandoned) = (Watch::new(), Tally::new(false), Cancellation::new());
    let channel = Channel::reader(reader.as_fd(), &watch.until(&abandoned)).unwrap();
    let feeder = thread::spawn(move || {
        writer.write_all(&stream).unwrap();
        writer
    });
    let (reader, _) = decoded(Raw::new(channel, &tally, &watch), &watch).unwrap();
    let decoding = Decoding {
        reader,
        watch: watch.clone(),
        abandoned,
    };
    let mut ahead = Ahead::new(decoding, &tally);
    let mut taken = Vec::new();
    while taken.len() < content.len() {
        ahead.advance().unwrap();
        taken.extend_from_slice(ahead.left());
        ahead.consume(ahead.left().len());
    }
    assert!(taken == content);
    // The other end is open until here.
    let writer = feeder.join().unwrap();
    drop(ahead);
    drop(writer);
}

#[test]
fn a_stream_that_expands_too_much_is_refused_at_the_same_place() {
    let packed = pack(Compression::Zstd, &vec![0; 32 << 20]);
    let expected = outcome(Who::Caller, &packed, 2000);
    assert_eq!(
        expected.1,
        "the archive expands to more than 2000 times its size"
    );
    assert!(expected.0.len() < 32 << 20);
    for _ in 0..10 {
        assert!(outcome(Who::Thread, &packed, 2000) == expected);
    }
}

/// Yields zeros, and remembers which threads have read them.
struct Zeros(Arc<Mutex<Vec<ThreadId>>>);

impl Read for Zeros {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.lock().unwrap().push(thread::current().id());
        let count = buffer.len().min(64 << 10);
        buffer[..count].fill(0);
        Ok(count)
    }
}

#[test]
fn only_what_is_much_and_will_all_be_taken_is_worth_a_thread() {
    const MUCH: u64 = 1 << 20;
    let threads = if gains_time() { 2 } else { 1 };
    // As much as the buffer holds was decoded before it was taken.
    let more = MUCH + BUFFER as u64;
    for (allowed, taken, expected) in [(true, MUCH, 1), (true, more, threads), (false, 4 * MUCH, 1)]
    {
        let readers = Arc::new(Mutex::new(Vec::new()));
        let (tally, watch) = (Tally::new(false), Watch::new());
        let decoding = Decoding {
            reader: Box::new(Raw::new(Zeros(Arc::clone(&readers)), &tally, &watch)),
            watch: watch.clone(),
            abandoned: Cancellation::new(),
        };
        let account = Account::new(tally, Some(watch), u64::MAX);
        let (feed, record) = (Feed::Own(decoding), Recording::off());
        let mut input = StreamInput::new(feed, Compression::None, record, account);
        if allowed {
            input.decode_ahead();
        }
        let copied = io::copy(&mut input.by_ref().take(taken), &mut io::sink()).unwrap();
        assert_eq!(copied, taken);
        drop(input);
        let readers: HashSet<_> = readers.lock().unwrap().drain(..).collect();
        assert_eq!(readers.len(), expected, "{allowed} {taken}");
        assert!(readers.contains(&thread::current().id()));
    }
}

#[test]
fn progress_is_told_by_the_thread_that_takes() {
    let packed = pack(Compression::Gzip, &content());
    let length = packed.len() as u64;
    let (tally, watch) = (Tally::new(false), Watch::new());
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = Arc::clone(&told);
    watch.on_progress(move |progress| {
        let told = (thread::current().id(), progress.bytes_done);
        tell.lock().unwrap().push(told);
    });
    watch.begin(Phase::Extracting, Some(length));
    let raw = Raw::new(io::Cursor::new(packed), &tally, &watch);
    let (reader, compression) = decoded(raw, &watch).unwrap();
    let decoding = Decoding {
        reader,
        watch: watch.clone(),
        abandoned: Cancellation::new(),
    };
    let feed = Feed::Ahead(Ahead::new(decoding, &tally));
    let account = Account::new(tally, Some(watch.clone()), u64::MAX);
    let mut input = StreamInput::new(feed, compression, Recording::off(), account);
    io::copy(&mut input, &mut io::sink()).unwrap();
    watch.end();
    let told = told.lock().unwrap();
    assert!(told.iter().all(|(id, _)| *id == thread::current().id()));
    assert_eq!(told.last().unwrap().1, length);
}

impl<R: Read + Send> Decode<'_> for Raw<R> {}
impl Decode<'_> for Channel {}
impl Decode<'_> for Failing {}

/// Something decoded out of a pipe of which the other end stays open, and nothing more comes.
fn silent(watch: &Watch) -> (Ahead, Arc<Tally>, io::PipeWriter) {
    let (reader, mut writer) = io::pipe().unwrap();
    writer.write_all(b"first").unwrap();
    let (tally, abandoned) = (Tally::new(false), Cancellation::new());
    let channel = Channel::reader(reader.as_fd(), &watch.until(&abandoned)).unwrap();
    let decoding = Decoding {
        reader: Box::new(channel),
        watch: watch.clone(),
        abandoned,
    };
    let mut ahead = Ahead::new(decoding, &tally);
    ahead.advance().unwrap();
    let first = ahead.left();
    assert_eq!(first, b"first", "what is there doesn't wait for more");
    ahead.consume(5);
    (ahead, tally, writer)
}

#[test]
fn a_thread_that_waits_for_a_silent_peer_ends_with_whoever_waits_for_it() {
    let (ahead, tally, writer) = silent(&Watch::new());
    drop(ahead);
    assert_eq!(
        Arc::strong_count(&tally),
        1,
        "the thread and what it held are gone"
    );
    drop(writer);
}

#[test]
fn a_cancellation_ends_the_wait_for_a_silent_peer() {
    let watch = Watch::new();
    let (mut ahead, _, writer) = silent(&watch);
    watch.cancel();
    let error = Error::io("read", ahead.advance().unwrap_err());
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (Kind::Cancelled, "the work was cancelled")
    );
    drop(writer);
}

/// Fails, each time with another text, and then panics.
struct Failing(usize);

impl Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0 += 1;
        match self.0 {
            1 => Err(io::ErrorKind::Interrupted.into()),
            2 | 3 => Err(io::Error::other(format!("failure {}", self.0))),
            _ => panic!("on purpose"),
        }
    }
}

fn failing(times: usize) -> Ahead {
    let decoding = Decoding {
        reader: Box::new(Failing(times)),
        watch: Watch::new(),
        abandoned: Cancellation::new(),
    };
    Ahead::new(decoding, &Tally::new(false))
}

#[test]
fn after_a_failure_the_reader_is_asked_again() {
    let mut ahead = failing(0);
    assert_eq!(ahead.advance().unwrap_err().to_string(), "failure 2");
    assert_eq!(ahead.advance().unwrap_err().to_string(), "failure 3");
}

#[test]
fn a_panic_of_the_decoder_is_the_caller_s() {
    let mut ahead = failing(3);
    let panic = catch_unwind(AssertUnwindSafe(|| ahead.advance().is_ok())).unwrap_err();
    assert_eq!(*panic.downcast::<&str>().unwrap(), "on purpose");
}
