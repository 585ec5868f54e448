//! Images of checkpoints, made and read by the command: the recipes of docs/images.md, and what a kill leaves.

#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;

/// A directory that is removed with its content.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("crutils-image-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        let policy = r#"{"default":[{"type":"insecureAcceptAnything"}]}"#;
        fs::write(path.join("policy.json"), policy).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// An archive that podman has made.
fn rich() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/rich.tar.zst");
    path.to_str().unwrap().to_owned()
}

fn crutils(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crutils"));
    command.current_dir(directory);
    command
}

fn done(directory: &Path, arguments: &[&str]) -> String {
    let output = crutils(directory).args(arguments).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs a tool; none, with a line that says so, if it isn't there.
fn tool(directory: &Path, line: &[&str]) -> Option<Output> {
    let mut command = Command::new(line[0]);
    match command.current_dir(directory).args(&line[1..]).output() {
        Ok(output) => Some(output),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "skipped: {}: {error}", line[0]);
            None
        }
    }
}

#[track_caller]
fn succeeded(output: &Output) {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
}

/// skopeo with a policy of the test's own.
fn skopeo(directory: &Path, arguments: &[&str]) -> Option<Output> {
    let line = [&["skopeo", "--policy", "policy.json"], arguments].concat();
    tool(directory, &line)
}

fn inspected(directory: &Path, image: &str) -> Value {
    serde_json::from_str(&done(directory, &["image", "inspect", "--json", image])).unwrap()
}

/// The files below a directory.
fn files(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut left = vec![root.to_path_buf()];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            let path = entry.path();
            if entry.file_type().unwrap().is_dir() {
                left.push(path);
            } else if path.is_file() {
                let name = path
                    .strip_prefix(root)
                    .unwrap()
                    .to_string_lossy()
                    .into_owned();
                found.insert(name, fs::read(path).unwrap());
            }
        }
    }
    found
}

/// What is in podman's archive.
fn expected(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    done(
        directory,
        &["import", "--config", "--bundle", "expected", &rich()],
    );
    files(&directory.join("expected"))
}

#[test]
fn an_archive_becomes_an_image_that_is_told_of_and_imported() {
    let scratch = Scratch::new();
    let directory = scratch.0.as_path();
    let told = done(
        directory,
        &[
            "image",
            "build",
            &rich(),
            "--output",
            "images:counter",
            "-a",
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
    let expected = expected(directory);
    done(
        directory,
        &["import", "-c", "-b", "imported", "oci:images:counter"],
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
            "-c",
            "-b",
            "second",
            "oci-archive:one.tar:localhost/c:1",
        ],
    );
    assert!(files(&directory.join("second")) == expected);
}

#[test]
fn an_image_that_is_named_wrongly_is_a_wrong_use() {
    let scratch = Scratch::new();
    for image in ["oci:", "oci::x", "images:", "images:a b"] {
        let line = ["image", "build", &rich(), "-o", image];
        let output = crutils(&scratch.0).args(line).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{image}: {output:?}");
    }
    done(&scratch.0, &["image", "build", &rich(), "-o", "images:x"]);
    let output = crutils(&scratch.0)
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
    let scratch = Scratch::new();
    let directory = scratch.0.as_path();
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
        done(directory, &["import", "-c", "-b", &bundle, &to]);
        assert!(files(&directory.join(bundle)) == expected(directory));
        fs::remove_dir_all(directory.join("expected")).unwrap();
    }
}

#[test]
fn an_image_that_skopeo_has_encrypted_is_named_as_such_and_read_once_decrypted() {
    let scratch = Scratch::new();
    let directory = scratch.0.as_path();
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
        &["import", "-c", "-b", "imported", "oci:clear:x"],
    );
    assert!(files(&directory.join("imported")) == expected(directory));
}

#[test]
fn podman_shows_the_tree_of_an_image() {
    let scratch = Scratch::new();
    let directory = scratch.0.as_path();
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
    let scratch = Scratch::new();
    let directory = scratch.0.as_path();
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
        &["import", "-c", "-b", "imported", "oci:built:x"],
    );
    assert!(files(&directory.join("imported")) == expected(directory));
}

/// A number below `most`, of a generator that anybody can start again.
fn random(state: &mut u64, most: u64) -> u64 {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) % most
}

#[test]
fn a_kill_leaves_the_old_images_or_the_new_one() {
    let scratch = Scratch::new();
    let directory = scratch.0.as_path();
    let bundle = directory.join("bundle/checkpoint");
    fs::create_dir_all(&bundle).unwrap();
    fs::write(
        directory.join("bundle/config.dump"),
        r#"{"id":"1","name":"n"}"#,
    )
    .unwrap();
    fs::write(directory.join("bundle/spec.dump"), "{}").unwrap();
    fs::write(bundle.join("inventory.img"), "i").unwrap();
    let pages: Vec<u8> = (0..8_000_000_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    fs::write(bundle.join("pages-1.img"), pages).unwrap();
    done(directory, &["image", "build", &rich(), "-o", "images:old"]);
    let old = inspected(directory, "images:old");
    let begun = Instant::now();
    done(directory, &["image", "build", "bundle", "-o", "other:new"]);
    let whole = begun.elapsed();
    let new = inspected(directory, "other:new");
    let seed = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_nanos() as u64;
    let _ = writeln!(std::io::stderr(), "seed {seed}");
    let mut state = seed;
    let (mut killed, mut finished) = (0, 0);
    for _ in 0..40 {
        let mut command = crutils(directory);
        command.args(["image", "build", "bundle", "-q", "-o", "images:new"]);
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // The time is what is random; nothing waits for it.
        thread::sleep(whole.mul_f64(random(&mut state, 1300) as f64 / 1000.0));
        let _ = child.kill();
        match child.wait().unwrap().success() {
            true => finished += 1,
            false => killed += 1,
        }
        assert_eq!(inspected(directory, "images:old"), old);
        let list = done(directory, &["image", "inspect", "--list", "images"]);
        if list.contains("  new\n") {
            assert_eq!(inspected(directory, "images:new"), new);
            done(directory, &["list", "oci:images:new"]);
        }
        assert!(list.lines().count() <= 2, "{list}");
        if let Some(raw) = skopeo(directory, &["inspect", "--raw", "oci:images:old"]) {
            succeeded(&raw);
        }
    }
    let _ = writeln!(std::io::stderr(), "{killed} killed, {finished} finished");
    done(directory, &["image", "build", "bundle", "-o", "images:new"]);
    assert_eq!(inspected(directory, "images:new"), new);
    done(directory, &["import", "-b", "imported", "oci:images:new"]);
}
