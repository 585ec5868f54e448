//! Documents for an engine that has none yet: made of what it knows of its container.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use super::config::NO_TIME;
use super::document::Kept as _;
use super::json::{Value, Writer, same_key};
use super::refusal::Refusal;
use super::{DocumentKind, Engine, Metadata, Text, time};
use crate::error::{Error, Result};

/// What was set and not yet built into documents.
#[derive(Clone, Default)]
pub(super) struct Draft {
    /// By the numbers of [`Text`].
    texts: BTreeMap<u32, String>,
    annotations: BTreeMap<String, String>,
}

impl Metadata {
    /// Sets a text for [`build`](Self::build): id, name, runtime, image name, image ref, and the three times, which are
    /// RFC 3339 such as `2026-05-11T09:08:07Z`. [`text`](Self::text) tells it once it is built.
    ///
    /// # Errors
    ///
    /// EINVAL for a text that no config.dump has, for a malformed time, and for a NUL.
    pub fn set_text(&mut self, which: Text, value: impl Into<String>) -> Result<()> {
        let value = value.into();
        match which {
            Text::Id | Text::Name | Text::Runtime | Text::ImageName | Text::ImageRef => {}
            Text::Created | Text::Checkpointed | Text::Restored if time::is_rfc3339(&value) => {}
            Text::Created | Text::Checkpointed | Text::Restored => {
                return Err(Error::argument("value", "is no time of RFC 3339"));
            }
            _ => return Err(Error::argument("which", "is no text of config.dump")),
        }
        check_text("value", &value)?;
        self.draft.texts.insert(which as u32, value);
        Ok(())
    }

    /// Sets an annotation of the container's OCI specification for [`build`](Self::build).
    ///
    /// # Errors
    ///
    /// EINVAL for an empty key, and for a NUL.
    pub fn set_annotation(
        &mut self,
        key: impl Into<String>,
        value: impl Into<String>,
    ) -> Result<()> {
        let (key, value) = (key.into(), value.into());
        if key.is_empty() {
            return Err(Error::argument("key", "is empty"));
        }
        check_text("key", &key)?;
        check_text("value", &value)?;
        self.draft.annotations.insert(key, value);
        Ok(())
    }

    /// Makes the documents that an engine reads at a restore, of what was set and what the metadata told before:
    /// config.dump with the container's id, name, image, runtime and times, and spec.dump with the annotations that were
    /// set. [`document`](Self::document) gives them, and
    /// [`Export::add_metadata`](crate::checkpoint::Export::add_metadata) exports them.
    ///
    /// At least the id has to be known, and spec.dump has to be there ([`insert`](Self::insert) takes the bundle's
    /// config.json for it). podman also looks for the image name, and for the image ref, which is the image's ID to it.
    /// A config.dump that is there is made anew, without the keys that only its engine knows.
    ///
    /// ```
    /// use crutils::checkpoint::{DocumentKind, Engine, Metadata, Text};
    ///
    /// let mut metadata = Metadata::default();
    /// metadata.insert(DocumentKind::Spec, br#"{"ociVersion": "1.0.2"}"#.to_vec())?;
    /// metadata.set_text(Text::Id, "8f1c")?;
    /// metadata.set_text(Text::Name, "counter")?;
    /// metadata.set_text(Text::ImageName, "docker.io/library/busybox:latest")?;
    /// metadata.set_text(Text::Runtime, "runc")?;
    /// metadata.set_annotation("org.example.owner", "tests")?;
    /// metadata.build(Engine::Podman)?;
    /// assert_eq!(metadata.name(), Some("counter"));
    /// assert!(metadata.document(DocumentKind::Config).is_some());
    /// # Ok::<(), crutils::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// EINVAL for [`Engine::Unknown`]; ENODATA without an id, or without spec.dump; E2BIG for a document above 16 MiB.
    /// Nothing is changed then.
    pub fn build(&mut self, engine: Engine) -> Result<()> {
        if engine == Engine::Unknown {
            return Err(Error::argument("engine", "is not a known engine"));
        }
        let config = self.config_of(&self.draft, engine)?;
        let spec = self.spec_of(&self.draft)?;
        let mut built = self.clone();
        built.draft = Draft::default();
        built.insert(DocumentKind::Config, config)?;
        if let Some(spec) = spec {
            built.insert(DocumentKind::Spec, spec)?;
        }
        *self = built;
        Ok(())
    }

    fn config_of(&self, draft: &Draft, engine: Engine) -> Result<Vec<u8>> {
        // What isn't known is "", as engines write it.
        let known = |which: Text| {
            let set = draft.texts.get(&(which as u32)).map(String::as_str);
            set.or_else(|| self.text(which)).unwrap_or_default()
        };
        let known_or = |which: Text, other| match known(which) {
            "" => other,
            text => text,
        };
        let id = known(Text::Id);
        if id.is_empty() {
            return Err(Refusal::NoId.into());
        }
        let mut writer = Writer::default();
        writer.object(|writer| {
            writer.key("id").text(id);
            writer.key("name").text(known_or(Text::Name, id));
            let image = [
                ("rootfsImage", Text::ImageName),
                ("rootfsImageRef", Text::ImageRef),
                ("rootfsImageName", Text::ImageName),
                ("runtime", Text::Runtime),
            ];
            for (key, which) in image {
                match known(which) {
                    "" => {}
                    text => writer.key(key).text(text),
                }
            }
            let id = known(Text::ImageRef);
            if engine == Engine::Podman && !id.is_empty() {
                // podman's own key, by which it finds the image first.
                writer.key("rootfsImageID").text(id);
            }
            let times = [
                ("createdTime", Text::Created),
                ("checkpointedTime", Text::Checkpointed),
                ("restoredTime", Text::Restored),
            ];
            for (key, which) in times {
                writer.key(key).text(known_or(which, NO_TIME));
            }
            let restored = !known(Text::Restored).is_empty();
            writer.key("restored").plain(restored);
        });
        Ok(writer.finish().into_bytes())
    }

    /// spec.dump with the annotations that were set; none if there are none to set.
    fn spec_of(&self, draft: &Draft) -> Result<Option<Vec<u8>>> {
        let spec = self.spec().ok_or(Refusal::NoSpec)?;
        if draft.annotations.is_empty() {
            return Ok(None);
        }
        let mut annotations = spec.annotations.clone();
        annotations.extend(draft.annotations.clone());
        let mut writer = Writer::default();
        writer.object(|writer| {
            for (key, value) in spec.kept().root().members() {
                copy_member(writer, key, value);
            }
            writer.key("annotations").object(|writer| {
                for (key, value) in &annotations {
                    writer.key(key).text(value);
                }
            });
        });
        Ok(Some(writer.finish().into_bytes()))
    }
}

/// Copies a member of a specification, but for its annotations.
fn copy_member(writer: &mut Writer, key: Value<'_>, value: Value<'_>) {
    match key.string() {
        Some(key) if !same_key(&key, "annotations") => writer.key(&key).copy(value),
        _ => {}
    }
}

fn check_text(argument: &str, text: &str) -> Result<()> {
    if text.contains('\0') {
        Err(Error::argument(argument, "holds a NUL"))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled() -> Metadata {
        let mut metadata = Metadata::default();
        let spec = br#"{"ociVersion":"1.0.2","annotations":{"kept":"1","x":"old"},"big":12345678901234567890,"process":{"args":["sh"]}}"#;
        metadata.insert(DocumentKind::Spec, spec.to_vec()).unwrap();
        metadata.set_text(Text::Id, "8f1c").unwrap();
        metadata
            .set_text(Text::ImageName, "localhost/app:1")
            .unwrap();
        metadata.set_text(Text::ImageRef, "bcb4").unwrap();
        metadata.set_text(Text::Runtime, "runc").unwrap();
        metadata
            .set_text(Text::Created, "2026-05-11T09:08:07Z")
            .unwrap();
        metadata
    }

    fn json(metadata: &Metadata, kind: DocumentKind) -> serde_json::Value {
        serde_json::from_slice(metadata.document(kind).unwrap()).unwrap()
    }

    #[test]
    fn a_filled_metadata_builds_the_documents_of_an_engine() {
        let mut metadata = filled();
        metadata.set_annotation("x", "new").unwrap();
        metadata.build(Engine::Podman).unwrap();
        let config = json(&metadata, DocumentKind::Config);
        assert_eq!(
            config,
            serde_json::json!({
                "id": "8f1c", "name": "8f1c", "rootfsImage": "localhost/app:1", "rootfsImageRef": "bcb4",
                "rootfsImageName": "localhost/app:1", "runtime": "runc", "rootfsImageID": "bcb4",
                "createdTime": "2026-05-11T09:08:07Z", "checkpointedTime": NO_TIME, "restoredTime": NO_TIME,
                "restored": false
            })
        );
        let spec = json(&metadata, DocumentKind::Spec);
        assert_eq!(
            spec["annotations"],
            serde_json::json!({"kept": "1", "x": "new"})
        );
        assert_eq!(
            spec["big"],
            serde_json::json!(12_345_678_901_234_567_890_u64)
        );
        assert_eq!(spec["process"], serde_json::json!({"args": ["sh"]}));
        assert_eq!(metadata.id(), Some("8f1c"));
    }

    #[test]
    fn only_podman_s_configuration_has_podman_s_key() {
        let mut metadata = filled();
        metadata.build(Engine::Crio).unwrap();
        let config = json(&metadata, DocumentKind::Config);
        assert!(config.get("rootfsImageID").is_none());
    }

    #[test]
    fn a_specification_without_new_annotations_keeps_its_bytes() {
        let mut metadata = filled();
        let before = metadata.document(DocumentKind::Spec).unwrap().to_vec();
        metadata.build(Engine::Crio).unwrap();
        assert_eq!(metadata.document(DocumentKind::Spec), Some(&*before));
    }

    #[test]
    fn what_a_configuration_cannot_hold_is_refused_and_nothing_changes() {
        let mut metadata = Metadata::default();
        for (which, value) in [
            (Text::PodName, "pod"),
            (Text::Created, "yesterday"),
            (Text::Name, "a\0b"),
        ] {
            let error = metadata.set_text(which, value).unwrap_err();
            assert_eq!(error.kind(), crate::Kind::Argument, "{value}");
        }
        assert_eq!(
            metadata.set_annotation("", "x").unwrap_err().kind(),
            crate::Kind::Argument
        );
        metadata.set_text(Text::Name, "n").unwrap();
        for engine in [Engine::Unknown, Engine::Podman] {
            assert!(metadata.build(engine).is_err());
            assert!(metadata.document(DocumentKind::Config).is_none());
        }
    }
}
