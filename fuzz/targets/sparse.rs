//! Any sparse map, in each of the forms that maps come in: a file that is made has the size that was stated.
#![no_main]

mod stage;

use libfuzzer_sys::fuzz_target;
use stage::{Stage, size_of, tar};

/// The bytes of a member with these records before it.
fn member(records: &[(&str, &[u8])], kind: u8, map: &[u8], body: &[u8]) -> Vec<u8> {
    let mut pax = Vec::new();
    for (key, value) in records {
        let rest = [b" ", key.as_bytes(), b"=", value, b"\n"].concat();
        let length = (1..).find(|length: &usize| length.to_string().len() + rest.len() == *length);
        pax.extend(length.unwrap_or_default().to_string().into_bytes());
        pax.extend(rest);
    }
    let mut out = Vec::new();
    if !records.is_empty() {
        out.extend(block(b'x', pax.len(), &[]));
        out.extend(padded(&pax));
    }
    out.extend(block(kind, body.len(), map));
    out.extend(padded(body));
    out
}

fn block(kind: u8, size: usize, map: &[u8]) -> Vec<u8> {
    let mut block = vec![0; 512];
    block[0] = b'f';
    block[100..108].copy_from_slice(b"0000644\0");
    block[108..124].fill(b'0');
    block[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
    block[136..148].copy_from_slice(b"00000000005\0");
    block[156] = kind;
    block[257..265].copy_from_slice(if kind == b'S' { b"ustar  \0" } else { b"ustar\x0000" });
    let map = &map[..map.len().min(109)];
    block[386..386 + map.len()].copy_from_slice(map);
    block
}

fn padded(body: &[u8]) -> Vec<u8> {
    let mut body = body.to_vec();
    body.resize(body.len().next_multiple_of(512), 0);
    body
}

fuzz_target!(|data: &[u8]| {
    let Some((form, rest)) = data.split_first() else {
        return;
    };
    let at = rest.iter().position(|byte| *byte == 0).unwrap_or(rest.len());
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
            member(&records, b'0', &[], &whole)
        }
        1 => {
            let records: [(&str, &[u8]); 3] = [
                ("GNU.sparse.map", map),
                ("GNU.sparse.numblocks", count.as_bytes()),
                ("GNU.sparse.size", stated.as_bytes()),
            ];
            member(&records, b'0', &[], body)
        }
        _ => member(&[], b'S', map, body),
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
});
