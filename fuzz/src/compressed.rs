//! Any bytes as a compressed archive, and any archive in each compression: the same archive gives the same tree however
//! it is packed.

use std::io::Write as _;

use super::stage::{Stage, tar};

/// Holds the library to it. The first byte chooses the compression, the second how many pieces are packed apart.
pub fn check(data: &[u8]) {
    let [form, pieces, rest @ ..] = data else {
        return;
    };
    if form % 5 == 0 {
        let (stage, _) = applied(rest);
        return stage.check();
    }
    let plain = tar(rest);
    let size = (plain.len() / (1 + usize::from(pieces % 8))).max(1);
    let packed: Vec<u8> = plain
        .chunks(size)
        .flat_map(|piece| pack(*form, piece))
        .collect();
    if packed.is_empty() {
        return;
    }
    let (first, one) = applied(&plain);
    let (second, other) = applied(&packed);
    assert_eq!(one, other, "plain, and in compression {}", form % 5);
    first.check();
    second.check();
    let below = |stage: &Stage| {
        let mut found: Vec<_> = stage.objects().into_iter().collect();
        found.sort();
        found
    };
    // What was extracted before a failure depends on what was read at once.
    if one {
        assert_eq!(below(&first), below(&second));
    }
}

fn pack(form: u8, bytes: &[u8]) -> Vec<u8> {
    match form % 5 {
        1 => {
            let mut encoder =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        2 => {
            let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        3 => {
            let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 0);
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        _ => zstd::encode_all(bytes, 1).unwrap(),
    }
}

/// What became of it, and whether it was applied.
fn applied(bytes: &[u8]) -> (Stage, bool) {
    let stage = Stage::new();
    stage.write("rootfs-diff.tar", bytes);
    let result = crutils::checkpoint::apply_rootfs_diff_tar(&stage.base, &stage.root);
    (stage, result.is_ok())
}
