//! Spools whose file system gives fewer bytes than were written: an error, and no archive with fewer members.

use std::fs;
use std::path::Path;

use crutils::PlaceBuf;
use crutils::checkpoint::{Export, ExportOptions};
use crutils::watch::Watch;

use crate::session::Stream;
use crate::support::dice::noise;
use crate::support::fuse::{Fuse, Manner};
use crate::support::process::Test;
use crate::support::sandbox::Sandbox;
use crate::support::session::{Door, Options};
use crate::support::tarball::{archive, dir, file};

/// Mounts a file system that loses so many bytes at the end of each file.
fn losing(lost: usize, on: &Path) -> Result<Fuse, String> {
    let manner = Manner {
        lost,
        ..Manner::default()
    };
    fs::create_dir_all(on).unwrap();
    Fuse::mount(on, &[], manner)
}

session_tests! {
    a_stream_that_was_kept_and_comes_back_cut_short_is_an_error
}

fn a_stream_that_was_kept_and_comes_back_cut_short_is_an_error(_: &Test, door: &'static dyn Door) {
    needs_root!("mount file systems");
    // More than is kept in memory comes before what is looked for.
    let bytes = archive([
        dir("checkpoint"),
        file("checkpoint/pages-1.img", noise(33 << 20, 1)),
        file("config.dump", "{}"),
        file("spec.dump", "{}"),
    ]);
    for lost in [0, 1, 512, 4096] {
        let sandbox = Sandbox::new();
        let (spool, bundle) = (sandbox.path().join("spool"), sandbox.path().join("bundle"));
        let _mount = match losing(lost, &spool) {
            Ok(mount) => mount,
            Err(reason) => skip!("{reason}"),
        };
        let (reader, _, writer) = Stream::Pipe.feed(&bytes);
        let options = Options {
            spool: Some(spool),
            ..Options::none()
        };
        let mut session = door.stream(&reader, &options);
        session.metadata().unwrap();
        session.to_bundle((&bundle).into()).unwrap();
        let outcome = session.extract();
        match lost {
            0 => drop(outcome.unwrap()),
            _ => assert_eq!(outcome.unwrap_err().errno, libc::EIO, "{lost}"),
        }
        assert_eq!(bundle.exists(), lost == 0, "{lost}");
        drop((session, reader));
        let _ = writer.join();
    }
}

#[test]
fn notes_that_come_back_cut_short_are_an_error_wherever_they_are_cut() {
    needs_root!("mount file systems");
    let sandbox = Sandbox::new();
    let (volume, out) = (sandbox.dir("volume"), sandbox.dir("out"));
    for name in ["a", "b", "c"] {
        fs::write(volume.join(name), name).unwrap();
    }
    let mut export = Export::new();
    export.add_directory_tar("volumes/v.tar", &volume).unwrap();
    let (archive, mut failed) = (out.join("archive"), 0);
    // Four records, of some tens of bytes each: every place to cut them.
    for lost in 0..240 {
        let spool = sandbox.path().join(format!("spool-{lost}"));
        let _mount = match losing(lost, &spool) {
            Ok(mount) => mount,
            Err(reason) => crate::skip!("{reason}"),
        };
        for live in [false, true] {
            let mut options = ExportOptions::new();
            options.live(live);
            options.spool_directory(Some(PlaceBuf::new(&spool).unwrap()));
            let outcome = export.write(&archive, &options, &Watch::new());
            if lost == 0 {
                outcome.unwrap();
                fs::remove_file(&archive).unwrap();
                continue;
            }
            let error = outcome.err().unwrap_or_else(|| panic!("{lost}: success"));
            assert_eq!(error.errno(), libc::EIO, "{lost}: {error}");
            assert!(!archive.exists(), "{lost}");
            failed += 1;
        }
    }
    assert_eq!(failed, 2 * 239);
}
