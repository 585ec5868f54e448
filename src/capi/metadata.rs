//! What a checkpoint says of its container.

use std::ffi::{CString, c_char, c_void};
use std::ptr;

use super::argument;
use super::error::CRError;
use super::guard::{self, Status};
use super::string;
use crate::checkpoint::{DocumentKind, Engine, Metadata};
use crate::error::{Error, Kind, Result};

/// Nothing tells which engine made the checkpoint.
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

/// config.dump: what the engine wrote about the container.
pub const CR_DOCUMENT_CONFIG: u32 = 1;
/// spec.dump: the container's OCI runtime specification.
pub const CR_DOCUMENT_SPEC: u32 = 2;
/// network.status: the container's networks (podman).
pub const CR_DOCUMENT_NETWORK_STATUS: u32 = 3;
/// bind.mounts: what was mounted from the host (CRI-O).
pub const CR_DOCUMENT_BIND_MOUNTS: u32 = 4;
/// pod.options: the containers of a pod's checkpoint.
pub const CR_DOCUMENT_POD_OPTIONS: u32 = 5;
/// pod.dump: a pod's configuration.
pub const CR_DOCUMENT_POD_DUMP: u32 = 6;
/// status: how the container was doing (containerd).
pub const CR_DOCUMENT_STATUS: u32 = 7;
/// status.dump: the same as the engine told its clients (containerd).
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
/// The OCI runtime that made the checkpoint, a name or a path. It comes from the archive: see
/// CR_TEXT_RUNTIME_NAME.
pub const CR_TEXT_RUNTIME: u32 = 3;
/// The same if it is fit to be looked up among runtimes that are known: it has no slash, no control
/// character, and no dash at its beginning.
pub const CR_TEXT_RUNTIME_NAME: u32 = 4;
/// The image that the root file system comes from, by the name that a person knows.
pub const CR_TEXT_IMAGE_NAME: u32 = 5;
/// The same image, by an ID or a name with a digest.
pub const CR_TEXT_IMAGE_REF: u32 = 6;
/// When the container was created, as RFC 3339 has it; so with the two that follow.
pub const CR_TEXT_CREATED: u32 = 7;
/// When the checkpoint was made.
pub const CR_TEXT_CHECKPOINTED: u32 = 8;
/// When the container was last restored.
pub const CR_TEXT_RESTORED: u32 = 9;
/// The container's name within its pod.
pub const CR_TEXT_CONTAINER_NAME: u32 = 10;
/// The ID of the pod, or of its sandbox.
pub const CR_TEXT_POD_ID: u32 = 11;
/// The name of the pod.
pub const CR_TEXT_POD_NAME: u32 = 12;
/// The namespace of the pod.
pub const CR_TEXT_POD_NAMESPACE: u32 = 13;

/// One past the last of CR_TEXT_*.
const TEXTS: u32 = 14;

/// What a checkpoint says of its container. It comes from the archive: nothing but its form is
/// checked.
pub struct CRMetadata {
    metadata: Metadata,
    /// The texts as C takes them, by CR_TEXT_*.
    texts: Vec<Option<CString>>,
}

/// What was mounted into a container from the host (CRI-O). The strings belong to the caller, who
/// frees each with CRStringFree.
#[repr(C)]
#[derive(Debug)]
pub struct CRBindMount {
    /// What was mounted, a path on the host.
    pub source: *mut c_char,
    /// Where it was mounted, as the container sees it.
    pub destination: *mut c_char,
    /// "directory" or "file".
    pub file_type: *mut c_char,
    /// The source's permission bits.
    pub permissions: u32,
}

impl CRMetadata {
    pub(super) fn into_raw(metadata: &Metadata) -> Result<*mut CRMetadata> {
        let mut new = CRMetadata {
            metadata: metadata.clone(),
            texts: Vec::new(),
        };
        new.texts = new.make_texts()?;
        Ok(Box::into_raw(Box::new(new)))
    }

    fn make_texts(&self) -> Result<Vec<Option<CString>>> {
        let c_text = |which| {
            let text = self.text(which);
            text.map(|text| string::checked("metadata", text))
                .transpose()
        };
        (0..TEXTS).map(c_text).collect()
    }

    fn text(&self, which: u32) -> Option<&str> {
        let metadata = &self.metadata;
        match which {
            CR_TEXT_ID => metadata.id(),
            CR_TEXT_NAME => metadata.name(),
            CR_TEXT_RUNTIME => metadata.runtime(),
            CR_TEXT_RUNTIME_NAME => metadata.validated_runtime_name().ok(),
            CR_TEXT_IMAGE_NAME => metadata.image_name(),
            CR_TEXT_IMAGE_REF => metadata.image_ref(),
            CR_TEXT_CREATED => metadata.created_time(),
            CR_TEXT_CHECKPOINTED => metadata.checkpointed_time(),
            CR_TEXT_RESTORED => metadata.restored_time(),
            CR_TEXT_CONTAINER_NAME => metadata.container_name(),
            CR_TEXT_POD_ID => metadata.pod_id(),
            CR_TEXT_POD_NAME => metadata.pod_name(),
            CR_TEXT_POD_NAMESPACE => metadata.pod_namespace(),
            _ => None,
        }
    }

    fn document(&self, kind: DocumentKind) -> Result<&[u8]> {
        let found = self.metadata.document(kind);
        found.ok_or_else(|| absent(kind.name()))
    }

    fn bind_mount(&self, index: usize) -> Result<CRBindMount> {
        let mounts = self.metadata.bind_mounts()?;
        let found = mounts.and_then(|all| all.mounts.get(index));
        let found = found.ok_or_else(|| absent("bind mount of this index"))?;
        let texts = [&found.source, &found.destination, &found.file_type];
        let [source, destination, file_type] = string::owned_each("mount", texts)?;
        Ok(CRBindMount {
            source,
            destination,
            file_type,
            permissions: found.permissions,
        })
    }
}

/// A document, by its number.
fn document_kind(number: u32) -> Result<DocumentKind> {
    let kind = DocumentKind::ALL
        .into_iter()
        .find(|kind| *kind as u32 == number);
    let why = || Error::argument("document", format!("{number} is not one of CR_DOCUMENT_*"));
    kind.ok_or_else(why)
}

/// What was asked for and the checkpoint doesn't have.
fn absent(what: &str) -> Error {
    Error::new(Kind::NotInArchive, format!("the checkpoint has no {what}"))
}

/// Makes metadata without any documents, which the caller frees with CRMetadataFree.
#[unsafe(no_mangle)]
pub extern "C" fn CRMetadataNew() -> *mut CRMetadata {
    guard::value(ptr::null_mut(), || {
        CRMetadata::into_raw(&Metadata::default())
    })
}

/// Frees metadata.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRMetadataFree(metadata: *mut CRMetadata) {
    // SAFETY: the caller passes NULL or metadata of this library's, and passes it only once.
    guard::run(|| unsafe { argument::free(metadata) });
}

/// Takes in a document that the caller has, such as the config.dump of a bundle, in the place of an
/// earlier one of its kind. What earlier calls have answered is no longer valid then.
///
/// document: one of CR_DOCUMENT_*.
///
/// bytes: an array of bytes_len bytes, the document's JSON text.
///
/// Errors: EBADMSG for a config.dump or spec.dump that is malformed; E2BIG above 16 MiB.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRMetadataAdd(
    metadata: *mut CRMetadata,
    document: u32,
    bytes: *const c_void,
    bytes_len: usize,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes NULL or metadata that nobody else uses during the call.
        let to = unsafe { argument::object_mut("metadata", metadata) }?;
        // SAFETY: the caller passes an array of this length.
        let bytes = unsafe { argument::array("bytes", bytes.cast::<u8>(), bytes_len) }?;
        to.metadata
            .insert(document_kind(document)?, bytes.to_vec())?;
        to.texts = to.make_texts()?;
        Ok(())
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// Answers which engine made the checkpoint: one of CR_ENGINE_*; more may follow. It is a hint: who
/// makes an archive can make it look like any engine's. CR_ENGINE_UNKNOWN for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRMetadataEngine(metadata: *const CRMetadata) -> u32 {
    // SAFETY: the caller passes NULL or metadata that it hasn't freed.
    let metadata = || unsafe { metadata.as_ref() };
    let engine = || metadata().map_or(CR_ENGINE_UNKNOWN, |of| of.metadata.engine() as u32);
    guard::value(CR_ENGINE_UNKNOWN, || Ok(engine()))
}

/// Answers a text, which belongs to the metadata and lives as long as it does; NULL if the checkpoint
/// doesn't tell it. A runtime that is there and empty is "".
///
/// which: one of CR_TEXT_*; NULL for others, and for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRMetadataText(metadata: *const CRMetadata, which: u32) -> *const c_char {
    // SAFETY: the caller passes NULL or metadata that it hasn't freed.
    let metadata = || unsafe { metadata.as_ref() };
    guard::value(ptr::null(), || {
        let index = usize::try_from(which).ok();
        let text = metadata().and_then(|of| of.texts.get(index?)?.as_ref());
        Ok(text.map_or(ptr::null(), |text| text.as_ptr()))
    })
}

/// Answers the bytes of a document as they came.
///
/// document: one of CR_DOCUMENT_*.
///
/// bytes: receives the bytes, which belong to the metadata. bytes_len: receives their number.
///
/// Errors: ENODATA if the checkpoint doesn't have it, or it wasn't read yet.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRMetadataDocument(
    metadata: *const CRMetadata,
    document: u32,
    bytes: *mut *const c_void,
    bytes_len: *mut usize,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes NULL or metadata that nobody changes during the call.
        let metadata = unsafe { argument::object("metadata", metadata) }?;
        // SAFETY: the caller passes NULL or a place for the array.
        let out = unsafe { argument::out("bytes", bytes) }?;
        // SAFETY: the caller passes NULL or a place for the number.
        let out_len = unsafe { argument::out("bytes_len", bytes_len) }?;
        let found = metadata.document(document_kind(document)?)?;
        out.write(found.as_ptr().cast());
        out_len.write(found.len());
        Ok(())
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// Answers an annotation of the container's OCI specification. Some are the engine's, some may be the
/// container's user's.
///
/// value: receives the value, which the caller frees with CRStringFree.
///
/// Errors: ENODATA if there is none of this key; EBADMSG for a value with a NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRMetadataAnnotation(
    metadata: *const CRMetadata,
    key: *const c_char,
    value: *mut *mut c_char,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes NULL or metadata that nobody changes during the call.
        let metadata = unsafe { argument::object("metadata", metadata) }?;
        // SAFETY: the caller passes NULL or a string that ends with a NUL and stays as it is.
        let key = unsafe { argument::string("key", key) }?;
        // SAFETY: the caller passes NULL or a place for one string.
        let out = unsafe { argument::out("value", value) }?;
        let annotations = metadata.metadata.spec().map(|spec| &spec.annotations);
        let found = annotations.and_then(|all| all.get(key.to_str().ok()?));
        let found = found.ok_or_else(|| absent("annotation of this key"))?;
        out.write(string::owned("value", found.as_str())?);
        Ok(())
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// Answers one of the bind mounts in bind.mounts.
///
/// index: counts from 0; ENODATA ends a loop over all of them.
///
/// mount: receives the mount, whose strings the caller frees.
///
/// Errors: ENODATA if there is none of this index, or no bind.mounts; EBADMSG if it is malformed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRMetadataBindMount(
    metadata: *const CRMetadata,
    index: usize,
    mount: *mut CRBindMount,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes NULL or metadata that nobody changes during the call.
        let metadata = unsafe { argument::object("metadata", metadata) }?;
        // SAFETY: the caller passes NULL or a place for one mount.
        let out = unsafe { argument::out("mount", mount) }?;
        out.write(metadata.bind_mount(index)?);
        Ok(())
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// Answers everything as one JSON object, for a person or a script: what CRMetadataText tells, the
/// engine, annotations, networks, bind mounts, the pod's containers, the status, and the whole
/// config.dump and spec.dump, with keys that this library doesn't know.
///
/// json: receives the text, in UTF-8, which the caller frees with CRStringFree.
///
/// Errors: EINVAL alone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRMetadataJson(
    metadata: *const CRMetadata,
    json: *mut *mut c_char,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes NULL or metadata that nobody changes during the call.
        let metadata = unsafe { argument::object("metadata", metadata) }?;
        // SAFETY: the caller passes NULL or a place for one string.
        let out = unsafe { argument::out("json", json) }?;
        out.write(string::owned("json", metadata.metadata.to_json())?);
        Ok(())
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}
