# SPDX-License-Identifier: Apache-2.0
"""The processes of a checkpoint with their arguments, out of an archive."""

from ..data import Data
from ..model import INSIDE, LIBRARY, PEER, Case, Contender, Goal
from .peers import LIBCRUTILS

GROUP = "Looking into a checkpoint"
TIMES = 21
CRIT = "GNU tar, then crit"
# What a plain archive is to take.
LIMIT = 20e-3


def contenders_of(settings, compression):
    def contenders(place):
        archive = Data(settings, place).archive(settings.series[-1], compression)
        unpack = f"tar -xf {archive} -C out ./checkpoint 2>/dev/null || tar -xf {archive} -C out checkpoint"
        return [
            Contender(LIBCRUTILS, LIBRARY, ["driver", "inspect", archive, TIMES], directories=()),
            Contender(CRIT, PEER, ["sh", "-c", f"({unpack}) && crit x out/checkpoint ps"], needs=("crit",)),
        ]

    return contenders


def cases(settings):
    gib = f"{settings.series[-1]} MiB" if settings.quick else f"{settings.series[-1] // 1024} GiB"
    return [
        Case(
            f"inspect-{name}",
            f"The process tree with arguments, {words}",
            f"an archive with {gib} of memory pages; the median of {TIMES} calls a process",
            contenders_of(settings, compression),
            goals,
            group=GROUP,
            size=settings.series[-1],
            runs=3,
            metric=INSIDE,
            note="crit needs the images as files.",
            memory="reading",
        )
        for name, words, compression, goals in [
            (
                "plain",
                "uncompressed",
                "none",
                [Goal(f"processes, uncompressed, {gib}: under 20 ms in the process", LIBCRUTILS, INSIDE, limit=LIMIT)],
            ),
            ("zstd", "zstd", "zstd", []),
        ]
    ]
