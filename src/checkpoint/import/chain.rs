//! A chain of incremental dumps, each in an archive of its own.

#![forbid(unsafe_code)]

use std::ffi::OsStr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;

use nix::errno::Errno;
use nix::sys::stat::{Mode, mkdirat};

use super::targets::Dump;
use super::{Import, ImportOptions, Imported};
use crate::checkpoint::bundle::PROTECTED;
use crate::error::{Called as _, Context as _, Error, Result, quote};
use crate::fs::{Destination, Name, Place, Root, RootPath, remove_tree};
use crate::watch::Watch;

/// Extracts a chain of incremental dumps, the oldest first, each archive into a directory of its own in the bundle, which
/// is made if it is missing. A dump's link `parent` may be at the top of its archive and lead to `../NAME`, the directory of
/// an earlier one, so that CRIU restores from the last one and finds what the others have. config.dump and spec.dump stay
/// in the archives.
///
/// # Errors
///
/// EINVAL for a name that is no single component, is there twice or is that of a configuration file; ENODATA for a
/// `parent` that leads nowhere; for each archive as [`Import::to_bundle`] and [`Import::extract`]. The directories that
/// this call has made are removed then, unless [`ImportOptions::keep_failed`] says otherwise.
pub fn import_chain<'d>(
    bundle: impl Into<Place<'d>>,
    dumps: &[(&OsStr, Place<'_>)],
    options: &ImportOptions,
    watch: &Watch,
) -> Result<Vec<Imported>> {
    let names = names(dumps)?;
    let destination = Destination::open_or_make_ambient(bundle.into(), "bundle")?;
    let mut made = Vec::new();
    let mut imported = Vec::new();
    let mut result = Ok(());
    for (name, (_, archive)) in names.iter().zip(dumps) {
        let one = import_dump(
            destination.root(),
            name,
            *archive,
            options,
            watch,
            &mut made,
        );
        match one.context(|| format!("dump {}", name.quoted())) {
            Ok(one) => imported.push(one),
            Err(error) => {
                result = Err(error);
                break;
            }
        }
    }
    if result.is_err() && !options.keep_failed {
        for name in made.iter().rev() {
            // What is left to say is why the import failed.
            let _ = remove_tree(destination.root(), name, &Watch::new());
        }
        result = result.map_err(|error| destination.abandon(error));
    }
    result.map(|()| imported)
}

fn import_dump(
    bundle: &Root,
    name: &Name,
    archive: Place<'_>,
    options: &ImportOptions,
    watch: &Watch,
    made: &mut Vec<Name>,
) -> Result<Imported> {
    let mut import = Import::open(archive, options, watch)?;
    let path = RootPath::root().join(name)?;
    let directory = open_or_make(bundle, name, &path, made)?;
    import.to_bundle(directory.as_fd())?;
    import.targets.dump = Some(Dump {
        bundle: Root::new(bundle.directory(&RootPath::root())?),
        path,
    });
    import.extract()
}

/// The directory of a dump, which nobody but its owner may enter: a container's memory is in it.
fn open_or_make(
    bundle: &Root,
    name: &Name,
    path: &RootPath,
    made: &mut Vec<Name>,
) -> Result<OwnedFd> {
    match mkdirat(bundle, name, Mode::S_IRWXU) {
        Ok(()) => made.push(name.clone()),
        Err(Errno::EEXIST) => {}
        Err(errno) => return Err(errno).called(|| format!("mkdirat {}", name.quoted())),
    }
    bundle.directory_without_links(path)
}

fn names(dumps: &[(&OsStr, Place<'_>)]) -> Result<Vec<Name>> {
    let mut names = Vec::new();
    for (name, _) in dumps {
        let bytes = name.as_bytes();
        let wrong = |why: &str| Error::argument("dumps", format!("{} {why}", quote(bytes)));
        let name = Name::new(bytes).ok_or_else(|| wrong("is no single component"))?;
        if PROTECTED.contains(&bytes) {
            return Err(wrong("is the name of a configuration file"));
        }
        if names.contains(&name) {
            return Err(wrong("is there twice"));
        }
        names.push(name);
    }
    Ok(names)
}
