//! The recipes of docs/images.md are run as they stand there, with a registry of the test's own.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::support::registry::Registry;
use crate::support::store::podman;
use crate::support::{done, files, inspected, is_root, program, rich, scratch, succeeded, tool};

const PAGE: &str = include_str!("../../../docs/images.md");

/// The block of the page that has this line in it.
fn recipe(line: &str) -> &'static str {
    let mut blocks = PAGE.split("```sh\n").skip(1);
    let block = blocks.find(|block| block.split("```").next().unwrap().contains(line));
    let block = block.unwrap_or_else(|| panic!("the page has no {line}"));
    block.split("```").next().unwrap()
}

/// A directory with what a reader has: an archive, a bundle, keys, and tools that find the registry and a policy.
struct Reader<'d> {
    directory: &'d Path,
    registry: Option<&'d Registry>,
}

impl<'d> Reader<'d> {
    fn new(directory: &'d Path, registry: Option<&'d Registry>) -> Self {
        let reader = Self {
            directory,
            registry,
        };
        fs::copy(rich(), directory.join("counter.tar.zst")).unwrap();
        done(
            directory,
            &["import", "-q", "--config", "-b", "run/counter", &rich()],
        );
        let programs = directory.join("bin");
        fs::create_dir(&programs).unwrap();
        let command = env!("CARGO_BIN_EXE_crutils");
        program(&programs.join("crutils"), &format!("exec {command} \"$@\""));
        let root = directory.display();
        program(
            &programs.join("skopeo"),
            &format!(
                "PATH=$HIDDEN exec skopeo --policy {root}/policy.json --registries-conf {root}/registries.conf \"$@\""
            ),
        );
        program(
            &programs.join("podman"),
            &format!(
                "PATH=$HIDDEN exec podman --root {root}/storage --runroot {root}/runroot --storage-driver vfs \
                 --events-backend none --cgroup-manager cgroupfs \"$@\" --signature-policy {root}/policy.json"
            ),
        );
        let known = registry.map(|registry| {
            let address = registry.address();
            format!("[[registry]]\nlocation = \"{address}\"\ninsecure = true\n")
        });
        fs::write(directory.join("registries.conf"), known.unwrap_or_default()).unwrap();
        reader
    }

    fn run(&self, lines: &str) -> Output {
        let here = self.directory.display();
        let mut lines = lines.replace(" /run/", &format!(" {here}/run/"));
        if let Some(registry) = self.registry {
            lines = lines.replace("registry.example", &registry.address());
        }
        let hidden = std::env::var("PATH").unwrap();
        let mut command = Command::new("bash");
        command.current_dir(self.directory).args(["-euxc", &lines]);
        command.env("PATH", format!("{here}/bin:{hidden}"));
        command.env("HIDDEN", &hidden);
        command.output().unwrap()
    }

    #[track_caller]
    fn does(&self, lines: &str) {
        succeeded(&self.run(lines));
    }
}

/// Whether all these tools are there.
fn have(directory: &Path, tools: &[&str]) -> bool {
    tools
        .iter()
        .all(|name| tool(directory, &[name, "--version"]).is_some())
}

#[test]
fn to_a_registry_and_back() {
    let scratch = scratch();
    let directory = scratch.path();
    if !have(directory, &["skopeo"]) {
        return;
    }
    let Some(registry) = Registry::start(directory) else {
        return;
    };
    let reader = Reader::new(directory, Some(&registry));
    let before = files(&directory.join("run/counter"));
    fs::remove_dir_all(directory.join("run/counter")).unwrap();
    reader.does(recipe(
        "docker://registry.example/checkpoints/counter:1 oci:images:pulled",
    ));
    let digest = |image: &str| inspected(directory, image)["digest"].clone();
    assert_eq!(digest("oci:images:counter"), digest("oci:images:pulled"));
    assert!(files(&directory.join("run/counter")) == before);
}

#[test]
fn into_podman_s_storage() {
    let scratch = scratch();
    let directory = scratch.path();
    if !is_root("keep all owners") || !have(directory, &["podman"]) {
        return;
    }
    let reader = Reader::new(directory, None);
    let lines = recipe("podman load");
    // The process goes on in a virtual machine, where CRIU works: tests/vm/guest/parts/images.sh.
    let (lines, restore) = lines.split_once("podman container restore").unwrap();
    assert_eq!(restore.trim(), "localhost/counter:1");
    reader.does(lines);
    let exists = ["image", "exists", "localhost/counter:1"];
    succeeded(&podman(directory, &exists).unwrap());
}

#[test]
fn encrypted_for_whoever_has_the_private_key() {
    let scratch = scratch();
    let directory = scratch.path();
    if !have(directory, &["skopeo"]) || tool(directory, &["openssl", "version"]).is_none() {
        return;
    }
    let Some(registry) = Registry::start(directory) else {
        return;
    };
    let reader = Reader::new(directory, Some(&registry));
    reader.does(
        "openssl genrsa -out private.pem 2048; openssl rsa -in private.pem -pubout -out public.pem",
    );
    reader.does("crutils image build counter.tar.zst -o images:counter");
    let lines = recipe("--encryption-key");
    let (encrypt, decrypt) = lines.split_once('\n').unwrap();
    reader.does(encrypt);
    // What lies in the registry can't be read, but its annotations.
    reader.does("skopeo copy docker://registry.example/checkpoints/secret:1 oci:images:secret");
    let refused = reader.run("crutils import oci:images:secret --bundle none");
    let errors = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && errors.contains("is encrypted"),
        "{errors}"
    );
    assert!(!directory.join("none").exists());
    let raw = reader.run("skopeo inspect --raw oci:images:secret");
    let raw = String::from_utf8(raw.stdout).unwrap();
    assert!(raw.contains("org.criu.checkpoint.container.name"), "{raw}");
    reader.does(decrypt);
    reader.does("crutils import oci:images:clear --bundle back --config");
    assert!(files(&directory.join("back")) == files(&directory.join("run/counter")));
}

#[test]
fn through_age() {
    let scratch = scratch();
    let directory = scratch.path();
    if !have(directory, &["age"]) {
        return;
    }
    let reader = Reader::new(directory, None);
    let lines = recipe("age --recipient");
    let keys = "age-keygen -o key.txt; PUBLIC=$(age-keygen -y key.txt)\n";
    reader.does(&format!("{keys}{lines}"));
    let mut expected = files(&directory.join("run/counter"));
    // They stay in the archive: the recipe doesn't ask for them.
    expected.retain(|name, _| name != "config.dump" && name != "spec.dump");
    assert!(files(&directory.join("run/restored")) == expected);
    // What was cut off is refused, and nothing of it stays.
    let decrypt = lines.lines().find(|line| line.starts_with("age --decrypt"));
    let decrypt = decrypt.unwrap().replace("run/restored", "run/none");
    for bytes in [100, 1000, 20_000] {
        let cut = format!("head -c {bytes} counter.tar.zst.age >cut; mv cut counter.tar.zst.age\n");
        let said = reader.run(&format!(
            "set -o pipefail; cp counter.tar.zst.age whole; trap 'mv whole counter.tar.zst.age' EXIT; {cut}{decrypt}"
        ));
        assert!(!said.status.success(), "{bytes}");
        assert!(!directory.join("run/none").exists(), "{bytes}");
    }
    // Of a recipient that isn't one nobody takes an empty archive for a checkpoint.
    let wrong = lines.lines().find(|line| line.contains("age --recipient"));
    let wrong = format!("set -o pipefail; PUBLIC=nobody\n{}", wrong.unwrap());
    assert!(!reader.run(&wrong).status.success());
}

#[test]
fn signed_by_an_ssh_key() {
    let scratch = scratch();
    let directory = scratch.path();
    if tool(directory, &["ssh-keygen", "-?"]).is_none() {
        return;
    }
    let reader = Reader::new(directory, None);
    let keys =
        "ssh-keygen -q -t ed25519 -N '' -f key; echo \"me $(cat key.pub)\" >allowed_signers\n";
    let lines = recipe("ssh-keygen -Y sign");
    reader.does(&format!("{keys}{lines}"));
    let verify = lines.lines().find(|line| line.contains("-Y verify"));
    let changed = format!("echo x >>counter.tar.zst\n{}", verify.unwrap());
    assert!(!reader.run(&changed).status.success());
}
