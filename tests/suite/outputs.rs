//! What a failure leaves behind, and where an output may go.

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::path::Path;

use super::export::{content, members, plain};
use super::export_nested::of_directory;
use crate::support::api::add;
use crate::support::door::{Door, GZIP, Place};
use crate::support::fuse::{Fuse, Manner};
use crate::support::process::{Test, Within};
use crate::support::sandbox::{Sandbox, run};
use crate::support::session::Options;
use crate::support::stage::Stage;
use crate::support::tarball::{archive, dir, file};

/// The names in a directory.
fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names =
        Vec::from_iter(entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()));
    names.sort();
    names
}

/// Lets the process have as many descriptors as it has, and `more`, while it does `work`.
fn with_descriptors<T>(more: u64, work: impl FnOnce() -> T) -> T {
    let next = File::open("/dev/null").unwrap().as_raw_fd() as u64;
    let mut before = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the call writes the one structure, which lives here.
    let got = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut before) };
    assert_eq!(got, 0);
    let set = |limit: libc::rlimit| {
        // SAFETY: the call reads the one structure.
        let set = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
        assert_eq!(set, 0);
    };
    set(libc::rlimit {
        rlim_cur: next + more,
        ..before
    });
    let result = work();
    set(before);
    result
}

door_tests! {
    a_bundle_that_was_made_goes_again_or_is_said_to_stay_however_few_descriptors_there_are,
    an_output_in_a_directory_that_takes_names_and_gives_none_back_is_said_to_stay,
    outputs_in_a_directory_that_is_stored_are_not_stored_where_they_have_names,
    an_output_may_have_as_long_a_name_as_its_file_system_takes,
    an_output_may_have_a_long_name_where_it_is_written_under_a_temporary_one
}

fn a_bundle_that_was_made_goes_again_or_is_said_to_stay_however_few_descriptors_there_are(
    test: &Test,
    door: &'static dyn Door,
) {
    test.within(Within::Process, || {
        let sandbox = Sandbox::new();
        let input = sandbox.path().join("archive.tar");
        fs::write(
            &input,
            archive([dir("checkpoint"), file("checkpoint/a", "a"), file("b", "b")]),
        )
        .unwrap();
        let (mut failed, mut kept, mut done) = (0, 0, false);
        for more in 0..60 {
            let bundle = sandbox.path().join("made/bundle");
            let outcome = with_descriptors(more, || {
                let mut session = door.open((&input).into(), &Options::none(), None)?;
                session.to_bundle(Place::Path(&bundle))?;
                session.extract().map(drop)
            });
            match outcome {
                Ok(()) => {
                    done = true;
                    assert_eq!(names(&bundle), ["b", "checkpoint"]);
                    fs::remove_dir_all(sandbox.path().join("made")).unwrap();
                }
                Err(told) if sandbox.path().join("made").exists() => {
                    kept += 1;
                    assert!(told.message.contains("stays"), "{more}: {}", told.message);
                    fs::remove_dir_all(sandbox.path().join("made")).unwrap();
                }
                Err(told) => {
                    failed += 1;
                    assert_eq!(told.errno, libc::EMFILE, "{more}: {}", told.message);
                }
            }
        }
        assert!(done && failed > 5, "{failed} {kept}");
    });
}

fn an_output_in_a_directory_that_takes_names_and_gives_none_back_is_said_to_stay(
    test: &Test,
    door: &'static dyn Door,
) {
    needs_root!("forbid the removal of names");
    let stage = Stage::new(test);
    stage.write("added", "content");
    let only = stage.sandbox.dir("only");
    let shown = only.display().to_string();
    if let Err(reason) = run(&format!("chattr +a {shown}")) {
        skip!("{reason}");
    }
    let first = door.create_rootfs_diff_tar(&[add("/added")], &stage.root, &only);
    let export = of_directory(door, &stage.root);
    let exported = export.write((&only.join("new")).into(), &plain(), None);
    let again = export.write((&only.join("new")).into(), &plain(), None);
    let left = names(&only);
    run(&format!("chattr -a {shown}")).unwrap();
    first.unwrap();
    exported.unwrap();
    let error = again.unwrap_err();
    assert_eq!(error.errno, libc::EPERM, "{error}");
    let stays = left
        .iter()
        .find(|name| name.starts_with(".new."))
        .expect("a temporary name");
    assert!(
        error.message.contains(&format!("\"{stays}\" stays")),
        "{error}"
    );
}

fn outputs_in_a_directory_that_is_stored_are_not_stored_where_they_have_names(
    test: &Test,
    door: &'static dyn Door,
) {
    needs_root!("mount file systems");
    let stage = Stage::new(test);
    let mount = stage.sandbox.dir("mount");
    let mounted = Fuse::mount(&mount, &[("kept", b"content")], Manner::default());
    let _mount = match mounted {
        Ok(mount) => mount,
        Err(reason) => skip!("{reason}"),
    };
    door.create_rootfs_diff_tar(&[add("/")], &mount, &mount)
        .unwrap();
    assert_eq!(members(&mount.join("rootfs-diff.tar")), ["./", "kept"]);
    fs::remove_file(mount.join("rootfs-diff.tar")).unwrap();
    let export = of_directory(door, &mount);
    for options in [plain(), plain().compression(GZIP)] {
        export
            .write((&mount.join("archive")).into(), &options, None)
            .unwrap();
        let inner = stage.sandbox.path().join("inner");
        let packed = stage.sandbox.path().join("packed");
        fs::write(&packed, fs::read(mount.join("archive")).unwrap()).unwrap();
        fs::write(&inner, content(&packed, "volumes/v.tar")).unwrap();
        assert_eq!(members(&inner), ["./", "./kept"]);
        fs::remove_file(mount.join("archive")).unwrap();
    }
}

fn an_output_may_have_as_long_a_name_as_its_file_system_takes(_: &Test, door: &'static dyn Door) {
    let sandbox = Sandbox::new();
    let out = sandbox.dir("out");
    let mut export = door.export();
    export.add_bytes("bytes", b"content").unwrap();
    for name in [
        "n".repeat(255),
        "n".repeat(250),
        format!("n{}", "é".repeat(127)),
    ] {
        // The second time there is something to be replaced.
        for _ in 0..2 {
            export
                .write((&out.join(&name)).into(), &plain(), None)
                .unwrap();
        }
        assert_eq!(names(&out), std::slice::from_ref(&name));
        fs::remove_file(out.join(name)).unwrap();
    }
    let error = export.write((&out.join("n".repeat(256))).into(), &plain(), None);
    assert_eq!(error.unwrap_err().errno, libc::ENAMETOOLONG);
}

fn an_output_may_have_a_long_name_where_it_is_written_under_a_temporary_one(
    _: &Test,
    door: &'static dyn Door,
) {
    needs_root!("mount file systems");
    let sandbox = Sandbox::new();
    let mount = sandbox.dir("mount");
    let _mount = match Fuse::mount(&mount, &[], Manner::default()) {
        Ok(mount) => mount,
        Err(reason) => skip!("{reason}"),
    };
    let mut export = door.export();
    export.add_bytes("bytes", b"content").unwrap();
    let name = "n".repeat(255);
    export
        .write((&mount.join(&name)).into(), &plain(), None)
        .unwrap();
    assert_eq!(names(&mount), [name]);
}
