//! Names of one file: kept together, and told from a file that has the number of one that is gone.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::support::api::add;
use crate::support::changes::Look;
use crate::support::door::Door;
use crate::support::gate::amid;
use crate::support::process::Test;
use crate::support::sandbox::{Fs, Sandbox, run};
use crate::support::stage::Stage;

/// A pair of names in `directory` for one file of this content; its number.
fn pair(directory: &Path, prefix: &str, content: &str) -> u64 {
    fs::create_dir_all(directory).unwrap();
    let [one, two] = ["one", "two"].map(|name| directory.join(format!("{prefix}{name}")));
    fs::write(&one, content).unwrap();
    fs::hard_link(&one, two).unwrap();
    fs::metadata(&one).unwrap().ino()
}

/// Mounts a fuse-overlayfs of the directory `lower` at `on`.
fn mount_fuse_overlay(sandbox: &mut Sandbox, lower: &Path, on: &Path) -> Result<(), String> {
    let (upper, work) = (sandbox.dir("fuse-upper"), sandbox.dir("fuse-work"));
    let (lower, upper) = (lower.display(), upper.display());
    let options = format!(
        "lowerdir={lower},upperdir={upper},workdir={}",
        work.display()
    );
    run(&format!("fuse-overlayfs -o {options} {}", on.display()))?;
    sandbox.unmount_later(on);
    Ok(())
}

api_tests! {
    a_new_pair_of_names_with_the_number_of_one_that_is_gone_has_its_own_content,
    links_are_kept_where_a_file_system_counts_the_names_that_it_has_seen,
    what_fuse_overlayfs_shows_as_one_file_is_one_as_it_is_for_gnu_tar
}

fn a_new_pair_of_names_with_the_number_of_one_that_is_gone_has_its_own_content(test: &Test) {
    needs_root!("mount file systems");
    let mut reused = 0;
    for kind in Fs::COMMON {
        let Some(stage) = Stage::on(test, kind) else {
            continue;
        };
        let before = pair(&stage.at("d"), "a-", "the old content");
        stage.write("d/b-gate", "is opened after the first pair");
        let changes = ["/d/a-one", "/d/a-two", "/d/b-gate", "/d/c-one", "/d/c-two"].map(add);
        let mut after = 0;
        let create = || stage.create(&changes);
        let created = amid(&stage.at("d/b-gate"), create, || {
            fs::remove_file(stage.at("d/a-one")).unwrap();
            fs::remove_file(stage.at("d/a-two")).unwrap();
            after = pair(&stage.at("d"), "c-", "the new content");
        });
        let Some(created) = created else { continue };
        created.unwrap();
        reused += u32::from(before == after);
        let target = stage.sandbox.dir("target");
        test.apply_rootfs_diff_tar(&stage.base, &target).unwrap();
        for (path, content) in [
            ("a-one", "the old content"),
            ("c-one", "the new content"),
            ("c-two", "the new content"),
        ] {
            let path = target.join("d").join(path);
            assert_eq!(
                fs::read_to_string(&path).unwrap(),
                content,
                "{kind:?}: {path:?}"
            );
        }
        let file = |name: &str| fs::metadata(target.join("d").join(name)).unwrap().ino();
        assert_eq!(file("a-one"), file("a-two"), "{kind:?}");
        assert_eq!(file("c-one"), file("c-two"), "{kind:?}");
    }
    if reused == 0 {
        skip!("no file system gives a number out again at once");
    }
}

fn links_are_kept_where_a_file_system_counts_the_names_that_it_has_seen(test: &Test) {
    needs_root!("mount file systems");
    let mut stage = Stage::new(test);
    let lower = stage.sandbox.dir("lower");
    for (directory, name) in [("x", "one"), ("y", "two"), ("z", "three")] {
        fs::create_dir(lower.join(directory)).unwrap();
        let path = lower.join(directory).join(name);
        if name == "one" {
            fs::write(path, "in three directories").unwrap();
        } else {
            fs::hard_link(lower.join("x/one"), path).unwrap();
        }
    }
    fs::write(lower.join("x/alone"), "alone").unwrap();
    let root = stage.root.clone();
    if let Err(reason) = mount_fuse_overlay(&mut stage.sandbox, &lower, &root) {
        skip!("{reason}");
    }
    stage.create(&[add("/x"), add("/y"), add("/z")]).unwrap();
    let tar = stage.base.join("rootfs-diff.tar");
    assert!(fs::metadata(&tar).unwrap().len() > 0);
    let target = stage.sandbox.dir("target");
    test.apply_rootfs_diff_tar(&stage.base, &target).unwrap();
    let file = |path: &str| fs::metadata(target.join(path)).unwrap();
    assert_eq!(file("x/one").ino(), file("y/two").ino());
    assert_eq!(file("x/one").ino(), file("z/three").ino());
    assert_eq!((file("x/one").nlink(), file("x/alone").nlink()), (3, 1));
}

/// Of hard links in a lower layer, fuse-overlayfs copies up some names, each into a file of its own or not at all, and shows
/// all of them as the one file that they were, with the content of any: nobody who reads the mount can tell them apart.
fn what_fuse_overlayfs_shows_as_one_file_is_one_as_it_is_for_gnu_tar(test: &Test) {
    needs_root!("mount file systems");
    let mut stage = Stage::new(test);
    let lower = stage.sandbox.dir("lower");
    pair(&lower.join("d"), "", "the old content");
    let root = stage.root.clone();
    if let Err(reason) = mount_fuse_overlay(&mut stage.sandbox, &lower, &root) {
        skip!("{reason}");
    }
    stage.write("d/one", "written");
    fs::rename(stage.at("d/two"), stage.at("d/three")).unwrap();
    stage.create(&[add("/d")]).unwrap();
    let (target, other) = (stage.sandbox.dir("target"), stage.sandbox.dir("other"));
    test.apply_rootfs_diff_tar(&stage.base, &target).unwrap();
    let tar = stage.base.join("gnu.tar");
    let (tar, shown, other_shown) = (tar.display(), root.display(), other.display());
    run(&format!("tar -cf {tar} -C {shown} d")).unwrap();
    run(&format!("tar -xf {tar} -C {other_shown}")).unwrap();
    let is_one = |tree: &Path| {
        let file = |name: &str| fs::metadata(tree.join("d").join(name)).unwrap().ino();
        file("one") == file("three")
    };
    assert!(is_one(&other), "GNU tar sees two");
    assert!(is_one(&target));
}

door_tests! {
    all_names_of_a_changed_file_are_listed_where_a_file_system_counts_those_that_it_has_seen
}

fn all_names_of_a_changed_file_are_listed_where_a_file_system_counts_those_that_it_has_seen(
    _: &Test,
    door: &'static dyn Door,
) {
    needs_root!("mount file systems");
    let mut sandbox = Sandbox::new();
    let (old, new) = (sandbox.dir("old"), sandbox.dir("new"));
    for tree in [&old, &new] {
        for directory in ["x", "y"] {
            fs::create_dir(tree.join(directory)).unwrap();
        }
        fs::write(tree.join("x/one"), "content").unwrap();
        fs::write(tree.join("y/two"), "content").unwrap();
    }
    fs::remove_file(new.join("y/two")).unwrap();
    fs::hard_link(new.join("x/one"), new.join("y/two")).unwrap();
    for path in ["x/one", "y/two", "x", "y", ""] {
        for tree in [&old, &new] {
            crate::support::os::set_times(&tree.join(path), (1, 0), (2, 0)).unwrap();
        }
    }
    let mount = sandbox.dir("mount");
    if let Err(reason) = mount_fuse_overlay(&mut sandbox, &new, &mount) {
        skip!("{reason}");
    }
    let changes = door
        .directories((&mount).into(), Some((&old).into()), &Look::new(), None)
        .unwrap();
    let listed: Vec<_> = changes
        .iter()
        .map(|change| change.path.to_str().unwrap())
        .collect();
    assert_eq!(listed, ["/x", "/x/one", "/y", "/y/two"]);
}
