//! Hostile images in archives, and documents that lead astray: refused before anything is made.

use std::fs::{self, File};
use std::path::Path;

use crutils::checkpoint::{Image, Import, ImportOptions, Limit, images};
use crutils::watch::Watch;
use crutils::{Kind, PlaceBuf};
use serde_json::json;

use crate::support::compressor;
use crate::support::sandbox::Sandbox;
use crate::support::tarball::{Entry, archive, file, hardlink, symlink, unended};

use super::images::*;
use super::images_hostile::BREAKS;

const IMAGE_CONFIG: &str = "application/vnd.oci.image.config.v1+json";

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
fn refused(image: &Path, kind: Kind, what: &str, sandbox: &Sandbox) {
    let error = import(image, None, sandbox).expect_err(what);
    assert_eq!(error.kind(), kind, "{what}: {error}");
    assert!(!sandbox.path().join("imported").exists(), "{what}");
}

#[test]
fn an_image_in_an_archive_that_is_not_as_it_says_is_refused_before_anything_is_made() {
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
            refused(&path, kind, what, &sandbox);
        }
    }
}

#[test]
fn an_archive_that_isn_t_one_layout_is_refused() {
    type Change = fn(&mut Vec<Entry>);
    let changes: [(&str, Kind, Change); 8] = [
        ("an index twice", Kind::Malformed, |members| {
            members.push(file("./index.json", "{}"));
        }),
        (
            "another index behind a name that climbs",
            Kind::Malformed,
            |members| {
                members.push(file("../index.json", "{}"));
            },
        ),
        ("no index", Kind::Malformed, |members| {
            members.retain(|member| !member.is_named("index.json"));
        }),
        ("no oci-layout", Kind::Malformed, |members| {
            members.retain(|member| !member.is_named("oci-layout"));
        }),
        ("an index that is a symlink", Kind::Malformed, |members| {
            members.retain(|member| !member.is_named("index.json"));
            members.push(symlink("index.json", "/etc/passwd"));
        }),
        ("an index that is a hard link", Kind::Malformed, |members| {
            members.retain(|member| !member.is_named("index.json"));
            members.push(hardlink("index.json", "oci-layout"));
        }),
        ("no blob", Kind::NotInArchive, |members| {
            members.retain(|member| !member.path().starts_with("blobs"));
        }),
        ("70,000 members", Kind::Limit, |members| {
            members.extend((0..70_000).map(|number| file(format!("x/{number}"), "")));
        }),
    ];
    for (what, kind, change) in changes {
        let sandbox = Sandbox::new();
        let mut members = packed(&whole(&sandbox));
        change(&mut members);
        let path = sandbox.path().join("image.tar");
        fs::write(&path, archive(members)).unwrap();
        refused(&path, kind, what, &sandbox);
    }
}

#[test]
fn an_archive_that_ends_early_is_refused() {
    let sandbox = Sandbox::new();
    let tar = unended(packed(&whole(&sandbox)));
    let path = sandbox.path().join("image.tar");
    for len in [0, 100, 512, 700, tar.len() / 2, tar.len() - 512] {
        fs::write(&path, &tar[..len]).unwrap();
        let error = import(&path, None, &sandbox).expect_err("cut short");
        assert!(
            [Kind::Malformed, Kind::NotInArchive].contains(&error.kind()),
            "{len}: {error}"
        );
        assert!(!sandbox.path().join("imported").exists(), "{len}");
    }
}

/// A descriptor of something that has another digest or another size.
fn descriptor(media_type: &str, digest: &str, size: u64) -> serde_json::Value {
    json!({"mediaType": media_type, "digest": digest, "size": size})
}

#[test]
fn descriptors_that_lead_elsewhere_are_refused() {
    let missing = format!("sha256:{}", sha256(b"missing"));
    let climbing = "sha256:../../../../../../etc/passwd";
    let four = 4 << 30;
    for (what, kind, media_type, digest, size) in [
        ("climbs", Kind::Malformed, MANIFEST, climbing, 2),
        ("climbs to an index", Kind::Malformed, INDEX, climbing, 2),
        ("is missing", Kind::NotInArchive, MANIFEST, &*missing, 2),
        ("is a missing index", Kind::NotInArchive, INDEX, &missing, 2),
        ("has 4 GiB", Kind::Limit, MANIFEST, &missing, four),
        ("is an index of 4 GiB", Kind::Limit, INDEX, &missing, four),
        ("has no digest", Kind::Malformed, MANIFEST, "", 2),
        (
            "has the digest of a path",
            Kind::Malformed,
            MANIFEST,
            "sha256:/etc/passwd",
            2,
        ),
    ] {
        let sandbox = Sandbox::new();
        let layout = Layout::new(&sandbox);
        layout.index(&[descriptor(media_type, digest, size)]);
        refused(
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
        refused(&layout.0, kind, &format!("in an index: {what}"), &sandbox);
        let (mut manifest, _) = layout.manifest(&[archive(members())]);
        manifest["config"] = descriptor(IMAGE_CONFIG, digest, size);
        layout.index(&[layout.json(MANIFEST, &manifest)]);
        refused(&layout.0, kind, &format!("a config that {what}"), &sandbox);
    }
}

#[test]
fn a_document_of_4_gib_behind_a_small_descriptor_is_not_read() {
    let sandbox = Sandbox::new();
    let layout = whole(&sandbox);
    let digest = sha256(b"large");
    // It has holes: nothing but its length is 4 GiB.
    let blob = layout.0.join("blobs/sha256").join(&digest);
    File::create(blob).unwrap().set_len(4 << 30).unwrap();
    layout.index(&[descriptor(MANIFEST, &format!("sha256:{digest}"), 1000)]);
    refused(&layout.0, Kind::Malformed, "4 GiB for 1000 bytes", &sandbox);
}

#[test]
fn an_index_that_names_itself_is_refused() {
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
    refused(&layout.0, Kind::Malformed, "an index of itself", &sandbox);
}

#[test]
fn an_index_of_many_images_is_listed_and_needs_a_name() {
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
    let listed = images(&layout.0, &ImportOptions::new(), &Watch::new()).unwrap();
    assert_eq!(listed.len(), 10_000);
    refused(&layout.0, Kind::NotInArchive, "no name", &sandbox);
    let named = Image::open(
        &layout.0,
        Some("n9999"),
        &ImportOptions::new(),
        &Watch::new(),
    );
    assert_eq!(named.unwrap().name.as_deref(), Some("n9999"));
    layout.index(&vec![one; 100_000]);
    refused(&layout.0, Kind::Limit, "100,000 images", &sandbox);
}

#[test]
fn a_compressed_archive_that_expands_more_than_is_allowed_is_refused() {
    let sandbox = Sandbox::new();
    let mut members = packed(&whole(&sandbox));
    members.push(file("zeros", vec![0; 64 << 20]));
    let path = sandbox.path().join("image.tar.gz");
    let bytes = compressor::Compression::Gzip.pack(&archive(members));
    fs::write(&path, bytes).unwrap();
    let mut options = ImportOptions::new();
    options.spool_directory(PlaceBuf::new(sandbox.path()).unwrap());
    let opened = |options: &ImportOptions| {
        let watch = Watch::new();
        [
            images(&path, options, &watch).map(drop),
            Image::open(&path, None, options, &watch).map(drop),
            Import::open_image(&path, None, options, &watch).map(drop),
        ]
    };
    for result in opened(&options) {
        result.unwrap();
    }
    options.limit(Limit::Ratio, 100);
    for result in opened(&options) {
        assert_eq!(result.unwrap_err().kind(), Kind::Limit);
    }
}
