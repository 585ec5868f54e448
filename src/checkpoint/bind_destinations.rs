//! `spec.dump` and `config.json`: a container's OCI runtime specification.

#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;

use nix::errno::Errno;

use super::metadata::parse_mounts;
use super::{MAX_CONFIG, Mount};
use crate::error::{Called as _, Context as _, Error, Result};
use crate::fs::{Name, Place, open_regular_at};

/// The destinations of the bind mounts in the OCI runtime specification in the file `spec`, in the file's order: what an
/// engine puts over the container's root file system, and keeps out of a rootfs diff.
///
/// A bind mount is one of the type `bind`, or with the option `bind` or `rbind`. The file may come from an archive: a
/// symlink isn't followed.
///
/// # Errors
///
/// ENOENT if it is missing; ELOOP, EPERM or EISDIR if it isn't a regular file; EBADMSG if it isn't JSON or a mount isn't
/// as the specification has it; E2BIG above 16 MiB or 250,000 strings in lists, of which a
/// mount counts as two.
pub fn bind_destinations<'s>(spec: impl Into<Place<'s>>) -> Result<Vec<OsString>> {
    let spec = spec.into();
    let json = read(spec).and_then(|json| parse(&json));
    json.context(|| spec.named("spec"))
}

fn read(spec: Place<'_>) -> Result<Vec<u8>> {
    let parts = spec.split();
    let parts = parts.and_then(|(directory, name)| Some((directory, Name::new(name.as_bytes())?)));
    let (directory, name) = parts.ok_or_else(|| Error::argument("spec", "names no file"))?;
    let directory = directory.open_directory_ambient("spec")?;
    let Some(file) = open_regular_at(&directory, &name)? else {
        return Err(Error::system("open", Errno::ENOENT));
    };
    let mut json = Vec::new();
    // One byte more than is taken, so that a longer file is refused and not cut.
    file.take(MAX_CONFIG + 1)
        .read_to_end(&mut json)
        .called(|| "read")?;
    Ok(json)
}

fn parse(json: &[u8]) -> Result<Vec<OsString>> {
    let binds = |mount: &Mount| mount.is_bind() && !mount.destination.is_empty();
    let mounts = parse_mounts(json)?.into_iter().filter(binds);
    Ok(mounts.map(|mount| mount.destination.into()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Kind, quote};

    #[test]
    fn bind_mounts_are_told_by_their_type_or_their_options() {
        let json = br#"{"ociVersion": "1.0", "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/etc/hosts", "type": "bind", "options": ["ro"]},
            {"destination": "/data", "source": "/x", "options": ["rbind", "rprivate"]},
            {"destination": "/tmp", "type": "tmpfs", "options": null},
            {"type": "bind"}
        ], "process": {"args": [[[]]]}}"#;
        assert_eq!(parse(json).unwrap(), ["/etc/hosts", "/data"]);
    }

    #[test]
    fn a_specification_needs_no_mounts() {
        for json in [&b"{}"[..], br#"{"mounts": null}"#, br#"{"mounts": []}"#] {
            assert_eq!(parse(json).unwrap(), [""; 0]);
        }
    }

    #[test]
    fn what_is_no_specification_is_malformed() {
        for json in [
            &b""[..],
            b"[]",
            b"{",
            br#"{"mounts": {}}"#,
            br#"{"mounts": [7]}"#,
            b"{} x",
        ] {
            let error = parse(json).unwrap_err();
            assert_eq!(error.kind(), Kind::Malformed, "{}", quote(json));
        }
        let deep = [b"{\"x\":".as_slice(), &b"[".repeat(1 << 20)].concat();
        assert_eq!(parse(&deep).unwrap_err().kind(), Kind::Malformed);
    }
}
