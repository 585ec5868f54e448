//! Any image of CRIU's beside two that are right: an inspection succeeds or names the image, and all that it tells can be
//! asked for.

use std::fs;

use super::pieces;
use super::stage::Stage;
use crutils::Kind;
use crutils::checkpoint::inspect::Host;
use crutils::checkpoint::{InspectOptions, Inspection};
use crutils::watch::Watch;

/// The version of the images is 2.
const INVENTORY: &[u8] = &[0x16, 0x31, 0x31, 0x58, 2, 0, 0, 0, 8, 2];

/// Holds the library to it. Pieces are images.
pub fn check(data: &[u8]) {
    let stage = Stage::new();
    stage.write("inventory.img", INVENTORY);
    for (name, content) in pieces::of(data) {
        stage.write(&name, content);
    }
    let opened = Inspection::open(&stage.base, &InspectOptions::new(), &Watch::new());
    let names: Vec<_> = fs::read_dir(&stage.base)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    match opened {
        Ok(mut inspection) => {
            inspection.to_json().unwrap();
            assert_eq!(inspection.tree().len(), inspection.processes().len());
            let _ = inspection.findings(&Host::new());
            let pids: Vec<_> = inspection
                .processes()
                .iter()
                .map(|process| process.pid)
                .collect();
            for pid in pids {
                let mut read = 0;
                let looked = inspection.each_chunk(pid, 0..u64::MAX, |chunk| {
                    read += chunk.bytes.len();
                    Ok(read < 1 << 20)
                });
                if let Err(error) = looked {
                    assert!(
                        matches!(
                            error.kind(),
                            Kind::Malformed | Kind::NotInArchive | Kind::Limit
                        ),
                        "{error}"
                    );
                }
            }
        }
        Err(error) if error.kind() == Kind::Malformed => {
            let entry = error.entry().unwrap();
            assert!(
                names.iter().any(|name| name.as_encoded_bytes() == entry),
                "{error}"
            );
        }
        Err(error) => assert_eq!(error.kind(), Kind::Limit, "{error}"),
    }
    stage.check();
}
