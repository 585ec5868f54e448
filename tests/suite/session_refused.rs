//! What a session refuses, and what a failed import leaves behind.

use std::fs::{self, File};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use crate::session::{Places, Stream, checkpoint, configuration, files};
use crate::support::api::{ESCAPE, MALFORMED, NOT_IN_ARCHIVE};
use crate::support::door::{Door, Place};
use crate::support::process::Test;
use crate::support::sandbox::{Fs, Sandbox};
use crate::support::session::{KEEP_FAILED, Options};
use crate::support::stage::assert_errno;
use crate::support::tarball::{archive, dir, fifo, file, hardlink, symlink};
use crate::support::tree::{Aspects, Snapshot};

door_tests! {
    named_members_come_with_what_is_below_them,
    what_was_asked_for_and_is_missing_is_told,
    what_a_descriptor_is_of_stands_in_messages,
    what_is_no_place_is_refused_at_once,
    a_second_configuration_is_refused,
    what_has_a_place_of_its_own_must_be_one_regular_file,
    a_failed_import_removes_the_bundle_that_it_has_made,
    a_full_disk_leaves_what_was_done
}

fn named_members_come_with_what_is_below_them(_: &Test, door: &'static dyn Door) {
    let places = Places::of(checkpoint());
    let mut session = door.file(&places.input, &Options::none());
    session
        .to_bundle_only((&places.bundle).into(), &["./config.dump", "checkpoint"])
        .unwrap();
    session.extract().unwrap();
    assert_eq!(
        Snapshot::of(&places.bundle).paths(),
        ["checkpoint", "checkpoint/pages-1.img", "config.dump"]
    );
    for root in ["", "/", ".", "a/.."] {
        assert_errno(
            session.to_bundle_only((&places.bundle).into(), &[root]),
            libc::EINVAL,
        );
    }
}

fn what_was_asked_for_and_is_missing_is_told(_: &Test, door: &'static dyn Door) {
    let without: Vec<_> = checkpoint()
        .into_iter()
        .filter(|entry| !entry.is_named("devshm-checkpoint.tar"))
        .collect();
    for missing in ["stats-dump", "volumes/w.tar", "devshm-checkpoint.tar"] {
        let places = Places::of(without.clone());
        let mut session = door.file(&places.input, &Options::none());
        match missing {
            "stats-dump" => session
                .to_bundle_only((&places.bundle).into(), &["ctr.log", missing])
                .unwrap(),
            "volumes/w.tar" => session.to_volume("w", (&places.volume).into()).unwrap(),
            _ => session.to_shm((&places.shm).into()).unwrap(),
        }
        let before = places.all();
        let failure = session.extract().unwrap_err();
        assert_eq!(
            (failure.errno, failure.kind),
            (libc::ENODATA, NOT_IN_ARCHIVE),
            "{failure:?}"
        );
        assert_eq!(
            failure.entry.as_deref(),
            Some(missing.as_bytes()),
            "{failure:?}"
        );
        before.assert_same(
            &places.all(),
            Aspects {
                mtimes: false,
                ..Aspects::RESTORE
            },
            missing,
        );
    }
    // A root file system that nothing is in the archive for is no error.
    let places = Places::of(configuration());
    let mut session = door.file(&places.input, &Options::none());
    session.to_root((&places.root).into()).unwrap();
    session.extract().unwrap();
}

fn what_a_descriptor_is_of_stands_in_messages(_: &Test, door: &'static dyn Door) {
    let places = Places::of(checkpoint());
    let directory = File::open(places.sandbox.path()).unwrap();
    let write_only = File::options().write(true).open(&places.input).unwrap();
    let (_reader, writer) = std::io::pipe().unwrap();
    // SAFETY: nothing has this number, and so nothing is done with it.
    let none = unsafe { BorrowedFd::borrow_raw(1_000_003) };
    let opened = |place: Place<'_>| {
        let opened = door.open(place, &Options::none(), None);
        opened
            .and_then(|mut session| session.extract())
            .unwrap_err()
    };
    let (top, input) = (places.sandbox.path().display(), places.input.display());
    for (place, expected) in [
        (
            (&directory).into(),
            format!("archive (a descriptor of \"{top}\")"),
        ),
        (
            (&write_only).into(),
            format!("archive (a descriptor of \"{input}\")"),
        ),
        (
            writer.as_fd().into(),
            "archive (a descriptor of \"pipe:[".into(),
        ),
        (none.into(), "archive (descriptor 1000003)".into()),
        (
            Place::Below(&directory, Path::new("missing")),
            format!("archive \"missing\" (from a descriptor of \"{top}\")"),
        ),
    ] {
        let message = opened(place).message;
        assert!(message.starts_with(&expected), "{message} isn't {expected}");
    }
    let mut session = door.file(&places.input, &Options::none());
    let message = session.to_root((&write_only).into()).unwrap_err().message;
    assert!(
        message.contains(&format!("a descriptor of \"{input}\"")),
        "{message}"
    );
}

fn what_is_no_place_is_refused_at_once(_: &Test, door: &'static dyn Door) {
    let places = Places::of(checkpoint());
    let mut session = door.file(&places.input, &Options::none());
    assert_errno(
        session.to_bundle(std::path::Path::new("not/there").into()),
        libc::EINVAL,
    );
    assert_errno(
        session.to_root(std::path::Path::new(".").into()),
        libc::EINVAL,
    );
    assert_errno(session.to_root((&places.bundle).into()), libc::ENOENT);
    assert_errno(session.to_shm((&places.input).into()), libc::ENOTDIR);
    for name in ["a/b", "", "..", "."] {
        assert_errno(
            session.to_volume(name, (&places.volume).into()),
            libc::EINVAL,
        );
    }
    session.to_volume("v", (&places.volume).into()).unwrap();
    assert_errno(session.to_volume("v", (&places.shm).into()), libc::EINVAL);
    assert!(!places.bundle.exists());
}

fn a_second_configuration_is_refused(_: &Test, door: &'static dyn Door) {
    for name in ["config.dump", "./config.dump", "spec.dump", "/spec.dump"] {
        // One of the two is missing, so that the look goes on to the second.
        let places = Places::of([
            file(name, "{}"),
            file("x", ""),
            file(name.trim_start_matches(['.', '/']), "{}"),
        ]);
        for stream in [false, true] {
            let (reader, _, writer) = Stream::Pipe.feed(&fs::read(&places.input).unwrap());
            let options = Options::none();
            let mut session = if stream {
                door.stream(&reader, &options)
            } else {
                door.file(&places.input, &options)
            };
            drop(reader);
            let failure = session.metadata().unwrap_err();
            assert_eq!(
                (failure.errno, failure.kind),
                (libc::EBADMSG, MALFORMED),
                "{name}: {failure:?}"
            );
            drop(session);
            writer.join().unwrap();
        }
    }
}

fn what_has_a_place_of_its_own_must_be_one_regular_file(_: &Test, door: &'static dyn Door) {
    let whole = |name: &str| {
        files()
            .into_iter()
            .find(|entry| entry.is_named(name))
            .unwrap()
    };
    for name in [
        "rootfs-diff.tar",
        "deleted.files",
        "volumes/v.tar",
        "devshm-checkpoint.tar",
    ] {
        let others: Vec<_> = files()
            .into_iter()
            .filter(|entry| !entry.is_named(name))
            .collect();
        let link = hardlink(name, "ctr.log");
        for wrong in [symlink(name, "../x"), dir(name), fifo(name), link] {
            let places = Places::of([vec![wrong], others.clone()].concat());
            let mut session = door.file(&places.input, &Options::none());
            places.ask(&mut *session);
            let before = places.all();
            let failure = session.extract().unwrap_err();
            assert_eq!(
                (failure.errno, failure.kind),
                (libc::EXDEV, ESCAPE),
                "{failure:?}"
            );
            before.assert_same(
                &places.all(),
                Aspects {
                    mtimes: false,
                    ..Aspects::RESTORE
                },
                name,
            );
        }
        let places = Places::of([files(), vec![whole(name)]].concat());
        let mut session = door.file(&places.input, &Options::none());
        places.ask(&mut *session);
        let failure = session.extract().unwrap_err();
        assert_eq!(
            (failure.errno, failure.kind),
            (libc::EBADMSG, MALFORMED),
            "{failure:?}"
        );
        assert!(
            failure.message.contains("7 members are done"),
            "{failure:?}"
        );
        assert!(
            places.root.join("etc/gone").exists(),
            "nothing is deleted after a failure"
        );
    }
}

fn a_failed_import_removes_the_bundle_that_it_has_made(_: &Test, door: &'static dyn Door) {
    // The third member after the configuration is refused.
    let broken = [checkpoint(), vec![fifo("bad"), file("behind", "")]].concat();
    for (there, keep) in [(false, false), (false, true), (true, false)] {
        let places = Places::of(broken.clone());
        if there {
            fs::create_dir_all(&places.bundle).unwrap();
        }
        let options = if keep {
            Options::on(KEEP_FAILED)
        } else {
            Options::none()
        };
        let mut session = door.file(&places.input, &options);
        places.ask(&mut *session);
        let failure = session.extract().unwrap_err();
        assert_eq!(failure.errno, libc::EPERM, "{failure:?}");
        assert!(
            failure.message.contains("9 members are done"),
            "{failure:?}"
        );
        // Everything else keeps what was done, but nothing was deleted.
        assert_eq!(
            Snapshot::of(&places.root).paths(),
            ["etc", "etc/gone", "etc/kept", "etc/new", "etc/old"]
        );
        assert_eq!(
            (places.read("volume/in-volume"), places.read("shm/in-shm")),
            ("v".into(), "s".into())
        );
        if there || keep {
            assert_eq!(
                Snapshot::of(&places.bundle).paths(),
                ["checkpoint", "checkpoint/pages-1.img", "ctr.log"]
            );
        } else {
            assert!(
                !places.bundle.parent().unwrap().exists(),
                "the parent that it made goes too"
            );
        }
    }
    // What is no archive makes nothing.
    let places = Places::with(
        b"no archive at all, but long enough to look at"
            .repeat(40)
            .as_slice(),
    );
    let mut session = door.file(&places.input, &Options::on(KEEP_FAILED));
    session.to_bundle((&places.bundle).into()).unwrap();
    assert_errno(session.extract(), libc::EBADMSG);
    assert!(!places.bundle.parent().unwrap().exists());
}

fn a_full_disk_leaves_what_was_done(_: &Test, door: &'static dyn Door) {
    needs_root!("mount a small file system");
    let Some(sandbox) = Sandbox::on(Fs::Tiny) else {
        return;
    };
    // The archive itself is elsewhere.
    let places = Places::of([
        file("a", "a"),
        file("b", vec![b'b'; 256 << 10]),
        file("c", "c"),
    ]);
    let (made, there) = (sandbox.path().join("made"), sandbox.dir("there"));
    for bundle in [&made, &there] {
        let mut session = door.file(&places.input, &Options::none());
        session.to_bundle(bundle.into()).unwrap();
        let failure = session.extract().unwrap_err();
        assert_eq!(failure.errno, libc::ENOSPC, "{failure:?}");
        assert!(
            failure.message.contains("1 members are done"),
            "{failure:?}"
        );
    }
    assert!(!made.exists());
    assert_eq!(fs::read(there.join("a")).unwrap(), b"a");
    assert!(!there.join("c").exists());
    // A root file system keeps what was done as well.
    let root = sandbox.dir("root");
    fs::remove_dir_all(&there).unwrap();
    let diff = archive([file("a", "a"), file("b", vec![b'b'; 256 << 10])]);
    let places = Places::of([
        file("rootfs-diff.tar", diff),
        file("deleted.files", r#"["/a"]"#),
    ]);
    let mut session = door.file(&places.input, &Options::none());
    session.to_root((&root).into()).unwrap();
    assert_errno(session.extract(), libc::ENOSPC);
    assert_eq!(fs::read(root.join("a")).unwrap(), b"a");
}
