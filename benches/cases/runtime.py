# SPDX-License-Identifier: Apache-2.0
"""Finding out which runtime made an archive."""

from ..data import MEMBER, Data
from ..model import INSIDE, LIBRARY, LIMIT, PEER, Case, Contender, Goal
from .peers import LIBCRUTILS, podman

GROUP = "Finding the runtime"
GROUP_PARTS = "Parts of an archive"
MILLISECOND = 1e-3
# What counts as the same: more than what two runs of the same differ in.
SAME = 1.25
TIMES = 201
PART_TIMES = 21
# What has the configuration after the pages: how it's packed, by what, and at most how much of the tool's time.
TOOLS = {
    "gzip": ("gz", ["gzip"], 0.6),
    "zstd": ("zst", ["zstd"], 1.1),
    "xz": ("xz", ["xz"], 1.1),
    "bzip2": ("bz2", ["bzip2"], 1.1),
}
# xz and bzip2 take minutes to pack what the others do in seconds.
SLOW = {"xz": ["xz", "-0", "-T0"], "bzip2": ["bzip2"]}


def look(archive, name):
    return Contender(name, LIBRARY, ["driver", "runtime", archive, TIMES], directories=())


def first_contenders(settings, compression):
    def contenders(place):
        data = Data(settings, place)
        large, small = (data.archive(mib, compression) for mib in (settings.series[-1], settings.series[0]))
        return [
            look(large, name_of(settings.series[-1])),
            look(small, name_of(settings.series[0])),
            podman("runtime", large, 1, directories=()),
            *(
                Contender(
                    f"GNU tar {' '.join([*option, '-xO'])}",
                    PEER,
                    ["tar", *option, "-xOf", large, "config.dump"],
                    directories=(),
                )
                for kind, option in (("none", []), ("zstd", ["--zstd"]))
                if kind == compression
            ),
            Contender("open, read 64 KiB, close", LIMIT, ["limits", "look", large, TIMES], directories=()),
        ]

    return contenders


def name_of(mib):
    return f"{LIBCRUTILS}, {mib // 1024} GiB" if mib % 1024 == 0 else f"{LIBCRUTILS}, {mib} MiB"


def last_contenders(settings, kind, mib):
    def contenders(place):
        ending, tool, _ = TOOLS[kind]
        data = Data(settings, place)
        archive = data.packed(mib, SLOW[kind], ending) if kind in SLOW else data.archive(mib, kind, "crio")
        return [
            Contender(LIBCRUTILS, LIBRARY, ["driver", "runtime", archive, 1], directories=()),
            Contender(f"{tool[0]} -dc, to /dev/null", PEER, [*tool, "-dc", archive], directories=()),
        ]

    return contenders


def operation_contenders(settings, operation, layout):
    """The library alone, in archives of all the sizes, and podman's code where it has the operation."""

    def contenders(place):
        data = Data(settings, place)
        found = []
        for mib in settings.series[-1], settings.series[0]:
            archive = data.archive(mib, "zstd", layout)
            words = {
                "list": ["driver", "list", archive, PART_TIMES],
                "runtime": ["driver", "runtime", archive, PART_TIMES],
                # A bundle that is made has to be absolute.
                "member": ["driver", "member", archive, place.path("out/bundle"), PART_TIMES, MEMBER],
            }[operation]
            found.append(Contender(name_of(mib), LIBRARY, words))
        archive = data.archive(settings.series[-1], "zstd", layout)
        if operation == "runtime":
            found.append(podman("runtime", archive, 1, directories=()))
        else:
            words = {"list": ["-tf"], "member": ["-C", "out", "-xf"]}[operation]
            members = [MEMBER] if operation == "member" else []
            found.append(Contender("GNU tar --zstd", PEER, ["tar", "--zstd", *words, archive, *members]))
        hops = ["frames", "hop", archive, PART_TIMES]
        found.append(Contender("the headers of its blocks read", LIMIT, hops, directories=()))
        return found

    return contenders


def part_cases(settings):
    """What is wanted of a zstd archive is little, and lies anywhere."""
    large, small = (name_of(mib) for mib in (settings.series[-1], settings.series[0]))
    size = large.split(", ")[1]
    rows = [
        (
            "list-zstd",
            "The list of a zstd archive's members",
            "list",
            operation_contenders(settings, "list", "podman"),
            10,
        ),
        (
            "runtime-after-pages-zstd-large",
            "The runtime of a large zstd archive with the configuration after the pages",
            "runtime after the pages",
            operation_contenders(settings, "runtime", "crio"),
            5,
        ),
        (
            "member-zstd",
            "A member of 1 MiB of a zstd archive",
            "one member of 1 MiB",
            operation_contenders(settings, "member", "podman"),
            20,
        ),
    ]
    return [
        Case(
            name,
            title,
            f"bundles of {small.split(', ')[1]} and {size}; the median of {PART_TIMES} calls a process",
            contenders,
            [
                Goal(
                    f"{words}, zstd, {size}: under {limit} ms in the process", large, INSIDE, limit=limit * MILLISECOND
                ),
                *(
                    [Goal(f"{words}, zstd: the same for {size}", large, INSIDE, peer=small, factor=SAME)]
                    if operation == "list"
                    else []
                ),
            ],
            group=GROUP_PARTS,
            size=settings.series[-1],
            metric=INSIDE,
            memory="reading",
        )
        for name, title, words, contenders, limit in rows
        for operation in [name.split("-")[0]]
    ]


def cases(settings):
    large, small = (name_of(mib) for mib in (settings.series[-1], settings.series[0]))
    found = []
    for compression, words in ("none", "uncompressed"), ("zstd", "zstd"), ("gzip", "gzip"):
        name = "plain" if compression == "none" else compression
        found.append(
            Case(
                f"runtime-{name}",
                f"The runtime of an archive in podman's order, {words}",
                f"bundles of {small.split(', ')[1]} and {large.split(', ')[1]}; the median of {TIMES} calls a process",
                first_contenders(settings, compression),
                [
                    Goal(
                        f"runtime, {words}, {large.split(', ')[1]}: under 1 ms in the process",
                        large,
                        INSIDE,
                        limit=MILLISECOND,
                    ),
                    Goal(
                        f"runtime, {words}: the same for {large.split(', ')[1]} as for {small.split(', ')[1]}",
                        large,
                        INSIDE,
                        peer=small,
                        factor=SAME,
                    ),
                ],
                group=GROUP,
                size=settings.series[-1],
                metric=INSIDE,
                memory="reading",
            )
        )
    for kind, (_, tool, factor) in TOOLS.items():
        mib = settings.mib // 8 if kind in SLOW else settings.mib
        found.append(
            Case(
                f"runtime-after-pages-{kind}",
                f"The runtime of an archive with the configuration after the pages, {kind}",
                f"CRI-O's order, {mib} MiB of memory pages",
                last_contenders(settings, kind, mib),
                [
                    Goal(
                        f"runtime after the pages, {kind}: {factor} of `{tool[0]} -dc`",
                        LIBCRUTILS,
                        peer=f"{tool[0]} -dc, to /dev/null",
                        factor=factor,
                    )
                ],
                group=GROUP,
                size=mib,
                memory="reading",
            )
        )
    return [*found, *part_cases(settings)]
