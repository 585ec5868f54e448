//! One call restores all files of a container: the same as the functions that do it in steps, and as GNU tar.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::path::Path;

use crate::archives::unpack;
use crate::session::{Places, checkpoint, configuration, files};
use crate::support::compressor::Compression;
use crate::support::door::Door;
use crate::support::door::Place;
use crate::support::process::{Test, Within};
use crate::support::sandbox::{Sandbox, run};
use crate::support::session::{Everything, OCI_WHITEOUTS, Options};
use crate::support::stage::{archives, assert_errno};
use crate::support::tarball::{Entry, Sparse, archive, dir, file, sparse};
use crate::support::tree::{Aspects, Snapshot};

/// Imports everything in one call.
fn everything(places: &Places) -> Everything<'_> {
    Everything {
        bundle: Some(&places.bundle),
        root: Some(&places.root),
        shm: Some(&places.shm),
        volumes: &[],
    }
}

/// A checkpoint whose rootfs diff is this member.
fn with_diff(diff: Entry) -> Vec<Entry> {
    let others = files()
        .into_iter()
        .filter(|entry| !entry.is_named("rootfs-diff.tar"));
    [configuration(), others.collect(), vec![diff]].concat()
}

/// The diff of [`files`].
fn diff() -> Vec<Entry> {
    vec![
        dir("etc"),
        file("etc/new", "new"),
        file("etc/old", "changed"),
    ]
}

door_tests! {
    a_real_archive_is_restored_as_the_nine_do_it_in_steps,
    a_descriptor_does_for_every_directory,
    the_order_of_diff_and_deletions_makes_no_difference,
    every_form_of_a_diff_is_applied_alike,
    a_layer_is_converted_when_asked,
    a_diff_that_is_applied_directly_is_nowhere_on_the_disk
}

fn a_real_archive_is_restored_as_the_nine_do_it_in_steps(t: &Test, door: &'static dyn Door) {
    needs_root!("unpack root's files");
    let sandbox = Sandbox::new();
    let at = |name: &str| sandbox.path().join(name);
    let input = archives().join("rich.tar.zst");
    let (steps, root, volume, shm) = (
        at("steps"),
        at("root"),
        sandbox.dir("volume"),
        sandbox.dir("shm"),
    );
    for tree in ["root", "steps-root"] {
        unpack("rich.lower.tar.zst", &at(tree));
    }
    t.import_without_config(&steps, &input).unwrap();
    t.apply_rootfs_diff_tar(&steps, &at("steps-root")).unwrap();
    t.remove_deleted_files("rich".as_ref(), &steps, &at("steps-root"))
        .unwrap();
    let bundle = at("bundle");
    let all = Everything {
        bundle: Some(&bundle),
        root: Some(&root),
        shm: Some(&shm),
        volumes: &[("vol1", &volume)],
    };
    door.import_files(&input, all, &Options::none(), None)
        .unwrap();
    Snapshot::of(&at("steps-root")).assert_same(&Snapshot::of(&root), Aspects::RESTORE, "the root");
    // What has a place of its own isn't in the bundle; GNU tar tells what it is.
    for (name, made) in [
        ("volumes/vol1.tar", &volume),
        ("devshm-checkpoint.tar", &shm),
    ] {
        let expected = sandbox.dir(&format!("expected/{name}"));
        run(&format!(
            "tar --numeric-owner -xpf {} -C {}",
            steps.join(name).display(),
            expected.display()
        ))
        .unwrap();
        let expected = Snapshot::of(&expected);
        assert!(!expected.paths().is_empty(), "{name}");
        expected.assert_same(&Snapshot::of(made), Aspects::RESTORE, name);
        fs::remove_file(steps.join(name)).unwrap();
    }
    fs::remove_dir(steps.join("volumes")).unwrap();
    for name in ["rootfs-diff.tar", "deleted.files"] {
        fs::remove_file(steps.join(name)).unwrap();
    }
    Snapshot::of(&steps).assert_same(&Snapshot::of(&bundle), Aspects::RESTORE, "the bundle");
    // And what the container itself saw.
    let merged = at("merged");
    unpack("rich.merged.tar.zst", &merged);
    assert_eq!(Snapshot::of(&root.join("usr/lib/gone")).paths(), ["fresh"]);
    for path in [
        "usr/lib/gone/fresh",
        "data/a/b/c/numbers",
        "data/sparse",
        "data/hard",
    ] {
        assert_eq!(
            fs::read(root.join(path)).unwrap(),
            fs::read(merged.join(path)).unwrap(),
            "{path}"
        );
    }
}

fn a_descriptor_does_for_every_directory(_: &Test, door: &'static dyn Door) {
    let places = Places::of(checkpoint());
    fs::create_dir_all(&places.bundle).unwrap();
    let mut session = door.file(&places.input, &Options::none());
    let open = |path: &Path| File::open(path).unwrap();
    let [bundle, root, volume, shm] =
        [&places.bundle, &places.root, &places.volume, &places.shm].map(|path| open(path));
    session
        .to_bundle(Place::Descriptor(bundle.as_fd()))
        .unwrap();
    session.to_root(Place::Descriptor(root.as_fd())).unwrap();
    session
        .to_volume("v", Place::Descriptor(volume.as_fd()))
        .unwrap();
    session.to_shm(Place::Descriptor(shm.as_fd())).unwrap();
    // The session has its own.
    drop((bundle, root, volume, shm));
    session.extract().unwrap();
    places.assert_restored("by descriptor");
}

fn the_order_of_diff_and_deletions_makes_no_difference(_: &Test, door: &'static dyn Door) {
    // /etc was deleted and made again.
    let list = file("deleted.files", r#"["/etc"]"#);
    let diff = file(
        "rootfs-diff.tar",
        archive([dir("etc"), file("etc/new", "new")]),
    );
    let orders = [vec![list.clone(), diff.clone()], vec![diff, list]];
    for (number, order) in orders.into_iter().enumerate() {
        let places = Places::of([configuration(), order].concat());
        let mut all = everything(&places);
        all.shm = None;
        door.import_files(&places.input, all, &Options::none(), None)
            .unwrap();
        assert_eq!(
            Snapshot::of(&places.root).paths(),
            ["etc", "etc/new"],
            "{number}"
        );
        assert_eq!(Snapshot::of(&places.bundle).paths(), [""; 0], "{number}");
    }
}

fn every_form_of_a_diff_is_applied_alike(_: &Test, door: &'static dyn Door) {
    // A member with a hole in it, which the diff as a sparse member has too.
    let zeros = [diff(), vec![file("etc/zeros", vec![0; 128 << 10])]].concat();
    let plain = archive(zeros.clone());
    let header = archive(diff()).len() - 1024 + 512;
    let behind = header + (128 << 10);
    let parts = [
        (0, plain[..header].to_vec()),
        (behind as u64, plain[behind..].to_vec()),
    ];
    let mut forms: Vec<_> = Compression::ALL
        .iter()
        .map(|one| file("rootfs-diff.tar", one.pack(&plain)))
        .collect();
    forms.extend(
        Sparse::ALL.map(|form| sparse(form, "rootfs-diff.tar", plain.len() as u64, &parts)),
    );
    for outer in [Compression::None, Compression::Zstd] {
        for (number, form) in forms.iter().enumerate() {
            let places = Places::with(&outer.pack(&archive(with_diff(form.clone()))));
            let mut session = door.file(&places.input, &Options::none());
            places.ask(&mut *session);
            session.extract().unwrap();
            let zeros = places.root.join("etc/zeros");
            assert!(fs::read(&zeros).unwrap() == vec![0; 128 << 10], "{number}");
            fs::remove_file(zeros).unwrap();
            places.assert_restored(&format!("{outer:?} {number}"));
        }
    }
}

fn a_layer_is_converted_when_asked(_: &Test, door: &'static dyn Door) {
    let layer = [
        dir("etc"),
        file("etc/.wh.gone", ""),
        file("etc/new", "new"),
        file("etc/old", "changed"),
    ];
    let form = file("rootfs-diff.tar", Compression::Gzip.pack(&archive(layer)));
    let mut entries = with_diff(form);
    entries.retain(|entry| !entry.is_named("deleted.files"));
    // In a volume a name is a name.
    entries.retain(|entry| !entry.is_named("volumes/v.tar"));
    entries.push(file("volumes/v.tar", archive([file(".wh.in-volume", "v")])));
    for options in [Options::on(OCI_WHITEOUTS), Options::none()] {
        let places = Places::of(entries.clone());
        let mut session = door.file(&places.input, &options);
        places.ask(&mut *session);
        session.extract().unwrap();
        assert_eq!(Snapshot::of(&places.volume).paths(), [".wh.in-volume"]);
        let expected: &[&str] = match options.set.len() {
            0 => &[
                "etc",
                "etc/.wh.gone",
                "etc/gone",
                "etc/kept",
                "etc/new",
                "etc/old",
            ],
            _ => &["etc", "etc/kept", "etc/new", "etc/old"],
        };
        assert_eq!(Snapshot::of(&places.root).paths(), expected);
    }
}

fn a_diff_that_is_applied_directly_is_nowhere_on_the_disk(t: &Test, door: &'static dyn Door) {
    // A file with the whole diff couldn't be made.
    t.within(Within::FileSize(64), || {
        let diff = (0..32).map(|number| file(format!("f{number}"), vec![b'x'; 8 << 10]));
        let packed = Compression::Gzip.pack(&archive([file("rootfs-diff.tar", archive(diff))]));
        let places = Places::with(&packed);
        door.import_files(
            &places.input,
            everything_without_shm(&places),
            &Options::none(),
            None,
        )
        .unwrap();
        assert_eq!(Snapshot::of(&places.root).paths().len(), 32 + 4);
        assert_eq!(Snapshot::of(&places.bundle).paths(), [""; 0]);
        // Without a root file system it goes into the bundle, and that shows that the limit holds.
        let mut session = door.file(&places.input, &Options::none());
        session.to_bundle((&places.bundle).into()).unwrap();
        assert_errno(session.extract(), libc::EFBIG);
    });
}

fn everything_without_shm(places: &Places) -> Everything<'_> {
    Everything {
        shm: None,
        ..everything(places)
    }
}
