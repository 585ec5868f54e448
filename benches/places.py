# SPDX-License-Identifier: Apache-2.0
"""The file systems that cases run on: images that are made, mounted through a loop device, and removed again."""

import contextlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .model import Skipped

MKFS = {
    "ext4": ["mkfs.ext4", "-q", "-F"],
    "xfs": ["mkfs.xfs", "-q", "-f", "-m", "reflink=1"],
    "btrfs": ["mkfs.btrfs", "-q", "-f"],
}
# Where cases run that name no file system: ext4 for root, who can have an image that nobody else writes to.
HERE = "here"
MKFS = {**MKFS, HERE: MKFS["ext4"]}
TMPFS = "tmpfs"
# Where data can be cloned.
CLONING = ("xfs", "btrfs")
# Where mkfs programs are, which may not be in PATH.
PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


@dataclass
class Place:
    """A directory on a file system."""

    name: str
    directory: Path

    def path(self, name):
        return self.directory / name

    def sync(self):
        subprocess.run(["sync", "-f", self.directory], check=True)


def run(*command):
    """Runs a command that makes a place; its last words are why there is none."""
    done = subprocess.run(
        [str(word) for word in command], check=False, capture_output=True, text=True, env={**os.environ, "PATH": PATH}
    )
    if done.returncode != 0:
        words = (done.stderr or done.stdout).strip().splitlines()
        raise Skipped(f"{command[0]}: {words[-1] if words else done.returncode}")
    return done.stdout.strip()


def loop_device(image):
    """A loop device, past the page cache of the file system below where that can be: nothing is cached twice."""
    try:
        return run("losetup", "--find", "--show", "--direct-io=on", image)
    except Skipped:
        return run("losetup", "--find", "--show", image)


@contextlib.contextmanager
def image(name, work, gib):
    """A file system of its own, in a file below `work`."""
    if os.geteuid() != 0:
        raise Skipped("only root may mount")
    if shutil.which(MKFS[name][0], path=PATH) is None:
        raise Skipped(f"no {MKFS[name][0]}")
    # With room for what the host keeps for itself.
    if shutil.disk_usage(work).free < (gib + 1) << 30:
        raise Skipped(f"less than {gib + 1} GiB free in {work}")
    file, directory = work / f"{name}.image", work / name
    with contextlib.ExitStack() as undo:
        undo.callback(file.unlink, missing_ok=True)
        with open(file, "wb") as made:
            made.truncate(gib << 30)
        run(*MKFS[name], file)
        device = loop_device(file)
        undo.callback(subprocess.run, ["losetup", "--detach", device], check=False)
        directory.mkdir(exist_ok=True)
        undo.callback(shutil.rmtree, directory, ignore_errors=True)
        run("mount", "-o", "noatime", device, directory)
        undo.callback(unmount, directory)
        yield Place(name, directory)


@contextlib.contextmanager
def tmpfs(work):
    if os.geteuid() != 0:
        raise Skipped("only root may mount")
    directory = work / TMPFS
    directory.mkdir(exist_ok=True)
    run("mount", "-t", "tmpfs", "tmpfs", directory)
    try:
        yield Place(TMPFS, directory)
    finally:
        unmount(directory)
        shutil.rmtree(directory, ignore_errors=True)


@contextlib.contextmanager
def directory_here(work):
    """A directory of the host's file system."""
    directory = work / HERE
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    try:
        yield Place(HERE, directory)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def place(name, work, gib):
    if name == HERE and os.geteuid() != 0:
        return directory_here(work)
    return tmpfs(work) if name == TMPFS else image(name, work, gib)


def unmount(directory):
    """Unmounts a directory and what is mounted below it."""
    subprocess.run(["umount", "--recursive", directory], check=False, stderr=subprocess.DEVNULL)


def clear(work):
    """Removes what a run left that was killed."""
    for name in (*MKFS, TMPFS):
        while (work / name).is_mount():
            if subprocess.run(["umount", "--recursive", work / name], check=False).returncode != 0:
                raise SystemExit(f"{work / name} is mounted and in use")
        shutil.rmtree(work / name, ignore_errors=True)
        file = work / f"{name}.image"
        if file.exists():
            listed = subprocess.run(["losetup", "-nO", "NAME", "-j", file], capture_output=True, text=True, check=False)
            for device in listed.stdout.split():
                subprocess.run(["losetup", "--detach", device], check=False)
            file.unlink()
