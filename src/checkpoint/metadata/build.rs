//! Documents for an engine that has none yet: made of what it knows of its container.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use super::config::NO_TIME;
use super::document::Kept as _;
use super::json::{Value, Writer, same_key};
use super::refusal::Refusal;
use super::{Metadata, Text, time};
use crate::checkpoint::{DocumentKind, Engine};
use crate::error::{Error, Result};

/// The annotation in which CRI-O keeps those of the container, as a JSON object. It restores nothing without it.
const CRIO_ANNOTATIONS: &str = "io.kubernetes.cri-o.Annotations";

/// What was set and not yet built into documents.
#[derive(Clone, Default)]
pub(super) struct Draft {
    /// By the numbers of [`Text`].
    texts: BTreeMap<u32, String>,
    annotations: BTreeMap<String, String>,
}

impl Metadata {
    /// Sets a text for [`build`](Self::build): id, name, runtime, image name, image ref, and the three times, which are
    /// RFC 3339 such as `2026-05-11T09:08:07Z`. An empty text takes away what is known. [`text`](Self::text) tells it once
    /// it is built.
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
    /// CRI-O has to know one of the two, takes an image ref only if it is the ID of an image in full, and restores the
    /// annotations that spec.dump has in `io.kubernetes.cri-o.Annotations`: those that were set, unless it is there.
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
    /// EINVAL for [`Engine::Unknown`], and for an image ref that CRI-O doesn't take; ENODATA without an id, without
    /// spec.dump, or without an image for CRI-O; E2BIG for a document above 16 MiB. Nothing is changed then.
    pub fn build(&mut self, engine: Engine) -> Result<()> {
        if engine == Engine::Unknown {
            return Err(Error::argument("engine", "is not a known engine"));
        }
        let config = self.config_of(&self.draft, engine)?;
        let spec = self.spec_of(&self.draft, engine)?;
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
        if engine == Engine::Crio {
            check_image(known(Text::ImageName), known(Text::ImageRef))?;
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
    fn spec_of(&self, draft: &Draft, engine: Engine) -> Result<Option<Vec<u8>>> {
        let spec = self.spec().ok_or(Refusal::NoSpec)?;
        let mut annotations = spec.annotations.clone();
        annotations.extend(draft.annotations.clone());
        if engine == Engine::Crio && !annotations.contains_key(CRIO_ANNOTATIONS) {
            let kept = object_of(&draft.annotations);
            annotations.insert(CRIO_ANNOTATIONS.to_owned(), kept);
        }
        if annotations == spec.annotations {
            return Ok(None);
        }
        let mut writer = Writer::default();
        writer.object(|writer| {
            for (key, value) in spec.kept().root().members() {
                copy_member(writer, key, value);
            }
            writer
                .key("annotations")
                .object(|writer| write_texts(writer, &annotations));
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

/// A JSON object of texts.
fn object_of(texts: &BTreeMap<String, String>) -> String {
    let mut writer = Writer::default();
    writer.object(|writer| write_texts(writer, texts));
    writer.finish()
}

fn write_texts(writer: &mut Writer, texts: &BTreeMap<String, String>) {
    for (key, value) in texts {
        writer.key(key).text(value);
    }
}

/// Whether CRI-O can find the container's image: by an ID, or else by a name.
fn check_image(name: &str, id: &str) -> Result<()> {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    match id {
        "" if name.is_empty() => Err(Refusal::NoImage.into()),
        "" => Ok(()),
        id if id.len() == 64 && id.bytes().all(is_digit) => Ok(()),
        _ => Err(Error::argument(
            "engine",
            "is CRI-O, to which an image ref is an ID of 64 hexadecimal digits",
        )),
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
        metadata.build(Engine::Containerd).unwrap();
        let config = json(&metadata, DocumentKind::Config);
        assert!(config.get("rootfsImageID").is_none());
    }

    #[test]
    fn a_specification_without_new_annotations_keeps_its_bytes() {
        let mut metadata = filled();
        let before = metadata.document(DocumentKind::Spec).unwrap().to_vec();
        metadata.build(Engine::Podman).unwrap();
        assert_eq!(metadata.document(DocumentKind::Spec), Some(&*before));
    }

    /// CRI-O decodes this annotation before it looks at anything else, and fails without it.
    #[test]
    fn cri_o_gets_the_annotations_that_it_restores() {
        let annotations_of = |metadata: &Metadata| {
            let spec = json(metadata, DocumentKind::Spec);
            let text = spec["annotations"][CRIO_ANNOTATIONS].as_str().unwrap();
            serde_json::from_str::<serde_json::Value>(text).unwrap()
        };
        let id = "0123456789abcdef".repeat(4);
        for set in [
            serde_json::json!({}),
            serde_json::json!({"org.example.note": "a \"note\"", "x": "new"}),
        ] {
            let mut metadata = filled();
            metadata.set_text(Text::ImageRef, id.as_str()).unwrap();
            for (key, value) in set.as_object().unwrap() {
                let value = value.as_str().unwrap();
                metadata.set_annotation(key, value).unwrap();
            }
            metadata.build(Engine::Crio).unwrap();
            assert_eq!(annotations_of(&metadata), set);
            let config = json(&metadata, DocumentKind::Config);
            assert_eq!(config["rootfsImageRef"], serde_json::json!(id));
        }
        let mut metadata = filled();
        metadata.set_text(Text::ImageRef, "").unwrap();
        let own = r#"{"io.kubernetes.container.hash":"b2c1"}"#;
        metadata.set_annotation(CRIO_ANNOTATIONS, own).unwrap();
        metadata.build(Engine::Crio).unwrap();
        assert_eq!(annotations_of(&metadata).to_string(), own);
        let config = json(&metadata, DocumentKind::Config);
        assert!(config.get("rootfsImageRef").is_none());
    }

    #[test]
    fn cri_o_has_to_know_the_image() {
        let mut metadata = filled();
        let upper = "0123456789ABCDEF".repeat(4);
        for id in ["bcb4", "docker.io/library/busybox", upper.as_str()] {
            metadata.set_text(Text::ImageRef, id).unwrap();
            let error = metadata.build(Engine::Crio).unwrap_err();
            assert_eq!(error.kind(), crate::Kind::Argument, "{id}");
            assert!(metadata.document(DocumentKind::Config).is_none());
        }
        metadata.set_text(Text::ImageRef, "").unwrap();
        metadata.set_text(Text::ImageName, "").unwrap();
        let error = metadata.build(Engine::Crio).unwrap_err();
        assert_eq!(error.kind(), crate::Kind::NotInArchive);
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
