//! What an image tells of its checkpoint: annotations, platform, time.

#![forbid(unsafe_code)]

use super::ImageOptions;
use super::options::is_plain_time;
use crate::checkpoint::names::{CONFIG_DUMP, SPEC_DUMP};
use crate::checkpoint::{Engine, Metadata};
use crate::error::{self, Context as _, Kind, Result};
use crate::oci::{Annotations, Platform, host_architecture};
use crate::watch::{WarningKind, Watch};

/// What CRIU's images begin with, and then those of a task's registers.
const CORE_MAGIC: [u8; 8] = [0x19, 0x43, 0x56, 0x54, 0x47, 0x38, 0x05, 0x55];

/// What was learnt of a checkpoint on the way.
#[derive(Default)]
pub(in crate::checkpoint) struct Facts {
    pub(in crate::checkpoint) metadata: Metadata,
    /// The time of modification of config.dump.
    pub(in crate::checkpoint) time: i64,
    /// The beginning of an image in which CRIU has kept a task's registers.
    pub(in crate::checkpoint) core: Option<[u8; 14]>,
}

/// Engines know a checkpoint by it.
#[derive(Debug, thiserror::Error)]
#[error("isn't there, and without it an image is no checkpoint to any engine")]
struct NoConfig;

impl error::Refusal for NoConfig {
    fn kind(&self) -> Kind {
        Kind::NotInArchive
    }
}

impl Facts {
    /// Whether a member is an image in which CRIU has kept a task's registers.
    pub(in crate::checkpoint) fn is_core(path: &[u8]) -> bool {
        let number = path
            .strip_prefix(b"checkpoint/core-")
            .and_then(|rest| rest.strip_suffix(b".img"));
        number.is_some_and(|number| !number.is_empty() && number.iter().all(u8::is_ascii_digit))
    }

    /// Fails if there is nothing by which an engine would know the checkpoint.
    pub(in crate::checkpoint) fn check(&self, watch: &Watch) -> Result<()> {
        if self.metadata.config().is_none() {
            return Err(NoConfig).at_entry(CONFIG_DUMP.as_bytes());
        }
        if self.metadata.spec().is_none() {
            let text = "isn't there: no engine restores the image";
            watch.warn(WarningKind::Incomplete, SPEC_DUMP.as_bytes(), text);
        }
        Ok(())
    }

    pub(in crate::checkpoint) fn platform(&self, options: &ImageOptions) -> Platform {
        let own = || Platform::linux(self.architecture().unwrap_or(host_architecture()));
        options.platform.clone().unwrap_or_else(own)
    }

    /// The architecture that CRIU's images are of: the first field of the first message tells.
    fn architecture(&self) -> Option<&'static str> {
        let core = self.core?;
        let (magic, rest) = core.split_first_chunk()?;
        if *magic != CORE_MAGIC {
            return None;
        }
        match rest[4..] {
            [0x08, 1] => Some("amd64"),
            [0x08, 2] => Some("arm/v7"),
            [0x08, 3] => Some("arm64"),
            [0x08, 4] => Some("ppc64le"),
            [0x08, 5] => Some("s390x"),
            [0x08, 6] => Some("mips64le"),
            [0x08, 7] => Some("loong64"),
            [0x08, 8] => Some("riscv64"),
            _ => None,
        }
    }

    pub(in crate::checkpoint) fn created(&self, options: &ImageOptions) -> Option<String> {
        let known = options.created.as_deref();
        let known = known.or_else(|| self.metadata.checkpointed_time());
        match known.filter(|time| is_plain_time(time)) {
            Some(time) => Some(time.to_owned()),
            None => rfc3339(self.time),
        }
    }

    /// The annotations of the manifest: those by which engines recognise a checkpoint, and those that describe it.
    pub(in crate::checkpoint) fn annotations(&self, options: &ImageOptions) -> Annotations {
        let mut all = Annotations::new();
        if let Some(created) = self.created(options) {
            all.insert("org.opencontainers.image.created".to_owned(), created);
        }
        let metadata = &self.metadata;
        let short = metadata.container_name().or(metadata.name());
        let short = short.or(metadata.id()).unwrap_or_default();
        let runtime = metadata.runtime().filter(|runtime| !runtime.is_empty());
        self.describe(&mut all, runtime);
        // Without its specification a container is restored by nobody.
        if metadata.spec().is_some() {
            put(&mut all, CRIO, "name", Some(short));
            put(&mut all, CRIU, "container.name", Some(short));
        }
        // podman reads its own configuration, and fails late without it.
        if metadata.spec().is_some() && metadata.has_podmans_config() {
            let name = runtime.map(|runtime| runtime.rsplit('/').next().unwrap_or(runtime));
            put(&mut all, PODMAN, "runtime.name", name);
            put(&mut all, PODMAN, "name", metadata.name());
            put(&mut all, PODMAN, "rootfsImageName", metadata.image_name());
            put(&mut all, PODMAN, "rootfsImageID", metadata.image_ref());
        }
        let own = options.annotations.iter();
        all.extend(own.map(|(key, value)| (key.clone(), value.clone())));
        all
    }

    fn describe(&self, all: &mut Annotations, runtime: Option<&str>) {
        let metadata = &self.metadata;
        let engine = match metadata.engine() {
            Engine::Podman => Some("Podman"),
            Engine::Crio => Some("CRI-O"),
            Engine::Containerd => Some("containerd"),
            Engine::Unknown => None,
        };
        let requested = metadata.config().map(|config| config.rootfs_image.as_str());
        for (key, value) in [
            ("engine.name", engine),
            ("pod.id", metadata.pod_id()),
            ("pod.name", metadata.pod_name()),
            ("pod.namespace", metadata.pod_namespace()),
            ("rootfsImageUserRequested", requested),
            ("rootfsImageName", metadata.image_name()),
            ("rootfsImageID", metadata.image_ref()),
            ("runtime.name", runtime),
        ] {
            put(all, CRIU, key, value.filter(|value| !value.is_empty()));
        }
    }
}

/// The keys of the engines.
const CRIO: &str = "io.kubernetes.cri-o.annotations.checkpoint";
const PODMAN: &str = "io.podman.annotations.checkpoint";
const CRIU: &str = "org.criu.checkpoint";

fn put(all: &mut Annotations, prefix: &str, key: &str, value: Option<&str>) {
    if let Some(value) = value {
        all.insert(format!("{prefix}.{key}"), value.to_owned());
    }
}

/// A time after the epoch, in whole seconds, as RFC 3339; none for the epoch itself, which says nothing.
fn rfc3339(seconds: i64) -> Option<String> {
    // Until the year 9999.
    let seconds = u64::try_from(seconds).ok();
    let seconds = seconds.filter(|seconds| (1..253_402_300_800).contains(seconds))?;
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Days since 0000-03-01; a year begins in March, so that a leap day is its last.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    let year = year + era * 400 + next;
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    Some(format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_that_date_tells() {
        for (seconds, expected) in [
            (1, "1970-01-01T00:00:01Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_799, "2000-02-29T23:59:59Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_709_164_800, "2024-02-29T00:00:00Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(rfc3339(seconds).as_deref(), Some(expected));
        }
        for none in [0, -1, 253_402_300_800, i64::MAX] {
            assert_eq!(rfc3339(none), None);
        }
    }

    #[test]
    fn only_images_of_tasks_tell_the_architecture() {
        assert!(Facts::is_core(b"checkpoint/core-1.img"));
        for other in [
            "checkpoint/core-.img",
            "checkpoint/core-x.img",
            "core-1.img",
        ] {
            assert!(!Facts::is_core(other.as_bytes()), "{other}");
        }
    }
}
