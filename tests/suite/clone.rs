//! Sharing blocks between the archive and the files, on the file systems that can.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use super::export::{Bundle, content, members, plain, said};
use crate::support::dice::{Dice, noise};
use crate::support::door::Door;
use crate::support::os;
use crate::support::process::Test;
use crate::support::sandbox::{Fs, Sandbox};
use crate::support::session::Options;
use crate::support::tree::{Aspects, Snapshot};

/// The file systems that share blocks.
pub(crate) const SHARING: [Fs; 2] = [Fs::Xfs, Fs::Btrfs];
/// What is stored; the last block isn't full.
const PAGES: usize = (10 << 20) + 123;
/// How many blocks of it can be shared.
const BLOCKS: u64 = PAGES as u64 / 4096;

/// How many whole blocks of 4096 bytes of a file are shared with others.
pub(crate) fn shared(path: &Path) -> u64 {
    let output = Command::new("filefrag")
        .args(["-s", "-v", "-b4096"])
        .arg(path)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let length = |line: &str| -> u64 {
        // extent: first..last logical: first..last physical: length: expected: flags
        let length = line.split(':').nth(3).unwrap();
        length.trim().parse().unwrap()
    };
    text.lines()
        .filter(|line| line.contains("shared"))
        .map(length)
        .sum()
}

/// Extracts a bundle and a volume.
fn import(door: &dyn Door, archive: &Path, bundle: &Path, volume: &Path) {
    let mut session = door.file(archive, &Options::none());
    session.to_bundle(bundle.into()).unwrap();
    session.to_volume("v", volume.into()).unwrap();
    session.extract().unwrap();
}

door_tests! {
    clone_instead_of_copying,
    cloned_or_copied_the_content_is_the_same,
    clone_what_was_only_just_written,
    data_begins_on_a_boundary_of_blocks,
    a_digest_is_that_of_the_archive_whether_it_is_cloned_or_not,
    clone_into_a_file_of_the_callers_from_its_offset_on
}

fn clone_instead_of_copying(_: &Test, door: &'static dyn Door) {
    for kind in SHARING {
        let Some(sandbox) = Sandbox::on(kind) else {
            continue;
        };
        let (bundle, volume) = (sandbox.dir("bundle"), sandbox.dir("volume"));
        let (into, volume_into) = (sandbox.dir("into"), sandbox.dir("volume-into"));
        let archive = sandbox.path().join("archive");
        fs::write(bundle.join("pages-1.img"), noise(PAGES, 1)).unwrap();
        fs::write(volume.join("small"), "small").unwrap();
        fs::write(volume.join("large"), noise(PAGES, 2)).unwrap();
        let mut export = door.export();
        export.add_bytes("note", b"note").unwrap();
        export
            .add_file(
                "checkpoint/pages-1.img",
                bundle.join("pages-1.img").as_path().into(),
            )
            .unwrap();
        export
            .add_directory_tar("volumes/v.tar", (&volume).into())
            .unwrap();

        export.write((&archive).into(), &plain(), None).unwrap();
        assert_eq!(shared(&archive), 2 * BLOCKS, "{kind:?}");
        import(door, &archive, &into, &volume_into);
        let imported = into.join("checkpoint/pages-1.img");
        assert_eq!(shared(&imported), BLOCKS, "{kind:?}");
        assert_eq!(shared(&volume_into.join("large")), BLOCKS, "{kind:?}");

        assert!(fs::read(into.join("checkpoint/pages-1.img")).unwrap() == noise(PAGES, 1));
        assert!(fs::read(volume_into.join("large")).unwrap() == noise(PAGES, 2));
        assert_eq!(
            members(&archive),
            ["note", "checkpoint/pages-1.img", "volumes/v.tar"]
        );
        // What is shared is still everybody's own.
        let imported = File::options()
            .write(true)
            .open(volume_into.join("large"))
            .unwrap();
        imported.write_all_at(b"changed", 0).unwrap();
        let again = sandbox.dir("again");
        import(door, &archive, &sandbox.dir("into-again"), &again);
        assert!(fs::read(again.join("large")).unwrap() == noise(PAGES, 2));
    }
}

fn cloned_or_copied_the_content_is_the_same(_: &Test, door: &'static dyn Door) {
    let first = std::env::var("CRUTILS_CLONE_SEED").map_or(1, |seed| seed.parse().unwrap());
    for kind in [Fs::Host, Fs::Tmpfs, Fs::Ext4, Fs::Xfs, Fs::Btrfs] {
        let Some(sandbox) = Sandbox::on(kind) else {
            continue;
        };
        for seed in first..first + 6 {
            println!("{kind:?}: CRUTILS_CLONE_SEED={seed}");
            let mut dice = Dice::new(seed);
            let (volume, archive) = (sandbox.dir("volume"), sandbox.path().join("archive"));
            let (into, by_gnu) = (sandbox.dir("into"), sandbox.dir("by-gnu"));
            for number in 0..24 {
                // Around the sizes from which data is aligned and cloned, and around whole blocks.
                let blocks = dice.one(&[15, 16, 17, 33]) << 12;
                let size = blocks + dice.one(&[0, 1, 511, 512, 4095]);
                let file = volume.join(format!("file-{number:02}"));
                fs::write(&file, noise(size, seed * 100 + number)).unwrap();
                if dice.below(4) == 0 {
                    let _ = os::set_xattr(&file, "user.long", &vec![b'x'; dice.below(900)]);
                }
            }
            let mut export = door.export();
            export
                .add_bytes("note", &noise(dice.below(9000), 3))
                .unwrap();
            export
                .add_directory_tar("volumes/v.tar", (&volume).into())
                .unwrap();
            export.write((&archive).into(), &plain(), None).unwrap();
            import(door, &archive, &sandbox.dir("bundle"), &into);
            let before = Snapshot::of(&volume);
            before.assert_same(&Snapshot::of(&into), Aspects::RESTORE, &format!("{seed}"));

            // GNU tar's archive has data wherever it comes, on a boundary once in a while.
            let status = Command::new("tar")
                .args(["--xattrs", "--format=posix", "-cf"])
                .arg(sandbox.path().join("v.tar"))
                .arg("-C")
                .arg(&volume)
                .arg(".")
                .status()
                .unwrap();
            assert!(status.success());
            let mut foreign = door.export();
            foreign
                .add_file(
                    "volumes/v.tar",
                    sandbox.path().join("v.tar").as_path().into(),
                )
                .unwrap();
            foreign.write((&archive).into(), &plain(), None).unwrap();
            import(door, &archive, &sandbox.dir("bundle"), &by_gnu);
            before.assert_same(&Snapshot::of(&by_gnu), Aspects::RESTORE, &format!("{seed}"));
            for directory in ["volume", "into", "by-gnu", "bundle"] {
                fs::remove_dir_all(sandbox.path().join(directory)).unwrap();
            }
        }
    }
}

fn clone_what_was_only_just_written(_: &Test, door: &'static dyn Door) {
    for kind in SHARING {
        let Some(sandbox) = Sandbox::on(kind) else {
            continue;
        };
        let (bundle, archive) = (sandbox.dir("bundle"), sandbox.path().join("archive"));
        let mut pages = File::create(bundle.join("pages-1.img")).unwrap();
        pages.write_all(&noise(PAGES, 4)).unwrap();
        let mut export = door.export();
        export
            .add_file("pages-1.img", bundle.join("pages-1.img").as_path().into())
            .unwrap();
        export.write((&archive).into(), &plain(), None).unwrap();
        // The archive has what was there then.
        pages.write_all_at(b"later", 0).unwrap();
        let data = noise(PAGES, 4);
        let stored = fs::read(&archive).unwrap();
        assert!(stored[4096..][..PAGES] == data, "{kind:?}");
    }
}

fn data_begins_on_a_boundary_of_blocks(_: &Test, door: &'static dyn Door) {
    let bundle = Bundle::new(door);
    let sizes = [65_535, 65_536, 100_000, 1 << 20];
    let mut export = door.export();
    for size in sizes {
        let name = format!("of-{size}");
        export
            .add_bytes(&format!("between-{size}"), &vec![b'b'; size % 1000])
            .unwrap();
        bundle.write(&name, noise(size, size as u64));
        export
            .add_file(&name, bundle.path.join(&name).as_path().into())
            .unwrap();
    }
    bundle.export(&*export, &plain()).unwrap();
    let stored = fs::read(bundle.archive()).unwrap();
    for size in sizes {
        let data = noise(size, size as u64);
        let blocks = stored.chunks(512);
        let found = blocks.clone().position(|block| *block == data[..512]);
        let offset = found.unwrap() * 512;
        assert!(stored[offset..][..size] == data, "{size}");
        assert!(size < 65_536 || offset % 4096 == 0, "{size} is at {offset}");
    }
}

fn a_digest_is_that_of_the_archive_whether_it_is_cloned_or_not(_: &Test, door: &'static dyn Door) {
    for kind in [Fs::Host, Fs::Xfs, Fs::Btrfs] {
        let Some(sandbox) = Sandbox::on(kind) else {
            continue;
        };
        let (pages, archive) = (sandbox.path().join("pages"), sandbox.path().join("archive"));
        fs::write(&pages, noise(PAGES, 5)).unwrap();
        let mut export = door.export();
        export.add_bytes("note", b"note").unwrap();
        export.add_file("pages", (&pages).into()).unwrap();
        let exported = export
            .write((&archive).into(), &plain().digest(true), None)
            .unwrap();
        let told = said(&["sha256sum"], &archive).remove(0);
        let digest = exported.digest.unwrap();
        assert_eq!(told.split(' ').next(), Some(digest.as_str()), "{kind:?}");
        assert_eq!(content(&archive, "pages").len(), PAGES);
        if kind != Fs::Host {
            assert_eq!(shared(&archive), BLOCKS, "{kind:?}");
        }
    }
}

fn clone_into_a_file_of_the_callers_from_its_offset_on(_: &Test, door: &'static dyn Door) {
    for kind in [Fs::Host, Fs::Xfs, Fs::Btrfs] {
        let Some(sandbox) = Sandbox::on(kind) else {
            continue;
        };
        let pages = sandbox.path().join("pages");
        fs::write(&pages, noise(PAGES, 6)).unwrap();
        let mut export = door.export();
        export.add_file("pages", (&pages).into()).unwrap();
        for (offset, append) in [(0, false), (8192, false), (100, false), (0, true)] {
            let case = format!("{kind:?}: from {offset}, append: {append}");
            let path = sandbox.path().join("output");
            let before = if append { 77 } else { offset as usize };
            fs::write(&path, vec![b'x'; before]).unwrap();
            let mut options = File::options();
            let mut file = options.write(true).append(append).open(&path).unwrap();
            file.seek(SeekFrom::Start(offset)).unwrap();
            let exported = export.write((&file).into(), &plain(), None).unwrap();
            let end = before as u64 + exported.bytes;
            assert_eq!(file.stream_position().unwrap(), end, "{case}");
            assert_eq!(fs::metadata(&path).unwrap().len(), end, "{case}");
            let stored = fs::read(&path).unwrap();
            assert!(stored[..before].iter().all(|byte| *byte == b'x'), "{case}");
            let archive = sandbox.path().join("archive");
            fs::write(&archive, &stored[before..]).unwrap();
            assert!(content(&archive, "pages") == noise(PAGES, 6), "{case}");
            if kind != Fs::Host && !append && offset % 4096 == 0 {
                assert_eq!(shared(&path), BLOCKS, "{case}");
            }
            fs::remove_file(&path).unwrap();
        }
    }
}
