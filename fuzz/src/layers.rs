//! Any layers with whiteouts, and any image of them in an OCI layout: nothing outside is touched, and an image that is
//! extracted is one whose blobs are what its documents say.

use std::fs;

use crutils::checkpoint::{Image, Import, ImportOptions, images};
use crutils::watch::Watch;
use sha2::{Digest as _, Sha256};

use super::pieces;
use super::stage::{Stage, tar};

/// Holds the library to it. The first byte says whether the rest is a layer, or the files of a layout.
pub fn check(data: &[u8]) {
    match data.split_first() {
        Some((form, rest)) if form % 2 == 0 => layer(rest),
        Some((_, rest)) => layout(rest),
        None => {}
    }
}

fn layer(data: &[u8]) {
    let stage = Stage::new();
    stage.furnish();
    stage.write("archive", &diff(&tar(data)));
    let mut options = ImportOptions::new();
    options.oci_whiteouts(true);
    let mut import = Import::open(&stage.base.join("archive"), &options, &Watch::new()).unwrap();
    let _ = import.to_root(&stage.root).and_then(|()| import.extract());
    stage.check();
}

/// An archive that has these bytes as its rootfs diff.
fn diff(bytes: &[u8]) -> Vec<u8> {
    super::stage::member(&[], "rootfs-diff.tar", b'0', &[], bytes)
}

/// A piece is a blob, or one of the two files that have names. `DIGEST(name)` and `SIZE(name)` in a later one stand for
/// what they say, as no fuzzer finds a digest.
fn layout(data: &[u8]) {
    let stage = Stage::new();
    let place = stage.base.join("layout");
    let blobs = place.join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    let mut known: Vec<(String, String, usize)> = Vec::new();
    for (name, content) in pieces::of(data) {
        let mut content = content.to_vec();
        if let Ok(mut text) = String::from_utf8(content.clone()) {
            for (name, digest, size) in &known {
                text = text.replace(&format!("DIGEST({name})"), &format!("sha256:{digest}"));
                text = text.replace(&format!("SIZE({name})"), &size.to_string());
            }
            content = text.into_bytes();
        } else {
            content = tar(&content);
        }
        if matches!(&*name, "index.json" | "oci-layout") {
            fs::write(place.join(&name), &content).unwrap();
        } else {
            let digest: String = Sha256::digest(&content)
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            fs::write(blobs.join(&digest), &content).unwrap();
            known.push((name, digest, content.len()));
        }
    }
    let (options, watch) = (ImportOptions::new(), Watch::new());
    let listed = images(&place, &options, &watch);
    let image = Image::open(&place, None, &options, &watch);
    if let Ok(image) = &image {
        assert!(!listed.unwrap().is_empty());
        let known = |digest: &str| known.iter().any(|(_, one, _)| digest.ends_with(one));
        assert!(
            known(&image.digest.to_string()),
            "{} is made up",
            image.digest
        );
    }
    if let Ok(mut import) = Import::open_image(&place, None, &options, &watch) {
        assert!(image.is_ok());
        let extracted = import
            .to_bundle(&stage.root)
            .and_then(|()| import.extract());
        if extracted.is_ok() {
            for layer in image.unwrap().layers {
                let digest = layer.digest.to_string();
                let blob = fs::metadata(blobs.join(digest.trim_start_matches("sha256:"))).unwrap();
                assert_eq!(blob.len(), layer.size);
            }
        }
    }
    stage.check();
}
