//! `spec.dump` and `config.json`: a container's OCI runtime specification.

#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::fmt;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use nix::errno::Errno;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::MAX_CONFIG;
use crate::error::{Context as _, Error, Kind, Result, quote};
use crate::fs::{Name, open_directory_ambient, open_regular_at};

/// The destinations of the bind mounts in the OCI runtime specification in the file `spec`, in the file's order: what an
/// engine puts over the container's root file system, and keeps out of a rootfs diff.
///
/// A bind mount is one of the type `bind`, or with the option `bind` or `rbind`. The file may come from an archive: a
/// symlink isn't followed.
///
/// # Errors
///
/// ENOENT if it is missing; ELOOP, EPERM or EISDIR if it isn't a regular file; EBADMSG if it isn't JSON or a mount isn't
/// as the specification has it; E2BIG above 16 MiB.
pub fn bind_destinations(spec: &Path) -> Result<Vec<OsString>> {
    let step = || format!("specification {}", quote(spec.as_os_str().as_bytes()));
    read(spec).and_then(|json| parse(&json)).context(step)
}

fn read(spec: &Path) -> Result<Vec<u8>> {
    let name = spec.file_name().and_then(|name| Name::new(name.as_bytes()));
    let (Some(parent), Some(name)) = (spec.parent(), name) else {
        return Err(Error::argument("spec", "names no file"));
    };
    let parent = if parent.as_os_str().is_empty() {
        Path::new(".")
    } else {
        parent
    };
    let directory = open_directory_ambient(parent, "spec")?;
    let Some(file) = open_regular_at(&directory, &name)? else {
        return Err(Error::system("open", Errno::ENOENT));
    };
    let mut json = Vec::new();
    let read = file.take(MAX_CONFIG + 1).read_to_end(&mut json);
    let read = read.map_err(|error| Error::io("read", error))?;
    if read as u64 > MAX_CONFIG {
        let text = format!("larger than {MAX_CONFIG} bytes");
        return Err(Error::new(Kind::Limit, text));
    }
    Ok(json)
}

fn parse(json: &[u8]) -> Result<Vec<OsString>> {
    match serde_json::from_slice::<Spec>(json) {
        Ok(spec) => Ok(spec.0),
        // The message of the parser may repeat the content.
        Err(error) => Err(Error::new(
            Kind::Malformed,
            format!(
                "not an OCI specification (line {}, column {})",
                error.line(),
                error.column()
            ),
        )),
    }
}

/// The destinations of the bind mounts of a specification.
#[derive(Default)]
struct Spec(Vec<OsString>);

/// Those of its `mounts`.
#[derive(Default)]
struct Mounts(Vec<OsString>);

/// One of them.
#[derive(Default)]
struct Mount {
    destination: String,
    bind: bool,
}

/// Whether `options` make a mount a bind mount.
#[derive(Default)]
struct Options(bool);

impl<'de> Deserialize<'de> for Spec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Spec;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a specification")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Spec, A::Error> {
                let mut spec = Spec::default();
                while let Some(key) = map.next_key::<String>()? {
                    if key == "mounts" {
                        spec.0 = map.next_value::<Option<Mounts>>()?.unwrap_or_default().0;
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(spec)
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

impl<'de> Deserialize<'de> for Mounts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Elements;
        impl<'de> Visitor<'de> for Elements {
            type Value = Mounts;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("mounts")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Mounts, A::Error> {
                let mut mounts = Mounts::default();
                while let Some(mount) = seq.next_element::<Mount>()? {
                    if mount.bind && !mount.destination.is_empty() {
                        mounts.0.push(mount.destination.into());
                    }
                }
                Ok(mounts)
            }
        }
        deserializer.deserialize_seq(Elements)
    }
}

impl<'de> Deserialize<'de> for Mount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Mount;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mount")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Mount, A::Error> {
                let mut mount = Mount::default();
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "destination" => mount.destination = map.next_value()?,
                        "type" => {
                            let kind = map.next_value::<Option<String>>()?;
                            mount.bind |= kind.as_deref() == Some("bind");
                        }
                        "options" => {
                            let options = map.next_value::<Option<Options>>()?;
                            mount.bind |= options.unwrap_or_default().0;
                        }
                        _ => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(mount)
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

impl<'de> Deserialize<'de> for Options {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Elements;
        impl<'de> Visitor<'de> for Elements {
            type Value = Options;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("options")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Options, A::Error> {
                let mut options = Options::default();
                while let Some(option) = seq.next_element::<String>()? {
                    options.0 |= matches!(option.as_str(), "bind" | "rbind");
                }
                Ok(options)
            }
        }
        deserializer.deserialize_seq(Elements)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
