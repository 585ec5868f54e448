//! `crutils list`.

#![forbid(unsafe_code)]

use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::ExitCode;

use crutils::PlaceBuf;
use crutils::checkpoint::inspect::RawText;
use crutils::checkpoint::{Import, ImportOptions, MemberType};
use crutils::watch::Watch;
use serde::Serialize;

use crate::args::List;
use crate::failure::Failure;
use crate::image::Named;
use crate::output::Output;
use crate::table::{Left, Right, Rows};
use crate::text::{count, size};

/// A member, for JSON.
#[derive(Serialize)]
struct Listed {
    name: RawText,
    #[serde(rename = "type")]
    kind: &'static str,
    class: &'static str,
    size: u64,
    stored: u64,
    offset: u64,
}

/// Opens an archive, or an image in `oci:` or `oci-archive:`; `-` is standard input.
pub(crate) fn open(
    archive: &Path,
    options: &ImportOptions,
    watch: &Watch,
) -> Result<Import, Failure> {
    if archive.as_os_str() == "-" {
        return Ok(Import::open(io::stdin().as_fd(), options, watch)?);
    }
    if let Some(image) = Named::of(archive)? {
        let (path, reference) = (image.path.as_path(), image.reference.as_deref());
        return Ok(Import::open_image(path, reference, options, watch)?);
    }
    Ok(Import::open(archive, options, watch)?)
}

/// The options of an import that keeps in this directory what has to be kept.
pub(crate) fn spooling(directory: Option<&Path>) -> Result<ImportOptions, Failure> {
    let mut options = ImportOptions::new();
    if let Some(directory) = directory {
        options.spool_directory(PlaceBuf::new(directory)?);
    }
    Ok(options)
}

pub(crate) fn run(options: &List, output: &mut Output, watch: &Watch) -> Result<ExitCode, Failure> {
    let wanted = spooling(options.spool.as_deref())?;
    let mut import = open(&options.archive, &wanted, watch)?;
    let members = import.members()?.iter().map(|member| Listed {
        name: member.name.as_bytes().into(),
        kind: kind(member.kind),
        class: member.class.label(),
        size: member.size,
        stored: member.stored,
        offset: member.offset,
    });
    let members: Vec<_> = members.collect();
    if options.json {
        output.line(serde_json::to_string(&members)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let columns = [
        ("OFFSET", Right),
        ("SIZE", Right),
        ("TYPE", Left),
        ("CLASS", Left),
        ("NAME", Left),
    ];
    let mut rows = Rows::new(output, &columns);
    let mut bytes = 0_u64;
    for member in &members {
        bytes = bytes.saturating_add(member.size);
        rows.add(vec![
            member.offset.to_string(),
            size(member.size),
            member.kind.to_owned(),
            member.class.to_owned(),
            member.name.to_string(),
        ]);
    }
    rows.print(output)?;
    output.line(format_args!(
        "  {}, {}",
        count(members.len(), "member", "members"),
        size(bytes)
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn kind(kind: MemberType) -> &'static str {
    match kind {
        MemberType::Regular => "file",
        MemberType::Directory => "directory",
        MemberType::Symlink => "symlink",
        MemberType::HardLink => "hard link",
        MemberType::CharDevice => "char device",
        MemberType::BlockDevice => "block device",
        MemberType::Fifo => "fifo",
        _ => "other",
    }
}
