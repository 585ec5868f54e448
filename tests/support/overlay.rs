//! A mounted overlay, and a copy of its lower layers as they were.

use std::fs;
use std::path::{Path, PathBuf};

use super::sandbox::{Fs, Sandbox, run, unmount};

/// An overlay of some lower layers on a tmpfs; unmounted when dropped.
pub struct Overlay {
    pub sandbox: Sandbox,
    /// The lower directories, the top one first.
    pub lower: Vec<PathBuf>,
    pub upper: PathBuf,
    pub merged: PathBuf,
}

impl Overlay {
    /// Makes `layers` lower directories, fills each with `make` (0 is the top one), and mounts them.
    ///
    /// None, with a line that says why, if it can't be mounted.
    pub fn new(layers: usize, options: &str, make: impl FnMut(usize, &Path)) -> Option<Self> {
        let mut new = Self::unmounted(layers, make)?;
        match new.mount(options) {
            Ok(()) => Some(new),
            Err(reason) => {
                super::say(format_args!("skipped: overlay with {options:?}: {reason}"));
                None
            }
        }
    }

    /// The same directories without a mount.
    pub fn unmounted(layers: usize, mut make: impl FnMut(usize, &Path)) -> Option<Self> {
        let sandbox = Sandbox::on(Fs::Tmpfs)?;
        let lower: Vec<_> = (0..layers)
            .map(|number| sandbox.dir(&format!("l{number}")))
            .collect();
        // From the bottom up, as layers are made.
        for (number, layer) in lower.iter().enumerate().rev() {
            make(number, layer);
        }
        let [upper, merged, _] = ["u", "m", "w"].map(|name| sandbox.dir(name));
        Some(Self {
            sandbox,
            lower,
            upper,
            merged,
        })
    }

    fn mount(&mut self, options: &str) -> Result<(), String> {
        let lower: Vec<_> = self
            .lower
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        let options = if options.is_empty() {
            String::new()
        } else {
            format!("{options},")
        };
        let work = self.sandbox.path().join("w");
        run(&format!(
            "mount -t overlay overlay -o {options}lowerdir={},upperdir={},workdir={} {}",
            lower.join(":"),
            self.upper.display(),
            work.display(),
            self.merged.display()
        ))?;
        self.sandbox.unmount_later(&self.merged);
        Ok(())
    }

    /// The lower directories as the detector takes them.
    pub fn lowers(&self) -> Vec<&Path> {
        self.lower.iter().map(PathBuf::as_path).collect()
    }

    /// A path in the mounted overlay.
    pub fn at(&self, path: &str) -> PathBuf {
        self.merged.join(path)
    }

    /// Writes a file in the mounted overlay, and the directories that lead to it.
    pub fn write(&self, path: &str, content: &str) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
}

/// Mounts these layers on `on` while `work` runs: read-only, or with an upper directory and its work directory.
pub fn mounted(
    on: &Path,
    lower: &[PathBuf],
    upper: Option<(&Path, &Path)>,
    options: &str,
    work: impl FnOnce(),
) -> Result<(), String> {
    let lower: Vec<_> = lower
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let mut all = format!("{options},lowerdir={}", lower.join(":"));
    if let Some((upper, work)) = upper {
        all += &format!(",upperdir={},workdir={}", upper.display(), work.display());
    }
    run(&format!(
        "mount -t overlay overlay -o {all} {}",
        on.display()
    ))?;
    work();
    unmount(on)
}
