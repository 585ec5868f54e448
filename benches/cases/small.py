# SPDX-License-Identifier: Apache-2.0
"""Many small files, and small archives."""

import os

from ..data import Data
from ..model import INSIDE, LIBRARY, LIMIT, PEER, Case, Contender, Goal, Skipped
from .peers import GNU_TAR, LIBCRUTILS, archiver, copier, podman

GROUP, GROUP_REAL = "Small files", "Real archives"
ATTRIBUTES = ["--xattrs", "--xattrs-include=*", "--acls"]
WITH_ATTRIBUTES = "GNU tar --xattrs --acls"
TIMES = 21


def limits(manifest, **how):
    """The data alone, and with what else a file has."""
    return [
        Contender("openat, read, write, close", LIMIT, ["limits", "memory", manifest], **how),
        Contender("the same, safely, with attributes", LIMIT, ["limits", "whole", manifest], **how),
    ]


def apply_contenders(settings):
    def contenders(place):
        data = Data(settings, place)
        root, base = data.small_files(settings.files), data.small_base(settings.files)
        archive = f"{base}/rootfs-diff.tar"
        return [
            Contender(LIBCRUTILS, LIBRARY, ["driver", "apply", base, "out"]),
            Contender(GNU_TAR, PEER, ["tar", "--numeric-owner", "-xpf", archive, "-C", "out"]),
            Contender(WITH_ATTRIBUTES, PEER, ["tar", *ATTRIBUTES, "--numeric-owner", "-xpf", archive, "-C", "out"]),
            Contender("bsdtar", PEER, ["bsdtar", "--numeric-owner", "-xpf", archive, "-C", "out"]),
            Contender("tar crate", PEER, ["tar-crate", archive, "out"]),
            podman("apply", base, "out"),
            copier(root),
            *limits(data.extraction(archive, "small-extraction")),
        ]

    return contenders


def diff_contenders(settings):
    def contenders(place):
        data = Data(settings, place)
        root, changes = data.small_files(settings.files), data.small_list(settings.files)
        return [
            Contender(LIBCRUTILS, LIBRARY, ["driver", "diff", changes, root, "out"], archive="out/rootfs-diff.tar"),
            archiver(root, "--numeric-owner"),
            archiver(root, *ATTRIBUTES, "--numeric-owner", name=WITH_ATTRIBUTES),
            Contender("bsdtar", PEER, ["bsdtar", "-C", root, "-cf", "out.tar", "."], directories=(), archive="out.tar"),
            podman("diff", changes, root, "out", archive="out/rootfs-diff.tar"),
            *limits(data.collection(root, "small-collection", 512, 1536), directories=()),
        ]

    return contenders


def cases(name, settings):
    words = f"{settings.files:,} files of 100 bytes to 16 KiB in {settings.files // 20:,} directories"
    note = (
        "The library keeps nanoseconds and every attribute, as GNU tar does with the options named; GNU tar's time "
        "without them is what the goal is about. The second limit is what the library has to call at least: it asks "
        "each file for its xattrs, and never opens what may have become a device meanwhile; files that it makes get "
        "their mode and times."
    )
    return [
        Case(
            f"{name}/apply",
            f"Apply a diff of small files, {name}",
            words,
            apply_contenders(settings),
            [
                Goal(
                    f"{name}: apply {settings.files:,} files: 0.7 of GNU tar's time",
                    LIBCRUTILS,
                    peer=GNU_TAR,
                    factor=0.7,
                )
            ],
            group=GROUP,
            note=note,
            size=settings.files,
            memory="reading",
        ),
        Case(
            f"{name}/diff",
            f"Make a diff of small files, {name}",
            words,
            diff_contenders(settings),
            [
                Goal(
                    f"{name}: diff of {settings.files:,} files: 0.7 of GNU tar's time",
                    LIBCRUTILS,
                    peer=GNU_TAR,
                    factor=0.7,
                )
            ],
            group=GROUP,
            note=note,
            size=settings.files,
            memory="writing",
        ),
    ]


def real_contenders(settings):
    def contenders(place):
        if os.geteuid() != 0:
            raise Skipped("the archives' files are root's, whom only root may give files to")
        zstd, gzip = Data(settings, place).real()
        out = place.path("out")
        return [
            Contender(f"{LIBCRUTILS}, zstd", LIBRARY, ["driver", "import-again", zstd, out, TIMES], directories=()),
            Contender(f"{LIBCRUTILS}, gzip", LIBRARY, ["driver", "import-again", gzip, out, TIMES], directories=()),
            Contender("GNU tar --zstd", PEER, ["tar", "--zstd", "-xf", zstd, "-C", "out"], needs=("zstd",)),
            Contender("bsdtar, zstd", PEER, ["bsdtar", "-xf", zstd, "-C", "out"]),
            Contender("GNU tar, gzip", PEER, ["tar", "-xzf", gzip, "-C", "out"], needs=("gzip",)),
        ]

    return contenders


def real(settings):
    return [
        Case(
            "import-real",
            "Import of a real archive of 20 KiB",
            f"podman's own archives of a container that ran a shell loop, 19 and 28 KiB; the median of {TIMES} imports "
            "in one process, each into a new directory",
            real_contenders(settings),
            [
                Goal(
                    f"import of a real archive, {kind}: under 2 ms in the process",
                    f"{LIBCRUTILS}, {kind}",
                    INSIDE,
                    limit=2e-3,
                )
                for kind in ("zstd", "gzip")
            ],
            note=f"The library's process imports {TIMES} times; what one import takes is in the column of the process.",
            group=GROUP_REAL,
            size=20,
            metric=INSIDE,
            memory="reading",
        )
    ]
