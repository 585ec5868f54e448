//! Outputs that fail, encoders that are abandoned, and what their threads leave alone.

#![forbid(unsafe_code)]

use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use nix::unistd::gettid;

use super::*;

fn broken_pipe() -> io::Error {
    io::Error::from_raw_os_error(libc::EPIPE)
}

fn cancelled() -> io::Error {
    let error = Error::new(Kind::Cancelled, "cancelled");
    error.at_offset(7).into()
}

fn torn() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "torn")
}

/// A failure, and the encoder that it came from unless that was its end.
type Failed<'a> = (Error, Option<Box<dyn Encode + 'a>>);

/// Writes all of `content` and finishes, or stops where it fails.
fn fill<'a>(mut encoder: Box<dyn Encode + 'a>, content: &[u8]) -> Result<(), Failed<'a>> {
    for piece in content.chunks(100_000) {
        if let Err(error) = encoder.write_all(piece) {
            return Err((Error::io("test", error), Some(encoder)));
        }
    }
    encoder.finish().map_err(|error| (error, None))
}

#[test]
fn a_failure_of_the_output_comes_out_at_every_call_and_stays() {
    let cases: [(Cause, Kind, i32, &str); 3] = [
        (
            broken_pipe,
            Kind::System,
            libc::EPIPE,
            "EPIPE (Broken pipe)",
        ),
        (cancelled, Kind::Cancelled, libc::ECANCELED, "cancelled"),
        (torn, Kind::System, libc::EIO, "torn"),
    ];
    for (encoding, content) in [
        (Encoding::None, noise(300_000)),
        (gzip(), noise(7 * GZIP_BLOCK + 1)),
        (frames(), noise(7 * GZIP_BLOCK + 1)),
        // One thread has up to four jobs in memory, so that some of the noise must be out before the end.
        (zstd(), [noise(1 << 20), vec![0; 5 * ZSTD_JOB]].concat()),
    ] {
        let whole = encode(encoding, 1, &content);
        let (mut early, mut late) = (0, 0);
        // The header, the trailer with its checksum, what is between them, and the last flush.
        let ends = [1, 9, 10, whole.len() - 9, whole.len() - 1, whole.len()];
        for (n, at) in ends
            .into_iter()
            .chain((0..whole.len()).step_by(50_000))
            .enumerate()
        {
            let (error, kind, errno, text) = cases[n % 3];
            let output = Output::failing(at, error);
            let encoder = encoder(encoding, workers(1), Box::new(output.clone())).unwrap();
            let (first, rest) = fill(encoder, &content).err().unwrap();
            let told = |error: &Error| {
                assert_eq!(
                    (error.kind(), error.errno()),
                    (kind, errno),
                    "{encoding:?} {at}"
                );
                assert!(error.to_string().ends_with(text), "{error}");
                assert_eq!(error.offset(), (kind == Kind::Cancelled).then_some(7));
            };
            told(&first);
            if let Some(mut encoder) = rest {
                early += 1;
                told(&Error::io("test", encoder.write(b"more").unwrap_err()));
                told(&Error::io("test", encoder.flush().unwrap_err()));
                told(&Error::io("test", encoder.write(&[]).unwrap_err()));
                told(&encoder.finish().unwrap_err());
            } else {
                late += 1;
            }
            let log = output.log();
            assert!(whole.starts_with(&log.bytes), "{encoding:?} {at}");
        }
        assert!(early > 0 && late > 0, "{encoding:?}: {early}, {late}");
    }
}

#[test]
fn an_interrupted_output_that_takes_little_gets_everything() {
    #[derive(Default)]
    struct Slow<'a>(Option<&'a mut Vec<u8>>, bool);
    impl Slow<'_> {
        fn interrupted(&mut self) -> io::Result<()> {
            self.1 = !self.1;
            if self.1 {
                return Err(io::ErrorKind::Interrupted.into());
            }
            Ok(())
        }
    }
    impl Write for Slow<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.interrupted()?;
            let taken = bytes.len().min(1 << 10);
            self.0.as_mut().unwrap().extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            self.interrupted()
        }
    }
    for (encoding, content) in encodings() {
        let mut bytes = Vec::new();
        let output = Slow(Some(&mut bytes), false);
        let mut encoder = encoder(encoding, workers(2), Box::new(output)).unwrap();
        encoder.write_all(&content).unwrap();
        encoder.finish().unwrap();
        assert!(decoded(encoding, &bytes) == content, "{encoding:?}");
    }
}

#[test]
fn an_abandoned_encoder_writes_nothing_more() {
    for (encoding, content) in encodings() {
        for len in [0, 1, content.len() / 2, content.len()] {
            let output = Output::default();
            let mut encoder = encoder(encoding, workers(3), Box::new(output.clone())).unwrap();
            encoder.write_all(&content[..len]).unwrap();
            let before = output.log().calls;
            drop(encoder);
            assert_eq!(output.log().calls, before, "{encoding:?}, {len} bytes");
            assert_eq!(Arc::strong_count(&output.0), 1, "the output is closed");
        }
    }
}

/// The masks of blocked signals of this process's threads called `name`, but for the calling one.
fn masks(name: &str) -> Vec<u64> {
    let me = gettid().to_string();
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let ids = tasks.map(|task| task.unwrap().file_name().into_string().unwrap());
    ids.filter(|id| *id != me)
        // A thread of another test may end meanwhile.
        .filter_map(|id| std::fs::read_to_string(format!("/proc/self/task/{id}/status")).ok())
        .filter(|status| status.lines().next() == Some(&format!("Name:\t{name}")))
        .map(|status| {
            let mut lines = status.lines();
            let mask = lines
                .find_map(|line| line.strip_prefix("SigBlk:\t"))
                .unwrap();
            u64::from_str_radix(mask, 16).unwrap()
        })
        .collect()
}

#[test]
fn threads_take_no_signals_and_the_callers_mask_stays() {
    let test = move || {
        let mut mine = SigSet::empty();
        mine.add(Signal::SIGUSR1);
        mine.thread_swap_mask(SigmaskHow::SIG_SETMASK).unwrap();
        // The threads of libzstd have the name of the thread that starts them.
        for (encoding, name, threads, len) in [
            (gzip(), "crutils-gzip", 1, 3 * GZIP_BLOCK),
            (frames(), "crutils-zstd", 1, 4 * GZIP_BLOCK),
            (zstd(), "encoding-test", 3, 1),
        ] {
            let output = Output::default();
            let mut encoder = encoder(encoding, workers(threads), Box::new(output)).unwrap();
            // A third block waits for the answer to the first, whose thread is there then.
            encoder.write_all(&noise(len)).unwrap();
            let masks = masks(name);
            assert!(masks.len() >= threads, "{encoding:?}: {masks:?}");
            for signal in [
                libc::SIGTERM,
                libc::SIGCHLD,
                libc::SIGPIPE,
                libc::SIGPROF,
                libc::SIGUSR2,
            ] {
                let bit = 1 << (signal - 1);
                assert!(
                    masks.iter().all(|mask| mask & bit != 0),
                    "{encoding:?}, {signal}"
                );
            }
            assert_eq!(SigSet::thread_get_mask().unwrap(), mine);
            encoder.finish().unwrap();
            assert_eq!(SigSet::thread_get_mask().unwrap(), mine);
        }
    };
    let thread = thread::Builder::new().name("encoding-test".into());
    thread.spawn(test).unwrap().join().unwrap();
}
