//! Any list of deletions: of a tree that is known goes what a plain reading of the list names, and nothing else.

use std::path::{Component, Path, PathBuf};

use super::stage::Stage;

/// Names of the furnished tree that are symlinks: a plain reading says nothing of paths through them.
const LINKS: [&str; 4] = ["l", "up", "absolute", "out"];

/// Holds the library to it.
pub fn check(data: &[u8]) {
    let stage = Stage::new();
    stage.furnish();
    stage.write("deleted.files", data);
    let before = stage.paths();
    let removed =
        crutils::checkpoint::remove_deleted_files("fuzz".as_ref(), &stage.base, &stage.root);
    stage.check();
    let after = stage.paths();
    let Ok(Some(listed)) = serde_json::from_slice::<Option<Vec<String>>>(data) else {
        return;
    };
    let Some(listed) = listed
        .iter()
        .map(|path| plain(path))
        .collect::<Option<Vec<_>>>()
    else {
        return;
    };
    for path in before {
        let path = path.strip_prefix(&stage.root).unwrap().to_path_buf();
        let gone = !after.contains(&stage.root.join(&path));
        let named = listed.iter().any(|one| path.starts_with(one));
        if removed.is_ok() {
            assert_eq!(gone, named, "{path:?} of {listed:?}");
        } else {
            assert!(!gone || named, "{path:?} of {listed:?}");
        }
    }
}

/// The path below the root, or None for one that leads through a symlink or is refused.
fn plain(path: &str) -> Option<PathBuf> {
    let mut found = PathBuf::new();
    for part in Path::new(path).components() {
        match part {
            Component::Normal(name) if LINKS.iter().any(|link| name == *link) => return None,
            Component::Normal(name) => found.push(name),
            // What is above a name that isn't there, or isn't a directory, is for the library's own tests.
            Component::ParentDir | Component::Prefix(_) => return None,
            Component::RootDir | Component::CurDir => {}
        }
    }
    // A file has nothing below it.
    (!found.as_os_str().is_empty() && !path.contains('\0')).then_some(found)
}
