//! Checkpoints as OCI images: what is written, other tools unpack to the same tree.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crutils::checkpoint::{self, Sha256Digest, images};
use crutils::watch::Watch;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::api::{
    ARGUMENT, ESCAPE, FORBIDDEN, LIMIT, MALFORMED, NOT_IN_ARCHIVE, Outcome, Rust,
};
use crate::support::compressor;
use crate::support::door::{self, Door, PODMAN};
use crate::support::image::{Image, ImageOptions};
use crate::support::process::Test;
use crate::support::sandbox::Sandbox;
use crate::support::session::{CONFIGURATION, Options};
use crate::support::tarball::{Entry, archive, dir, file, symlink};

pub(crate) const CONFIG: &str = r#"{"id":"1f","name":"counter","runtime":"/usr/bin/runc","rootfsImageName":"localhost/busybox:1","rootfsImageID":"c0ffee","lockID":1,"staticDir":"/x","checkpointedTime":"2026-11-02T03:04:05Z"}"#;
pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// What CRIU's image of a task begins with on arm64.
pub(crate) const CORE: &[u8] = b"\x19\x43\x56\x54\x47\x38\x05\x55\x10\0\0\0\x08\x03 and the rest";

pub(crate) fn members() -> Vec<Entry> {
    vec![
        file("config.dump", CONFIG),
        file("spec.dump", "{}"),
        dir("checkpoint/"),
        file("checkpoint/core-1.img", CORE),
        file("checkpoint/inventory.img", "i"),
        file("checkpoint/pages-1.img", "pages ".repeat(50_000)),
    ]
}

/// The same as a bundle.
pub(crate) fn bundle(sandbox: &Sandbox) -> PathBuf {
    let bundle = sandbox.dir("source");
    fs::create_dir(bundle.join("checkpoint")).unwrap();
    fs::write(bundle.join("config.dump"), CONFIG).unwrap();
    fs::write(bundle.join("spec.dump"), "{}").unwrap();
    fs::write(bundle.join("checkpoint/core-1.img"), CORE).unwrap();
    fs::write(bundle.join("checkpoint/inventory.img"), "i").unwrap();
    let pages = "pages ".repeat(50_000);
    fs::write(bundle.join("checkpoint/pages-1.img"), pages).unwrap();
    bundle
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    let digest: [u8; 32] = Sha256::digest(bytes).into();
    Sha256Digest(digest).to_string()
}

pub(crate) fn build(
    door: &dyn Door,
    sandbox: &Sandbox,
    bytes: &[u8],
    options: &ImageOptions,
) -> Outcome<Image> {
    let (input, layout) = (sandbox.path().join("input"), sandbox.path().join("layout"));
    fs::write(&input, bytes).unwrap();
    door.image_from_archive((&input).into(), (&layout).into(), options)
}

/// Runs a tool; false, with a line that says so, if it isn't there.
pub(crate) fn ran(line: &[&OsStr]) -> bool {
    let output = Command::new(line[0]).args(&line[1..]).output();
    match output {
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{line:?}: {text}");
            true
        }
        Err(error) => {
            crate::support::say(format_args!("skipped: {:?}: {error}", line[0]));
            false
        }
    }
}

pub(crate) fn skopeo(sandbox: &Sandbox, from: &str, to: &str) -> bool {
    let policy = sandbox.path().join("policy.json");
    fs::write(
        &policy,
        r#"{"default":[{"type":"insecureAcceptAnything"}]}"#,
    )
    .unwrap();
    let policy = policy.into_os_string();
    ran(&[
        "skopeo".as_ref(),
        "--policy".as_ref(),
        &policy,
        "copy".as_ref(),
        from.as_ref(),
        to.as_ref(),
    ])
}

/// Imports an image into a new bundle with its configuration.
pub(crate) fn import(
    door: &dyn Door,
    image: &Path,
    reference: Option<&str>,
    sandbox: &Sandbox,
) -> Outcome<PathBuf> {
    let options = Options {
        spool: Some(sandbox.path().into()),
        ..Options::on(CONFIGURATION)
    };
    let bundle = sandbox.path().join("imported");
    let mut import = door.open_image(image.into(), reference, &options, None)?;
    import.to_bundle((&bundle).into())?;
    import.extract()?;
    Ok(bundle)
}

/// The files below a directory, by their names.
pub(crate) fn files(root: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut left = vec![root.to_path_buf()];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                left.push(path);
            } else {
                let name = path
                    .strip_prefix(root)
                    .unwrap()
                    .to_string_lossy()
                    .into_owned();
                found.push((name, fs::read(path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

/// A layout that is written by hand.
pub(crate) struct Layout(pub(crate) PathBuf);

impl Layout {
    pub(crate) fn new(sandbox: &Sandbox) -> Self {
        let layout = sandbox.dir("layout");
        fs::create_dir_all(layout.join("blobs/sha256")).unwrap();
        fs::write(
            layout.join("oci-layout"),
            r#"{"imageLayoutVersion":"1.0.0"}"#,
        )
        .unwrap();
        Layout(layout)
    }

    pub(crate) fn blob(&self, media_type: &str, bytes: &[u8]) -> Value {
        let digest = sha256(bytes);
        fs::write(self.0.join("blobs/sha256").join(&digest), bytes).unwrap();
        json!({"mediaType": media_type, "digest": format!("sha256:{digest}"), "size": bytes.len()})
    }

    pub(crate) fn json(&self, media_type: &str, document: &Value) -> Value {
        self.blob(media_type, document.to_string().as_bytes())
    }

    pub(crate) fn index(&self, images: &[Value]) {
        let index = json!({"schemaVersion": 2, "manifests": images});
        fs::write(self.0.join("index.json"), index.to_string()).unwrap();
    }

    /// A manifest of layers of these contents.
    pub(crate) fn manifest(&self, tars: &[Vec<u8>]) -> (Value, Value) {
        let layers: Vec<_> = tars
            .iter()
            .map(|tar| self.blob(GZIP, &compressor::Compression::Gzip.pack(tar)))
            .collect();
        let diff_ids: Vec<_> = tars
            .iter()
            .map(|tar| format!("sha256:{}", sha256(tar)))
            .collect();
        let config = json!({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": diff_ids}});
        let config_blob = self.json("application/vnd.oci.image.config.v1+json", &config);
        let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config_blob, "layers": layers});
        (manifest, config)
    }

    pub(crate) fn image(&self, tars: &[Vec<u8>]) {
        let (manifest, _) = self.manifest(tars);
        self.index(&[self.json(MANIFEST, &manifest)]);
    }
}

door_tests! {
    umoci_unpacks_what_was_exported,
    a_compressed_archive_becomes_the_layer_byte_by_byte,
    anything_else_is_compressed_on_the_way,
    a_layer_is_compressed_in_any_case,
    the_manifest_has_what_engines_look_for,
    podman_is_promised_nothing_without_its_own_configuration,
    the_same_checkpoint_becomes_the_same_bytes,
    other_images_of_a_layout_stay_and_one_of_the_same_name_goes,
    what_cannot_be_a_layer_is_refused_and_nothing_made,
    a_failure_leaves_a_layout_as_it_was,
    a_directory_of_something_else_is_no_layout,
    a_parent_link_is_let_in_if_that_is_asked_for
}

fn umoci_unpacks_what_was_exported(_: &Test, door: &'static dyn Door) {
    let sandbox = Sandbox::new();
    let (source, layout) = (bundle(&sandbox), sandbox.path().join("layout"));
    let mut export = door.export();
    export.add_bundle((&source).into(), PODMAN).unwrap();
    let written = export
        .write_image((&layout).into(), &ImageOptions::named("one"))
        .unwrap();
    assert_eq!(written.members, 6);
    let image = format!("{}:one", layout.display());
    let out = sandbox.path().join("out").into_os_string();
    let line = ["umoci", "raw", "unpack", "--rootless", "--image", &image].map(OsStr::new);
    if ran(&[&line[..], &[&out]].concat()) {
        assert_eq!(files(Path::new(&out)), files(&source));
    }
    assert_eq!(
        files(&import(door, &layout, Some("one"), &sandbox).unwrap()),
        files(&source)
    );
}

fn a_compressed_archive_becomes_the_layer_byte_by_byte(_: &Test, door: &'static dyn Door) {
    let tar = archive(members());
    for (how, media_type) in [
        (compressor::Compression::Gzip, GZIP),
        (
            compressor::Compression::Zstd,
            "application/vnd.oci.image.layer.v1.tar+zstd",
        ),
    ] {
        let sandbox = Sandbox::new();
        let packed = how.pack(&tar);
        let written = build(door, &sandbox, &packed, &ImageOptions::new()).unwrap();
        assert!(written.kept);
        let layer = &written.layers[0];
        assert_eq!(layer.media_type, media_type);
        assert_eq!(layer.digest.clone(), sha256(&packed));
        assert_eq!(layer.diff_id.clone().unwrap(), sha256(&tar));
        let blob = sandbox
            .path()
            .join("layout/blobs/sha256")
            .join(sha256(&packed));
        assert!(fs::read(blob).unwrap() == packed);
    }
}

fn anything_else_is_compressed_on_the_way(_: &Test, door: &'static dyn Door) {
    let tar = archive(members());
    for (bytes, chosen) in [
        (tar.clone(), None),
        (compressor::Compression::Xz.pack(&tar), None),
        (compressor::Compression::Zstd.pack(&tar), Some(door::GZIP)),
        // Other readers of layers refuse zeros behind a stream.
        (
            [compressor::Compression::Gzip.pack(&tar), vec![0; 512]].concat(),
            None,
        ),
    ] {
        let sandbox = Sandbox::new();
        let options = chosen.map_or_else(ImageOptions::new, |which| {
            ImageOptions::new().compression(which)
        });
        let written = build(door, &sandbox, &bytes, &options).unwrap();
        let layer = &written.layers[0];
        assert!(!written.kept);
        assert_eq!(layer.media_type, GZIP);
        assert_eq!(layer.diff_id.clone().unwrap(), sha256(&tar));
        let blob = sandbox
            .path()
            .join("layout/blobs/sha256")
            .join(layer.digest.clone());
        let blob = fs::read(blob).unwrap();
        assert_eq!(
            (sha256(&blob), blob.len() as u64),
            (layer.digest.clone(), layer.size)
        );
        assert!(compressor::Compression::Gzip.unpack(&blob) == tar);
    }
}

fn a_layer_is_compressed_in_any_case(_: &Test, door: &'static dyn Door) {
    let options = ImageOptions::new().compression(door::NONE);
    let error = build(door, &Sandbox::new(), &archive(members()), &options).unwrap_err();
    assert_eq!(error.kind, ARGUMENT);
}

fn the_manifest_has_what_engines_look_for(_: &Test, door: &'static dyn Door) {
    let sandbox = Sandbox::new();
    let name = "registry.example/c/counter:1";
    let options = ImageOptions::named(name).annotation("com.example.own", "mine");
    let image = build(door, &sandbox, &archive(members()), &options).unwrap();
    let expected = [
        ("com.example.own", "mine"),
        ("io.kubernetes.cri-o.annotations.checkpoint.name", "counter"),
        ("io.podman.annotations.checkpoint.name", "counter"),
        ("io.podman.annotations.checkpoint.rootfsImageID", "c0ffee"),
        (
            "io.podman.annotations.checkpoint.rootfsImageName",
            "localhost/busybox:1",
        ),
        ("io.podman.annotations.checkpoint.runtime.name", "runc"),
        ("org.criu.checkpoint.container.name", "counter"),
        ("org.criu.checkpoint.engine.name", "Podman"),
        ("org.criu.checkpoint.rootfsImageID", "c0ffee"),
        ("org.criu.checkpoint.rootfsImageName", "localhost/busybox:1"),
        ("org.criu.checkpoint.runtime.name", "/usr/bin/runc"),
        ("org.opencontainers.image.created", "2026-11-02T03:04:05Z"),
    ];
    let found: Vec<_> = image
        .annotations
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    assert_eq!(found, expected);
    assert_eq!(
        (image.os.as_str(), image.architecture.as_str()),
        ("linux", "arm64")
    );
    let layout = sandbox.path().join("layout");
    let read = door.read_image((&layout).into(), Some(name), &Options::none());
    assert_eq!(read.unwrap(), image.read());
}

fn podman_is_promised_nothing_without_its_own_configuration(_: &Test, door: &'static dyn Door) {
    let sandbox = Sandbox::new();
    let config = r#"{"id":"1","name":"k8s_x","runtime":"runc"}"#;
    let tar = archive([file("config.dump", config), file("spec.dump", "{}")]);
    let image = build(door, &sandbox, &tar, &ImageOptions::new()).unwrap();
    let crio = "io.kubernetes.cri-o.annotations.checkpoint.name";
    assert!(image.annotation(crio).is_some());
    let mut keys = image.annotations.iter().map(|(key, _)| key);
    assert!(!keys.any(|key| key.starts_with("io.podman")));
}

fn the_same_checkpoint_becomes_the_same_bytes(_: &Test, door: &'static dyn Door) {
    let tar = archive(members());
    let built = |workers: u64| {
        let sandbox = Sandbox::new();
        let options = ImageOptions::named("x").workers(workers);
        build(door, &sandbox, &tar, &options).unwrap();
        files(&sandbox.path().join("layout"))
    };
    assert!(built(1) == built(3));
}

fn other_images_of_a_layout_stay_and_one_of_the_same_name_goes(_: &Test, door: &'static dyn Door) {
    let sandbox = Sandbox::new();
    let layout = sandbox.path().join("layout");
    let first = build(
        door,
        &sandbox,
        &archive(members()),
        &ImageOptions::named("first"),
    )
    .unwrap();
    let mut index: Value =
        serde_json::from_slice(&fs::read(layout.join("index.json")).unwrap()).unwrap();
    index["com.example.unknown"] = json!({"kept": [1, 2]});
    fs::write(layout.join("index.json"), index.to_string()).unwrap();
    let zstd = ImageOptions::named("second").compression(door::ZSTD);
    build(door, &sandbox, &archive(members()), &zstd).unwrap();
    let again = build(
        door,
        &sandbox,
        &archive(members()),
        &ImageOptions::named("second"),
    )
    .unwrap();
    let index: Value =
        serde_json::from_slice(&fs::read(layout.join("index.json")).unwrap()).unwrap();
    assert_eq!(index["com.example.unknown"], json!({"kept": [1, 2]}));
    let listed = index["manifests"].as_array().unwrap().iter().map(|one| {
        let name = &one["annotations"]["org.opencontainers.image.ref.name"];
        (name.as_str().unwrap(), one["digest"].as_str().unwrap())
    });
    let [first, again] = [first, again].map(|image| format!("sha256:{}", image.digest));
    let expected = [("first", first.as_str()), ("second", again.as_str())];
    assert_eq!(listed.collect::<Vec<_>>(), expected);
}

#[test]
fn the_images_of_a_layout_are_listed() {
    // In Rust alone: an image of C's is one.
    let (sandbox, options) = (Sandbox::new(), checkpoint::ImportOptions::new());
    let written = ["first", "second"].map(|name| {
        let options = ImageOptions::named(name).annotation("name", name);
        build(&Rust, &sandbox, &archive(members()), &options).unwrap()
    });
    let layout = sandbox.path().join("layout");
    let listed = images(&layout, &options, &Watch::new())
        .unwrap()
        .into_iter();
    let listed: Vec<_> = listed.map(|one| (one.name, one.digest)).collect();
    let expected = written.map(|image| (image.name, format!("sha256:{}", image.digest)));
    assert_eq!(listed, expected);
}

fn what_cannot_be_a_layer_is_refused_and_nothing_made(_: &Test, door: &'static dyn Door) {
    let with = |entry: Entry| archive([members(), vec![entry]].concat());
    for (bytes, kind) in [
        (with(file("checkpoint/.wh.pages-1.img", "")), FORBIDDEN),
        (with(file(".wh..wh..opq", "")), FORBIDDEN),
        (with(file("/absolute", "")), ESCAPE),
        (with(file("checkpoint/../x", "")), ESCAPE),
        (
            with(symlink("checkpoint/parent", "../pre-checkpoint")),
            FORBIDDEN,
        ),
        (with(symlink("checkpoint/link", "/etc")), ESCAPE),
        (with(file("config.json", "{}")), FORBIDDEN),
        (with(file("config.dump", CONFIG)), MALFORMED),
        (archive([file("spec.dump", "{}")]), NOT_IN_ARCHIVE),
        (b"no archive at all".to_vec(), MALFORMED),
        (Vec::new(), MALFORMED),
    ] {
        for pack in [false, true] {
            let sandbox = Sandbox::new();
            let bytes = if pack {
                compressor::Compression::Gzip.pack(&bytes)
            } else {
                bytes.clone()
            };
            let error = build(door, &sandbox, &bytes, &ImageOptions::new()).unwrap_err();
            assert_eq!(error.kind, kind, "{error}");
            assert!(!sandbox.path().join("layout").exists(), "{error}");
        }
    }
}

fn a_failure_leaves_a_layout_as_it_was(_: &Test, door: &'static dyn Door) {
    let sandbox = Sandbox::new();
    build(
        door,
        &sandbox,
        &archive(members()),
        &ImageOptions::named("first"),
    )
    .unwrap();
    let layout = sandbox.path().join("layout");
    let before = files(&layout);
    let hostile = archive([members(), vec![file(".wh.x", "")]].concat());
    build(door, &sandbox, &hostile, &ImageOptions::named("first")).unwrap_err();
    assert!(files(&layout) == before);
    let many = ImageOptions::named("first").annotation("x", &"y".repeat(5 << 20));
    let error = build(door, &sandbox, &archive(members()), &many).unwrap_err();
    assert_eq!(error.kind, LIMIT);
    assert!(files(&layout) == before);
}

fn a_directory_of_something_else_is_no_layout(_: &Test, door: &'static dyn Door) {
    let sandbox = Sandbox::new();
    fs::write(sandbox.dir("layout").join("precious"), "p").unwrap();
    let error = build(door, &sandbox, &archive(members()), &ImageOptions::new()).unwrap_err();
    assert_eq!(error.kind, ARGUMENT);
    assert_eq!(
        files(&sandbox.path().join("layout")),
        [("precious".to_owned(), b"p".to_vec())]
    );
}

fn a_parent_link_is_let_in_if_that_is_asked_for(_: &Test, door: &'static dyn Door) {
    let sandbox = Sandbox::new();
    let link = symlink("checkpoint/parent", "../pre-checkpoint");
    let options = ImageOptions::new().parent_links();
    build(
        door,
        &sandbox,
        &archive([members(), vec![link]].concat()),
        &options,
    )
    .unwrap();
}
