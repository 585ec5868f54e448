//! Memory that runs out: what grows with an archive, a tree or a list is an error then, and ends no process.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crutils::changes::{Options as ChangesOptions, directories_ambient};
use crutils::checkpoint::{Compression, Export, ExportOptions, InspectOptions, Inspection};
use crutils::watch::Watch;

use crate::inspect_writer::{INVENTORY, MM, PAGE, PAGEMAP, PSTREE, b, image, n};
use crate::support::api::{Failure, Outcome, Rust, add};
use crate::support::compressor::Compression as Packed;
use crate::support::door::{Door, Place};
use crate::support::os::number_in;
use crate::support::process::{Test, Within};
use crate::support::session::Options;
use crate::support::tarball::{archive, dir, file};

/// How many names a test works on, and how long each is: more than 8 MiB to remember.
const NAMES: usize = 20_000;
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
    // What is freed is to be given back: it would be memory that no limit is asked for.
    // SAFETY: there are no preconditions.
    unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, 128 << 10) };
    for (failed, mib) in (6..60).step_by(2).enumerate() {
        let outcome = with_memory(mib << 20, &mut work);
        check(outcome.is_ok());
        match outcome {
            Ok(()) => {
                assert!(failed > 0, "{mib} MiB were enough");
                return;
            }
            Err(failure) => assert_eq!(failure.errno, libc::ENOMEM, "{mib} MiB: {failure:?}"),
        }
    }
    panic!("never enough");
}

fn name(number: usize) -> String {
    format!("{number:0LENGTH$}")
}

/// Fills a directory with names of empty files, of which another directory has a further name each.
fn fill(directory: &Path, further: &Path) {
    fs::create_dir_all(directory).unwrap();
    fs::create_dir_all(further).unwrap();
    for number in 0..NAMES {
        let path = directory.join(name(number));
        fs::write(&path, "").unwrap();
        fs::hard_link(path, further.join(number.to_string())).unwrap();
    }
}

/// A list of all the names as `deleted.files` has it.
fn list() -> String {
    let mut list = format!("[\"{}\"", name(0));
    for number in 1..NAMES {
        write!(list, ",\"{}\"", name(number)).unwrap();
    }
    list + "]"
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
    let prepare = |at: &Path| {
        fill(&at.join("root/d"), &at.join("further"));
        fs::create_dir(at.join("base")).unwrap();
    };
    t.within_prepared(Within::Process, prepare, |at| {
        let (root, base, changes) = (at.join("root"), at.join("base"), [add("/d")]);
        let create = || t.create_rootfs_diff_tar(&changes, &root, &base).map(drop);
        assert_told(create, |done| assert_eq!(count(&base), usize::from(done)));
    });
}

fn a_diff_of_many_directories_is_applied_or_there_is_no_memory(t: &Test) {
    let prepare = |at: &Path| {
        let bytes = archive((0..NAMES).map(|number| dir(name(number)).mtime(5)));
        fs::write(at.join("rootfs-diff.tar"), bytes).unwrap();
        fs::create_dir(at.join("root")).unwrap();
    };
    t.within_prepared(Within::Process, prepare, |at| {
        let root = at.join("root");
        let apply = || t.apply_rootfs_diff_tar(at, &root);
        assert_told(apply, |done| assert!(!done || count(&root) == NAMES));
    });
}

fn a_long_list_of_deleted_names_is_heeded_or_there_is_no_memory(t: &Test) {
    let prepare = |at: &Path| {
        fs::write(at.join("deleted.files"), list()).unwrap();
        fs::create_dir(at.join("root")).unwrap();
        fs::write(at.join("root").join(name(NAMES - 1)), "x").unwrap();
    };
    t.within_prepared(Within::Process, prepare, |at| {
        let root = at.join("root");
        let remove = || t.remove_deleted_files("id".as_ref(), at, &root);
        assert_told(remove, |done| {
            assert_eq!(count(&root), usize::from(!done));
        });
    });
}

door_tests! {
    a_checkpoint_with_a_long_list_is_imported_or_there_is_no_memory
}

fn a_checkpoint_with_a_long_list_is_imported_or_there_is_no_memory(
    t: &Test,
    door: &'static dyn Door,
) {
    let prepare = |at: &Path| {
        let members = archive([
            file("config.dump", "{}"),
            dir("checkpoint"),
            file("rootfs-diff.tar", archive([file("f", "x")])),
            file("deleted.files", list()),
        ]);
        fs::write(at.join("plain"), &members).unwrap();
        fs::write(at.join("packed"), Packed::Zstd.pack(&members)).unwrap();
    };
    t.within_prepared(Within::Process, prepare, |at| {
        for input in ["plain", "packed"] {
            let (root, bundle) = (at.join("root"), at.join("bundle"));
            let gone = root.join(name(0));
            fs::create_dir_all(&root).unwrap();
            fs::write(&gone, "").unwrap();
            let input = at.join(input);
            let import = || {
                let mut session = door.open(Place::Path(&input), &Options::none(), None)?;
                session.to_bundle((&bundle).into())?;
                session.to_root((&root).into())?;
                session.extract().map(drop)
            };
            assert_told(import, |done| {
                assert_eq!((bundle.exists(), gone.exists()), (done, !done));
            });
            fs::remove_dir_all(bundle).unwrap();
        }
    });
}

/// Makes a test of each of these functions, for Rust alone.
macro_rules! rust_tests {
    ($( $name:ident ),* $(,)?) => { $(
        mod $name {
            use super::{Rust, Test};

            #[test]
            fn rust() {
                Test::run(module_path!(), "rust", &Rust, super::$name);
            }
        }
    )* };
}

rust_tests! {
    a_volume_of_many_names_is_exported_or_there_is_no_memory,
    many_changes_are_listed_or_there_is_no_memory,
    a_checkpoint_of_many_members_is_inspected_or_there_is_no_memory,
    a_checkpoint_of_many_processes_is_inspected_or_there_is_no_memory,
    a_process_of_many_mappings_is_inspected_or_there_is_no_memory
}

fn a_volume_of_many_names_is_exported_or_there_is_no_memory(t: &Test) {
    let prepare = |at: &Path| {
        fill(&at.join("volume"), &at.join("further"));
        fs::create_dir(at.join("out")).unwrap();
    };
    t.within_prepared(Within::Process, prepare, |at| {
        let (volume, out) = (at.join("volume"), at.join("out"));
        let mut export = Export::new();
        export.add_directory_tar("volumes/v.tar", &volume).unwrap();
        for compression in [Compression::None, Compression::Zstd] {
            let mut options = ExportOptions::new();
            options.compression(compression);
            let archive = out.join("archive");
            let write = || told(export.write(&archive, &options, &Watch::new()));
            assert_told(write, |done| assert_eq!(count(&out), usize::from(done)));
            fs::remove_file(archive).unwrap();
        }
    });
}

fn many_changes_are_listed_or_there_is_no_memory(t: &Test) {
    let prepare = |at: &Path| {
        fill(&at.join("old"), &at.join("further"));
        fs::create_dir(at.join("new")).unwrap();
    };
    t.within_prepared(Within::Process, prepare, |at| {
        let (old, new, mut found) = (at.join("old"), at.join("new"), 0);
        let look = || {
            let old = Some((&old).into());
            let options = ChangesOptions::default();
            found = directories_ambient(&new, old, &options, &Watch::new())?.len();
            Ok(())
        };
        assert_told(look, |_| {});
        assert_eq!(found, NAMES);
    });
}

fn a_checkpoint_of_many_members_is_inspected_or_there_is_no_memory(t: &Test) {
    let prepare = |at: &Path| {
        let images = (0..NAMES).map(|number| file(format!("checkpoint/{}.img", name(number)), ""));
        fs::write(at.join("archive"), archive(images)).unwrap();
    };
    t.within_prepared(Within::Process, prepare, |at| {
        let (input, options) = (at.join("archive"), InspectOptions::new());
        let inspect = || told(Inspection::open(&input, &options, &Watch::new()));
        assert_told(inspect, |_| {});
    });
}

/// Inspects the archive, and tells of it as a document.
fn inspect_and_tell(archive: &Path) -> Outcome {
    let inspection = Inspection::open(archive, &InspectOptions::new(), &Watch::new())?;
    told(inspection.to_json())
}

fn a_checkpoint_of_many_processes_is_inspected_or_there_is_no_memory(t: &Test) {
    let prepare = |at: &Path| {
        let process = |pid| [n(1, pid), n(2, pid / 2), n(3, 1), n(4, 1), n(5, pid)].concat();
        let processes: Vec<_> = (1..=NAMES as u64).map(process).collect();
        let images = [
            file("checkpoint/inventory.img", image(INVENTORY, &[n(1, 2)])),
            file("checkpoint/pstree.img", image(PSTREE, &processes)),
        ];
        fs::write(at.join("archive"), archive(images)).unwrap();
    };
    t.within_prepared(Within::Process, prepare, |at| {
        assert_told(|| inspect_and_tell(&at.join("archive")), |_| {});
    });
}

fn a_process_of_many_mappings_is_inspected_or_there_is_no_memory(t: &Test) {
    let prepare = |at: &Path| {
        let mapping = |number: u64| {
            let start = 2 * number * PAGE as u64;
            b(
                14,
                [n(1, start), n(2, start + PAGE as u64), n(7, 1)].concat(),
            )
        };
        let page = |number: u64| [n(1, 2 * number * PAGE as u64), n(2, 1), n(4, 1)].concat();
        let numbers = 1..=NAMES as u64;
        let mappings: Vec<u8> = numbers.clone().flat_map(mapping).collect();
        let pages: Vec<_> = std::iter::once(n(1, 1)).chain(numbers.map(page)).collect();
        let process = [n(1, 1), n(3, 1), n(4, 1), n(5, 1)].concat();
        let images = [
            file("checkpoint/inventory.img", image(INVENTORY, &[n(1, 2)])),
            file("checkpoint/pstree.img", image(PSTREE, &[process])),
            file("checkpoint/mm-1.img", image(MM, &[mappings])),
            file("checkpoint/pagemap-1.img", image(PAGEMAP, &pages)),
        ];
        fs::write(at.join("archive"), archive(images)).unwrap();
    };
    t.within_prepared(Within::Process, prepare, |at| {
        assert_told(|| inspect_and_tell(&at.join("archive")), |_| {});
    });
}
