//! Any sparse map, in each of the forms that maps come in: a file that is made has the size that was stated.

use super::stage::{Stage, member, padded, size_of, tar};

/// Holds the library to it.
pub fn check(data: &[u8]) {
    let Some((form, rest)) = data.split_first() else {
        return;
    };
    let at = rest
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(rest.len());
    let (map, body) = (&rest[..at], rest.get(at + 1..).unwrap_or_default());
    let count = (map.split(|byte| *byte == b',').count() / 2).to_string();
    let size = 1_u64 << 40;
    let stated = size.to_string();
    let bytes = match form % 3 {
        0 => {
            let whole = [padded(map), body.to_vec()].concat();
            let records: [(&str, &[u8]); 3] = [
                ("GNU.sparse.major", b"1"),
                ("GNU.sparse.minor", b"0"),
                ("GNU.sparse.realsize", stated.as_bytes()),
            ];
            member(&records, "f", b'0', &[], &whole)
        }
        1 => {
            let records: [(&str, &[u8]); 3] = [
                ("GNU.sparse.map", map),
                ("GNU.sparse.numblocks", count.as_bytes()),
                ("GNU.sparse.size", stated.as_bytes()),
            ];
            member(&records, "f", b'0', &[], body)
        }
        _ => member(&[], "f", b'S', map, body),
    };
    let stage = Stage::new();
    stage.write("rootfs-diff.tar", &tar(&bytes));
    let applied = crutils::checkpoint::apply_rootfs_diff_tar(&stage.base, &stage.root);
    let made = size_of(&stage.root.join("f"));
    match applied {
        Ok(()) if form % 3 < 2 => assert_eq!(made, Some(size)),
        Ok(()) => assert!(made.is_some()),
        Err(_) => assert_eq!(made, None),
    }
    stage.check();
}
