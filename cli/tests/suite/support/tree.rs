//! What is in a directory: names with type, mode, owner, time and content.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

/// What a test compares of a file or a directory.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Found {
    is_directory: bool,
    mode: u32,
    owner: (u32, u32),
    time: i64,
    content: Vec<u8>,
}

/// The tree below a directory. Neither the root of an image nor a directory that no member made has attributes that an
/// archive says: the first isn't listed, and of the second, `implied`, only that it is there.
pub(crate) fn tree(root: &Path, implied: &[&str]) -> BTreeMap<String, Found> {
    let mut found = BTreeMap::new();
    let mut left = vec![root.to_path_buf()];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            assert!(!metadata.is_symlink(), "{path:?}");
            let name = path.strip_prefix(root).unwrap();
            let name = name.to_str().unwrap().to_owned();
            let one = Found {
                is_directory: metadata.is_dir(),
                mode: metadata.permissions().mode(),
                owner: (metadata.uid(), metadata.gid()),
                time: metadata.mtime(),
                content: match metadata.is_dir() {
                    true => Vec::new(),
                    false => fs::read(&path).unwrap(),
                },
            };
            if metadata.is_dir() {
                left.push(path);
            }
            if !implied.contains(&name.as_str()) {
                found.insert(name, one);
            } else {
                assert!(one.is_directory, "{name}");
            }
        }
    }
    found
}
