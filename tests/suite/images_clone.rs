//! An archive that becomes a layer as it is: its blocks are shared where the file system can, and copied once elsewhere.

use std::fs::{self, File};
use std::io::Write as _;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use crutils::checkpoint::{Export, ExportOptions};
use crutils::watch::Watch;

use super::clone::{SHARING, shared};
use super::images::{CONFIG, sha256};
use crate::support::dice::noise;
use crate::support::door::Door;
use crate::support::image::{Image, ImageOptions};
use crate::support::os::number_in;
use crate::support::process::{Test, Within};
use crate::support::sandbox::{Fs, Sandbox};

door_tests! {
    a_layer_shares_the_blocks_of_the_archive,
    a_layer_in_an_archive_shares_blocks_too,
    elsewhere_a_layer_has_blocks_of_its_own,
    where_nothing_is_shared_each_byte_is_read_once_and_written_once
}

/// How much memory the checkpoint has, which doesn't compress.
const PAGES: usize = 10 << 20;

/// An archive, compressed with zstd, whose last block isn't full.
fn exported(sandbox: &Sandbox) -> PathBuf {
    let archive = sandbox.path().join("archive.tar.zst");
    let pages = sandbox.path().join("pages");
    fs::write(&pages, noise(PAGES, 1)).unwrap();
    let mut export = Export::new();
    export.add_bytes("config.dump", CONFIG).unwrap();
    export.add_bytes("spec.dump", "{}").unwrap();
    export
        .add_file("checkpoint/pages-1.img", pages.as_path())
        .unwrap();
    let options = ExportOptions::new();
    export.write(&archive, &options, &Watch::new()).unwrap();
    fs::remove_file(pages).unwrap();
    assert!(fs::metadata(&archive).unwrap().len() > PAGES as u64);
    archive
}

fn built(door: &dyn Door, archive: &Path, sandbox: &Sandbox) -> (Image, PathBuf) {
    let layout = sandbox.path().join("layout");
    let written = door
        .image_from_archive(archive.into(), (&layout).into(), &ImageOptions::named("x"))
        .unwrap();
    assert!(written.kept);
    let digest = &written.layers[0].digest;
    assert_eq!(*digest, sha256(&fs::read(archive).unwrap()));
    let blob = layout.join("blobs/sha256").join(digest);
    assert!(fs::read(&blob).unwrap() == fs::read(archive).unwrap());
    (written, blob)
}

/// How many blocks the layer may share: the last one isn't full, and only some file systems share it.
fn whole(written: &Image) -> RangeInclusive<u64> {
    let blocks = written.layers[0].size / 4096;
    blocks..=blocks + 1
}

fn a_layer_shares_the_blocks_of_the_archive(_: &Test, door: &'static dyn Door) {
    for kind in SHARING {
        let Some(sandbox) = Sandbox::on(kind) else {
            continue;
        };
        let archive = exported(&sandbox);
        let (written, blob) = built(door, &archive, &sandbox);
        for file in [&blob, &archive] {
            let blocks = shared(file);
            assert!(whole(&written).contains(&blocks), "{kind:?}: {blocks}");
        }
        // What is shared is still everybody's own.
        File::create(&archive)
            .unwrap()
            .write_all(b"changed")
            .unwrap();
        assert_eq!(sha256(&fs::read(&blob).unwrap()), written.layers[0].digest);
    }
}

fn a_layer_in_an_archive_shares_blocks_too(_: &Test, door: &'static dyn Door) {
    for kind in SHARING {
        let Some(sandbox) = Sandbox::on(kind) else {
            continue;
        };
        let archive = exported(&sandbox);
        let options = ImageOptions::named("x").archive();
        let image = sandbox.path().join("image.tar");
        let written = door
            .image_from_archive((&archive).into(), (&image).into(), &options)
            .unwrap();
        assert!(written.kept);
        let blocks = shared(&image);
        assert!(whole(&written).contains(&blocks), "{kind:?}: {blocks}");
    }
}

/// Where nothing can be shared, and where the archive comes out of another file system.
fn elsewhere_a_layer_has_blocks_of_its_own(_: &Test, door: &'static dyn Door) {
    for (from, to) in [(Fs::Ext4, Fs::Ext4), (Fs::Xfs, Fs::Btrfs)] {
        let (Some(source), Some(sandbox)) = (Sandbox::on(from), Sandbox::on(to)) else {
            continue;
        };
        let source = if from == to { &sandbox } else { &source };
        let archive = exported(source);
        let (_, blob) = built(door, &archive, &sandbox);
        assert_eq!((shared(&blob), shared(&archive)), (0, 0), "{to:?}");
    }
}

fn where_nothing_is_shared_each_byte_is_read_once_and_written_once(
    t: &Test,
    door: &'static dyn Door,
) {
    t.within(Within::Process, || {
        let Some(sandbox) = Sandbox::on(Fs::Ext4) else {
            return;
        };
        let archive = exported(&sandbox);
        let size = fs::metadata(&archive).unwrap().len();
        let layout = sandbox.path().join("layout");
        let moved = || ["rchar:", "wchar:"].map(|key| number_in("/proc/self/io", key));
        let before = moved();
        let options = ImageOptions::new();
        door.image_from_archive((&archive).into(), (&layout).into(), &options)
            .unwrap();
        for (after, before) in moved().into_iter().zip(before) {
            let more = (after - before).checked_sub(size).expect("all of it");
            assert!(more < 1 << 20, "{more} bytes more than once");
        }
    });
}
