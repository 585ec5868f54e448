//! Exports of what is written to meanwhile.

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::export::{Bundle, members, plain, said};
use super::export_nested::of_directory;
use crate::support::api::add;
use crate::support::dice::Dice;
use crate::support::door::{CHANGED, Door, VANISHED, ZSTD};
use crate::support::export::{ExportOptions, REQUIRED};
use crate::support::os::set_xattr;
use crate::support::process::Test;
use crate::support::sandbox::Sandbox;
use crate::support::session::Options;

type Told = Vec<(u32, String)>;

fn live() -> ExportOptions {
    plain().live(true)
}

/// Exports a volume that `fill` fills and `between` changes after it was measured; where it was restored, and the
/// warnings.
#[track_caller]
fn restored(
    door: &dyn Door,
    fill: impl FnOnce(&Path),
    between: impl FnOnce(&Path),
) -> (Sandbox, PathBuf, Told) {
    let sandbox = Sandbox::new();
    let volume = sandbox.dir("volume");
    // More than the pipe and all buffers take, so that nothing behind it is stored before its end is read.
    fs::write(volume.join("a-long"), vec![b'l'; 4 << 20]).unwrap();
    fill(&volume);
    let (export, watch) = (of_directory(door, &volume), door.watch(None));
    let (mut reader, writer) = std::io::pipe().unwrap();
    let bytes = thread::scope(|scope| {
        let watch = &*watch;
        let exporting =
            scope.spawn(move || export.write(writer.as_fd().into(), &live(), Some(watch)));
        let mut bytes = vec![0; 1 << 20];
        reader.read_exact(&mut bytes).unwrap();
        between(&volume);
        reader.read_to_end(&mut bytes).unwrap();
        exporting.join().unwrap().unwrap();
        bytes
    });
    let archive = sandbox.path().join("archive");
    fs::write(&archive, bytes).unwrap();
    let restored = restore(door, &sandbox, &archive, "restored");
    (sandbox, restored, watch.warned())
}

/// Restores the volume in an archive, with which other readers agree about the names.
#[track_caller]
fn restore(door: &dyn Door, sandbox: &Sandbox, archive: &Path, into: &str) -> PathBuf {
    let inner = sandbox.path().join("inner");
    let outer = said(&["tar", "-xOf"], archive);
    drop(outer);
    let extracted = std::process::Command::new("tar")
        .arg("-xOf")
        .args([archive, Path::new("volumes/v.tar")])
        .output()
        .unwrap();
    fs::write(&inner, extracted.stdout).unwrap();
    members(&inner);
    let restored = sandbox.dir(into);
    let mut import = door.file(archive, &Options::none());
    import.to_volume("v", (&restored).into()).unwrap();
    import.extract().unwrap();
    restored
}

fn changed(name: &str) -> (u32, String) {
    (CHANGED, format!("volumes/v.tar/{name}"))
}

fn gone(name: &str) -> (u32, String) {
    (VANISHED, format!("volumes/v.tar/{name}"))
}

door_tests! {
    what_vanishes_is_left_out_however_long_it_was,
    what_is_replaced_or_changed_is_stored_as_it_is_now,
    a_file_that_grows_has_the_length_it_had,
    a_file_of_which_one_name_stays_stays_and_what_replaces_another_name_is_no_link_to_it,
    further_names_follow_a_file_that_no_longer_fits_whole_or_not_at_all,
    a_file_of_the_bundle_that_shrinks_ends_in_zeros,
    a_hundred_exports_of_a_churning_tree_are_whole
}

fn what_vanishes_is_left_out_however_long_it_was(_: &Test, door: &'static dyn Door) {
    let (_sandbox, restored, told) = restored(
        door,
        |volume| {
            for (name, length) in [("b", 1), ("c", 513), ("d", 70_000), ("e", 3 << 20)] {
                fs::write(volume.join(name), vec![b'x'; length]).unwrap();
            }
            fs::write(volume.join("f"), "stays").unwrap();
        },
        |volume| {
            for name in ["b", "c", "d", "e"] {
                fs::remove_file(volume.join(name)).unwrap();
            }
        },
    );
    assert_eq!(told, ["b", "c", "d", "e"].map(gone));
    assert_eq!(fs::read(restored.join("f")).unwrap(), b"stays");
    assert_eq!(fs::read_dir(&restored).unwrap().count(), 2);
}

fn what_is_replaced_or_changed_is_stored_as_it_is_now(_: &Test, door: &'static dyn Door) {
    let names = ["dir", "link", "longer", "mode", "shorter", "shrunk", "twin"];
    let (_sandbox, restored, told) = restored(
        door,
        |volume| {
            for name in names {
                fs::write(volume.join(name), vec![b'o'; 100_000]).unwrap();
            }
        },
        |volume| {
            let at = |name: &str| volume.join(name);
            let replace = |name: &str, content: &[u8]| {
                fs::write(at("new"), content).unwrap();
                fs::rename(at("new"), at(name)).unwrap();
            };
            fs::remove_file(at("dir")).unwrap();
            fs::create_dir(at("dir")).unwrap();
            fs::remove_file(at("link")).unwrap();
            symlink("target", at("link")).unwrap();
            replace("longer", &vec![b'n'; 200_000]);
            fs::set_permissions(at("mode"), fs::Permissions::from_mode(0o4751)).unwrap();
            replace("shorter", b"new");
            File::options()
                .write(true)
                .open(at("shrunk"))
                .unwrap()
                .set_len(5)
                .unwrap();
            replace("twin", &vec![b'n'; 100_000]);
        },
    );
    let mut expected = names.map(changed).to_vec();
    expected.insert(3, changed("longer"));
    assert_eq!(told, expected);
    let read = |name: &str| fs::read(restored.join(name)).unwrap();
    let kind = |name: &str| {
        fs::symlink_metadata(restored.join(name))
            .unwrap()
            .file_type()
    };
    assert!(kind("dir").is_dir());
    assert_eq!(
        fs::read_link(restored.join("link")).unwrap(),
        Path::new("target")
    );
    let longer = read("longer");
    assert!(
        longer.len() > 99_000 && longer.len() <= 100_000 + 4096,
        "{}",
        longer.len()
    );
    assert!(longer.iter().all(|byte| *byte == b'n'));
    let mode = fs::metadata(restored.join("mode"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777, 0o4751);
    assert!(read("mode") == vec![b'o'; 100_000]);
    assert_eq!(read("shorter"), b"new");
    assert_eq!(read("shrunk"), b"ooooo");
    assert!(read("twin") == vec![b'n'; 100_000]);
}

fn a_file_that_grows_has_the_length_it_had(_: &Test, door: &'static dyn Door) {
    let (_sandbox, restored, told) = restored(
        door,
        |volume| fs::write(volume.join("log"), "line\n").unwrap(),
        |volume| fs::write(volume.join("log"), "line\nline\n").unwrap(),
    );
    assert_eq!(told, [changed("log")]);
    assert_eq!(fs::read(restored.join("log")).unwrap(), b"line\n");
}

fn a_file_of_which_one_name_stays_stays_and_what_replaces_another_name_is_no_link_to_it(
    _: &Test,
    door: &'static dyn Door,
) {
    let (_sandbox, restored, told) = restored(
        door,
        |volume| {
            for (first, second) in [("b1", "b2"), ("c1", "c2"), ("d1", "d2")] {
                fs::write(volume.join(first), first).unwrap();
                fs::hard_link(volume.join(first), volume.join(second)).unwrap();
            }
        },
        |volume| {
            fs::remove_file(volume.join("b1")).unwrap();
            for name in ["c1", "c2"] {
                fs::remove_file(volume.join(name)).unwrap();
            }
            fs::remove_file(volume.join("d1")).unwrap();
            fs::remove_file(volume.join("d2")).unwrap();
            fs::write(volume.join("d1"), "D1").unwrap();
        },
    );
    let read = |name: &str| fs::read(restored.join(name)).unwrap();
    assert_eq!((read("b1"), read("b2")), (b"b1".to_vec(), b"b1".to_vec()));
    assert_eq!(fs::metadata(restored.join("b1")).unwrap().nlink(), 2);
    assert_eq!(read("d1"), b"D1");
    for name in ["c1", "c2", "d2"] {
        assert!(!restored.join(name).exists(), "{name}");
    }
    assert_eq!(
        told,
        [gone("c1"), changed("c2"), changed("d1"), changed("d2")]
    );
}

fn further_names_follow_a_file_that_no_longer_fits_whole_or_not_at_all(
    _: &Test,
    door: &'static dyn Door,
) {
    let (_sandbox, restored, told) = restored(
        door,
        |volume| {
            for (first, second) in [("b1", "b2"), ("c1", "c2")] {
                fs::write(volume.join(first), first).unwrap();
                fs::hard_link(volume.join(first), volume.join(second)).unwrap();
            }
        },
        |volume| {
            // A hole, whose map has no room, in a file with another mode; and an attribute that has none.
            let file = File::options().write(true).open(volume.join("b1"));
            file.unwrap().set_len(1 << 20).unwrap();
            fs::set_permissions(volume.join("b1"), fs::Permissions::from_mode(0o600)).unwrap();
            set_xattr(&volume.join("c1"), "user.long", &[b'x'; 2000]).unwrap();
        },
    );
    let cut = [b"b1".as_slice(), &[0; 510]].concat();
    assert_eq!(fs::read(restored.join("b1")).unwrap(), cut);
    assert_eq!(fs::metadata(restored.join("b1")).unwrap().nlink(), 2);
    for name in ["c1", "c2"] {
        assert!(!restored.join(name).exists(), "{name}");
    }
    let told: Vec<_> = told
        .iter()
        .map(|(_, name)| name.rsplit('/').next())
        .collect();
    for name in ["b1", "c1", "c2"] {
        assert!(told.contains(&Some(name)), "{name} in {told:?}");
    }
}

fn a_file_of_the_bundle_that_shrinks_ends_in_zeros(_: &Test, door: &'static dyn Door) {
    let bundle = Bundle::new(door);
    bundle.write("ctr.log", vec![b'l'; 4 << 20]);
    let mut export = door.export();
    export
        .add_member((&bundle.path).into(), "ctr.log", REQUIRED)
        .unwrap();
    let (watch, log) = (door.watch(None), bundle.path.join("ctr.log"));
    let (mut reader, writer) = std::io::pipe().unwrap();
    let bytes = thread::scope(|scope| {
        let watch = &*watch;
        let exporting =
            scope.spawn(move || export.write(writer.as_fd().into(), &live(), Some(watch)));
        let mut bytes = vec![0; 1 << 20];
        reader.read_exact(&mut bytes).unwrap();
        File::options()
            .write(true)
            .open(log)
            .unwrap()
            .set_len(3 << 20)
            .unwrap();
        reader.read_to_end(&mut bytes).unwrap();
        exporting.join().unwrap().unwrap();
        bytes
    });
    fs::write(bundle.archive(), bytes).unwrap();
    let content = super::export::content(&bundle.archive(), "ctr.log");
    assert!(content[..3 << 20] == vec![b'l'; 3 << 20] && content[3 << 20..] == vec![0; 1 << 20]);
    assert_eq!(watch.warned(), [(CHANGED, "ctr.log".to_owned())]);
}

/// Renames, adds, removes, lengthens, shortens, links and changes files until told to stop.
fn churn(directory: &Path, stop: &AtomicBool) {
    let mut dice = Dice::new(1);
    while !stop.load(Ordering::Relaxed) {
        let state = dice.next();
        let at = |number: u64| directory.join(format!("d{}/f{}", number % 5, number / 5 % 20));
        let (one, other) = (at(state), at(state >> 20));
        // Whatever fails, something else has come before.
        let _ = match state >> 60 {
            0..4 => fs::write(&one, vec![b'x'; (state >> 32) as usize % 200_000]),
            4..6 => fs::rename(&one, &other),
            6..8 => fs::remove_file(&one),
            8..10 => fs::hard_link(&one, &other),
            10 => symlink("f1", &one),
            11 => fs::set_permissions(
                &one,
                fs::Permissions::from_mode(0o600 | state as u32 & 0o177),
            ),
            12 => File::options()
                .write(true)
                .open(&one)
                .and_then(|file| file.set_len(state >> 40 & 0xffff)),
            13 => fs::rename(directory.join("d0"), directory.join("d9")),
            14 => fs::rename(directory.join("d9"), directory.join("d0")),
            _ => fs::create_dir(&one).and_then(|()| fs::remove_dir(&one)),
        };
    }
}

fn a_hundred_exports_of_a_churning_tree_are_whole(_: &Test, door: &'static dyn Door) {
    let sandbox = Sandbox::new();
    let volume = sandbox.dir("volume");
    for number in 0..5 {
        fs::create_dir(volume.join(format!("d{number}"))).unwrap();
    }
    let mut export = of_directory(door, &volume);
    export
        .add_rootfs_diff(&["/d0", "/d1", "/d2"].map(add), (&volume).into())
        .unwrap();
    let (stop, mut strict) = (AtomicBool::new(false), 0);
    thread::scope(|scope| {
        scope.spawn(|| churn(&volume, &stop));
        let stopping = Stop(&stop);
        for round in 0..100 {
            let archive = sandbox.path().join("archive");
            let mut options = live();
            if round % 4 == 0 {
                options = options.compression(ZSTD);
            }
            export.write((&archive).into(), &options, None).unwrap();
            let into = format!("restored{round}");
            let root = sandbox.dir("root");
            let mut import = door.file(&archive, &Options::none());
            import.to_volume("v", (&sandbox.dir(&into)).into()).unwrap();
            import.to_root((&root).into()).unwrap();
            import.extract().unwrap();
            if round % 10 == 1 {
                restore(door, &sandbox, &archive, "again");
                fs::remove_dir_all(sandbox.path().join("again")).unwrap();
            }
            for directory in [sandbox.path().join(into), root] {
                fs::remove_dir_all(directory).unwrap();
            }
            let options = options.live(false);
            if round % 10 > 0 {
                continue;
            }
            strict += u32::from(export.write((&archive).into(), &options, None).is_err());
        }
        drop(stopping);
    });
    assert!(strict > 0, "the tree didn't live");
}

/// Sets the flag whatever happens.
struct Stop<'s>(&'s AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
