# SPDX-License-Identifier: Apache-2.0
"""What the report opens with: each work, what it takes with the library, and with what people have."""

from . import judge
from .cases.peers import GNU_TAR, PODMAN
from .model import INSIDE, LIBRARY, WALL
from .plot import duration

OVERLAY, DIRECTORIES = "CRChangesOverlay", "CRChangesDirectories"

# A work in words, the case that measured it, the usual program, and the library's contender if it isn't the first one.
WORKS = (
    ("unpack a checkpoint with 1 GiB of memory, ext4", "ext4/import", GNU_TAR),
    ("the same, xfs (the files share the archive's blocks)", "xfs/import", GNU_TAR),
    ("unpack it, zstd", "import-zstd", "GNU tar -I zstd"),
    ("unpack it, zstd as podman writes it (one frame)", "import-zstd-one-frame", "GNU tar -I zstd"),
    ("unpack it, gzip", "import-gzip", "GNU tar -I pigz"),
    ("pack it, ext4", "ext4/export", GNU_TAR),
    ("the same, xfs", "xfs/export", GNU_TAR),
    ("pack it, zstd", "export-zstd", "GNU tar -I 'zstd -T0'"),
    ("pack it, gzip", "export-gzip", "GNU tar -I pigz"),
    ("find out which runtime made a checkpoint of 4 GiB", "runtime-plain", "GNU tar -xO"),
    ("the same, zstd", "runtime-zstd", "GNU tar --zstd -xO"),
    ("the same, zstd, CRI-O's order (behind the memory)", "runtime-after-pages-zstd-large", None),
    ("list the files in 4 GiB, zstd", "list-zstd", "GNU tar --zstd"),
    ("take one file of 1 MiB out of 4 GiB, zstd", "member-zstd", "GNU tar --zstd"),
    ("list the processes of a checkpoint of 4 GiB", "inspect-plain", "GNU tar, then crit"),
    ("the same, zstd", "inspect-zstd", "GNU tar, then crit"),
    ("make an image of a checkpoint with 1 GiB, gzip", "image-gzip", "buildah"),
    ("the same, zstd", "image-zstd", "buildah"),
    ("apply 20,000 changed files to a root file system, ext4", "ext4/apply", GNU_TAR),
    ("store 20,000 changed files of a root file system, ext4", "ext4/diff", GNU_TAR),
    ("find what changed among 100,000 files, two directories", "changes", "rsync -naX", DIRECTORIES),
    ("the same, the layers of an overlay", "changes", "rsync -naX", OVERLAY),
)

WORDS = """\
libcrutils unpacks, packs and looks into container checkpoints. The table has what that takes: with the library; with the
package `crutils` that podman and CRI-O do it with, built of Debian's podman; and with the program that does the same by
hand. Times are medians on the machine named above; where a work is a call of some milliseconds, the time is that of the
call, and a program's that of its process. A ratio below 1 says that the library is faster."""

HEADER = ("work", "libcrutils", "podman's crutils", "ratio", "by hand", "", "ratio")


def quick_or_whole(one):
    """What a contender took: within the process if that was measured."""
    if one is None:
        return None
    inside = judge.middle(one["samples"], INSIDE)
    return inside if inside is not None else judge.middle(one["samples"], WALL)


def compared(results):
    """[(work, the library's time, podman's, the program's name, its time)] of what was measured."""
    cases = {case["name"]: case for case in results["cases"]}
    found = []
    for words, name, program, *own in WORKS:
        case = cases.get(name)
        if case is None:
            continue
        libraries = [one["name"] for one in case["contenders"] if one["role"] == LIBRARY]
        time = quick_or_whole(judge.contender(case, (own or libraries[:1] or [""])[0]))
        if time is not None:
            peers = [quick_or_whole(judge.contender(case, peer)) for peer in (PODMAN, program)]
            found.append((words, time, peers[0], program, peers[1]))
    return found


def slower(rows):
    """The works at which somebody is faster by more than the measurement's noise."""
    return [
        words
        for words, time, podman, _, program in rows
        if any(peer is not None and time > peer * 1.05 for peer in (podman, program))
    ]


def conclusion(rows):
    lost = slower(rows)
    if not lost:
        return f"It is as fast as both, or faster, at all {len(rows)} works."
    return f"It is as fast as both, or faster, at {len(rows) - len(lost)} of {len(rows)} works; not so: {'; '.join(lost)}."


def cells(row, times):
    """A row of the table; `times` shows a ratio."""
    words, time, podman, name, program = row
    own = f"**{duration(time)}**"
    return [
        words,
        own,
        duration(podman) if podman else "",
        times(judge.ratio(time, podman)),
        f"`{name}`" if program else "",
        duration(program) if program else "",
        times(judge.ratio(time, program)),
    ]
