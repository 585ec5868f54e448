//! Images that are not as they say are refused before anything is made.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::api::{FORBIDDEN, LIMIT, MALFORMED, NOT_IN_ARCHIVE, UNSUPPORTED};
use crate::support::compressor;
use crate::support::door::{Door, EXTRACTING};
use crate::support::image::ImageOptions;
use crate::support::process::Test;
use crate::support::sandbox::Sandbox;
use crate::support::session::Options;
use crate::support::tarball::archive;

use super::images::*;

/// Breaks an image that is whole, and says which error has to come of it.
pub(crate) type Break = fn(&Layout, &mut Value, &mut Value);

fn layer_path(layout: &Layout, manifest: &Value) -> PathBuf {
    let digest = manifest["layers"][0]["digest"].as_str().unwrap();
    layout
        .0
        .join("blobs/sha256")
        .join(digest.strip_prefix("sha256:").unwrap())
}

pub(crate) const BREAKS: [(&str, u32, Break); 17] = [
    ("a flipped bit", MALFORMED, |layout, manifest, _| {
        let path = layer_path(layout, manifest);
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(path, bytes).unwrap();
    }),
    (
        "a layer that is another whole one",
        MALFORMED,
        |layout, manifest, _| {
            let other = compressor::Compression::Gzip.pack(&archive(members()[..2].to_vec()));
            fs::write(layer_path(layout, manifest), other).unwrap();
        },
    ),
    (
        "a size that is wrong by one",
        MALFORMED,
        |_, manifest, _| {
            let size = manifest["layers"][0]["size"].as_u64().unwrap();
            manifest["layers"][0]["size"] = json!(size + 1);
        },
    ),
    ("a negative size", MALFORMED, |_, manifest, _| {
        manifest["layers"][0]["size"] = json!(-1);
    }),
    ("another diff_id", MALFORMED, |_, _, config| {
        config["rootfs"]["diff_ids"][0] = json!(format!("sha256:{}", sha256(b"x")));
    }),
    ("a diff_id too many", MALFORMED, |_, _, config| {
        let ids = config["rootfs"]["diff_ids"].as_array_mut().unwrap();
        ids.push(json!(format!("sha256:{}", sha256(b"x"))));
    }),
    (
        "a layer that isn't there",
        NOT_IN_ARCHIVE,
        |layout, manifest, _| {
            fs::remove_file(layer_path(layout, manifest)).unwrap();
        },
    ),
    (
        "a layer that is a symlink out of the layout",
        FORBIDDEN,
        |layout, manifest, _| {
            let path = layer_path(layout, manifest);
            fs::rename(&path, layout.0.join("../outside")).unwrap();
            std::os::unix::fs::symlink("../../../outside", path).unwrap();
        },
    ),
    (
        "a layer that is a fifo",
        FORBIDDEN,
        |layout, manifest, _| {
            let path = layer_path(layout, manifest);
            fs::remove_file(&path).unwrap();
            nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        },
    ),
    ("a digest that climbs", MALFORMED, |_, manifest, _| {
        manifest["layers"][0]["digest"] = json!("sha256:../../../../etc/passwd");
    }),
    ("a digest in upper case", MALFORMED, |_, manifest, _| {
        let digest = manifest["layers"][0]["digest"].as_str().unwrap();
        let upper = digest.to_uppercase().replace("SHA256", "sha256");
        manifest["layers"][0]["digest"] = json!(upper);
    }),
    ("another algorithm", UNSUPPORTED, |_, manifest, _| {
        manifest["layers"][0]["digest"] = json!(format!("sha512:{}", "0".repeat(128)));
    }),
    ("an encrypted layer", UNSUPPORTED, |_, manifest, _| {
        manifest["layers"][0]["mediaType"] = json!(format!("{GZIP}+encrypted"));
    }),
    ("an unknown media type", UNSUPPORTED, |_, manifest, _| {
        manifest["layers"][0]["mediaType"] = json!("text/plain");
    }),
    ("a thousand layers", LIMIT, |_, manifest, _| {
        let layer = manifest["layers"][0].clone();
        manifest["layers"] = json!(vec![layer; 1000]);
    }),
    ("no layer", NOT_IN_ARCHIVE, |_, manifest, config| {
        manifest["layers"] = json!([]);
        config["rootfs"]["diff_ids"] = json!([]);
    }),
    ("a config of 5 MiB", LIMIT, |_, _, config| {
        config["created"] = json!("x".repeat(5 << 20));
    }),
];

door_tests! {
    an_image_that_is_not_as_it_says_is_refused_before_anything_is_made,
    documents_that_are_not_as_they_say_are_refused,
    indexes_end_at_some_depth,
    a_layer_that_is_written_to_after_it_was_verified_is_noticed,
    names_are_those_that_tools_take
}

fn an_image_that_is_not_as_it_says_is_refused_before_anything_is_made(
    _: &Test,
    door: &'static dyn Door,
) {
    for (what, kind, break_it) in BREAKS {
        let sandbox = Sandbox::new();
        let layout = Layout::new(&sandbox);
        let (mut manifest, mut config) = layout.manifest(&[archive(members())]);
        break_it(&layout, &mut manifest, &mut config);
        manifest["config"] = layout.json("application/vnd.oci.image.config.v1+json", &config);
        layout.index(&[layout.json(MANIFEST, &manifest)]);
        let error = import(door, &layout.0, None, &sandbox).expect_err(what);
        assert_eq!(error.kind, kind, "{what}: {error}");
        assert!(!sandbox.path().join("imported").exists(), "{what}");
    }
}

fn documents_that_are_not_as_they_say_are_refused(_: &Test, door: &'static dyn Door) {
    let sandbox = Sandbox::new();
    let layout = Layout::new(&sandbox);
    layout.image(&[archive(members())]);
    let index = layout.0.join("index.json");
    let whole = fs::read_to_string(&index).unwrap();
    let opened = || door.read_image((&layout.0).into(), None, &Options::none());
    opened().unwrap();
    let expect = |kind: u32, what: &str| {
        let error = opened().expect_err(what);
        assert_eq!(error.kind, kind, "{what}: {error}");
    };
    for (text, what) in [
        ("", "nothing"),
        ("{", "cut short"),
        ("[]", "a list"),
        (r#"{"manifests":7}"#, "a number"),
    ] {
        fs::write(&index, text).unwrap();
        expect(MALFORMED, what);
    }
    fs::write(&index, "[".repeat(1 << 20)).unwrap();
    expect(MALFORMED, "deep JSON");
    // The file has holes: nothing but its length is 4 GiB.
    File::create(&index).unwrap().set_len(4 << 30).unwrap();
    expect(LIMIT, "4 GiB of JSON");
    fs::write(&index, whole).unwrap();
    fs::write(
        layout.0.join("oci-layout"),
        r#"{"imageLayoutVersion":"2.0.0"}"#,
    )
    .unwrap();
    expect(MALFORMED, "another version");
    fs::remove_file(layout.0.join("oci-layout")).unwrap();
    expect(MALFORMED, "no layout");
}

fn indexes_end_at_some_depth(_: &Test, door: &'static dyn Door) {
    let sandbox = Sandbox::new();
    let layout = Layout::new(&sandbox);
    let (manifest, _) = layout.manifest(&[archive(members())]);
    let mut inner = layout.json(MANIFEST, &manifest);
    for depth in 1..20 {
        inner = layout.json(INDEX, &json!({"schemaVersion": 2, "manifests": [inner]}));
        layout.index(std::slice::from_ref(&inner));
        let opened = door.read_image((&layout.0).into(), None, &Options::none());
        match opened {
            Ok(_) => assert!(depth <= 4, "{depth}"),
            Err(error) => {
                assert!(depth > 4, "{depth}: {error}");
                assert_eq!(error.kind, LIMIT);
            }
        }
    }
}

fn a_layer_that_is_written_to_after_it_was_verified_is_noticed(_: &Test, door: &'static dyn Door) {
    let sandbox = Sandbox::new();
    let layout = Layout::new(&sandbox);
    let (manifest, _) = layout.manifest(&[archive(members())]);
    layout.index(&[layout.json(MANIFEST, &manifest)]);
    let path = layer_path(&layout, &manifest);
    let watch = door.watch(None);
    // Extraction is told of after all was verified.
    watch.on_report(Box::new(move |report| {
        if report.phase == EXTRACTING {
            let file = File::options().append(true).open(&path).unwrap();
            (&file).write_all(b"\0").unwrap();
        }
    }));
    let mut import = door
        .open_image((&layout.0).into(), None, &Options::none(), Some(&*watch))
        .unwrap();
    let bundle = sandbox.path().join("imported");
    import.to_bundle((&bundle).into()).unwrap();
    let error = import.extract().unwrap_err();
    assert_eq!(error.kind, MALFORMED, "{error}");
    assert!(!bundle.exists());
}

fn names_are_those_that_tools_take(_: &Test, door: &'static dyn Door) {
    let named = |name: &str| door.check_image_options(&ImageOptions::named(name));
    for good in [
        "latest",
        "1",
        "a--b",
        "localhost/x:1",
        "r.example:5000/c/x@1",
        "A+b_c",
    ] {
        named(good).unwrap();
    }
    for bad in [
        "",
        "-a",
        "a-",
        "a..b",
        "a//b",
        "/a",
        "a/",
        "a b",
        "a---b",
        "é",
        &"a".repeat(513),
    ] {
        assert_eq!(named(bad).unwrap_err().errno, libc::EINVAL, "{bad:?}");
    }
}
