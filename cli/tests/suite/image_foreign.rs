//! Images that other tools have made of a checkpoint are imported.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::json;

use crate::support::store::buildah;
use crate::support::{done, files, inspected, line_of, rich, run, scratch, sh, skopeo, succeeded};

type Files = BTreeMap<String, Vec<u8>>;

/// What GNU tar extracts of the archive.
fn expected(directory: &Path) -> Files {
    let line = format!(
        "mkdir expected && zstd -qdc {} | tar -xf - -C expected",
        rich()
    );
    sh(directory, &line);
    files(&directory.join("expected"))
}

fn commit(directory: &Path, container: &str, image: &str) {
    let how = ["commit", "-q", "--signature-policy", "policy.json"];
    succeeded(&buildah(directory, &[&how[..], &[container, image]].concat()).unwrap());
}

/// The recipe of the Kubernetes documentation; none, with a line that says so, without buildah.
fn by_the_recipe(directory: &Path, image: &str) -> Option<String> {
    let from = buildah(directory, &["from", "scratch"])?;
    let container = line_of(&from);
    succeeded(&buildah(directory, &["add", &container, &rich(), "/"]).unwrap());
    let annotation = "--annotation=io.kubernetes.cri-o.annotations.checkpoint.name=rich";
    succeeded(&buildah(directory, &["config", annotation, &container]).unwrap());
    commit(directory, &container, image);
    Some(container)
}

fn imported(directory: &Path, image: &str) -> Files {
    let import = ["import", "-q", "--config", "-b", "imported", image];
    done(directory, &import);
    let found = files(&directory.join("imported"));
    fs::remove_dir_all(directory.join("imported")).unwrap();
    found
}

#[test]
fn buildah_s_image_of_the_kubernetes_recipe_is_imported() {
    let scratch = scratch();
    let directory = scratch.path();
    if by_the_recipe(directory, "oci:built:x").is_none() {
        return;
    }
    let told = inspected(directory, "oci:built:x");
    assert_eq!(told["recognised_by"], json!(["CRI-O"]));
    let expected = expected(directory);
    assert!(imported(directory, "oci:built:x") == expected);
    // The same as skopeo and buildah pack it.
    for (line, image) in [
        (
            &["copy", "-q", "oci:built:x", "oci-archive:packed:y"][..],
            "oci-archive:packed:y",
        ),
        (
            &["copy", "-q", "oci:built:x", "oci-archive:nameless"],
            "oci-archive:nameless",
        ),
    ] {
        let Some(copied) = skopeo(directory, line) else {
            return;
        };
        succeeded(&copied);
        assert!(imported(directory, image) == expected, "{image}");
    }
}

#[test]
fn an_image_of_several_layers_is_imported_with_what_they_remove() {
    let scratch = scratch();
    let directory = scratch.path();
    if by_the_recipe(directory, "localhost/base:1").is_none() {
        return;
    }
    let policy = ["--signature-policy", "policy.json"];
    let from = [&["from"][..], &policy, &["localhost/base:1"]].concat();
    let container = line_of(&buildah(directory, &from).unwrap());
    let root = line_of(&buildah(directory, &["mount", &container]).unwrap());
    let root = Path::new(&root);
    let mut expected = expected(directory);
    fs::remove_file(root.join("ctr.log")).unwrap();
    expected.remove("ctr.log").unwrap();
    fs::remove_dir_all(root.join("volumes")).unwrap();
    expected.retain(|name, _| !name.starts_with("volumes/"));
    fs::write(root.join("checkpoint/added.img"), "added").unwrap();
    expected.insert("checkpoint/added.img".to_owned(), b"added".to_vec());
    fs::write(root.join("network.status"), "{}").unwrap();
    expected.insert("network.status".to_owned(), b"{}".to_vec());
    succeeded(&buildah(directory, &["umount", &container]).unwrap());
    commit(directory, &container, "oci:built:x");
    let told = inspected(directory, "oci:built:x");
    assert_eq!(told["layers"].as_array().unwrap().len(), 2);
    let found = imported(directory, "oci:built:x");
    assert!(found == expected, "{:?}", found.keys());
}

#[test]
fn of_an_index_that_buildah_has_made_the_image_of_this_machine_is_taken() {
    let scratch = scratch();
    let directory = scratch.path();
    let (mine, other) = match cfg!(target_arch = "x86_64") {
        true => ("amd64", "arm64"),
        false => ("arm64", "amd64"),
    };
    for architecture in [mine, other] {
        let archive = format!("oci-archive:{architecture}");
        let mut build = vec!["image", "build", "-q", "--arch", architecture, "-o"];
        let annotation = format!("for={architecture}");
        let rich = rich();
        build.extend([archive.as_str(), "--annotation", &annotation, &rich]);
        done(directory, &build);
    }
    let Some(made) = buildah(directory, &["manifest", "create", "both"]) else {
        return;
    };
    succeeded(&made);
    for architecture in [other, mine] {
        let archive = format!("oci-archive:{architecture}");
        succeeded(&buildah(directory, &["manifest", "add", "both", &archive]).unwrap());
    }
    let push = [
        "manifest",
        "push",
        "--all",
        "-q",
        "--signature-policy",
        "policy.json",
    ];
    succeeded(&buildah(directory, &[&push[..], &["both", "oci:built:x"]].concat()).unwrap());
    let told = inspected(directory, "oci:built:x");
    assert_eq!(told["annotations"]["for"], mine);
    let one = inspected(directory, &format!("oci-archive:{mine}"));
    assert_eq!(told["digest"], one["digest"]);
    assert!(imported(directory, "oci:built:x") == expected(directory));
    let list = done(directory, &["image", "inspect", "--list", "built"]);
    assert_eq!(list.lines().count(), 1, "{list}");
    let output = run(directory, &["list", "oci:built:y"]);
    assert!(!output.status.success());
}
