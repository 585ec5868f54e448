//! Memory that runs out: what grows with an archive, a tree or a list is an error then, and ends no process.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crutils::changes::{Options as ChangesOptions, directories_ambient};
use crutils::checkpoint::{Compression, Export, ExportOptions, InspectOptions, Inspection};
use crutils::watch::Watch;

use crate::support::api::{Failure, Outcome, Rust, add};
use crate::support::compressor::Compression as Packed;
use crate::support::os::number_in;
use crate::support::process::{Test, Within};
use crate::support::sandbox::{Fs, Sandbox};
use crate::support::session::{Door, Options, Source};
use crate::support::stage::Stage;
use crate::support::tarball::{archive, dir, file};

/// How many names a test works on, and how long each is: more than 16 MiB to remember.
const NAMES: usize = 40_000;
const LENGTH: usize = 200;

/// Lets the process have as much memory for data as it has, and `more` bytes, while it does `work`.
fn with_memory<T>(more: u64, work: impl FnOnce() -> T) -> T {
    let mut before = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the call writes the one structure, which lives here.
    let got = unsafe { libc::getrlimit(libc::RLIMIT_DATA, &raw mut before) };
    assert_eq!(got, 0);
    let set = |limit: libc::rlimit| {
        // SAFETY: the call reads the one structure.
        let set = unsafe { libc::setrlimit(libc::RLIMIT_DATA, &raw const limit) };
        assert_eq!(set, 0);
    };
    // What was freed is given back first: it would be more than is said here.
    // SAFETY: there are no preconditions.
    unsafe { libc::malloc_trim(0) };
    set(libc::rlimit {
        rlim_cur: (number_in("/proc/self/status", "VmData:") << 10) + more,
        ..before
    });
    let result = work();
    set(before);
    result
}

/// Does `work` with ever more memory, until there is enough. Each failure is ENOMEM, and `check` is told of the outcome.
#[track_caller]
fn assert_told(mut work: impl FnMut() -> Outcome, mut check: impl FnMut(bool)) {
    let mut failed = 0;
    for mib in (6..40).chain((40..400).step_by(20)) {
        let outcome = with_memory(mib << 20, &mut work);
        check(outcome.is_ok());
        match outcome {
            Ok(()) => {
                assert!(failed > 1, "{mib} MiB were enough");
                return;
            }
            Err(failure) => assert_eq!(failure.errno, libc::ENOMEM, "{mib} MiB: {failure:?}"),
        }
        failed += 1;
    }
    panic!("never enough");
}

fn name(number: usize) -> String {
    format!("{number:0LENGTH$}")
}

/// Fills a directory with names of empty files, of which another directory has a further name each.
fn fill(directory: &Path, further: &Path) {
    for number in 0..NAMES {
        let path = directory.join(name(number));
        fs::write(&path, "").unwrap();
        fs::hard_link(path, further.join(number.to_string())).unwrap();
    }
}

fn count(directory: &Path) -> usize {
    fs::read_dir(directory).map_or(0, Iterator::count)
}

fn told<T>(result: crutils::Result<T>) -> Outcome {
    result.map(drop).map_err(Failure::from)
}

api_tests! {
    a_diff_of_many_names_is_created_or_there_is_no_memory,
    a_diff_of_many_directories_is_applied_or_there_is_no_memory,
    a_long_list_of_deleted_names_is_heeded_or_there_is_no_memory
}

fn a_diff_of_many_names_is_created_or_there_is_no_memory(t: &Test) {
    t.within(Within::Process, || {
        let stage = Stage::new(t);
        let further = stage.sandbox.dir("further");
        fs::create_dir(stage.at("d")).unwrap();
        fill(&stage.at("d"), &further);
        let changes = [add("/d")];
        let outputs = |done| assert_eq!(count(&stage.base), usize::from(done));
        assert_told(|| stage.create(&changes).map(drop), outputs);
    });
}

fn a_diff_of_many_directories_is_applied_or_there_is_no_memory(t: &Test) {
    t.within(Within::Process, || {
        let stage = Stage::new(t);
        let bytes = archive((0..NAMES).map(|number| dir(name(number)).mtime(5)));
        fs::write(stage.base.join("rootfs-diff.tar"), bytes).unwrap();
        let apply = || t.apply_rootfs_diff_tar(&stage.base, &stage.root);
        assert_told(apply, |done| {
            assert!(!done || count(&stage.root) == NAMES);
        });
    });
}

fn a_long_list_of_deleted_names_is_heeded_or_there_is_no_memory(t: &Test) {
    t.within(Within::Process, || {
        let stage = Stage::new(t);
        let list = (0..NAMES).map(|number| format!("\"{}\"", name(number)));
        let list = format!("[{}]", Vec::from_iter(list).join(","));
        fs::write(stage.base.join("deleted.files"), list).unwrap();
        let last = name(NAMES - 1);
        stage.write(&last, "x");
        let remove = || t.remove_deleted_files("id".as_ref(), &stage.base, &stage.root);
        assert_told(remove, |done| assert_eq!(stage.exists(&last), !done));
    });
}

session_tests! {
    a_checkpoint_with_a_long_list_is_imported_or_there_is_no_memory
}

fn a_checkpoint_with_a_long_list_is_imported_or_there_is_no_memory(
    t: &Test,
    door: &'static dyn Door,
) {
    t.within(Within::Process, || {
        for compression in [Packed::None, Packed::Zstd] {
            let sandbox = Sandbox::new();
            let (root, bundle) = (sandbox.dir("root"), sandbox.path().join("bundle"));
            let list = (0..NAMES).map(|number| format!("\"{}\"", name(number)));
            let list = format!("[{}]", Vec::from_iter(list).join(","));
            let input = sandbox.path().join("archive");
            let members = archive([
                file("config.dump", "{}"),
                dir("checkpoint"),
                file("rootfs-diff.tar", archive([file("f", "x")])),
                file("deleted.files", list),
            ]);
            fs::write(&input, compression.pack(&members)).unwrap();
            symlink("nowhere", root.join(name(0))).unwrap();
            let import = || {
                let mut session = door.open(Source::Path(&input), &Options::none(), None)?;
                session.to_bundle((&bundle).into())?;
                session.to_root((&root).into())?;
                session.extract().map(drop)
            };
            assert_told(import, |done| {
                assert_eq!(bundle.exists(), done);
                assert_eq!(root.join(name(0)).is_symlink(), !done);
            });
        }
    });
}

/// Makes a test of each of these functions, in a process of its own.
macro_rules! alone {
    ($( $name:ident ),* $(,)?) => { $(
        mod $name {
            use super::{Rust, Test, Within};

            #[test]
            fn rust() {
                Test::run(module_path!(), "rust", &Rust, |t| {
                    t.within(Within::Process, super::$name);
                });
            }
        }
    )* };
}

alone! {
    a_volume_of_many_names_is_exported_or_there_is_no_memory,
    many_changes_are_listed_or_there_is_no_memory,
    a_checkpoint_of_many_members_is_inspected_or_there_is_no_memory
}

fn a_volume_of_many_names_is_exported_or_there_is_no_memory() {
    let Some(sandbox) = Sandbox::on(Fs::Tmpfs) else {
        return;
    };
    let (volume, out) = (sandbox.dir("volume"), sandbox.dir("out"));
    fill(&volume, &sandbox.dir("further"));
    let mut export = Export::new();
    export.add_directory_tar("volumes/v.tar", &volume).unwrap();
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        let mut options = ExportOptions::new();
        options.compression(compression);
        let archive = out.join("archive");
        assert_told(
            || told(export.write(&archive, &options, &Watch::new())),
            |done| assert_eq!(count(&out), usize::from(done)),
        );
        fs::remove_file(archive).unwrap();
    }
}

fn many_changes_are_listed_or_there_is_no_memory() {
    let sandbox = Sandbox::new();
    let (old, new) = (sandbox.dir("old"), sandbox.dir("new"));
    fill(&old, &sandbox.dir("further"));
    let mut found = 0;
    let look = || {
        let options = ChangesOptions::default();
        let old = Some((&old).into());
        let changes = directories_ambient(&new, old, &options, &Watch::new())?;
        found = changes.len();
        Ok(())
    };
    assert_told(look, |_| {});
    assert_eq!(found, NAMES);
}

fn a_checkpoint_of_many_members_is_inspected_or_there_is_no_memory() {
    let sandbox = Sandbox::new();
    let input = sandbox.path().join("archive");
    let images = (0..NAMES).map(|number| file(format!("checkpoint/{}.img", name(number)), ""));
    fs::write(&input, archive(images)).unwrap();
    let inspect = || {
        told(Inspection::open(
            &input,
            &InspectOptions::new(),
            &Watch::new(),
        ))
    };
    assert_told(inspect, |_| {});
}
