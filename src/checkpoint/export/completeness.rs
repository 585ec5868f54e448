//! What a restore will need and the archive doesn't have.

#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::os::fd::AsFd as _;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

use nix::fcntl::readlinkat;
use nix::sys::stat::SFlag;

use super::documents::read_document;
use super::{Entry, Export, MemberSource};
use crate::checkpoint::ContainerConfig;
use crate::checkpoint::names::{CONFIG_DUMP, DUMPS, INVENTORY, PARENT, volume_tar};
use crate::error::{Called as _, Result};
use crate::fs::{Name, Node, Root, RootPath, file_type};
use crate::watch::{WarningKind, Watch};

/// Tells what the dumps among the members that are `present` lack, and which volumes of the container; their names, too.
pub(super) fn check(export: &Export, present: &[&Entry], watch: &Watch) -> Result<Vec<OsString>> {
    let mut lacking = Vec::new();
    let mut tell = |name: &[u8], what: &str| {
        watch.warn(WarningKind::Incomplete, name, what);
        lacking.push(OsString::from_vec(name.to_vec()));
    };
    check_volumes(present, &mut tell)?;
    for entry in present {
        let (name, MemberSource::Bundle(root, _)) = (entry.name.as_bytes(), &entry.content) else {
            continue;
        };
        if !DUMPS.iter().any(|dump| dump.as_bytes() == name) {
            continue;
        }
        let inventory = [name, b"/", INVENTORY.as_bytes()].concat();
        if find(root, &inventory)?.is_none() {
            tell(&inventory, "isn't there: CRIU can't restore without it");
        }
        let parent = [name, b"/", PARENT.as_bytes()].concat();
        if let Some(before) = before(root, &parent)?
            && !has(export, present, &before)
        {
            let what = "leads to a dump that isn't in this archive: a restore needs that one, too";
            tell(&parent, what);
        }
    }
    Ok(lacking)
}

/// Tells which volumes that config.dump names aren't there. One that can't be read fails when it is stored, and one that is
/// malformed is the importer's to refuse.
fn check_volumes(present: &[&Entry], tell: &mut impl FnMut(&[u8], &str)) -> Result<()> {
    let is_config = |entry: &&&Entry| entry.name.as_bytes() == CONFIG_DUMP.as_bytes();
    let document = present.iter().find(is_config);
    let document = document.and_then(|entry| read_document(entry, 0).ok().flatten());
    let Some(Ok(config)) = document.map(|(bytes, _)| ContainerConfig::parse(&bytes)) else {
        return Ok(());
    };
    for volume in config.named_volumes() {
        let name = volume_tar(volume.as_bytes());
        if !holds(present, &name)? {
            let what = "isn't there: the container has this volume, and a restore wants it unless it is told not to";
            tell(&name, what);
        }
    }
    Ok(())
}

/// Whether this is a member, or below one.
fn holds(present: &[&Entry], name: &[u8]) -> Result<bool> {
    for entry in present {
        let is_it = match (&entry.content, name.strip_prefix(entry.name.as_bytes())) {
            (_, Some(b"")) => true,
            (MemberSource::Bundle(root, _), Some([b'/', ..])) => find(root, name)?.is_some(),
            _ => false,
        };
        if is_it {
            return Ok(true);
        }
    }
    Ok(false)
}

fn find(root: &Root, path: &[u8]) -> Result<Option<Node>> {
    let Some((directory, name)) = RootPath::clean(path)?.split() else {
        return Ok(None);
    };
    match root.directory(&directory) {
        Ok(directory) => Node::find_at(&directory, &name),
        Err(error) if error.is_absent() => Ok(None),
        Err(error) => Err(error),
    }
}

/// The dump that an incremental one was made after, as the link to it says.
fn before(root: &Root, parent: &[u8]) -> Result<Option<Name>> {
    let Some(node) = find(root, parent)? else {
        return Ok(None);
    };
    if file_type(&node.stat()?) != SFlag::S_IFLNK {
        return Ok(None);
    }
    let target = readlinkat(node.as_fd(), c"").called(|| "readlinkat")?;
    Ok(target.as_bytes().strip_prefix(b"../").and_then(Name::new))
}

/// Whether a member of this name is there, or something below it.
fn has(export: &Export, present: &[&Entry], name: &Name) -> bool {
    let is_it = |path: &RootPath| path.components().next() == Some(name.bytes());
    let is_present = |path: &RootPath| present.iter().any(|entry| entry.name == *path);
    export
        .names
        .iter()
        .any(|path| is_it(path) && is_present(path))
}
