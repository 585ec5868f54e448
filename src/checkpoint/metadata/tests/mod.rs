#![forbid(unsafe_code)]

mod archives;
mod config;
mod documents;
mod engine;
mod mutations;
mod output;

use std::fs;
use std::path::Path;

use super::Metadata;
use crate::checkpoint::DocumentKind;

/// The content of a file below tests/data.
fn data(path: &str) -> Vec<u8> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    fs::read(directory.join(path)).unwrap()
}

/// A checkpoint of these documents.
fn metadata(documents: &[(DocumentKind, &[u8])]) -> Metadata {
    let mut metadata = Metadata::default();
    for (kind, bytes) in documents {
        metadata.insert(*kind, bytes.to_vec()).unwrap();
    }
    metadata
}

/// A checkpoint of the documents in a directory of tests/data/metadata.
fn recorded(directory: &str) -> Metadata {
    let mut metadata = Metadata::default();
    for kind in DocumentKind::ALL {
        let path = format!("metadata/{directory}/{}", kind.name());
        let file = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/data")
            .join(&path);
        if file.exists() {
            metadata.insert(kind, data(&path)).unwrap();
        }
    }
    metadata
}
