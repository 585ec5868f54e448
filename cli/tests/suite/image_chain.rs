//! Images of each form go the way of images in a cluster: umoci unpacks them, skopeo pushes and pulls them, and podman
//! stores and mounts them. What comes out is what GNU tar has extracted of the archive.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::registry::Registry;
use crate::support::store::podman;
use crate::support::tree::{Found, tree};
use crate::support::{
    done, files, inspected, is_root, line_of, rich, scratch, sh, skopeo, succeeded, tool,
};

/// The archive has volumes/vol1.tar, but not the directory.
const IMPLIED: [&str; 1] = ["volumes"];

/// An image: what it is made of, how its layer is compressed if that is said, and whether that is the archive as it is.
struct Form {
    source: &'static str,
    compress: Option<&'static str>,
    media_type: &'static str,
    kept: bool,
}

const FORMS: [Form; 6] = [
    Form {
        source: "archive.gz",
        compress: None,
        media_type: "gzip",
        kept: true,
    },
    Form {
        source: "archive.zst",
        compress: None,
        media_type: "zstd",
        kept: true,
    },
    Form {
        source: "archive.zst",
        compress: Some("gzip"),
        media_type: "gzip",
        kept: false,
    },
    Form {
        source: "archive",
        compress: None,
        media_type: "gzip",
        kept: false,
    },
    Form {
        source: "bundle",
        compress: None,
        media_type: "gzip",
        kept: false,
    },
    Form {
        source: "bundle",
        compress: Some("zstd"),
        media_type: "zstd",
        kept: false,
    },
];

type Tree = BTreeMap<String, Found>;

/// Makes the sources, and returns what is in them.
fn sources(directory: &Path) -> Tree {
    let line = format!(
        "zstd -qdc {} >archive && gzip -nc archive >archive.gz && zstd -qc archive >archive.zst &&
        mkdir bundle && tar --numeric-owner -xpf archive -C bundle",
        rich()
    );
    sh(directory, &line);
    tree(&directory.join("bundle"), &IMPLIED)
}

fn sha256(directory: &Path, command: &str) -> String {
    let line = format!("set -o pipefail; {command} | sha256sum");
    let said = line_of(&tool(directory, &["bash", "-euc", &line]).unwrap());
    said.split(' ').next().unwrap().to_owned()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// The layer is as the form has it, and `diff_id` is that of its content.
fn check_layer(directory: &Path, layout: &str, image: &Value, form: &Form) {
    let layer = &image["layers"][0];
    assert_eq!(image["layers"].as_array().unwrap().len(), 1);
    let media_type = format!("application/vnd.oci.image.layer.v1.tar+{}", form.media_type);
    assert_eq!(layer["media_type"], Value::from(media_type));
    let digest = text(&layer["digest"]);
    let blob = format!("{layout}/{}", digest.replace("sha256:", "blobs/sha256/"));
    assert_eq!(
        digest,
        format!("sha256:{}", sha256(directory, &format!("cat {blob}")))
    );
    let content = format!("{} -dc <{blob}", form.media_type);
    let content = sha256(directory, &content);
    assert_eq!(text(&layer["diff_id"]), format!("sha256:{content}"));
    if form.kept {
        let archive = sha256(directory, &format!("cat {}", form.source));
        assert_eq!(digest, format!("sha256:{archive}"));
    }
}

/// umoci is the one that notices a wrong diff_id. It doesn't know zstd.
fn umoci_unpacks(directory: &Path, image: &str, expected: &Tree) {
    let unpack = ["umoci", "raw", "unpack", "--image", image, "by-umoci"];
    let Some(unpacked) = tool(directory, &unpack) else {
        return;
    };
    succeeded(&unpacked);
    assert!(tree(&directory.join("by-umoci"), &IMPLIED) == *expected);
    fs::remove_dir_all(directory.join("by-umoci")).unwrap();
}

fn podman_mounts(directory: &Path, image: &str, told: &Value, expected: &Tree) {
    let pull = ["pull", "-q", "--signature-policy", "policy.json", image];
    let Some(pulled) = podman(directory, &pull) else {
        return;
    };
    let id = line_of(&pulled);
    assert_eq!(text(&told["config"]), format!("sha256:{id}"));
    let inspected = podman(directory, &["image", "inspect", &id]).unwrap();
    let inspected: Value = serde_json::from_str(&line_of(&inspected)).unwrap();
    assert_eq!(inspected[0]["Annotations"], told["annotations"]);
    let mounted = line_of(&podman(directory, &["image", "mount", &id]).unwrap());
    assert!(tree(Path::new(&mounted), &IMPLIED) == *expected);
    succeeded(&podman(directory, &["image", "unmount", &id]).unwrap());
    succeeded(&podman(directory, &["image", "rm", &id]).unwrap());
}

/// Goes through all of the chain with an image of this form.
fn go(directory: &Path, form: &Form, packed: bool, registry: Option<&Registry>, expected: &Tree) {
    let built = match packed {
        true => "oci-archive:packed:localhost/x:1",
        false => "oci:layout:x",
    };
    let mut build = vec!["image", "build", "-q", form.source, "-o", built];
    build.extend(form.compress.iter().flat_map(|how| ["-c", how]));
    done(directory, &build);
    let told = inspected(directory, built);
    if packed {
        let copy = skopeo(directory, &["copy", "-q", built, "oci:layout:x"]);
        let Some(copied) = copy else { return };
        succeeded(&copied);
        assert_eq!(
            inspected(directory, "oci:layout:x")["digest"],
            told["digest"]
        );
    }
    check_layer(directory, "layout", &told, form);
    if form.media_type == "gzip" {
        umoci_unpacks(directory, "layout:x", expected);
    }
    if let Some(registry) = registry {
        let remote = format!("docker://{}/checkpoints/counter:1", registry.address());
        // Otherwise skopeo pushes a layer of another form, if it knows that the registry has one of this content.
        let copy = ["copy", "-q", "--preserve-digests"];
        let push = ["--dest-tls-verify=false", built, &remote];
        succeeded(&skopeo(directory, &[&copy[..], &push].concat()).unwrap());
        let pull = ["--src-tls-verify=false", &remote, "oci:pulled:x"];
        succeeded(&skopeo(directory, &[&copy[..], &pull].concat()).unwrap());
        let mut back = inspected(directory, "oci:pulled:x");
        back["name"] = told["name"].clone();
        assert_eq!(back, told);
        let import = ["import", "-q", "--config", "-b", "imported", "oci:pulled:x"];
        done(directory, &import);
        assert!(files(&directory.join("imported")) == files(&directory.join("bundle")));
        fs::remove_dir_all(directory.join("imported")).unwrap();
        fs::remove_dir_all(directory.join("pulled")).unwrap();
    }
    podman_mounts(directory, built, &told, expected);
    fs::remove_dir_all(directory.join("layout")).unwrap();
}

fn chain(packed: bool) {
    if !is_root("keep all owners") {
        return;
    }
    let scratch = scratch();
    let directory = scratch.path();
    let expected = sources(directory);
    let registry = match skopeo(directory, &["--version"]) {
        Some(_) => Registry::start(directory),
        None => None,
    };
    for form in &FORMS {
        go(directory, form, packed, registry.as_ref(), &expected);
    }
}

#[test]
fn images_in_layouts_keep_their_tree_and_their_digest() {
    chain(false);
}

#[test]
fn images_in_archives_keep_their_tree_and_their_digest() {
    chain(true);
}
