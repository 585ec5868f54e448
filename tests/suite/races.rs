//! Someone inside the root swaps directories for links that lead outside, while the library works there.

use std::fs;
use std::os::unix::fs::symlink as make_symlink;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::api::add;
use crate::support::process::Test;
use crate::support::stage::Stage;
use crate::support::tarball::{archive, dir, file};

const ROUNDS: usize = 300;

/// Swaps `d` and a link to `target` until `work` has ended. What either of them gets to see is up to chance.
fn swapping(root: &Path, target: &Path, work: impl FnOnce()) {
    let done = AtomicBool::new(false);
    let at = |name: &str| root.join(name);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let _ = fs::create_dir(at("d"));
                let _ = fs::create_dir(at("d/sub"));
                let _ = make_symlink(target, at("l"));
                let _ = fs::rename(at("d"), at("aside"));
                let _ = fs::rename(at("l"), at("d"));
                let _ = fs::rename(at("d"), at("l"));
                let _ = fs::rename(at("aside"), at("d"));
            }
        });
        let outcome = catch_unwind(AssertUnwindSafe(work));
        done.store(true, Ordering::Relaxed);
        if let Err(panic) = outcome {
            resume_unwind(panic);
        }
    });
}

api_tests! {
    applying_touches_nothing_outside_whoever_swaps_links,
    removing_touches_nothing_outside_whoever_swaps_links,
    packing_reads_nothing_outside_whoever_swaps_links
}

fn applying_touches_nothing_outside_whoever_swaps_links(t: &Test) {
    let stage = Stage::new(t);
    let target = stage.sandbox.path().join("outer/victim");
    let entries = [
        dir("d").mode(0o700),
        file("d/hello", "hostile"),
        file("d/sub/new", "x").xattr("user.a", "1"),
        dir("d/sub").mtime(5),
    ];
    fs::write(stage.base.join("rootfs-diff.tar"), archive(entries)).unwrap();
    stage.guarded(|| {
        swapping(&stage.root, &target, || {
            for _ in 0..ROUNDS {
                let _ = t.apply_rootfs_diff_tar(&stage.base, &stage.root);
            }
        })
    });
}

fn removing_touches_nothing_outside_whoever_swaps_links(t: &Test) {
    let stage = Stage::new(t);
    let target = stage.sandbox.path().join("outer/victim");
    fs::write(
        stage.base.join("deleted.files"),
        r#"["/d/hello", "/d/sub", "/d"]"#,
    )
    .unwrap();
    stage.guarded(|| {
        swapping(&stage.root, &target, || {
            for _ in 0..ROUNDS {
                let _ = t.remove_deleted_files("id".as_ref(), &stage.base, &stage.root);
            }
        })
    });
}

fn packing_reads_nothing_outside_whoever_swaps_links(t: &Test) {
    let stage = Stage::new(t);
    let target = stage.sandbox.path().join("outer/victim");
    swapping(&stage.root, &target, || {
        for _ in 0..ROUNDS {
            if stage.create(&[add("/d"), add("/d/hello")]).is_ok() {
                let bytes = fs::read(stage.base.join("rootfs-diff.tar")).unwrap_or_default();
                assert!(!bytes.windows(12).any(|window| window == b"from outside"));
            }
        }
    });
}
