//! What becomes of directories that vanish, or are replaced, between two looks.

#![forbid(unsafe_code)]

use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::fs::Place;
use crate::fs::testing::Scratch;

struct Temp(Scratch);

impl Temp {
    fn new() -> Self {
        let scratch = Scratch::new();
        fs::create_dir_all(scratch.join("layer/d/e")).unwrap();
        Self(scratch)
    }

    fn layer(&self) -> PathBuf {
        self.0.join("layer")
    }
}

fn layers(path: &Path) -> Vec<Layer> {
    let root = Place::from(path).open_directory_ambient("layer").unwrap();
    vec![Layer::new(Root::new(root)).unwrap()]
}

/// The stack of the directory `d`, found before `change` and opened after it.
fn opened_after(change: impl FnOnce(&Path)) -> usize {
    let temp = Temp::new();
    let layers = layers(&temp.layer());
    let view = View::new(&layers, 0, None);
    let root = view.open(&view.root(), &[]).unwrap();
    let found = view.find(&root, &Name::new(b"d").unwrap()).unwrap();
    let stack = found.unwrap().stack;
    assert_eq!(view.open(&stack, &[]).unwrap().len(), 1);
    change(&temp.layer());
    view.open(&stack, &[]).unwrap().len()
}

#[test]
fn a_directory_that_has_vanished_is_left_out() {
    let open = opened_after(|layer| {
        fs::remove_dir_all(layer.join("d")).unwrap();
    });
    assert_eq!(open, 0);
}

#[test]
fn a_file_in_its_place_is_left_out() {
    let open = opened_after(|layer| {
        fs::remove_dir_all(layer.join("d")).unwrap();
        fs::write(layer.join("d"), "").unwrap();
    });
    assert_eq!(open, 0);
}

#[test]
fn another_directory_behind_a_link_in_its_place_is_left_out() {
    let open = opened_after(|layer| {
        fs::create_dir(layer.join("other")).unwrap();
        fs::rename(layer.join("d"), layer.join("moved")).unwrap();
        std::os::unix::fs::symlink("other", layer.join("d")).unwrap();
    });
    assert_eq!(open, 0);
}
