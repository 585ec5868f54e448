//! Any tar stream, imported into a bundle: what is there then are regular files, directories and CRIU's links.

use super::stage::{Stage, tar};

/// Holds the library to it.
pub fn check(data: &[u8]) {
    let stage = Stage::new();
    stage.write("archive", &tar(data));
    let archive = stage.base.join("archive");
    let _ = crutils::checkpoint::runtime_from_archive(&archive);
    let _ = crutils::checkpoint::import_checkpoint_config_only(&stage.root, &archive);
    let _ = crutils::checkpoint::import_checkpoint_without_config(&stage.root, &archive);
    stage.check();
    for path in stage.paths() {
        let kind = path.symlink_metadata().unwrap().file_type();
        let is_parent = path.file_name().is_some_and(|name| name == "parent");
        assert!(
            kind.is_file() || kind.is_dir() || kind.is_symlink() && is_parent,
            "{path:?}"
        );
        assert_ne!(path, stage.root.join("config.json"));
    }
}
