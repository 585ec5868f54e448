//! The C ABI: `include/crutils.h` is generated from this module.
//!
//! An export converts its arguments, calls one public Rust function, and hands back what that
//! returned. Whatever is worth a decision is decided a floor down. Three things hold for all of
//! them:
//!
//! - They go through `guard`, so that no panic crosses the ABI. A result of the type [`Status`] has
//!   no other origin.
//! - Pointers become references, slices or strings in `argument`, which refuses what it can: NULL,
//!   lengths that no object has, addresses that no object of that type has. That the rest is as the
//!   conventions at the top of the header want it (they are in `cbindgen.toml`) is the caller's
//!   part, and every export relies on it.
//! - Their doc comments are the header's, written for a C programmer.

#![allow(
    non_snake_case,
    reason = "the exports have the names that C knows them by"
)]
#![allow(
    clippy::missing_safety_doc,
    reason = "the conventions at the top of the header are every export's contract"
)]

mod argument;
mod change;
mod changes;
mod changes_at;
mod checkpoint;
mod checkpoint_at;
mod error;
mod export;
mod export_members;
mod export_options;
mod guard;
mod import;
mod import_extract;
mod import_options;
mod members;
mod metadata;
mod string;
mod version;
mod watch;

pub use change::{CR_CHANGE_ADD, CR_CHANGE_DELETE, CR_CHANGE_MODIFY, CRChange};
pub use changes::{
    CR_EXCLUDE_CRIO, CR_EXCLUDE_EXACT, CR_EXCLUDE_PODMAN, CR_EXCLUDE_SUBTREE, CR_OVERLAY_AUTO,
    CR_OVERLAY_FUSE, CR_OVERLAY_TRUSTED, CR_OVERLAY_USER, CRChangeList, CRChangeListChanges,
    CRChangeListFree, CRChangeListLen, CRChangesDirectories, CRChangesOptions,
    CRChangesOptionsCompareContent, CRChangesOptionsExactTimes, CRChangesOptionsExclude,
    CRChangesOptionsExcludeBindMounts, CRChangesOptionsExcludeEngine, CRChangesOptionsFree,
    CRChangesOptionsNew, CRChangesOptionsOverlayXattrs, CRChangesOptionsWorkDirectory,
    CRChangesOverlay,
};
pub use changes_at::{CRChangesDirectoriesAt, CRChangesOptionsWorkDirectoryAt, CRChangesOverlayAt};
pub use checkpoint::{
    CRApplyRootFsDiffTar, CRCreateFileWithLabel, CRCreateRootFsDiffTar, CRGetRuntimeFromArchive,
    CRImportCheckpointConfigOnly, CRImportCheckpointWithoutConfig, CRRemoveDeletedFiles,
    CRRuntimeSupportsCheckpointRestore, CRRuntimeSupportsPodCheckpointRestore,
};
pub use checkpoint_at::{
    CRApplyRootFsDiffTarAt, CRCreateFileWithLabelAt, CRCreateRootFsDiffTarAt,
    CRImportCheckpointConfigOnlyAt, CRImportCheckpointWithoutConfigAt, CRRemoveDeletedFilesAt,
};
pub use error::{
    CR_ERROR_ARGUMENT, CR_ERROR_CANCELLED, CR_ERROR_ESCAPE, CR_ERROR_INTERNAL, CR_ERROR_LIMIT,
    CR_ERROR_MALFORMED, CR_ERROR_NONE, CR_ERROR_NOT_IN_ARCHIVE, CR_ERROR_SYSTEM,
    CR_ERROR_UNSUPPORTED, CRError, CRErrorEntry, CRErrorErrno, CRErrorFree, CRErrorKind,
    CRErrorMessage, CRErrorOffset,
};
pub use export::{
    CRExport, CRExportBytes, CRExportDigest, CRExportFree, CRExportMembers, CRExportMissing,
    CRExportNew, CRExportToDescriptor, CRExportToFile, CRExportToFileAt,
};
pub use export_members::{
    CR_LAYOUT_CRIO, CR_LAYOUT_PODMAN, CR_PRESENCE_OPTIONAL, CR_PRESENCE_REQUIRED,
    CRExportAddBundle, CRExportAddBundleAt, CRExportAddBytes, CRExportAddDirectoryTar,
    CRExportAddDirectoryTarAt, CRExportAddFile, CRExportAddFileDescriptor, CRExportAddMember,
    CRExportAddMemberAt, CRExportAddRootFsDiff, CRExportAddRootFsDiffAt,
    CRExportAddRootFsDiffFromOverlay, CRExportAddRootFsDiffFromOverlayAt,
};
pub use export_options::{
    CR_COMPRESSION_GZIP, CR_COMPRESSION_NONE, CR_COMPRESSION_ZSTD, CRExportOptions,
    CRExportOptionsCompression, CRExportOptionsDigest, CRExportOptionsFree, CRExportOptionsNew,
    CRExportOptionsSpoolDirectory, CRExportOptionsSpoolDirectoryAt, CRExportOptionsSync,
    CRExportOptionsTime, CRExportOptionsWorkers,
};
pub use guard::Status;
pub use import::{
    CRImport, CRImportFree, CRImportMembers, CRImportMetadata, CRImportOpen,
    CRImportOpenDescriptor, CRImportToBundle, CRImportToBundleAt, CRImportToBundleOnly,
    CRImportToBundleOnlyAt, CRImportToRoot, CRImportToRootAt,
};
pub use import_extract::{
    CRImportDigest, CRImportExtract, CRImportFiles, CRImportToShm, CRImportToShmAt,
    CRImportToVolume, CRImportToVolumeAt, CRVolume,
};
pub use import_options::{
    CR_IMPORT_DIGEST, CR_IMPORT_END_MARKER, CR_IMPORT_IGNORE_OWNERSHIP, CR_IMPORT_KEEP_FAILED,
    CR_IMPORT_KNOWN_NAMES, CR_IMPORT_NO_DEVICES, CR_IMPORT_OCI_WHITEOUTS,
    CR_IMPORT_ROOT_ATTRIBUTES, CR_IMPORT_STRICT_NAMES, CR_LIMIT_DEPTH, CR_LIMIT_MEMBER_BYTES,
    CR_LIMIT_MEMBERS, CR_LIMIT_PATH_BYTES, CR_LIMIT_RATIO, CR_LIMIT_TOTAL_BYTES,
    CR_LIMIT_XATTR_BYTES, CRIdRange, CRImportOptions, CRImportOptionsExpectedDigest,
    CRImportOptionsFree, CRImportOptionsLimit, CRImportOptionsMapIds, CRImportOptionsNames,
    CRImportOptionsNew, CRImportOptionsSet, CRImportOptionsSpoolDirectory,
    CRImportOptionsSpoolDirectoryAt, CRImportOptionsTypes,
};
pub use members::{
    CR_CLASS_CONFIGURATION, CR_CLASS_CRIU_IMAGE, CR_CLASS_GPU_PAGES, CR_CLASS_LOG,
    CR_CLASS_MEMORY_PAGES, CR_CLASS_OTHER, CR_CLASS_ROOTFS_DIFF, CR_CLASS_SHM, CR_CLASS_VOLUME,
    CR_MEMBER_BLOCK_DEVICE, CR_MEMBER_CHAR_DEVICE, CR_MEMBER_DIRECTORY, CR_MEMBER_FIFO,
    CR_MEMBER_HARD_LINK, CR_MEMBER_REGULAR, CR_MEMBER_SYMLINK, CRMember, CRMemberList,
    CRMemberListAt, CRMemberListBytes, CRMemberListFree, CRMemberListLen,
};
pub use metadata::{
    CR_DOCUMENT_BIND_MOUNTS, CR_DOCUMENT_CONFIG, CR_DOCUMENT_NETWORK_STATUS, CR_DOCUMENT_POD_DUMP,
    CR_DOCUMENT_POD_OPTIONS, CR_DOCUMENT_SPEC, CR_DOCUMENT_STATUS, CR_DOCUMENT_STATUS_DUMP,
    CR_ENGINE_CONTAINERD, CR_ENGINE_CRIO, CR_ENGINE_PODMAN, CR_ENGINE_UNKNOWN,
    CR_TEXT_CHECKPOINTED, CR_TEXT_CONTAINER_NAME, CR_TEXT_CREATED, CR_TEXT_ID, CR_TEXT_IMAGE_NAME,
    CR_TEXT_IMAGE_REF, CR_TEXT_NAME, CR_TEXT_POD_ID, CR_TEXT_POD_NAME, CR_TEXT_POD_NAMESPACE,
    CR_TEXT_RESTORED, CR_TEXT_RUNTIME, CR_TEXT_RUNTIME_NAME, CRBindMount, CRMetadata,
    CRMetadataAdd, CRMetadataAnnotation, CRMetadataBindMount, CRMetadataDocument, CRMetadataEngine,
    CRMetadataFree, CRMetadataJson, CRMetadataNew, CRMetadataText,
};
pub use string::{CRStringArrayFree, CRStringFree};
pub use version::{CRUTILS_VERSION_MAJOR, CRUTILS_VERSION_MINOR, CRUTILS_VERSION_PATCH, CRVersion};
pub use watch::{
    CR_PHASE_DELETING, CR_PHASE_EXTRACTING, CR_PHASE_MEASURING, CR_PHASE_PUBLISHING,
    CR_PHASE_READING, CR_PHASE_VERIFYING, CR_PHASE_WRITING, CR_WARNING_DEVICE, CR_WARNING_IGNORED,
    CR_WARNING_MISSING, CR_WARNING_SOCKET, CRCancellation, CRCancellationCancel,
    CRCancellationFree, CRCancellationNew, CRProgress, CRProgressFunction, CRWarning,
    CRWarningFunction, CRWatch, CRWatchCancelledBy, CRWatchDeadline, CRWatchFree, CRWatchNew,
    CRWatchOnProgress, CRWatchOnWarning,
};

#[cfg(test)]
mod tests;
