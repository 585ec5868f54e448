//! Archives that are large enough to be decoded ahead by a thread of the library's.

use std::fs;
use std::io::Write;
use std::os::fd::AsFd;
use std::path::Path;
use std::thread::{self, Builder};

use crate::session::{CONFIG, Places, Stream, configuration};
use crate::support::compressor::Compression;
use crate::support::dice::noise;
use crate::support::door::Door;
use crate::support::door::Place;
use crate::support::process::{Test, Within};
use crate::support::sandbox::Sandbox;
use crate::support::session::Options;
use crate::support::tarball::{Entry, archive, dir, file, unended};

const MEBIBYTE: usize = 1 << 20;

/// A checkpoint with pages of five mebibytes, half of them noise, and small files around them.
fn large() -> Vec<Entry> {
    let mut entries = configuration();
    entries.push(dir("checkpoint"));
    entries.push(file("checkpoint/pages-1.img", pages()));
    entries
        .extend((0..2000).map(|n| file(format!("checkpoint/core-{n}.img"), format!("core {n}"))));
    entries
}

fn pages() -> Vec<u8> {
    [
        noise(2 * MEBIBYTE, 1),
        vec![0; MEBIBYTE],
        noise(2 * MEBIBYTE + 77, 1),
    ]
    .concat()
}

#[track_caller]
fn assert_imported(bundle: &Path, what: &str) {
    let checkpoint = bundle.join("checkpoint");
    assert!(
        fs::read(checkpoint.join("pages-1.img")).unwrap() == pages(),
        "{what}"
    );
    for n in 0..2000 {
        let core = fs::read_to_string(checkpoint.join(format!("core-{n}.img")));
        assert_eq!(core.unwrap(), format!("core {n}"), "{what}");
    }
}

door_tests! {
    a_large_archive_comes_out_of_anything,
    a_refused_member_ends_an_import_though_the_peer_stays_silent
}

fn a_large_archive_comes_out_of_anything(_: &Test, door: &'static dyn Door) {
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        let bytes = compression.pack(&archive(large()));
        let places = Places::with(&bytes);
        let (reader, _, writer) = Stream::Pipe.feed(&bytes);
        for source in [
            Place::Path(&places.input),
            Place::Descriptor(reader.as_fd()),
        ] {
            let mut session = door.open(source, &Options::none(), None).unwrap();
            session.metadata().unwrap();
            session.to_bundle((&places.bundle).into()).unwrap();
            session.extract().unwrap();
            assert_imported(&places.bundle, &format!("{compression:?}"));
            fs::remove_dir_all(&places.bundle).unwrap();
        }
        writer.join().unwrap();
    }
}

fn a_refused_member_ends_an_import_though_the_peer_stays_silent(_: &Test, door: &'static dyn Door) {
    let refused = [large(), vec![file("config.json", "{}")]].concat();
    let places = Places::new();
    let (reader, mut writer) = Stream::Pipe.pair();
    let mut session = door
        .open(Place::Descriptor(reader.as_fd()), &Options::none(), None)
        .unwrap();
    session.to_bundle((&places.bundle).into()).unwrap();
    let failure = thread::scope(|scope| {
        let feeder = scope.spawn(move || {
            writer.write_all(&unended(refused)).unwrap();
            writer
        });
        let failure = session.extract().unwrap_err();
        // Until here the other end is open.
        drop(feeder.join().unwrap());
        failure
    });
    assert_eq!(failure.errno, libc::EPERM, "{failure:?}");
    assert!(!places.bundle.exists());
}

api_tests! {
    without_threads_a_large_archive_is_imported_all_the_same,
    a_damaged_archive_leaves_what_comes_before_the_damage
}

fn without_threads_a_large_archive_is_imported_all_the_same(t: &Test) {
    t.within(Within::User, || {
        let sandbox = Sandbox::new();
        let input = sandbox.path().join("input");
        fs::write(&input, Compression::Gzip.pack(&archive(large()))).unwrap();
        let none = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        // SAFETY: the limit is a live value, which the call reads.
        let set = unsafe { libc::setrlimit(libc::RLIMIT_NPROC, &raw const none) };
        assert_eq!(set, 0);
        assert!(
            Builder::new().spawn(|| ()).is_err(),
            "there may be no more threads"
        );
        let bundle = sandbox.path().join("bundle");
        t.import_without_config(&bundle, &input).unwrap();
        assert_imported(&bundle, "in one thread");
    });
}

fn a_damaged_archive_leaves_what_comes_before_the_damage(t: &Test) {
    let whole = archive(large());
    for compression in [
        Compression::Gzip,
        Compression::Zstd,
        Compression::Bzip2,
        Compression::Xz,
    ] {
        let packed = compression.pack(&whole);
        let sandbox = Sandbox::new();
        let input = sandbox.path().join("input");
        // In the middle of the second noise: what comes before it is long done.
        fs::write(&input, &packed[..packed.len() * 3 / 4]).unwrap();
        let bundle = sandbox.path().join("bundle");
        let failure = t.import_without_config(&bundle, &input).unwrap_err();
        assert_eq!(failure.errno, libc::EBADMSG, "{compression:?} {failure:?}");
        assert!(
            failure.message.ends_with("stream is cut short"),
            "{compression:?} {failure:?}"
        );
        let config = t.runtime_from_archive(&input).unwrap();
        assert!(CONFIG.contains(&config), "{compression:?}");
        // The partial file isn't left as if it were whole.
        let len = fs::metadata(bundle.join("checkpoint/pages-1.img"))
            .map_or(0, |metadata| metadata.len());
        assert!(len < pages().len() as u64, "{compression:?}: {len}");
    }
}
