# SPDX-License-Identifier: Apache-2.0
"""What the figures were measured on, and with."""

import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

VERSIONS = {
    "GNU tar": ["tar", "--version"],
    "bsdtar": ["bsdtar", "--version"],
    "cp": ["cp", "--version"],
    "zstd": ["zstd", "--version"],
    "pigz": ["pigz", "--version"],
    "gzip": ["gzip", "--version"],
    "xz": ["xz", "--version"],
    "bzip2": ["bzip2", "--help"],
    "rsync": ["rsync", "--version"],
}


def version(command):
    """The version that a program says it has."""
    if shutil.which(command[0]) is None:
        return None
    said = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    found = re.search(r"\d+\.\d+(?:\.\d+)*", said.stdout + said.stderr)
    return found.group() if found else None


def processor():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith(("model name", "Model")):
            return re.sub(r"\s+", " ", line.split(":", 1)[1]).strip()
    return platform.machine()


def memory():
    line = Path("/proc/meminfo").read_text().splitlines()[0]
    return int(line.split()[1]) << 10


def file_system(directory):
    """The type of the file system that a directory is on."""
    said = subprocess.run(["stat", "-f", "-c", "%T", directory], capture_output=True, text=True, check=False)
    return {"ext2/ext3": "ext4"}.get(said.stdout.strip(), said.stdout.strip())


def described(work):
    versions = {name: version(command) for name, command in VERSIONS.items()}
    return {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory": memory(),
        "kernel": re.match(r"[\d.]*\d", platform.release()).group(),
        "virtual": "hypervisor" in Path("/proc/cpuinfo").read_text(),
        "file system": "ext4" if os.geteuid() == 0 else file_system(work),
        "load": os.getloadavg()[0],
        "versions": {name: found for name, found in versions.items() if found},
    }
