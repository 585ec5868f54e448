//! Hostile images in archives, and documents that lead astray: refused before anything is made.

use std::fs::{self, File};
use std::path::Path;

use serde_json::json;

use crate::support::api::{LIMIT, MALFORMED, NOT_IN_ARCHIVE};
use crate::support::compressor;
use crate::support::door::Door;
use crate::support::process::Test;
use crate::support::sandbox::Sandbox;
use crate::support::session::{Options, RATIO};
use crate::support::tarball::{Entry, archive, file, hardlink, symlink, unended};

use super::images::*;
use super::images_hostile::BREAKS;

const IMAGE_CONFIG: &str = "application/vnd.oci.image.config.v1+json";

door_tests! {
    an_image_in_an_archive_that_is_not_as_it_says_is_refused_before_anything_is_made,
    an_archive_that_isn_t_one_layout_is_refused,
    an_archive_that_ends_early_is_refused,
    descriptors_that_lead_elsewhere_are_refused,
    a_document_of_4_gib_behind_a_small_descriptor_is_not_read,
    an_index_that_names_itself_is_refused,
    an_index_of_many_images_is_listed_and_needs_a_name,
    a_compressed_archive_that_expands_more_than_is_allowed_is_refused
}

/// The regular files of a layout as members.
fn packed(layout: &Layout) -> Vec<Entry> {
    let regular = files(&layout.0);
    regular
        .into_iter()
        .map(|(name, bytes)| file(name, bytes))
        .collect()
}

/// A layout with one image that is whole.
fn whole(sandbox: &Sandbox) -> Layout {
    let layout = Layout::new(sandbox);
    layout.image(&[archive(members())]);
    layout
}

#[track_caller]
fn refused(door: &dyn Door, image: &Path, kind: u32, what: &str, sandbox: &Sandbox) {
    let error = import(door, image, None, sandbox).expect_err(what);
    assert_eq!(error.kind, kind, "{what}: {error}");
    assert!(!sandbox.path().join("imported").exists(), "{what}");
}

fn an_image_in_an_archive_that_is_not_as_it_says_is_refused_before_anything_is_made(
    _: &Test,
    door: &'static dyn Door,
) {
    for (what, kind, break_it) in BREAKS {
        // An archive has other types in its headers: see below.
        if what.contains("symlink") || what.contains("fifo") {
            continue;
        }
        for pack in [false, true] {
            let sandbox = Sandbox::new();
            let layout = Layout::new(&sandbox);
            let (mut manifest, mut config) = layout.manifest(&[archive(members())]);
            break_it(&layout, &mut manifest, &mut config);
            manifest["config"] = layout.json(IMAGE_CONFIG, &config);
            layout.index(&[layout.json(MANIFEST, &manifest)]);
            let path = sandbox.path().join("image.tar");
            let tar = archive(packed(&layout));
            let tar = match pack {
                true => compressor::Compression::Gzip.pack(&tar),
                false => tar,
            };
            fs::write(&path, tar).unwrap();
            refused(door, &path, kind, what, &sandbox);
        }
    }
}

fn an_archive_that_isn_t_one_layout_is_refused(_: &Test, door: &'static dyn Door) {
    type Change = fn(&mut Vec<Entry>);
    let changes: [(&str, u32, Change); 8] = [
        ("an index twice", MALFORMED, |members| {
            members.push(file("./index.json", "{}"));
        }),
        (
            "another index behind a name that climbs",
            MALFORMED,
            |members| {
                members.push(file("../index.json", "{}"));
            },
        ),
        ("no index", MALFORMED, |members| {
            members.retain(|member| !member.is_named("index.json"));
        }),
        ("no oci-layout", MALFORMED, |members| {
            members.retain(|member| !member.is_named("oci-layout"));
        }),
        ("an index that is a symlink", MALFORMED, |members| {
            members.retain(|member| !member.is_named("index.json"));
            members.push(symlink("index.json", "/etc/passwd"));
        }),
        ("an index that is a hard link", MALFORMED, |members| {
            members.retain(|member| !member.is_named("index.json"));
            members.push(hardlink("index.json", "oci-layout"));
        }),
        ("no blob", NOT_IN_ARCHIVE, |members| {
            members.retain(|member| !member.path().starts_with("blobs"));
        }),
        ("70,000 members", LIMIT, |members| {
            members.extend((0..70_000).map(|number| file(format!("x/{number}"), "")));
        }),
    ];
    for (what, kind, change) in changes {
        let sandbox = Sandbox::new();
        let mut members = packed(&whole(&sandbox));
        change(&mut members);
        let path = sandbox.path().join("image.tar");
        fs::write(&path, archive(members)).unwrap();
        refused(door, &path, kind, what, &sandbox);
    }
}

fn an_archive_that_ends_early_is_refused(_: &Test, door: &'static dyn Door) {
    let sandbox = Sandbox::new();
    let tar = unended(packed(&whole(&sandbox)));
    let path = sandbox.path().join("image.tar");
    for len in [0, 100, 512, 700, tar.len() / 2, tar.len() - 512] {
        fs::write(&path, &tar[..len]).unwrap();
        let error = import(door, &path, None, &sandbox).expect_err("cut short");
        assert!(
            [MALFORMED, NOT_IN_ARCHIVE].contains(&error.kind),
            "{len}: {error}"
        );
        assert!(!sandbox.path().join("imported").exists(), "{len}");
    }
}

/// A descriptor of something that has another digest or another size.
fn descriptor(media_type: &str, digest: &str, size: u64) -> serde_json::Value {
    json!({"mediaType": media_type, "digest": digest, "size": size})
}

fn descriptors_that_lead_elsewhere_are_refused(_: &Test, door: &'static dyn Door) {
    let missing = format!("sha256:{}", sha256(b"missing"));
    let climbing = "sha256:../../../../../../etc/passwd";
    let four = 4 << 30;
    for (what, kind, media_type, digest, size) in [
        ("climbs", MALFORMED, MANIFEST, climbing, 2),
        ("climbs to an index", MALFORMED, INDEX, climbing, 2),
        ("is missing", NOT_IN_ARCHIVE, MANIFEST, &*missing, 2),
        ("is a missing index", NOT_IN_ARCHIVE, INDEX, &missing, 2),
        ("has 4 GiB", LIMIT, MANIFEST, &missing, four),
        ("is an index of 4 GiB", LIMIT, INDEX, &missing, four),
        ("has no digest", MALFORMED, MANIFEST, "", 2),
        (
            "has the digest of a path",
            MALFORMED,
            MANIFEST,
            "sha256:/etc/passwd",
            2,
        ),
    ] {
        let sandbox = Sandbox::new();
        let layout = Layout::new(&sandbox);
        layout.index(&[descriptor(media_type, digest, size)]);
        refused(
            door,
            &layout.0,
            kind,
            &format!("a manifest that {what}"),
            &sandbox,
        );
        // The same one index deeper, and as the config.
        layout.index(&[layout.json(
            INDEX,
            &json!({"schemaVersion": 2, "manifests": [descriptor(media_type, digest, size)]}),
        )]);
        refused(
            door,
            &layout.0,
            kind,
            &format!("in an index: {what}"),
            &sandbox,
        );
        let (mut manifest, _) = layout.manifest(&[archive(members())]);
        manifest["config"] = descriptor(IMAGE_CONFIG, digest, size);
        layout.index(&[layout.json(MANIFEST, &manifest)]);
        refused(
            door,
            &layout.0,
            kind,
            &format!("a config that {what}"),
            &sandbox,
        );
    }
}

fn a_document_of_4_gib_behind_a_small_descriptor_is_not_read(_: &Test, door: &'static dyn Door) {
    let sandbox = Sandbox::new();
    let layout = whole(&sandbox);
    let digest = sha256(b"large");
    // It has holes: nothing but its length is 4 GiB.
    let blob = layout.0.join("blobs/sha256").join(&digest);
    File::create(blob).unwrap().set_len(4 << 30).unwrap();
    layout.index(&[descriptor(MANIFEST, &format!("sha256:{digest}"), 1000)]);
    refused(door, &layout.0, MALFORMED, "4 GiB for 1000 bytes", &sandbox);
}

fn an_index_that_names_itself_is_refused(_: &Test, door: &'static dyn Door) {
    let sandbox = Sandbox::new();
    let layout = Layout::new(&sandbox);
    let its = sha256(b"itself");
    let text = |size: usize| {
        let own = descriptor(INDEX, &format!("sha256:{its}"), size as u64);
        json!({"schemaVersion": 2, "manifests": [own]}).to_string()
    };
    let size = text(100).len();
    fs::write(layout.0.join("blobs/sha256").join(&its), text(size)).unwrap();
    layout.index(&[descriptor(INDEX, &format!("sha256:{its}"), size as u64)]);
    refused(door, &layout.0, MALFORMED, "an index of itself", &sandbox);
}

fn an_index_of_many_images_is_listed_and_needs_a_name(_: &Test, door: &'static dyn Door) {
    let sandbox = Sandbox::new();
    let layout = Layout::new(&sandbox);
    let (manifest, _) = layout.manifest(&[archive(members())]);
    let one = layout.json(MANIFEST, &manifest);
    let many: Vec<_> = (0..10_000)
        .map(|number| {
            let mut named = one.clone();
            named["annotations"] =
                json!({"org.opencontainers.image.ref.name": format!("n{number}")});
            named
        })
        .collect();
    layout.index(&many);
    let listed = door
        .list_images((&layout.0).into(), &Options::none())
        .unwrap();
    assert_eq!(listed.len(), 10_000);
    refused(door, &layout.0, NOT_IN_ARCHIVE, "no name", &sandbox);
    let named = door.read_image((&layout.0).into(), Some("n9999"), &Options::none());
    assert_eq!(named.unwrap().name.as_deref(), Some("n9999"));
    layout.index(&vec![one; 100_000]);
    refused(door, &layout.0, LIMIT, "100,000 images", &sandbox);
}

fn a_compressed_archive_that_expands_more_than_is_allowed_is_refused(
    _: &Test,
    door: &'static dyn Door,
) {
    let sandbox = Sandbox::new();
    let mut members = packed(&whole(&sandbox));
    members.push(file("zeros", vec![0; 64 << 20]));
    let path = sandbox.path().join("image.tar.gz");
    let bytes = compressor::Compression::Gzip.pack(&archive(members));
    fs::write(&path, bytes).unwrap();
    let opened = |options: &Options| {
        let image = || (&path).into();
        [
            door.list_images(image(), options).map(drop),
            door.read_image(image(), None, options).map(drop),
            door.open_image(image(), None, options, None).map(drop),
        ]
    };
    let options = Options {
        spool: Some(sandbox.path().into()),
        ..Options::none()
    };
    for result in opened(&options) {
        result.unwrap();
    }
    for result in opened(&options.with(RATIO, 100)) {
        assert_eq!(result.unwrap_err().kind, LIMIT);
    }
}
