//! What a checkpoint tells of its container, read and made.

use std::collections::BTreeMap;
use std::ffi::{CString, c_char, c_void};
use std::ptr;

use super::argument::{Bytes, New, Object, ObjectMut, Optional, Out, Owned, Text, member_of};
use super::guard::{self, Slot, Status};
use super::string::{self, named};
use crate::checkpoint::{self, BindMount, DocumentKind, Engine, Metadata};
use crate::error::{Error, Kind, Result};

/// The engine isn't known: the answer where nothing tells it.
pub const CR_ENGINE_UNKNOWN: u32 = 0;
/// podman.
pub const CR_ENGINE_PODMAN: u32 = 1;
/// CRI-O.
pub const CR_ENGINE_CRIO: u32 = 2;
/// containerd.
pub const CR_ENGINE_CONTAINERD: u32 = 3;

const _: () = assert!(CR_ENGINE_UNKNOWN == Engine::Unknown as u32);
const _: () = assert!(CR_ENGINE_PODMAN == Engine::Podman as u32);
const _: () = assert!(CR_ENGINE_CRIO == Engine::Crio as u32);
const _: () = assert!(CR_ENGINE_CONTAINERD == Engine::Containerd as u32);

/// The engines that are meant where one is given.
pub(super) const ENGINES: [(u32, Engine); 3] = [
    (CR_ENGINE_PODMAN, Engine::Podman),
    (CR_ENGINE_CRIO, Engine::Crio),
    (CR_ENGINE_CONTAINERD, Engine::Containerd),
];

/// config.dump: the engine's configuration of the container.
pub const CR_DOCUMENT_CONFIG: u32 = 1;
/// spec.dump: the container's OCI runtime specification.
pub const CR_DOCUMENT_SPEC: u32 = 2;
/// network.status: the container's networks (podman).
pub const CR_DOCUMENT_NETWORK_STATUS: u32 = 3;
/// bind.mounts: the bind mounts from the host (CRI-O).
pub const CR_DOCUMENT_BIND_MOUNTS: u32 = 4;
/// pod.options: the containers of a pod's checkpoint.
pub const CR_DOCUMENT_POD_OPTIONS: u32 = 5;
/// pod.dump: a pod's configuration.
pub const CR_DOCUMENT_POD_DUMP: u32 = 6;
/// status: the container's state (containerd).
pub const CR_DOCUMENT_STATUS: u32 = 7;
/// status.dump: the container's state as the CRI has it (containerd).
pub const CR_DOCUMENT_STATUS_DUMP: u32 = 8;

const _: () = assert!(CR_DOCUMENT_CONFIG == DocumentKind::Config as u32);
const _: () = assert!(CR_DOCUMENT_SPEC == DocumentKind::Spec as u32);
const _: () = assert!(CR_DOCUMENT_NETWORK_STATUS == DocumentKind::NetworkStatus as u32);
const _: () = assert!(CR_DOCUMENT_BIND_MOUNTS == DocumentKind::BindMounts as u32);
const _: () = assert!(CR_DOCUMENT_POD_OPTIONS == DocumentKind::PodOptions as u32);
const _: () = assert!(CR_DOCUMENT_POD_DUMP == DocumentKind::PodDump as u32);
const _: () = assert!(CR_DOCUMENT_STATUS == DocumentKind::Status as u32);
const _: () = assert!(CR_DOCUMENT_STATUS_DUMP == DocumentKind::StatusDump as u32);

/// The container's ID.
pub const CR_TEXT_ID: u32 = 1;
/// The container's name as its engine has it.
pub const CR_TEXT_NAME: u32 = 2;
/// The OCI runtime that made the checkpoint, a name or a path. The archive chooses it: see
/// CR_TEXT_RUNTIME_NAME.
pub const CR_TEXT_RUNTIME: u32 = 3;
/// The runtime, if it is fit to be looked up among known runtimes: it has no slash, no control character,
/// and no dash at its beginning.
pub const CR_TEXT_RUNTIME_NAME: u32 = 4;
/// The image of the root file system, by the name that a person knows.
pub const CR_TEXT_IMAGE_NAME: u32 = 5;
/// The image of the root file system, by an ID or a name with a digest.
pub const CR_TEXT_IMAGE_REF: u32 = 6;
/// The time when the container was created, as RFC 3339 has it.
pub const CR_TEXT_CREATED: u32 = 7;
/// The time when the checkpoint was made, as RFC 3339 has it.
pub const CR_TEXT_CHECKPOINTED: u32 = 8;
/// The time when the container was last restored, as RFC 3339 has it.
pub const CR_TEXT_RESTORED: u32 = 9;
/// The container's name within its pod.
pub const CR_TEXT_CONTAINER_NAME: u32 = 10;
/// The ID of the pod, or of its sandbox.
pub const CR_TEXT_POD_ID: u32 = 11;
/// The name of the pod.
pub const CR_TEXT_POD_NAME: u32 = 12;
/// The namespace of the pod.
pub const CR_TEXT_POD_NAMESPACE: u32 = 13;

const _: () = assert!(CR_TEXT_ID == checkpoint::Text::Id as u32);
const _: () = assert!(CR_TEXT_NAME == checkpoint::Text::Name as u32);
const _: () = assert!(CR_TEXT_RUNTIME == checkpoint::Text::Runtime as u32);
const _: () = assert!(CR_TEXT_RUNTIME_NAME == checkpoint::Text::RuntimeName as u32);
const _: () = assert!(CR_TEXT_IMAGE_NAME == checkpoint::Text::ImageName as u32);
const _: () = assert!(CR_TEXT_IMAGE_REF == checkpoint::Text::ImageRef as u32);
const _: () = assert!(CR_TEXT_CREATED == checkpoint::Text::Created as u32);
const _: () = assert!(CR_TEXT_CHECKPOINTED == checkpoint::Text::Checkpointed as u32);
const _: () = assert!(CR_TEXT_RESTORED == checkpoint::Text::Restored as u32);
const _: () = assert!(CR_TEXT_CONTAINER_NAME == checkpoint::Text::ContainerName as u32);
const _: () = assert!(CR_TEXT_POD_ID == checkpoint::Text::PodId as u32);
const _: () = assert!(CR_TEXT_POD_NAME == checkpoint::Text::PodName as u32);
const _: () = assert!(CR_TEXT_POD_NAMESPACE == checkpoint::Text::PodNamespace as u32);

/// What a checkpoint tells of its container. It comes from the archive: only its form is checked.
pub struct CRMetadata {
    metadata: Metadata,
    /// The texts as C borrows them, by CR_TEXT_*.
    texts: BTreeMap<u32, CString>,
    annotations: BTreeMap<CString, CString>,
    bind_mounts: BindMounts,
}

/// A bind mount from the host (CRI-O). Later versions may add fields at the end.
#[repr(C)]
#[derive(Debug)]
pub struct CRBindMount {
    /// What was mounted: a path on the host.
    pub source: Text,
    /// Where it was mounted, as the container sees it.
    pub destination: Text,
    /// "directory" or "file".
    pub file_type: Text,
    /// The permission bits of the source.
    pub permissions: u32,
    /// 0.
    pub flags: u32,
}

/// Bind mounts as C borrows them.
#[derive(Default)]
struct BindMounts {
    _texts: Vec<[CString; 3]>,
    _mounts: Box<[CRBindMount]>,
    pointers: Vec<*const CRBindMount>,
}

impl BindMounts {
    fn of(mounts: &[BindMount]) -> Self {
        let texts = |mount: &BindMount| {
            [&mount.source, &mount.destination, &mount.file_type]
                .map(|text| string::until_nul(text.as_bytes()))
        };
        let texts: Vec<[CString; 3]> = mounts.iter().map(texts).collect();
        let mount = |(mount, texts): (&BindMount, &[CString; 3])| CRBindMount {
            source: Text::lent(&texts[0]),
            destination: Text::lent(&texts[1]),
            file_type: Text::lent(&texts[2]),
            permissions: mount.permissions,
            flags: 0,
        };
        let mounts: Box<[CRBindMount]> = mounts.iter().zip(&texts).map(mount).collect();
        BindMounts {
            pointers: mounts.iter().map(ptr::from_ref).collect(),
            _texts: texts,
            _mounts: mounts,
        }
    }
}

impl CRMetadata {
    pub(super) fn of(metadata: &Metadata) -> Self {
        let text = |which: checkpoint::Text| {
            // A text with a NUL is told by the JSON document alone: cut, it would be another text.
            let text = CString::new(metadata.text(which)?).ok()?;
            Some((which as u32, text))
        };
        let annotations = metadata
            .spec()
            .into_iter()
            .flat_map(|spec| &spec.annotations);
        let annotation = |(key, value): (&String, &String)| {
            Some((
                CString::new(key.as_str()).ok()?,
                CString::new(value.as_str()).ok()?,
            ))
        };
        let mounts = metadata.bind_mounts().ok().flatten();
        CRMetadata {
            texts: checkpoint::Text::ALL.into_iter().filter_map(text).collect(),
            annotations: annotations.filter_map(annotation).collect(),
            bind_mounts: BindMounts::of(mounts.map_or(&[], |all| &all.mounts)),
            metadata: metadata.clone(),
        }
    }

    pub(super) fn get(&self) -> &Metadata {
        &self.metadata
    }

    /// Changes the metadata, or leaves all as it was.
    fn change(&mut self, change: impl FnOnce(&mut Metadata) -> Result<()>) -> Result<()> {
        let mut metadata = self.metadata.clone();
        change(&mut metadata)?;
        *self = CRMetadata::of(&metadata);
        Ok(())
    }
}

/// A document, by its number.
fn document_kind(number: u32) -> Result<DocumentKind> {
    let kinds = DocumentKind::ALL.map(|kind| (kind as u32, kind));
    member_of("CR_DOCUMENT_", &kinds, number, "document")
}

/// The checkpoint doesn't have what was asked for.
fn absent(what: &str) -> Error {
    Error::new(Kind::NotInArchive, format!("the checkpoint has no {what}"))
}

/// Makes metadata without documents. The caller frees it with CRMetadataFree.
#[unsafe(no_mangle)]
pub extern "C" fn CRMetadataNew() -> New<CRMetadata> {
    let new = || New::of(CRMetadata::of(&Metadata::default()));
    guard::value(New::none(), || Ok(new()))
}

/// Frees metadata that CRMetadataNew has made. The metadata of an import belongs to the import.
#[unsafe(no_mangle)]
pub extern "C" fn CRMetadataFree(metadata: Owned<CRMetadata>) {
    guard::run(|| metadata.free());
}

/// Adds a document, such as the config.dump of a bundle, in the place of an earlier one of its kind. What
/// earlier calls have returned for this metadata is no longer valid afterwards.
///
/// @param metadata Metadata that CRMetadataNew has made.
/// @param document One of CR_DOCUMENT_*.
/// @param bytes An array of bytes_len bytes: the document's JSON text.
///
/// Errors, after which the metadata is as it was:
/// - EINVAL: the document is not one of CR_DOCUMENT_*.
/// - EBADMSG: a config.dump or spec.dump is malformed.
/// - E2BIG: the document is larger than 16 MiB.
#[unsafe(no_mangle)]
pub extern "C" fn CRMetadataAdd(
    mut metadata: ObjectMut<CRMetadata>,
    document: u32,
    bytes: Bytes,
    bytes_len: usize,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let metadata = metadata.get("metadata")?;
        let bytes = bytes.to_vec(bytes_len, "bytes")?;
        let kind = document_kind(document)?;
        metadata.change(|metadata| metadata.insert(kind, bytes))
    })
}

/// Sets a text for CRMetadataBuild. CRMetadataText returns it once it is built.
///
/// @param metadata Metadata that CRMetadataNew has made.
/// @param which CR_TEXT_ID, CR_TEXT_NAME, CR_TEXT_RUNTIME, CR_TEXT_IMAGE_NAME, CR_TEXT_IMAGE_REF,
/// CR_TEXT_CREATED, CR_TEXT_CHECKPOINTED or CR_TEXT_RESTORED.
/// @param value The text, in UTF-8. An empty one takes away what is known. Times are RFC 3339, such as "2026-05-11T09:08:07Z".
///
/// Errors:
/// - EINVAL: no config.dump has this text; or the value is not UTF-8, or no time.
#[unsafe(no_mangle)]
pub extern "C" fn CRMetadataSetText(
    mut metadata: ObjectMut<CRMetadata>,
    which: u32,
    value: Text,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let metadata = metadata.get("metadata")?;
        let value = value.str("value")?;
        let texts = checkpoint::Text::ALL.map(|text| (text as u32, text));
        let which = member_of("CR_TEXT_", &texts, which, "which")?;
        metadata.metadata.set_text(which, value)
    })
}

/// Sets an annotation of the container's OCI specification for CRMetadataBuild.
///
/// @param metadata Metadata that CRMetadataNew has made.
/// @param key The annotation's key, in UTF-8.
/// @param value The annotation's value, in UTF-8.
///
/// Errors:
/// - EINVAL: the key is empty; or one of the two is not UTF-8.
#[unsafe(no_mangle)]
pub extern "C" fn CRMetadataSetAnnotation(
    mut metadata: ObjectMut<CRMetadata>,
    key: Text,
    value: Text,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let metadata = metadata.get("metadata")?;
        let (key, value) = (key.str("key")?, value.str("value")?);
        metadata.metadata.set_annotation(key, value)
    })
}

/// Makes the documents that an engine reads at a restore: config.dump with the texts that were set (and
/// those that an earlier config.dump told), and spec.dump with the annotations that were set.
/// CRMetadataDocument returns them, and CRExportAddMetadata adds them to an export. What earlier calls have
/// returned for this metadata is no longer valid afterwards.
///
/// CR_TEXT_ID has to be set, and spec.dump has to be added before: the config.json of the bundle. podman
/// also looks for CR_TEXT_IMAGE_NAME, and for CR_TEXT_IMAGE_REF, which has to be the image's ID. CRI-O has to
/// know one of the two, takes as CR_TEXT_IMAGE_REF only the ID of an image in full (64 hexadecimal digits), and
/// restores the annotations that are in io.kubernetes.cri-o.Annotations: those that were set, unless
/// spec.dump has this annotation. Nothing is added that tells which engine made the checkpoint:
/// CRMetadataEngine returns what the annotations tell.
///
/// @param metadata Metadata that CRMetadataNew has made.
/// @param engine One of CR_ENGINE_*: the engine that will restore.
///
/// Errors, after which the metadata is as it was:
/// - EINVAL: the engine is not one of CR_ENGINE_*; or it is CRI-O, and takes no such CR_TEXT_IMAGE_REF.
/// - ENODATA: there is no ID, no spec.dump, or, for CRI-O, no image.
/// - E2BIG: a document is larger than 16 MiB.
#[unsafe(no_mangle)]
pub extern "C" fn CRMetadataBuild(
    mut metadata: ObjectMut<CRMetadata>,
    engine: u32,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let metadata = metadata.get("metadata")?;
        let engine = member_of("CR_ENGINE_", &ENGINES, engine, "engine")?;
        metadata.change(|metadata| metadata.build(engine))
    })
}

/// Returns the engine that made the checkpoint: one of CR_ENGINE_*. Later versions may have more. It is a
/// hint, since the archive chooses it. CR_ENGINE_UNKNOWN for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn CRMetadataEngine(metadata: Optional<CRMetadata>) -> u32 {
    let engine = || {
        metadata
            .get()
            .map_or(Engine::Unknown, |of| of.metadata.engine())
    };
    guard::value(CR_ENGINE_UNKNOWN, || Ok(engine() as u32))
}

/// Returns the name of an engine, such as "cri-o", or "unknown" for CR_ENGINE_UNKNOWN. The string is
/// static; NULL for a number that isn't one of CR_ENGINE_*.
///
/// @param engine One of CR_ENGINE_*.
#[unsafe(no_mangle)]
pub extern "C" fn CREngineName(engine: u32) -> *const c_char {
    let [podman, crio, containerd] = ENGINES;
    let all = [
        (CR_ENGINE_UNKNOWN, Engine::Unknown),
        podman,
        crio,
        containerd,
    ];
    named(engine, all.map(|(number, engine)| (number, engine.name())))
}

/// Returns a text. It belongs to the metadata. NULL if the checkpoint doesn't tell it, or tells a text with
/// a NUL, which CRMetadataJson shows; and for NULL. A runtime that is there and empty is "".
///
/// @param which One of CR_TEXT_*.
#[unsafe(no_mangle)]
pub extern "C" fn CRMetadataText(metadata: Optional<CRMetadata>, which: u32) -> *const c_char {
    let text = || metadata.get().and_then(|of| of.texts.get(&which));
    guard::value(ptr::null(), || {
        Ok(text().map_or(ptr::null(), |text| text.as_ptr()))
    })
}

/// Returns the value of an annotation of the container's OCI specification. It belongs to the metadata.
/// NULL if there is none of this key, or it holds a NUL; and for NULL. Some annotations are the engine's,
/// some may be the container's user's.
///
/// @param key The annotation's key.
#[unsafe(no_mangle)]
pub extern "C" fn CRMetadataAnnotation(metadata: Optional<CRMetadata>, key: Text) -> *const c_char {
    guard::value(ptr::null(), || {
        let key = key.c_str("key")?;
        let value = metadata.get().and_then(|of| of.annotations.get(key));
        Ok(value.map_or(ptr::null(), |value| value.as_ptr()))
    })
}

/// Lists the bind mounts of bind.mounts.
///
/// @param mounts Receives an array of pointers to the mounts, which is never NULL. It belongs to the
/// metadata, and so do the mounts.
/// @param mounts_len Receives the number of mounts.
///
/// Errors:
/// - ENODATA: the checkpoint has no bind.mounts.
/// - EBADMSG: bind.mounts is malformed.
#[unsafe(no_mangle)]
pub extern "C" fn CRMetadataBindMounts(
    metadata: Object<CRMetadata>,
    mounts: Out<*const *const CRBindMount>,
    mounts_len: Out<usize>,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let metadata = metadata.get("metadata")?;
        let (out, out_len) = (mounts.check("mounts")?, mounts_len.check("mounts_len")?);
        let found = metadata.metadata.bind_mounts()?;
        found.ok_or_else(|| absent(DocumentKind::BindMounts.name()))?;
        out.write(metadata.bind_mounts.pointers.as_ptr());
        out_len.write(metadata.bind_mounts.pointers.len());
        Ok(())
    })
}

/// Returns the bytes of a document as they are in the archive, or as CRMetadataBuild has made them.
///
/// @param document One of CR_DOCUMENT_*.
/// @param bytes Receives the bytes, which belong to the metadata.
/// @param bytes_len Receives the number of bytes.
///
/// Errors:
/// - EINVAL: the document is not one of CR_DOCUMENT_*.
/// - ENODATA: the checkpoint doesn't have the document, or it wasn't read yet.
#[unsafe(no_mangle)]
pub extern "C" fn CRMetadataDocument(
    metadata: Object<CRMetadata>,
    document: u32,
    bytes: Out<*const c_void>,
    bytes_len: Out<usize>,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let metadata = metadata.get("metadata")?;
        let (out, out_len) = (bytes.check("bytes")?, bytes_len.check("bytes_len")?);
        let kind = document_kind(document)?;
        let found = metadata.metadata.document(kind);
        let found = found.ok_or_else(|| absent(kind.name()))?;
        out.write(found.as_ptr().cast());
        out_len.write(found.len());
        Ok(())
    })
}

/// Returns everything as one JSON object, for a person or a script: what CRMetadataText returns, the engine,
/// annotations, networks, bind mounts, the pod's containers, the status, and the whole config.dump and
/// spec.dump, with the keys that this library doesn't know. The container's environment is in it, with the
/// secrets that it holds.
///
/// @param json Receives the text, in UTF-8, which the caller frees with CRStringFree.
#[unsafe(no_mangle)]
pub extern "C" fn CRMetadataJson(
    metadata: Object<CRMetadata>,
    json: Out<*mut c_char>,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let metadata = metadata.get("metadata")?;
        let out = json.check("json")?;
        let text = string::owned("json", metadata.metadata.to_json())?;
        out.write(text);
        Ok(())
    })
}
