//! Checkpoints as OCI images: what is written, other tools unpack to the same tree.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crutils::checkpoint::{
    Compression, Engine, Export, ExportOptions, Image, ImageOptions, Import, ImportOptions,
    Sha256Digest, WrittenImage, image_from_archive, images,
};
use crutils::watch::Watch;
use crutils::{Kind, PlaceBuf};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::compressor;
use crate::support::sandbox::Sandbox;
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

pub(crate) fn named(name: &str) -> ImageOptions {
    let mut options = ImageOptions::new();
    options.name(Some(name)).unwrap();
    options
}

pub(crate) fn build(
    sandbox: &Sandbox,
    bytes: &[u8],
    options: &ImageOptions,
) -> crutils::Result<WrittenImage> {
    let input = sandbox.path().join("input");
    fs::write(&input, bytes).unwrap();
    image_from_archive(
        &input,
        &sandbox.path().join("layout"),
        options,
        &Watch::new(),
    )
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
    image: &Path,
    reference: Option<&str>,
    sandbox: &Sandbox,
) -> crutils::Result<PathBuf> {
    let mut options = ImportOptions::new();
    options.configuration(true);
    options.spool_directory(PlaceBuf::new(sandbox.path()).unwrap());
    let bundle = sandbox.path().join("imported");
    let mut import = Import::open_image(image, reference, &options, &Watch::new())?;
    import.to_bundle(&bundle)?;
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

#[test]
fn umoci_unpacks_what_was_exported() {
    let sandbox = Sandbox::new();
    let (source, layout) = (bundle(&sandbox), sandbox.path().join("layout"));
    let mut export = Export::new();
    export.add_bundle(&source, Engine::Podman).unwrap();
    let options = ExportOptions::new();
    let written = export
        .write_image(&layout, &named("one"), &options, &Watch::new())
        .unwrap();
    assert_eq!(written.members, 6);
    let image = format!("{}:one", layout.display());
    let out = sandbox.path().join("out").into_os_string();
    let line = ["umoci", "raw", "unpack", "--rootless", "--image", &image].map(OsStr::new);
    if ran(&[&line[..], &[&out]].concat()) {
        assert_eq!(files(Path::new(&out)), files(&source));
    }
    assert_eq!(
        files(&import(&layout, Some("one"), &sandbox).unwrap()),
        files(&source)
    );
}

#[test]
fn a_compressed_archive_becomes_the_layer_byte_by_byte() {
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
        let written = build(&sandbox, &packed, &ImageOptions::new()).unwrap();
        assert!(written.kept);
        let layer = &written.image.layers[0];
        assert_eq!(layer.media_type, media_type);
        assert_eq!(layer.digest.to_string(), sha256(&packed));
        assert_eq!(layer.diff_id.unwrap().to_string(), sha256(&tar));
        let blob = sandbox
            .path()
            .join("layout/blobs/sha256")
            .join(sha256(&packed));
        assert!(fs::read(blob).unwrap() == packed);
    }
}

#[test]
fn anything_else_is_compressed_on_the_way() {
    let tar = archive(members());
    for (bytes, chosen) in [
        (tar.clone(), None),
        (compressor::Compression::Xz.pack(&tar), None),
        (
            compressor::Compression::Zstd.pack(&tar),
            Some(Compression::Gzip),
        ),
        // Other readers of layers refuse zeros behind a stream.
        (
            [compressor::Compression::Gzip.pack(&tar), vec![0; 512]].concat(),
            None,
        ),
    ] {
        let sandbox = Sandbox::new();
        let mut options = ImageOptions::new();
        options.compression(chosen);
        let written = build(&sandbox, &bytes, &options).unwrap();
        let layer = &written.image.layers[0];
        assert!(!written.kept);
        assert_eq!(layer.media_type, GZIP);
        assert_eq!(layer.diff_id.unwrap().to_string(), sha256(&tar));
        let blob = sandbox
            .path()
            .join("layout/blobs/sha256")
            .join(layer.digest.to_string());
        let blob = fs::read(blob).unwrap();
        assert_eq!(
            (sha256(&blob), blob.len() as u64),
            (layer.digest.to_string(), layer.size)
        );
        assert!(compressor::Compression::Gzip.unpack(&blob) == tar);
    }
}

#[test]
fn a_layer_is_compressed_in_any_case() {
    let mut options = ImageOptions::new();
    options.compression(Some(Compression::None));
    let error = build(&Sandbox::new(), &archive(members()), &options).unwrap_err();
    assert_eq!(error.kind(), Kind::Argument);
}

#[test]
fn the_manifest_has_what_engines_look_for() {
    let sandbox = Sandbox::new();
    let mut options = named("registry.example/c/counter:1");
    options.annotation("com.example.own", "mine").unwrap();
    let image = build(&sandbox, &archive(members()), &options)
        .unwrap()
        .image;
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
    let read = Image::open(
        &layout,
        Some("registry.example/c/counter:1"),
        &ImportOptions::new(),
        &Watch::new(),
    );
    assert_eq!(read.unwrap(), image);
}

#[test]
fn podman_is_promised_nothing_without_its_own_configuration() {
    let sandbox = Sandbox::new();
    let config = r#"{"id":"1","name":"k8s_x","runtime":"runc"}"#;
    let tar = archive([file("config.dump", config), file("spec.dump", "{}")]);
    let image = build(&sandbox, &tar, &ImageOptions::new()).unwrap().image;
    assert!(
        image
            .annotations
            .contains_key("io.kubernetes.cri-o.annotations.checkpoint.name")
    );
    assert!(
        !image
            .annotations
            .keys()
            .any(|key| key.starts_with("io.podman"))
    );
}

#[test]
fn the_same_checkpoint_becomes_the_same_bytes() {
    let tar = archive(members());
    let built = |workers: usize| {
        let sandbox = Sandbox::new();
        let mut options = named("x");
        options.workers(workers.try_into().ok());
        build(&sandbox, &tar, &options).unwrap();
        files(&sandbox.path().join("layout"))
    };
    assert!(built(1) == built(3));
}

#[test]
fn other_images_of_a_layout_stay_and_one_of_the_same_name_goes() {
    let sandbox = Sandbox::new();
    let layout = sandbox.path().join("layout");
    let first = build(&sandbox, &archive(members()), &named("first")).unwrap();
    let mut index: Value =
        serde_json::from_slice(&fs::read(layout.join("index.json")).unwrap()).unwrap();
    index["com.example.unknown"] = json!({"kept": [1, 2]});
    fs::write(layout.join("index.json"), index.to_string()).unwrap();
    let mut zstd = named("second");
    zstd.compression(Some(Compression::Zstd));
    build(&sandbox, &archive(members()), &zstd).unwrap();
    let again = build(&sandbox, &archive(members()), &named("second")).unwrap();
    let listed = images(&layout, &ImportOptions::new(), &Watch::new()).unwrap();
    let listed: Vec<_> = listed
        .into_iter()
        .map(|one| (one.name.unwrap(), one.digest))
        .collect();
    assert_eq!(
        listed,
        [
            ("first".to_owned(), format!("sha256:{}", first.image.digest)),
            (
                "second".to_owned(),
                format!("sha256:{}", again.image.digest)
            ),
        ]
    );
    let index: Value =
        serde_json::from_slice(&fs::read(layout.join("index.json")).unwrap()).unwrap();
    assert_eq!(index["com.example.unknown"], json!({"kept": [1, 2]}));
}

#[test]
fn what_cannot_be_a_layer_is_refused_and_nothing_made() {
    let with = |entry: Entry| archive([members(), vec![entry]].concat());
    for (bytes, kind) in [
        (
            with(file("checkpoint/.wh.pages-1.img", "")),
            Kind::Forbidden,
        ),
        (with(file(".wh..wh..opq", "")), Kind::Forbidden),
        (with(file("/absolute", "")), Kind::Escape),
        (with(file("checkpoint/../x", "")), Kind::Escape),
        (
            with(symlink("checkpoint/parent", "../pre-checkpoint")),
            Kind::Forbidden,
        ),
        (with(symlink("checkpoint/link", "/etc")), Kind::Escape),
        (with(file("config.json", "{}")), Kind::Forbidden),
        (with(file("config.dump", CONFIG)), Kind::Malformed),
        (archive([file("spec.dump", "{}")]), Kind::NotInArchive),
        (b"no archive at all".to_vec(), Kind::Malformed),
        (Vec::new(), Kind::Malformed),
    ] {
        for pack in [false, true] {
            let sandbox = Sandbox::new();
            let bytes = if pack {
                compressor::Compression::Gzip.pack(&bytes)
            } else {
                bytes.clone()
            };
            let error = build(&sandbox, &bytes, &ImageOptions::new()).unwrap_err();
            assert_eq!(error.kind(), kind, "{error}");
            assert!(!sandbox.path().join("layout").exists(), "{error}");
        }
    }
}

#[test]
fn a_failure_leaves_a_layout_as_it_was() {
    let sandbox = Sandbox::new();
    build(&sandbox, &archive(members()), &named("first")).unwrap();
    let layout = sandbox.path().join("layout");
    let before = files(&layout);
    let hostile = archive([members(), vec![file(".wh.x", "")]].concat());
    build(&sandbox, &hostile, &named("first")).unwrap_err();
    assert!(files(&layout) == before);
    let mut many = named("first");
    many.annotation("x", "y".repeat(5 << 20)).unwrap();
    let error = build(&sandbox, &archive(members()), &many).unwrap_err();
    assert_eq!(error.kind(), Kind::Limit);
    assert!(files(&layout) == before);
}

#[test]
fn a_directory_of_something_else_is_no_layout() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.dir("layout").join("precious"), "p").unwrap();
    let error = build(&sandbox, &archive(members()), &ImageOptions::new()).unwrap_err();
    assert_eq!(error.kind(), Kind::Argument);
    assert_eq!(
        files(&sandbox.path().join("layout")),
        [("precious".to_owned(), b"p".to_vec())]
    );
}

#[test]
fn a_parent_link_is_let_in_if_that_is_asked_for() {
    let sandbox = Sandbox::new();
    let link = symlink("checkpoint/parent", "../pre-checkpoint");
    let mut options = ImageOptions::new();
    options.parent_links(true);
    build(
        &sandbox,
        &archive([members(), vec![link]].concat()),
        &options,
    )
    .unwrap();
}
