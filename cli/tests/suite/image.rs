//! Images of checkpoints, made and read by the command.

use std::collections::BTreeMap;
use std::path::Path;

use crate::support::{crutils, done, files, inspected, rich, run, scratch, sh};

/// What is in podman's archive.
fn expected(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let import = ["import", "--config", "--bundle", "expected", &rich()];
    done(directory, &import);
    files(&directory.join("expected"))
}

#[test]
fn an_archive_becomes_an_image_that_is_told_of() {
    let scratch = scratch();
    let directory = scratch.path();
    let told = done(
        directory,
        &[
            "image",
            "build",
            &rich(),
            "--output",
            "images:counter",
            "--annotation",
            "k=v",
        ],
    );
    let image = inspected(directory, "oci:images:counter");
    assert!(
        told.starts_with(image["digest"].as_str().unwrap()),
        "{told}"
    );
    assert_eq!(
        image["recognised_by"],
        serde_json::json!(["podman", "CRI-O", "containerd"])
    );
    assert_eq!(image["annotations"]["k"], "v");
    assert_eq!(image["architecture"], "amd64");
    let text = done(directory, &["image", "inspect", "images"]);
    assert!(
        text.contains("checkpoint to podman, CRI-O, containerd"),
        "{text}"
    );
    let list = done(directory, &["image", "inspect", "--list", "images"]);
    assert_eq!(
        list,
        format!("{}  counter\n", image["digest"].as_str().unwrap())
    );
    let list = done(
        directory,
        &["image", "inspect", "--list", "--json", "images"],
    );
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    assert_eq!(list[0]["digest"], image["digest"]);
    assert_eq!(list[0]["name"], "counter");
    assert_eq!(list.as_array().unwrap().len(), 1);
}

#[test]
fn what_belongs_to_a_bundle_is_not_left_out_of_an_image_of_an_archive() {
    let scratch = scratch();
    for added in [["--volume", "v=."], ["--shm", "."], ["--rootfs", "."]] {
        let mut build = crutils();
        build
            .current_dir(scratch.path())
            .args(["image", "build", &rich(), "-o", "images:x"])
            .args(added);
        assert_eq!(build.output().unwrap().status.code(), Some(2), "{added:?}");
        assert!(!scratch.join("images").exists());
    }
}

#[test]
fn a_compressed_oci_archive_is_read_where_it_may_be_kept() {
    let scratch = scratch();
    let directory = scratch.path();
    done(
        directory,
        &["image", "build", &rich(), "-o", "oci-archive:one.tar"],
    );
    sh(directory, "gzip one.tar");
    let image = "oci-archive:one.tar.gz";
    let without = run(directory, &["list", image]);
    assert_eq!(without.status.code(), Some(3), "{without:?}");
    let members = done(directory, &["list", "--spool", ".", image]);
    assert!(members.contains("checkpoint/inventory.img"), "{members}");
    done(directory, &["extract", "--spool", ".", image, "out"]);
    assert!(directory.join("out/checkpoint/inventory.img").exists());
}

#[test]
fn images_of_archives_and_of_bundles_are_imported() {
    let scratch = scratch();
    let directory = scratch.path();
    done(
        directory,
        &["image", "build", &rich(), "-o", "images:counter"],
    );
    let expected = expected(directory);
    done(
        directory,
        &["import", "--config", "-b", "imported", "oci:images:counter"],
    );
    assert!(files(&directory.join("imported")) == expected);
    done(
        directory,
        &[
            "image",
            "build",
            "expected",
            "-o",
            "oci-archive:one.tar:localhost/c:1",
        ],
    );
    done(
        directory,
        &[
            "import",
            "--config",
            "-b",
            "second",
            "oci-archive:one.tar:localhost/c:1",
        ],
    );
    assert!(files(&directory.join("second")) == expected);
}

#[test]
fn an_image_that_is_named_wrongly_is_a_wrong_use() {
    let scratch = scratch();
    for image in ["oci:", "oci::x", "images:", "images:a b"] {
        let line = ["image", "build", &rich(), "-o", image];
        let output = run(scratch.path(), &line);
        assert_eq!(output.status.code(), Some(2), "{image}: {output:?}");
    }
    done(
        scratch.path(),
        &["image", "build", &rich(), "-o", "images:x"],
    );
    let output = run(scratch.path(), &["import", "oci:images:y", "-b", "b"]);
    assert_eq!(output.status.code(), Some(3));
}
