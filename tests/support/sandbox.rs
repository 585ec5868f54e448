//! Directories to work in, on the file systems that containers live on.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::os;
use super::scratch::Scratch;

/// A file system to test on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fs {
    /// Whatever the host has its temporary directory on.
    Host,
    Tmpfs,
    Ext4,
    Xfs,
    Btrfs,
    /// An overlay of an empty lower directory on a tmpfs.
    Overlay,
    /// An overlay whose lower directory is on ext4 and whose upper one is on a tmpfs. Its directories get a new inode
    /// number whenever the kernel looks them up anew.
    OverlayAcross,
    /// A tmpfs with room for 64 KiB.
    Tiny,
    /// A tmpfs with room for 4 MiB.
    Small,
}

impl Fs {
    /// Those that a container's root file system is on in practice.
    pub const COMMON: [Fs; 6] = [
        Fs::Host,
        Fs::Tmpfs,
        Fs::Ext4,
        Fs::Xfs,
        Fs::Btrfs,
        Fs::Overlay,
    ];
}

/// A new directory on a chosen file system; unmounted and removed when dropped.
pub struct Sandbox {
    path: PathBuf,
    holder: Scratch,
    mounts: Vec<PathBuf>,
}

impl Sandbox {
    /// A new directory on the host's own file system.
    pub fn new() -> Self {
        Self::on(Fs::Host).expect("a temporary directory")
    }

    /// A new directory on `fs`, or None with a line that says why it can't be had.
    pub fn on(fs: Fs) -> Option<Self> {
        let holder = Scratch::new();
        let mut new = Self {
            path: holder.join("d"),
            holder,
            mounts: Vec::new(),
        };
        fs::create_dir(&new.path).expect("a directory");
        match new.mount(fs) {
            Ok(()) => Some(new),
            Err(reason) => {
                super::say(format_args!("skipped: {fs:?}: {reason}"));
                None
            }
        }
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a directory of this name in it.
    pub fn dir(&self, name: &str) -> PathBuf {
        let path = self.path.join(name);
        fs::create_dir_all(&path).expect("a directory");
        path
    }

    fn mount(&mut self, fs: Fs) -> Result<(), String> {
        if fs == Fs::Host {
            return Ok(());
        }
        if !os::is_real_root() {
            return Err("only root can mount it".into());
        }
        let (path, holder) = (
            self.path.display().to_string(),
            self.holder.path().display().to_string(),
        );
        match fs {
            Fs::Host => {}
            Fs::Tmpfs => run(&format!("mount -t tmpfs tmpfs {path}"))?,
            Fs::Small => run(&format!("mount -t tmpfs -o size=4m tmpfs {path}"))?,
            Fs::Tiny => run(&format!("mount -t tmpfs -o size=64k tmpfs {path}"))?,
            Fs::Overlay | Fs::OverlayAcross => self.mount_overlay(fs == Fs::OverlayAcross)?,
            Fs::Ext4 | Fs::Xfs | Fs::Btrfs => {
                let (kind, mebibytes) = match fs {
                    Fs::Ext4 => ("ext4 -q", 64),
                    Fs::Xfs => ("xfs -q", 320),
                    _ => ("btrfs -q", 128),
                };
                run(&format!("truncate -s {mebibytes}M {holder}/image"))?;
                run(&format!("mkfs.{kind} {holder}/image"))?;
                run(&format!("mount -o loop {holder}/image {path}"))?;
            }
        }
        self.mounts.push(self.path.clone());
        Ok(())
    }

    /// Mounts the layers, and the overlay of them.
    fn mount_overlay(&mut self, across: bool) -> Result<(), String> {
        let layers = self.holder.join("layers");
        let shown = layers.display().to_string();
        let mount = |new: &mut Self, line: &str, on: &Path| {
            fs::create_dir_all(on).map_err(|error| error.to_string())?;
            run(&format!("mount {line} {}", on.display()))?;
            new.unmount_later(on);
            Ok::<_, String>(())
        };
        mount(self, "-t tmpfs tmpfs", &layers)?;
        run(&format!("mkdir {shown}/lower {shown}/upper {shown}/work"))?;
        let mut options = format!("upperdir={shown}/upper,workdir={shown}/work");
        if across {
            run(&format!("truncate -s 64M {shown}/image"))?;
            run(&format!("mkfs.ext4 -q {shown}/image"))?;
            mount(
                self,
                &format!("-o loop {shown}/image"),
                &layers.join("lower"),
            )?;
            options.push_str(",xino=off");
        }
        let path = self.path.display();
        run(&format!(
            "mount -t overlay overlay -o lowerdir={shown}/lower,{options} {path}"
        ))
    }

    /// Mounts a tmpfs on a directory in the sandbox, to be unmounted with it.
    pub fn mount_tmpfs(&mut self, on: &Path) {
        self.mount_tmpfs_with(on, "rw");
    }

    /// The same with mount options.
    pub fn mount_tmpfs_with(&mut self, on: &Path, options: &str) {
        run(&format!(
            "mount -t tmpfs -o {options} tmpfs {}",
            on.display()
        ))
        .expect("a tmpfs");
        self.unmount_later(on);
    }

    /// Takes over what a test has mounted in the sandbox.
    pub fn unmount_later(&mut self, mount: &Path) {
        self.mounts.push(mount.to_path_buf());
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        while let Some(mount) = self.mounts.pop() {
            // A process that another test is just starting still has this one's descriptors and keeps the mount busy
            // for a moment; a lazy unmount takes it out of sight at once and ends it then.
            if let Err(reason) = run(&format!("umount -l {}", mount.display())) {
                // What is still mounted must not be walked into by the removal.
                self.holder.leave();
                super::say(format_args!("{reason}"));
                return;
            }
        }
        let _ = Command::new("chmod")
            .args(["-R", "u+rwx"])
            .arg(self.holder.path())
            .stderr(std::process::Stdio::null())
            .status();
    }
}

/// Runs a command; what it said if it failed.
pub fn run(line: &str) -> Result<(), String> {
    let mut words = line.split(' ');
    let output = Command::new(words.next().unwrap_or_default())
        .args(words)
        .output();
    let output = output.map_err(|error| format!("{line}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "{line}: {} {}",
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    ))
}

/// Unmounts. Another test's process holds all of this one's descriptors from its fork to its exec, so that a mount may be
/// busy for a moment.
pub fn unmount(mount: &Path) -> Result<(), String> {
    let line = format!("umount {}", mount.display());
    let mut result = run(&line);
    for _ in 0..100 {
        match &result {
            Err(reason) if reason.contains("busy") => result = run(&line),
            _ => break,
        }
    }
    result
}
