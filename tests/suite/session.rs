//! The import session: what the archive says comes first, then everything goes to its place, whatever the archive
//! comes out of.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use crate::support::api::{LIMIT, SYSTEM};
use crate::support::compressor::Compression;
use crate::support::dice::noise;
use crate::support::door::Door;
use crate::support::process::Test;
use crate::support::sandbox::Sandbox;
use crate::support::session::{ID, Options, Session};
use crate::support::stage::assert_errno;
use crate::support::tarball::{Entry, archive, dir, file, unended};
use crate::support::tree::Snapshot;

pub(crate) const CONFIG: &str = r#"{"id":"1","name":"n","runtime":"crun"}"#;

/// What a container's files come from, without config.dump and spec.dump: one of everything that has a place of its own.
pub(crate) fn files() -> Vec<Entry> {
    let diff = [
        dir("etc"),
        file("etc/new", "new"),
        file("etc/old", "changed"),
    ];
    vec![
        dir("checkpoint/"),
        file("checkpoint/pages-1.img", "p".repeat(5000)),
        file("rootfs-diff.tar", archive(diff)),
        file("deleted.files", r#"["/etc/gone"]"#),
        file("volumes/v.tar", archive([file("in-volume", "v")])),
        file("devshm-checkpoint.tar", archive([file("in-shm", "s")])),
        file("ctr.log", "log"),
    ]
}

pub(crate) fn configuration() -> Vec<Entry> {
    vec![file("config.dump", CONFIG), file("spec.dump", "{}")]
}

/// A whole checkpoint in podman's order.
pub(crate) fn checkpoint() -> Vec<Entry> {
    [configuration(), files()].concat()
}

/// The places that [`files`] go to, with a root file system that the checkpoint changes.
pub(crate) struct Places {
    pub(crate) sandbox: Sandbox,
    pub(crate) input: PathBuf,
    /// Isn't there yet.
    pub(crate) bundle: PathBuf,
    pub(crate) root: PathBuf,
    pub(crate) volume: PathBuf,
    pub(crate) shm: PathBuf,
}

impl Places {
    pub(crate) fn new() -> Self {
        Self::within(Sandbox::new())
    }

    pub(crate) fn within(sandbox: Sandbox) -> Self {
        let places = Self {
            input: sandbox.path().join("input"),
            bundle: sandbox.path().join("made/bundle"),
            root: sandbox.dir("root"),
            volume: sandbox.dir("volume"),
            shm: sandbox.dir("shm"),
            sandbox,
        };
        fs::create_dir(places.root.join("etc")).unwrap();
        for name in ["gone", "old", "kept"] {
            fs::write(places.root.join("etc").join(name), name).unwrap();
        }
        places
    }

    pub(crate) fn with(bytes: &[u8]) -> Self {
        let places = Self::new();
        fs::write(&places.input, bytes).unwrap();
        places
    }

    pub(crate) fn of(entries: impl IntoIterator<Item = Entry>) -> Self {
        Self::with(&archive(entries))
    }

    /// Asks for everything.
    pub(crate) fn ask(&self, session: &mut dyn Session) {
        session.to_bundle((&self.bundle).into()).unwrap();
        session.to_root((&self.root).into()).unwrap();
        session.to_volume("v", (&self.volume).into()).unwrap();
        session.to_shm((&self.shm).into()).unwrap();
    }

    /// Everything that is there, the archive left out.
    pub(crate) fn all(&self) -> Snapshot {
        Snapshot::without(self.sandbox.path(), &["input"])
    }

    pub(crate) fn read(&self, path: &str) -> String {
        let path = self.sandbox.path().join(path);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    #[track_caller]
    pub(crate) fn assert_restored(&self, what: &str) {
        let expected = [
            "made",
            "made/bundle",
            "made/bundle/checkpoint",
            "made/bundle/checkpoint/pages-1.img",
            "made/bundle/ctr.log",
            "root",
            "root/etc",
            "root/etc/kept",
            "root/etc/new",
            "root/etc/old",
            "shm",
            "shm/in-shm",
            "volume",
            "volume/in-volume",
        ];
        assert_eq!(self.all().paths(), expected, "{what}");
        let pages = self.read("made/bundle/checkpoint/pages-1.img");
        assert_eq!(pages, "p".repeat(5000), "{what}");
        for (path, content) in [
            ("made/bundle/ctr.log", "log"),
            ("root/etc/kept", "kept"),
            ("root/etc/new", "new"),
            ("root/etc/old", "changed"),
            ("volume/in-volume", "v"),
            ("shm/in-shm", "s"),
        ] {
            assert_eq!(self.read(path), content, "{what}: {path}");
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Stream {
    Pipe,
    Socket,
}

impl Stream {
    pub(crate) const BOTH: [Self; 2] = [Self::Pipe, Self::Socket];

    /// The end to read from, and the one to write to.
    pub(crate) fn pair(self) -> (OwnedFd, File) {
        match self {
            Self::Pipe => {
                let (reader, writer) = std::io::pipe().unwrap();
                (reader.into(), OwnedFd::from(writer).into())
            }
            Self::Socket => {
                let (reader, writer) = UnixStream::pair().unwrap();
                (reader.into(), OwnedFd::from(writer).into())
            }
        }
    }

    /// A stream into which a thread writes these bytes, and how many of them are out.
    pub(crate) fn feed(self, bytes: &[u8]) -> (OwnedFd, Arc<AtomicU64>, JoinHandle<()>) {
        let (reader, mut writer) = self.pair();
        let (bytes, out) = (bytes.to_vec(), Arc::new(AtomicU64::new(0)));
        let count = Arc::clone(&out);
        let thread = thread::spawn(move || {
            for chunk in bytes.chunks(4096) {
                // A reader may have had enough.
                if writer.write_all(chunk).is_err() {
                    return;
                }
                count.fetch_add(chunk.len() as u64, Ordering::SeqCst);
            }
        });
        (reader, out, thread)
    }
}

/// A member of CRIU's with these bytes, whose number is one of whole blocks.
fn large(bytes: Vec<u8>) -> Vec<u8> {
    let header = file("checkpoint/pages-1.img", "").size(bytes.len() as i64);
    [unended([header]), bytes].concat()
}

door_tests! {
    metadata_and_then_everything_comes_out_of_a_file,
    metadata_and_then_everything_comes_out_of_a_stream_that_is_read_once,
    metadata_needs_nothing_behind_the_configuration,
    metadata_takes_little_more_out_of_a_stream_than_it_needs,
    a_configuration_behind_much_memory_needs_a_spool_only_in_a_stream
}

fn metadata_and_then_everything_comes_out_of_a_file(_: &Test, door: &'static dyn Door) {
    for compression in Compression::ALL {
        let bytes = compression.pack(&archive(checkpoint()));
        for by_path in [true, false] {
            let what = format!("{compression:?} {by_path}");
            let places = Places::with(&bytes);
            let mut input = File::open(&places.input).unwrap();
            input.seek(SeekFrom::Start(7)).unwrap();
            let mut session = if by_path {
                door.file(&places.input, &Options::none())
            } else {
                door.stream(&input, &Options::none())
            };
            assert_eq!(
                session.metadata().unwrap().texts[ID].as_deref(),
                Some("1"),
                "{what}"
            );
            places.ask(&mut *session);
            session.extract().unwrap();
            places.assert_restored(&what);
            assert_eq!(
                input.stream_position().unwrap(),
                7,
                "{what}: the offset is the caller's"
            );
            // A file can be read as often as need be.
            fs::remove_dir_all(&places.bundle).unwrap();
            session.extract().unwrap();
            places.assert_restored(&what);
            assert_eq!(
                session.members().unwrap().len(),
                checkpoint().len(),
                "{what}"
            );
        }
    }
}

fn metadata_and_then_everything_comes_out_of_a_stream_that_is_read_once(
    _: &Test,
    door: &'static dyn Door,
) {
    for compression in Compression::ALL {
        let bytes = compression.pack(&archive(checkpoint()));
        for stream in Stream::BOTH {
            for look in 0..3 {
                let what = format!("{compression:?} {stream:?} {look}");
                let places = Places::new();
                let (reader, out, writer) = stream.feed(&bytes);
                let mut session = door.stream(&reader, &Options::none());
                // The session has a descriptor of its own.
                drop(reader);
                if look > 0 {
                    assert_eq!(
                        session.metadata().unwrap().texts[ID].as_deref(),
                        Some("1"),
                        "{what}"
                    );
                }
                if look > 1 {
                    assert_eq!(
                        session.members().unwrap().len(),
                        checkpoint().len(),
                        "{what}"
                    );
                }
                places.ask(&mut *session);
                session.extract().unwrap();
                places.assert_restored(&what);
                writer.join().unwrap();
                assert_eq!(out.load(Ordering::SeqCst), bytes.len() as u64, "{what}");
                let again = session.extract().unwrap_err();
                assert_eq!((again.errno, again.kind), (libc::ESPIPE, SYSTEM), "{what}");
            }
        }
    }
}

fn metadata_needs_nothing_behind_the_configuration(_: &Test, door: &'static dyn Door) {
    let all = archive(checkpoint());
    // Up to the end of what spec.dump holds; the rest comes only once the metadata is known.
    let needed = unended([file("config.dump", CONFIG)]).len() + 512 + "{}".len();
    for stream in Stream::BOTH {
        let places = Places::new();
        let (reader, mut writer) = stream.pair();
        writer.write_all(&all[..needed]).unwrap();
        let mut session = door.stream(&reader, &Options::none());
        assert_eq!(
            session.metadata().unwrap().texts[ID].as_deref(),
            Some("1"),
            "{stream:?}"
        );
        let rest = all[needed..].to_vec();
        let writer = thread::spawn(move || writer.write_all(&rest).unwrap());
        places.ask(&mut *session);
        session.extract().unwrap();
        places.assert_restored(&format!("{stream:?}"));
        writer.join().unwrap();
    }
}

fn metadata_takes_little_more_out_of_a_stream_than_it_needs(_: &Test, door: &'static dyn Door) {
    let bytes = [
        unended(configuration()),
        large(noise(4 << 20, 1)),
        archive([]),
    ]
    .concat();
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        let bytes = compression.pack(&bytes);
        let (reader, out, writer) = Stream::Pipe.feed(&bytes);
        let mut session = door.stream(&reader, &Options::none());
        session.metadata().unwrap();
        // A compressor's block, the buffers on the way, and what the kernel holds.
        let taken = out.load(Ordering::SeqCst);
        assert!(
            taken < 2 << 20,
            "{compression:?}: {taken} of {} bytes",
            bytes.len()
        );
        drop((session, reader));
        writer.join().unwrap();
        assert!(
            out.load(Ordering::SeqCst) < bytes.len() as u64,
            "the session is closed with its stream unread"
        );
    }
}

fn a_configuration_behind_much_memory_needs_a_spool_only_in_a_stream(
    _: &Test,
    door: &'static dyn Door,
) {
    let archive_with =
        |mebibytes: usize| [large(vec![1; mebibytes << 20]), archive(configuration())].concat();
    let (fits, large) = (archive_with(31), archive_with(33));
    let spool = Sandbox::new();
    let spooled = Options {
        spool: Some(spool.path().to_path_buf()),
        ..Options::none()
    };
    let packed = [
        Compression::Gzip.pack(&large),
        Compression::Zstd.pack(&large),
    ];
    let streams = [
        (&fits, 31, Options::none()),
        (&large, 33, spooled),
        (&packed[0], 0, Options::none()),
        (&packed[1], 0, Options::none()),
    ];
    for (number, (bytes, mebibytes, options)) in streams.iter().enumerate() {
        let places = Places::with(bytes);
        let (reader, _, writer) = Stream::Pipe.feed(bytes);
        // The last two are files.
        let mut session = if *mebibytes > 0 {
            door.stream(&reader, options)
        } else {
            door.file(&places.input, options)
        };
        drop(reader);
        assert_eq!(
            session.metadata().unwrap().texts[ID].as_deref(),
            Some("1"),
            "{number}"
        );
        assert_eq!(
            Snapshot::of(spool.path()).paths(),
            [""; 0],
            "the spool has no name"
        );
        session.to_bundle((&places.bundle).into()).unwrap();
        session.extract().unwrap();
        let size = if *mebibytes > 0 { *mebibytes } else { 33 } << 20;
        let made = fs::read(places.bundle.join("checkpoint/pages-1.img")).unwrap();
        assert!(made == vec![1; size], "{number}");
        drop(session);
        writer.join().unwrap();
    }
    for (bytes, stream) in [(&large, Stream::Pipe), (&packed[0], Stream::Socket)] {
        let (reader, _, writer) = stream.feed(bytes);
        let mut session = door.stream(&reader, &Options::none());
        drop(reader);
        let failure = session.metadata().unwrap_err();
        assert_eq!(
            (failure.errno, failure.kind),
            (libc::E2BIG, LIMIT),
            "{failure:?}"
        );
        assert!(failure.message.contains("spool directory"), "{failure:?}");
        let places = Places::new();
        session.to_bundle((&places.bundle).into()).unwrap();
        assert_errno(session.extract(), libc::ESPIPE);
        assert!(!places.bundle.exists());
        drop(session);
        writer.join().unwrap();
    }
    // Who doesn't ask needs no spool.
    let (reader, _, writer) = Stream::Pipe.feed(&large);
    let (mut session, places) = (door.stream(&reader, &Options::none()), Places::new());
    session.to_bundle((&places.bundle).into()).unwrap();
    session.extract().unwrap();
    assert_eq!(
        fs::metadata(places.bundle.join("checkpoint/pages-1.img"))
            .unwrap()
            .len(),
        33 << 20
    );
    writer.join().unwrap();
}
