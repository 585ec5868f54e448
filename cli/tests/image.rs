//! Images of checkpoints, made and read by the command: the recipes of docs/images.md.

#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod images;

use std::fs;
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use images::{crutils, done, expected, files, inspected, rich, scratch, skopeo, succeeded, tool};
use serde_json::Value;

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
        let output = crutils(scratch.path()).args(line).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{image}: {output:?}");
    }
    done(
        scratch.path(),
        &["image", "build", &rich(), "-o", "images:x"],
    );
    let output = crutils(scratch.path())
        .args(["import", "oci:images:y", "-b", "b"])
        .output();
    assert_eq!(output.unwrap().status.code(), Some(3));
}

/// A registry on the loopback interface, which ends with the test.
struct Registry(Child, u16);

impl Registry {
    fn start(directory: &Path) -> Option<Self> {
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let store = directory.join("registry");
        let text = format!(
            "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: 127.0.0.1:{port}\n",
            store.display()
        );
        fs::write(directory.join("registry.yml"), text).unwrap();
        let mut command = Command::new("docker-registry");
        command
            .current_dir(directory)
            .args(["serve", "registry.yml"]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut registry = match child {
            Ok(child) => Registry(child, port),
            Err(error) => {
                let _ = writeln!(std::io::stderr(), "skipped: docker-registry: {error}");
                return None;
            }
        };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(
                registry.0.try_wait().unwrap().is_none(),
                "the registry ended"
            );
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "the registry doesn't answer"
            );
            thread::yield_now();
        }
        Some(registry)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn an_image_goes_through_a_registry_and_keeps_its_digest() {
    let scratch = scratch();
    let directory = scratch.path();
    let Some(registry) = Registry::start(directory) else {
        return;
    };
    let remote = format!("docker://127.0.0.1:{}/checkpoints/counter:1", registry.1);
    for (how, name) in [("gzip", "g"), ("zstd", "z")] {
        let output = format!("images:{name}");
        done(
            directory,
            &["image", "build", &rich(), "-c", how, "-o", &output],
        );
        let from = format!("oci:images:{name}");
        let push = ["copy", "--dest-tls-verify=false", &from, &remote];
        let Some(pushed) = skopeo(directory, &push) else {
            return;
        };
        succeeded(&pushed);
        let to = format!("oci:pulled:{name}");
        let pull = ["copy", "--src-tls-verify=false", &remote, &to];
        succeeded(&skopeo(directory, &pull).unwrap());
        assert_eq!(
            inspected(directory, &from)["digest"],
            inspected(directory, &to)["digest"]
        );
        let bundle = format!("imported-{name}");
        done(directory, &["import", "--config", "-b", &bundle, &to]);
        assert!(files(&directory.join(bundle)) == expected(directory));
        fs::remove_dir_all(directory.join("expected")).unwrap();
    }
}

#[test]
fn an_image_that_skopeo_has_encrypted_is_named_as_such_and_read_once_decrypted() {
    let scratch = scratch();
    let directory = scratch.path();
    done(directory, &["image", "build", &rich(), "-o", "images:x"]);
    let key = ["openssl", "genrsa", "-out", "key.pem", "2048"];
    let Some(made) = tool(directory, &key) else {
        return;
    };
    succeeded(&made);
    let public = [
        "openssl",
        "rsa",
        "-in",
        "key.pem",
        "-pubout",
        "-out",
        "public.pem",
    ];
    succeeded(&tool(directory, &public).unwrap());
    let encrypt = [
        "copy",
        "--encryption-key",
        "jwe:public.pem",
        "oci:images:x",
        "oci:secret:x",
    ];
    let Some(encrypted) = skopeo(directory, &encrypt) else {
        return;
    };
    succeeded(&encrypted);
    let output = crutils(directory)
        .args(["import", "oci:secret:x", "-b", "none"])
        .output();
    let output = output.unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && errors.contains("is encrypted"),
        "{errors}"
    );
    assert!(!directory.join("none").exists());
    let decrypt = [
        "copy",
        "--decryption-key",
        "key.pem",
        "oci:secret:x",
        "oci:clear:x",
    ];
    succeeded(&skopeo(directory, &decrypt).unwrap());
    done(
        directory,
        &["import", "--config", "-b", "imported", "oci:clear:x"],
    );
    assert!(files(&directory.join("imported")) == expected(directory));
}

#[test]
fn podman_shows_the_tree_of_an_image() {
    let scratch = scratch();
    let directory = scratch.path();
    done(directory, &["image", "build", &rich(), "-o", "images:x"]);
    let store = |name: &str| directory.join(name).to_str().unwrap().to_owned();
    let (root, run) = (store("storage"), store("run"));
    let podman = |arguments: &[&str]| {
        let line = [
            "podman",
            "--root",
            &root,
            "--runroot",
            &run,
            "--storage-driver",
            "vfs",
            "--events-backend",
            "none",
            "--cgroup-manager",
            "cgroupfs",
        ];
        tool(directory, &[&line[..], arguments].concat())
    };
    let Some(pulled) = podman(&["pull", "--signature-policy", "policy.json", "oci:images:x"])
    else {
        return;
    };
    succeeded(&pulled);
    let id = String::from_utf8(pulled.stdout).unwrap().trim().to_owned();
    let config = inspected(directory, "images:x")["config"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(config, format!("sha256:{id}"));
    let told = podman(&["image", "inspect", &id]).unwrap();
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    let key = "io.podman.annotations.checkpoint.runtime.name";
    assert_eq!(told[0]["Annotations"][key], "runc");
    let mounted = podman(&["image", "mount", &id]).unwrap();
    if !mounted.status.success() {
        let errors = String::from_utf8_lossy(&mounted.stderr).into_owned();
        let _ = writeln!(std::io::stderr(), "skipped: podman image mount: {errors}");
        return;
    }
    let tree = String::from_utf8(mounted.stdout).unwrap().trim().to_owned();
    assert!(files(Path::new(&tree)) == expected(directory));
    podman(&["image", "unmount", &id]);
}

#[test]
fn buildah_s_image_of_the_kubernetes_recipe_is_imported() {
    let scratch = scratch();
    let directory = scratch.path();
    let (root, run) = (directory.join("storage"), directory.join("run"));
    let (root, run) = (root.to_str().unwrap(), run.to_str().unwrap());
    let buildah = |arguments: &[&str]| {
        let line = [
            "buildah",
            "--root",
            root,
            "--runroot",
            run,
            "--storage-driver",
            "vfs",
        ];
        tool(directory, &[&line[..], arguments].concat())
    };
    let Some(from) = buildah(&["from", "scratch"]) else {
        return;
    };
    succeeded(&from);
    let container = String::from_utf8(from.stdout).unwrap().trim().to_owned();
    succeeded(&buildah(&["add", &container, &rich(), "/"]).unwrap());
    let annotation = "--annotation=io.kubernetes.cri-o.annotations.checkpoint.name=rich";
    succeeded(&buildah(&["config", annotation, &container]).unwrap());
    let commit = [
        "commit",
        "--signature-policy",
        "policy.json",
        &container,
        "oci:built:x",
    ];
    succeeded(&buildah(&commit).unwrap());
    assert_eq!(
        inspected(directory, "oci:built:x")["recognised_by"],
        serde_json::json!(["CRI-O"])
    );
    done(
        directory,
        &["import", "--config", "-b", "imported", "oci:built:x"],
    );
    assert!(files(&directory.join("imported")) == expected(directory));
}
