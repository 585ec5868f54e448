//! `crutils import` and `crutils extract`.

#![forbid(unsafe_code)]

use std::io;
use std::path::{self, Path, PathBuf};
use std::process::ExitCode;

use crutils::checkpoint::inspect::RawText;
use crutils::checkpoint::{ImportOptions, KNOWN_MEMBERS, Limit};
use crutils::watch::Watch;

use crate::engine_args::{Extract, Import};
use crate::failure::Failure;
use crate::list;
use crate::output::Output;

/// The library makes directories that are named absolutely: a person means the working directory.
pub(crate) fn absolute(path: &Path) -> io::Result<PathBuf> {
    path::absolute(path)
}

pub(crate) fn extract(options: &Extract, watch: &Watch) -> Result<ExitCode, Failure> {
    let wanted = list::spooling(options.spool.as_deref())?;
    let mut import = list::open(&options.archive, &wanted, watch)?;
    let directory = absolute(&options.directory)?;
    if options.members.is_empty() {
        import.to_bundle(&directory)?;
    } else {
        import.to_bundle_only(&directory, &options.members)?;
    }
    import.extract()?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn run(
    options: &Import,
    output: &mut Output,
    watch: &Watch,
) -> Result<ExitCode, Failure> {
    let goes_nowhere =
        options.bundle.is_none() && options.rootfs.is_none() && options.shm.is_none();
    if goes_nowhere && options.volumes.is_empty() && !options.digest {
        return Err(Failure::Usage(
            "import needs a destination: --bundle, --rootfs, --volume or --shm".to_owned(),
        ));
    }
    let mut import = list::open(&options.archive, &import_options(options)?, watch)?;
    if let Some(bundle) = &options.bundle {
        import.to_bundle(&absolute(bundle)?)?;
    }
    if let Some(root) = &options.rootfs {
        import.to_root(&absolute(root)?)?;
    }
    for volume in &options.volumes {
        import.to_volume(&volume.name, &absolute(&volume.directory)?)?;
    }
    if let Some(shm) = &options.shm {
        import.to_shm(&absolute(shm)?)?;
    }
    let imported = import.extract()?;
    if let Some(sha256) = imported.sha256.filter(|_| options.digest) {
        let archive = RawText::from(options.archive.to_string_lossy().as_ref());
        output.line(format_args!("{sha256}  {archive}"))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn import_options(wanted: &Import) -> Result<ImportOptions, Failure> {
    let mut options = list::spooling(wanted.spool.as_deref())?;
    options
        .configuration(wanted.config)
        .digest(wanted.digest)
        .oci_whiteouts(wanted.oci_whiteouts)
        .ignore_ownership(wanted.ignore_ownership);
    if wanted.strict {
        options.strict_names(true).require_end_marker(true);
        options.names(&KNOWN_MEMBERS)?;
    }
    if let Some(bytes) = wanted.max_bytes {
        options.limit(Limit::TotalBytes, bytes);
    }
    if let Some(expected) = wanted.expect {
        options.expected_digest(expected);
    }
    Ok(options)
}
