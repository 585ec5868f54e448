//! `crutils import` and `crutils extract`.

#![forbid(unsafe_code)]

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{self, Path, PathBuf};
use std::process::ExitCode;

use crutils::checkpoint::inspect::RawText;
use crutils::checkpoint::{DocumentKind, ImportOptions, KNOWN_MEMBERS, Limit, Metadata};
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
    let metadata = if options.config {
        Some(import.metadata()?.clone())
    } else {
        None
    };
    let bundle = options.bundle.as_deref().map(absolute).transpose()?;
    if let Some(bundle) = &bundle {
        import.to_bundle(bundle)?;
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
    if let (Some(metadata), Some(bundle)) = (metadata, bundle) {
        write_documents(&metadata, &bundle)?;
    }
    if let Some(sha256) = imported.sha256.filter(|_| options.digest) {
        let archive = RawText::from(options.archive.to_string_lossy().as_ref());
        output.line(format_args!("{sha256}  {archive}"))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn import_options(wanted: &Import) -> Result<ImportOptions, Failure> {
    let mut options = list::spooling(wanted.spool.as_deref())?;
    options
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
    if let Some(expected) = &wanted.expect {
        options.expected_digest(expected.parse()?);
    }
    Ok(options)
}

/// Puts the two documents into the bundle, in place of whatever has their names there: a link isn't followed.
fn write_documents(metadata: &Metadata, bundle: &Path) -> io::Result<()> {
    for kind in [DocumentKind::Config, DocumentKind::Spec] {
        let Some(bytes) = metadata.document(kind) else {
            continue;
        };
        let new = bundle.join(format!(".{}.{}", kind.name(), std::process::id()));
        let mut file = OpenOptions::new();
        let file = file.write(true).create_new(true).mode(0o600).open(&new);
        let written = file.and_then(|mut file| file.write_all(bytes));
        let renamed = written.and_then(|()| fs::rename(&new, bundle.join(kind.name())));
        if renamed.is_err() {
            // The first failure is the one to be told.
            let _ = fs::remove_file(&new);
        }
        renamed?;
    }
    Ok(())
}
