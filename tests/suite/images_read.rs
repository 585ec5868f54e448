//! Images that are packed into archives, and images of several layers, platforms and forms, are written and read.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use std::thread;

use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::support::api::{FORBIDDEN, LIMIT, MALFORMED, NOT_IN_ARCHIVE};
use crate::support::compressor;
use crate::support::door::Door;
use crate::support::image::ImageOptions;
use crate::support::process::Test;
use crate::support::sandbox::Sandbox;
use crate::support::session::{CONFIGURATION, NAME, Options};
use crate::support::tarball::{archive, dir, file};

use super::images::*;

/// Writes an oci-archive into a pipe, and returns what came.
fn piped(door: &dyn Door, bytes: &[u8], sandbox: &Sandbox, options: &ImageOptions) -> Vec<u8> {
    let input = sandbox.path().join("input");
    fs::write(&input, bytes).unwrap();
    let (mut reader, writer) = std::io::pipe().unwrap();
    let reading = thread::spawn(move || {
        let mut all = Vec::new();
        std::io::Read::read_to_end(&mut reader, &mut all).unwrap();
        all
    });
    door.image_from_archive((&input).into(), writer.as_fd().into(), options)
        .unwrap();
    drop(writer);
    reading.join().unwrap()
}

door_tests! {
    an_archive_is_written_to_files_and_pipes_and_skopeo_reads_both,
    an_archive_goes_behind_the_offset_of_a_file,
    what_skopeo_has_packed_is_imported_from_files_and_pipes,
    what_has_to_be_kept_needs_a_place,
    a_session_of_an_image_tells_the_manifest_s_digest_and_expects_it,
    an_unprivileged_umask_hides_nothing_and_shows_nothing,
    layers_are_taken_in_their_order_with_what_they_remove,
    a_whiteout_in_the_only_layer_is_refused,
    the_index_of_containerd_s_ctr_is_imported,
    of_an_index_the_image_of_this_machine_is_taken
}

fn an_archive_is_written_to_files_and_pipes_and_skopeo_reads_both(
    _: &Test,
    door: &'static dyn Door,
) {
    // Small layers and large ones begin in different ways.
    let small = archive([file("config.dump", CONFIG), file("spec.dump", "{}")]);
    let noise: Vec<u8> = (0..300_000_u32)
        .flat_map(|n| Sha256::digest(n.to_le_bytes()).to_vec().into_iter().take(1))
        .collect();
    let large = archive([members(), vec![file("ctr.log", noise)]].concat());
    for tar in [small, large] {
        let sandbox = Sandbox::new();
        let options = ImageOptions::named("localhost/counter:1").archive();
        let path = sandbox.path().join("one.tar");
        let input = sandbox.path().join("input");
        fs::write(&input, &tar).unwrap();
        let written = door
            .image_from_archive((&input).into(), (&path).into(), &options)
            .unwrap();
        let from_pipe = sandbox.path().join("two.tar");
        fs::write(&from_pipe, piped(door, &tar, &sandbox, &options)).unwrap();
        for archive in [&path, &from_pipe] {
            let name = Some("localhost/counter:1");
            let read = door.read_image(archive.into(), name, &Options::none());
            assert_eq!(read.unwrap(), written.clone().read());
            let copied = sandbox.path().join("copied");
            let from = format!("oci-archive:{}:localhost/counter:1", archive.display());
            if skopeo(&sandbox, &from, &format!("oci:{}:x", copied.display())) {
                let copy = door.read_image((&copied).into(), Some("x"), &Options::none());
                assert_eq!(copy.unwrap().digest, written.digest);
            }
        }
    }
}

fn an_archive_goes_behind_the_offset_of_a_file(_: &Test, door: &'static dyn Door) {
    let sandbox = Sandbox::new();
    let input = sandbox.path().join("input");
    fs::write(&input, archive(members())).unwrap();
    let options = ImageOptions::new().archive();
    let path = sandbox.path().join("one.tar");
    door.image_from_archive((&input).into(), (&path).into(), &options)
        .unwrap();
    let behind = sandbox.path().join("behind");
    let mut file = File::create(&behind).unwrap();
    file.write_all(b"before").unwrap();
    door.image_from_archive((&input).into(), (&file).into(), &options)
        .unwrap();
    file.write_all(b"after").unwrap();
    let expected = [
        b"before".to_vec(),
        fs::read(path).unwrap(),
        b"after".to_vec(),
    ]
    .concat();
    assert!(fs::read(behind).unwrap() == expected);
}

fn what_skopeo_has_packed_is_imported_from_files_and_pipes(_: &Test, door: &'static dyn Door) {
    let sandbox = Sandbox::new();
    build(
        door,
        &sandbox,
        &archive(members()),
        &ImageOptions::named("one"),
    )
    .unwrap();
    let packed = sandbox.path().join("packed.tar");
    let from = format!("oci:{}:one", sandbox.path().join("layout").display());
    if !skopeo(
        &sandbox,
        &from,
        &format!("oci-archive:{}:two", packed.display()),
    ) {
        return;
    }
    let expected = members().len() - 1;
    let bundle = import(door, &packed, Some("two"), &sandbox).unwrap();
    assert_eq!(files(&bundle).len(), expected);
    fs::remove_dir_all(&bundle).unwrap();
    let zipped = sandbox.path().join("packed.tar.gz");
    let bytes = fs::read(&packed).unwrap();
    fs::write(&zipped, compressor::Compression::Gzip.pack(&bytes)).unwrap();
    fs::remove_dir_all(import(door, &zipped, None, &sandbox).unwrap()).unwrap();
    let mut cat = Command::new("cat")
        .arg(&packed)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let pipe = OwnedFd::from(cat.stdout.take().unwrap());
    let options = Options {
        spool: Some(sandbox.path().into()),
        ..Options::none()
    };
    let mut import = door
        .open_image((&pipe).into(), Some("two"), &options, None)
        .unwrap();
    let told = import.metadata().unwrap();
    assert_eq!(told.texts[NAME].as_deref(), Some("counter"));
    import.to_bundle((&bundle).into()).unwrap();
    import.extract().unwrap();
    assert_eq!(files(&bundle).len(), expected - 2);
    cat.wait().unwrap();
}

fn what_has_to_be_kept_needs_a_place(_: &Test, door: &'static dyn Door) {
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer
        .write_all(&archive([file("oci-layout", "{}")]))
        .unwrap();
    drop(writer);
    let reader = OwnedFd::from(reader);
    let read = door.read_image((&reader).into(), None, &Options::none());
    let error = read.unwrap_err();
    assert_eq!(error.kind, LIMIT);
}

fn a_session_of_an_image_tells_the_manifest_s_digest_and_expects_it(
    _: &Test,
    door: &'static dyn Door,
) {
    let sandbox = Sandbox::new();
    let written = build(door, &sandbox, &archive(members()), &ImageOptions::new()).unwrap();
    let layout = sandbox.path().join("layout");
    let expecting = |digest: &str| Options {
        expected: Some(digest.into()),
        ..Options::none()
    };
    let wrong = expecting(&"01".repeat(32));
    let opened = door.open_image((&layout).into(), None, &wrong, None);
    assert_eq!(opened.err().unwrap().kind, MALFORMED);
    let (right, reference) = (
        expecting(&written.digest),
        format!("sha256:{}", written.digest),
    );
    let mut import = door
        .open_image((&layout).into(), Some(&reference), &right, None)
        .unwrap();
    assert_eq!(import.image(), Some(written.clone().read()));
    let bundle = sandbox.path().join("imported");
    import.to_bundle((&bundle).into()).unwrap();
    assert_eq!(import.extract().unwrap(), Some(written.digest));
}

fn an_unprivileged_umask_hides_nothing_and_shows_nothing(_: &Test, door: &'static dyn Door) {
    let sandbox = Sandbox::new();
    let written = build(door, &sandbox, &archive(members()), &ImageOptions::new()).unwrap();
    let blobs = sandbox.path().join("layout/blobs/sha256");
    let layer = blobs.join(&written.layers[0].digest);
    // A container's memory is in it.
    assert_eq!(
        fs::metadata(layer).unwrap().permissions().mode() & 0o777,
        0o600
    );
}

fn layers_are_taken_in_their_order_with_what_they_remove(_: &Test, door: &'static dyn Door) {
    let sandbox = Sandbox::new();
    let layout = Layout::new(&sandbox);
    layout.image(&[
        archive([
            file("config.dump", "{}"),
            file("spec.dump", "{}"),
            dir("checkpoint"),
            file("checkpoint/gone", "1"),
            file("checkpoint/kept", "1"),
            dir("artifacts"),
            file("artifacts/old", "1"),
            dir("volumes"),
            file("volumes/v.tar", "1"),
        ]),
        archive([
            file("config.dump", CONFIG),
            file("checkpoint/.wh.gone", ""),
            dir("artifacts"),
            file("artifacts/.wh..wh..opq", ""),
            file("artifacts/new", "2"),
            file(".wh.volumes", ""),
        ]),
    ]);
    let names: Vec<_> = files(&import(door, &layout.0, None, &sandbox).unwrap());
    let expected = [
        ("artifacts/new", "2"),
        ("checkpoint/kept", "1"),
        ("config.dump", CONFIG),
        ("spec.dump", "{}"),
    ];
    let expected = expected.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()));
    assert_eq!(names, expected);
    assert!(!sandbox.path().join("imported/volumes").exists());
}

fn a_whiteout_in_the_only_layer_is_refused(_: &Test, door: &'static dyn Door) {
    let sandbox = Sandbox::new();
    let layout = Layout::new(&sandbox);
    layout.image(&[archive(
        [members(), vec![file("checkpoint/.wh.x", "")]].concat(),
    )]);
    let error = import(door, &layout.0, None, &sandbox).unwrap_err();
    assert_eq!(error.kind, FORBIDDEN);
    assert!(!sandbox.path().join("imported").exists());
}

fn the_index_of_containerd_s_ctr_is_imported(_: &Test, door: &'static dyn Door) {
    let sandbox = Sandbox::new();
    let layout = Layout::new(&sandbox);
    let criu = archive([
        dir("."),
        file("inventory.img", "i"),
        file("pages-1.img", "p".repeat(70_000)),
    ]);
    let writable = compressor::Compression::Gzip.pack(&archive([
        dir("etc"),
        file("etc/new", "n"),
        file("etc/.wh.old", ""),
    ]));
    let any = |value: &str| {
        [
            b"\x0a\x04type\x12".to_vec(),
            vec![value.len() as u8],
            value.into(),
        ]
        .concat()
    };
    let prefix = "application/vnd.containerd.container";
    let parts = [
        layout.blob(
            &format!("{prefix}.checkpoint.runtime.options+proto"),
            b"options",
        ),
        layout.blob(&format!("{prefix}.criu.checkpoint.criu.tar"), &criu),
        layout.blob(
            &format!("{prefix}.checkpoint.config.v1+proto"),
            &any(r#"{"ociVersion":"1.0.2"}"#),
        ),
        layout.blob(GZIP, &writable),
    ];
    let inner = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": parts, "annotations": {"x": "y"}});
    layout.index(&[layout.json(INDEX, &inner)]);
    let root = sandbox.dir("root");
    fs::create_dir(root.join("etc")).unwrap();
    fs::write(root.join("etc/old"), "o").unwrap();
    let options = Options::on(CONFIGURATION);
    let mut import = door
        .open_image((&layout.0).into(), None, &options, None)
        .unwrap();
    assert_eq!(import.image().unwrap().annotation("x"), Some("y"));
    let bundle = sandbox.path().join("imported");
    import.to_bundle((&bundle).into()).unwrap();
    import.to_root((&root).into()).unwrap();
    import.extract().unwrap();
    let names: Vec<_> = files(&bundle).into_iter().map(|(name, _)| name).collect();
    assert_eq!(
        names,
        [
            "checkpoint/inventory.img",
            "checkpoint/pages-1.img",
            "spec.dump"
        ]
    );
    assert_eq!(files(&root), [("etc/new".to_owned(), b"n".to_vec())]);
}

fn of_an_index_the_image_of_this_machine_is_taken(_: &Test, door: &'static dyn Door) {
    let sandbox = Sandbox::new();
    let layout = Layout::new(&sandbox);
    let (other, _) = layout.manifest(&[archive([
        file("config.dump", "{}"),
        file("spec.dump", "{}"),
    ])]);
    let (mine, _) = layout.manifest(&[archive(members())]);
    let (mut other, mut mine) = (layout.json(MANIFEST, &other), layout.json(MANIFEST, &mine));
    let architecture = if cfg!(target_arch = "x86_64") {
        "amd64"
    } else {
        "arm64"
    };
    other["platform"] = json!({"os": "linux", "architecture": "s390x"});
    mine["platform"] = json!({"os": "linux", "architecture": architecture});
    let digest = mine["digest"].clone();
    let inner = json!({"schemaVersion": 2, "manifests": [other.clone(), mine]});
    layout.index(&[layout.json(INDEX, &inner)]);
    let image = door
        .read_image((&layout.0).into(), None, &Options::none())
        .unwrap();
    assert_eq!(format!("sha256:{}", image.digest), digest.as_str().unwrap());
    let inner = json!({"schemaVersion": 2, "manifests": [other]});
    layout.index(&[layout.json(INDEX, &inner)]);
    let error = door
        .read_image((&layout.0).into(), None, &Options::none())
        .unwrap_err();
    assert_eq!(error.kind, NOT_IN_ARCHIVE);
}
