//! The index of an overlay: upper files that stand for lower ones under all names of those, by what they were copied
//! from. A file whose upper names are all gone is nowhere else.

#![forbid(unsafe_code)]

use data_encoding::HEXLOWER_PERMISSIVE;
use nix::sys::stat::SFlag;

use super::Origin;
use crate::error::{Context as _, Result};
use crate::fs::{Identity, Name, Node, Root, file_type, is_directory, sorted_names};

/// The directory in the work directory that is the index.
const INDEX: &[u8] = b"index";

/// The files in the index of the overlay with this work directory; none if it has no index.
pub(in crate::changes) fn indexed_files(work: &Root) -> Result<Vec<(Origin, Identity)>> {
    let Some(name) = Name::new(INDEX) else {
        return Ok(Vec::new());
    };
    let directory = match Node::find_at(work, &name)? {
        Some(node) if is_directory(&node.stat()?) => node,
        _ => return Ok(Vec::new()),
    };
    let mut files = Vec::new();
    for name in sorted_names(&directory).context(|| "index")? {
        // Other names are files that are on their way into the index.
        let value = HEXLOWER_PERMISSIVE.decode(name.bytes()).ok();
        let Some(origin) = value.and_then(|value| Origin::noted(&value)) else {
            continue;
        };
        let Some(node) = Node::find_at(&directory, &name)? else {
            continue;
        };
        let stat = node.stat()?;
        // Directories are there for exports over NFS; whiteouts stand for files that are gone.
        let whiteout = file_type(&stat) == SFlag::S_IFCHR && stat.st_rdev == 0;
        if !is_directory(&stat) && !whiteout {
            files.push((origin, Identity::from(&stat)));
        }
    }
    Ok(files)
}
