//! `crutils export`.

#![forbid(unsafe_code)]

use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::ExitCode;

use crutils::checkpoint::inspect::RawText;
use crutils::checkpoint::{Export as Archive, ExportOptions, Exported};
use crutils::watch::Watch;

use crate::diff::changes;
use crate::engine_args::{BundleOf, Export, Overlay, Volume};
use crate::failure::{Failure, warn};
use crate::output::Output;
use crate::text::{count, size};

pub(crate) fn run(
    options: &Export,
    output: &mut Output,
    watch: &Watch,
) -> Result<ExitCode, Failure> {
    if options.rootfs.is_none() && options.overlay.upper.is_some() {
        return Err(Failure::Usage(
            "--lower and --upper belong to --rootfs".to_owned(),
        ));
    }
    let mut archive = Archive::new();
    let parts = Parts {
        bundle: &options.bundle,
        engine: options.engine,
        rootfs: options.rootfs.as_deref(),
        overlay: &options.overlay,
        volumes: &options.volumes,
        shm: options.shm.as_deref(),
    };
    add_all(&parts, &mut archive, watch)?;
    let mut wanted = ExportOptions::new();
    wanted
        .compression(options.compress.kind)
        .level(options.compress.level)
        .digest(options.digest)
        .sync(options.sync);
    let exported = if options.output.as_os_str() == "-" {
        archive.write(io::stdout().as_fd(), &wanted, watch)?
    } else {
        archive.write(&options.output, &wanted, watch)?
    };
    tell(options, &exported, output)?;
    Ok(ExitCode::SUCCESS)
}

/// A bundle and what belongs to its container.
pub(crate) struct Parts<'p> {
    pub(crate) bundle: &'p Path,
    pub(crate) engine: BundleOf,
    pub(crate) rootfs: Option<&'p Path>,
    pub(crate) overlay: &'p Overlay,
    pub(crate) volumes: &'p [Volume],
    pub(crate) shm: Option<&'p Path>,
}

pub(crate) fn add_all(
    options: &Parts<'_>,
    archive: &mut Archive,
    watch: &Watch,
) -> Result<(), Failure> {
    archive.add_bundle(options.bundle, options.engine.into())?;
    if let Some(root) = options.rootfs {
        let changes = changes(root, options.engine, options.overlay, watch)?;
        archive.add_rootfs_diff(changes, root)?;
    }
    for volume in options.volumes {
        let name = [b"volumes/", volume.name.as_bytes(), b".tar"].concat();
        archive.add_directory_tar(std::ffi::OsStr::from_bytes(&name), &volume.directory)?;
    }
    if let Some(shm) = options.shm {
        archive.add_directory_tar("devshm-checkpoint.tar", shm)?;
    }
    Ok(())
}

/// Says what was made. Standard output may be the archive.
fn tell(options: &Export, exported: &Exported, output: &mut Output) -> io::Result<()> {
    let piped = options.output.as_os_str() == "-";
    let name = RawText::from(options.output.to_string_lossy().as_ref());
    let missing = exported.missing.iter();
    let missing: Vec<_> = missing
        .map(|name| RawText::from(name.as_bytes()).to_string())
        .collect();
    if !missing.is_empty() {
        let missing = missing.join(", ");
        warn(&format!("not in the bundle, and left out: {missing}"));
    }
    match (exported.sha256.filter(|_| options.digest), piped) {
        (Some(sha256), true) => writeln!(io::stderr(), "{sha256}  {name}"),
        (Some(sha256), false) => output.line(format_args!("{sha256}  {name}")),
        (None, true) => Ok(()),
        (None, false) => {
            let members = usize::try_from(exported.members).unwrap_or(usize::MAX);
            let members = count(members, "member", "members");
            output.line(format_args!("{name}: {members}, {}", size(exported.bytes)))
        }
    }
}
