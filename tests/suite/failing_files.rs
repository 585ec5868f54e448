//! Files that fail late: when they are closed, when they reach a limit, before the end that they promise.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::path::Path;

use crutils::checkpoint::{Compression, Export, ExportOptions, Import, ImportOptions};
use crutils::watch::Watch;

use crate::support::api::add;
use crate::support::dice::noise;
use crate::support::door::Door;
use crate::support::door::Place;
use crate::support::fuse::{Fuse, Manner};
use crate::support::gate::Gate;
use crate::support::process::{Test, Within};
use crate::support::sandbox::Sandbox;
use crate::support::session::Options;
use crate::support::stage::{Stage, assert_errno};
use crate::support::tarball::{Sparse, archive, dir, file, sparse, unended};

/// The names in a directory.
fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names =
        Vec::from_iter(entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()));
    names.sort();
    names
}

/// Mounts a file system whose files fail when they are closed.
fn without_quota(on: &Path) -> Result<Fuse, String> {
    let close = Some(libc::EDQUOT);
    Fuse::mount(
        on,
        &[],
        Manner {
            close,
            ..Manner::default()
        },
    )
}

door_tests! {
    what_close_says_of_a_file_that_was_written_is_an_error_and_the_file_is_gone,
    an_archive_that_ends_before_its_length_is_no_archive_with_fewer_members,
    a_large_file_that_is_cut_off_once_its_size_is_known_has_no_hole_for_what_is_missing,
    a_limit_on_the_length_of_files_is_an_error_and_ends_nobody,
    a_bundle_that_is_lost_as_soon_as_it_is_made_does_not_stay
}

fn a_bundle_that_is_lost_as_soon_as_it_is_made_does_not_stay(_: &Test, door: &'static dyn Door) {
    needs_root!("mount file systems");
    let sandbox = Sandbox::new();
    let (input, on) = (sandbox.path().join("archive"), sandbox.dir("lost"));
    fs::write(&input, archive([dir("checkpoint")])).unwrap();
    let manner = Manner {
        loses_directories: true,
        ..Manner::default()
    };
    let _mount = match Fuse::mount(&on, &[], manner) {
        Ok(mount) => mount,
        Err(reason) => skip!("{reason}"),
    };
    let mut session = door.file(&input, &Options::none());
    let outcome = session.to_bundle((&on.join("bundle")).into());
    let outcome = outcome.and_then(|()| session.extract().map(drop));
    assert_errno(outcome, libc::EIO);
    assert_eq!(names(&on), [""; 0]);
}

fn what_close_says_of_a_file_that_was_written_is_an_error_and_the_file_is_gone(
    test: &Test,
    door: &'static dyn Door,
) {
    needs_root!("mount file systems");
    let stage = Stage::new(test);
    stage.write("added", "content");
    let full = stage.sandbox.dir("full");
    let _mount = match without_quota(&full) {
        Ok(mount) => mount,
        Err(reason) => skip!("{reason}"),
    };
    let outcome = test.create_rootfs_diff_tar(&[add("/added")], &stage.root, &full);
    assert_errno(outcome, libc::EDQUOT);
    assert_eq!(names(&full), [""; 0]);
    fs::write(
        stage.base.join("rootfs-diff.tar"),
        archive([file("f", "content")]),
    )
    .unwrap();
    assert_errno(test.apply_rootfs_diff_tar(&stage.base, &full), libc::EDQUOT);
    let input = stage.sandbox.path().join("archive.tar");
    fs::write(&input, archive([dir("checkpoint"), file("f", "content")])).unwrap();
    let mut session = door.file(&input, &Options::none());
    session.to_bundle(Place::Path(&full)).unwrap();
    let told = session.extract().unwrap_err();
    assert!(
        told.errno == libc::EDQUOT || told.errno == libc::ENOSYS,
        "{}",
        told.message
    );
    fs::write(&input, archive([file("f", "content")])).unwrap();
    assert_errno(test.import_without_config(&full, &input), libc::EDQUOT);
    assert_eq!(names(&full), [""; 0]);
}

fn an_archive_that_ends_before_its_length_is_no_archive_with_fewer_members(
    test: &Test,
    door: &'static dyn Door,
) {
    needs_root!("mount file systems");
    let sandbox = Sandbox::new();
    let mount = sandbox.dir("mount");
    let whole = unended([file("first", "f"), file("second", "s")]);
    let lost = 1024;
    let manner = Manner {
        lost,
        ..Manner::default()
    };
    let _mount = match Fuse::mount(
        &mount,
        &[("archive.tar", &whole), ("rootfs-diff.tar", &whole)],
        manner,
    ) {
        Ok(mount) => mount,
        Err(reason) => skip!("{reason}"),
    };
    let (bundle, root) = (sandbox.path().join("bundle"), sandbox.dir("root"));
    let input = mount.join("archive.tar");
    assert_errno(test.import_without_config(&bundle, &input), libc::ESTALE);
    assert_errno(test.apply_rootfs_diff_tar(&mount, &root), libc::ESTALE);
    // All of it passes through memory for a digest.
    let options = Options::on(crate::support::session::DIGEST);
    let mut session = door.open(Place::Path(&input), &options, None).unwrap();
    session.to_bundle(Place::from(&bundle)).unwrap();
    assert_errno(session.extract(), libc::ESTALE);
}

fn a_large_file_that_is_cut_off_once_its_size_is_known_has_no_hole_for_what_is_missing(
    test: &Test,
    door: &'static dyn Door,
) {
    let stage = Stage::new(test);
    let path = stage.at("large");
    fs::write(&path, vec![b'x'; 200_000]).unwrap();
    let Some(gate) = Gate::close(&path) else {
        skip!("there are no leases");
    };
    let outcome = std::thread::scope(|scope| {
        let creating = scope.spawn(|| stage.create(&[add("/large")]));
        gate.await_guest();
        gate.shorten(8192);
        drop(gate);
        creating.join().unwrap()
    });
    assert_errno(outcome, libc::ESTALE);
    assert_eq!(names(&stage.base), [""; 0]);
    let _ = door;
}

fn a_limit_on_the_length_of_files_is_an_error_and_ends_nobody(
    test: &Test,
    door: &'static dyn Door,
) {
    test.within(Within::FileSize(64), || {
        let stage = Stage::new(test);
        let long = vec![b'x'; 100 << 10];
        let mut long_hole = sparse(Sparse::Pax10, "hole", 10 << 20, &[(0, b"data".to_vec())]);
        long_hole = long_hole.mode(0o600);
        for (what, member) in [("data", file("f", &long)), ("a hole", long_hole)] {
            let compressed = stage.sandbox.path().join("archive");
            let packed = crate::support::compressor::Compression::Gzip.pack(&archive([member]));
            fs::write(&compressed, &packed).unwrap();
            let bundle = stage.sandbox.path().join("bundle");
            let outcome = test.import_without_config(&bundle, &compressed);
            assert_eq!(
                outcome.clone().unwrap_err().errno,
                libc::EFBIG,
                "{what}: {outcome:?}"
            );
            assert_eq!(names(&bundle), [""; 0], "{what}");
            fs::rename(&compressed, stage.base.join("rootfs-diff.tar")).unwrap();
            let outcome = test.apply_rootfs_diff_tar(&stage.base, &stage.root);
            assert_eq!(
                outcome.clone().unwrap_err().errno,
                libc::EFBIG,
                "{what}: {outcome:?}"
            );
            assert_eq!(names(&stage.root), [""; 0], "{what}");
        }
        // Pieces that are within the limit each.
        let mut changes = Vec::new();
        for number in 0..3 {
            stage.write(&format!("f{number}"), &"x".repeat(60 << 10));
            changes.push(add(format!("/f{number}")));
        }
        assert_errno(stage.create(&changes), libc::EFBIG);
        let _ = door;
    });
}

/// A directory with files that together are more than 64 KiB, whatever compresses them.
fn large(sandbox: &Sandbox) -> Export {
    let directory = sandbox.dir("large");
    for number in 0..12 {
        let noise = noise(50 << 10, number);
        fs::write(directory.join(format!("f{number}")), noise).unwrap();
    }
    let mut export = Export::new();
    export
        .add_directory_tar("volumes/v.tar", &directory)
        .unwrap();
    export
}

api_tests! {
    an_export_that_reaches_a_limit_on_the_length_of_files_is_an_error_and_leaves_nothing
}

fn an_export_that_reaches_a_limit_on_the_length_of_files_is_an_error_and_leaves_nothing(
    test: &Test,
) {
    test.within(Within::FileSize(64), || {
        let sandbox = Sandbox::new();
        let (export, out) = (large(&sandbox), sandbox.dir("out"));
        for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
            let mut options = ExportOptions::new();
            options.compression(compression);
            for digest in [false, true] {
                options.digest(digest);
                let error = export
                    .write(&out.join("archive"), &options, &Watch::new())
                    .unwrap_err();
                assert_eq!(error.errno(), libc::EFBIG, "{compression:?}: {error}");
                assert_eq!(names(&out), [""; 0], "{compression:?}");
                let file = File::create(sandbox.path().join("open")).unwrap();
                let error = export
                    .write(file.as_fd(), &options, &Watch::new())
                    .unwrap_err();
                assert_eq!(error.errno(), libc::EFBIG, "{compression:?}: {error}");
            }
        }
    });
}

#[test]
fn an_import_syncs_what_it_wrote_if_that_is_asked_for() {
    let sandbox = Sandbox::new();
    let input = sandbox.path().join("archive.tar");
    fs::write(&input, archive([file("f", "content")])).unwrap();
    let bundle = sandbox.path().join("bundle");
    let mut options = ImportOptions::new();
    options.sync(true);
    let mut import = Import::open(&input, &options, &Watch::new()).unwrap();
    import.to_bundle(&bundle).unwrap();
    import.extract().unwrap();
    assert_eq!(fs::read(bundle.join("f")).unwrap(), b"content");
}

#[test]
fn an_export_to_an_open_file_tells_what_close_says() {
    needs_root!("mount file systems");
    let sandbox = Sandbox::new();
    let full = sandbox.dir("full");
    let _mount = match without_quota(&full) {
        Ok(mount) => mount,
        Err(reason) => skip!("{reason}"),
    };
    let mut export = Export::new();
    export.add_bytes("bytes", "content").unwrap();
    for compression in [Compression::None, Compression::Zstd] {
        let mut options = ExportOptions::new();
        options.compression(compression);
        let file = File::create(full.join("archive")).unwrap();
        let error = export
            .write(file.as_fd(), &options, &Watch::new())
            .unwrap_err();
        assert_eq!(error.errno(), libc::EDQUOT, "{error}");
        let error = export
            .write(&full.join("other"), &options, &Watch::new())
            .unwrap_err();
        assert_eq!(error.errno(), libc::EDQUOT, "{error}");
        assert_eq!(names(&full), ["archive"]);
    }
}
