//! Any image of CRIU's beside two that are right: an inspection succeeds or names the image, and all that it tells can be
//! asked for.
#![no_main]

mod stage;

use std::fs;

use crutils::Kind;
use crutils::checkpoint::inspect::Host;
use crutils::checkpoint::{InspectOptions, Inspection};
use crutils::watch::Watch;
use libfuzzer_sys::fuzz_target;
use stage::Stage;

/// The version of the images is 2.
const INVENTORY: &[u8] = &[0x16, 0x31, 0x31, 0x58, 2, 0, 0, 0, 8, 2];

/// Names become names of files: what isn't fit for one is left out.
fn is_name(name: &[u8]) -> bool {
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    !name.is_empty() && name.len() < 100 && name[0] != b'.' && name.iter().all(fits)
}

// Images: a name, a NUL, two bytes of length, the content, and so on.
fuzz_target!(|data: &[u8]| {
    let stage = Stage::new();
    stage.write("inventory.img", INVENTORY);
    let mut rest = data;
    while let Some(at) = rest.iter().position(|byte| *byte == 0) {
        let (name, after) = (&rest[..at], &rest[at + 1..]);
        let [low, high, after @ ..] = after else { break };
        let len = usize::from(u16::from_le_bytes([*low, *high])).min(after.len());
        let (content, following) = after.split_at(len);
        if is_name(name) {
            stage.write(&String::from_utf8_lossy(name), content);
        }
        rest = following;
    }
    let opened = Inspection::open(&stage.base, &InspectOptions::new(), &Watch::new());
    let names: Vec<_> = fs::read_dir(&stage.base).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    match opened {
        Ok(mut inspection) => {
            inspection.to_json().unwrap();
            assert_eq!(inspection.tree().len(), inspection.processes().len());
            let _ = inspection.findings(&Host::new());
            let pids: Vec<_> = inspection.processes().iter().map(|process| process.pid).collect();
            for pid in pids {
                let mut read = 0;
                let looked = inspection.each_chunk(pid, 0..u64::MAX, |chunk| {
                    read += chunk.bytes.len();
                    Ok(read < 1 << 20)
                });
                if let Err(error) = looked {
                    assert!(matches!(error.kind(), Kind::Malformed | Kind::NotInArchive | Kind::Limit), "{error}");
                }
            }
        }
        Err(error) if error.kind() == Kind::Malformed => {
            let entry = error.entry().unwrap();
            assert!(names.iter().any(|name| name.as_encoded_bytes() == entry), "{error}");
        }
        Err(error) => assert_eq!(error.kind(), Kind::Limit, "{error}"),
    }
    stage.check();
});
