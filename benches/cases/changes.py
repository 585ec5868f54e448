# SPDX-License-Identifier: Apache-2.0
"""Finding the changed files among many, through an overlay on a tmpfs."""

import os
import subprocess

from ..model import LIBRARY, PEER, Case, Contender, Goal

OVERLAY, DIRECTORIES = "CRChangesOverlay", "CRChangesDirectories"


def make(place, directories):
    """A lower directory of 100 files a directory, and an overlay of which every hundredth is rewritten."""
    if place.path("merged").exists():
        return
    for name in ("lower", "upper", "work", "merged"):
        place.path(name).mkdir()
    for number in range(directories):
        directory = place.path("lower") / str(number)
        directory.mkdir()
        for file in range(100):
            (directory / f"file{file}").write_bytes(number.to_bytes(4, "little") * 64)
            os.utime(directory / f"file{file}", ns=(10**18, 10**18 + file))
    subprocess.run(
        ["mount", "-t", "overlay", "overlay", "-o", "lowerdir=lower,upperdir=upper,workdir=work", "merged"],
        cwd=place.directory,
        check=True,
    )
    for number in range(directories):
        (place.path("merged") / str(number) / "file50").write_text("changed\n")


def cases(settings):
    def contenders(place):
        make(place, settings.files // 20)
        return [
            Contender(OVERLAY, LIBRARY, ["driver", "changes-overlay", "upper", "lower"], directories=()),
            Contender(DIRECTORIES, LIBRARY, ["driver", "changes-directories", "merged", "lower"], directories=()),
            Contender(
                "rsync -na", PEER, ["rsync", "-na", "--itemize-changes", "--delete", "merged/", "lower/"], directories=()
            ),
            Contender(
                "rsync -naX",
                PEER,
                ["rsync", "-naX", "--itemize-changes", "--delete", "merged/", "lower/"],
                directories=(),
            ),
            # 1 says that there are differences.
            Contender(
                "diff -rq",
                PEER,
                ["diff", "-rq", "--no-dereference", "merged", "lower"],
                directories=(),
                statuses=(0, 1),
            ),
        ]

    return [
        Case(
            "changes",
            "Changes of a container",
            f"{settings.files * 5:,} files, {settings.files // 20:,} of them rewritten through an overlay on a tmpfs",
            contenders,
            [
                Goal(f"changes of {settings.files * 5:,} files: faster than `{peer}`", DIRECTORIES, peer=peer, factor=1)
                for peer in ("rsync -na", "diff -rq")
            ],
            note="`CRChangesDirectories` reads the xattrs of both sides of every object and asks whether something is "
            "mounted on it; `diff` looks at neither, `rsync` at the former with `X`.",
            group="Finding changes",
            size=settings.files,
        )
    ]
