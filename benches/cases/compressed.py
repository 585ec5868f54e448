# SPDX-License-Identifier: Apache-2.0
"""Import and export of a bundle with much memory, compressed."""

import dataclasses

from ..data import Data
from ..model import LIMIT, PEER, SIZE, Case, Contender, Goal
from .peers import LIBCRUTILS, archiver, exporter, extractor, importer, podman

GROUP = "Compressed bundles"
ENDINGS = {"zstd": "zst", "gzip": "gz"}
# The program that GNU tar is to run for reading and for writing, as one argument, and how it's called in the tables.
READING = {"zstd": "zstd", "gzip": "pigz"}
WRITING = {"zstd": "zstd -T0", "gzip": "pigz"}
IMPORT_GOAL = {"zstd": 0.65, "gzip": 0.6}
EXPORT_GOAL = {"zstd": 0.79, "gzip": 0.7}


def tar_with(program):
    return f"GNU tar -I '{program}'" if " " in program else f"GNU tar -I {program}"


TAR_ZSTD, ZSTD = tar_with("zstd"), "zstd -dc, to /dev/null"


def own(settings, kind):
    return lambda data: data.archive(settings.mib, kind)


def import_contenders(settings, kind, archive_of, by_podman=True, in_frames=False):
    def contenders(place):
        archive = archive_of(Data(settings, place))
        program = READING[kind]
        found = [
            importer(archive),
            extractor(archive, "-I", program, name=tar_with(program), needs=(program,)),
            Contender("bsdtar", PEER, ["bsdtar", "-xf", archive, "-C", "out"]),
        ]
        if by_podman:
            found.append(podman("import", archive, "out"))
        if in_frames:
            found.append(Contender("its frames decoded and written", LIMIT, ["frames", "write", archive, "out/content"]))
        decoders = {"zstd": ["zstd"], "gzip": ["pigz", "gzip"]}[kind]
        return found + [
            Contender(f"{one} -dc, to /dev/null", LIMIT, [one, "-dc", archive], directories=()) for one in decoders
        ]

    return contenders


def one_core_contenders(settings):
    def contenders(place):
        archive = Data(settings, place).archive(settings.mib, "zstd")
        found = [importer(archive), extractor(archive, "-I", "zstd", name=TAR_ZSTD, needs=("zstd",))]
        return [dataclasses.replace(one, cores=1) for one in found]

    return contenders


def import_cases(settings):
    words = f"a bundle with {settings.mib} MiB of memory pages"
    found = [
        (
            "import-zstd",
            "Import, zstd",
            f"{words}; the archive is the library's own, of frames with a table",
            import_contenders(settings, "zstd", own(settings, "zstd"), in_frames=True),
            [(TAR_ZSTD, IMPORT_GOAL["zstd"]), (ZSTD, IMPORT_GOAL["zstd"])],
        ),
        (
            "import-zstd-pzstd",
            "Import, zstd, frames by pzstd",
            f"{words}; pzstd compressed the archive: frames without a table",
            import_contenders(
                settings,
                "zstd",
                lambda data: data.packed(settings.mib, ["pzstd", "-q"], "p.zst", "podman"),
                # It takes a skippable frame at the beginning for a plain archive.
                by_podman=False,
            ),
            [(TAR_ZSTD, 0.7)],
        ),
        (
            "import-zstd-one-frame",
            "Import, zstd, one frame",
            f"{words}; podman's own code compressed the archive (zstd, where that can't be had): one frame",
            import_contenders(settings, "zstd", lambda data: data.of_podman(settings.mib)),
            [(TAR_ZSTD, 0.95)],
        ),
        (
            "import-zstd-one-core",
            "Import, zstd, on one core",
            f"{words}; the archive is the library's own; everything runs on one core",
            one_core_contenders(settings),
            [(TAR_ZSTD, 1.0)],
        ),
        (
            "import-gzip",
            "Import, gzip",
            f"{words}; the archive is the library's own",
            import_contenders(settings, "gzip", own(settings, "gzip")),
            [(tar_with("pigz"), IMPORT_GOAL["gzip"])],
        ),
    ]
    return [
        Case(
            name,
            title,
            data,
            contenders,
            [
                Goal(f"{title[0].lower()}{title[1:]}: {factor} of `{peer}`", LIBCRUTILS, peer=peer, factor=factor)
                for peer, factor in goals
            ],
            group=GROUP,
            size=settings.mib,
            memory="reading",
        )
        for name, title, data, contenders, goals in found
    ]


def export_contenders(settings, kind):
    def contenders(place):
        bundle = Data(settings, place).bundle(settings.mib)
        program = WRITING[kind]
        pages = f"{bundle}/checkpoint/pages-1.img"
        found = [
            exporter(bundle, kind),
            archiver(bundle, "-I", program, name=tar_with(program), needs=(program.split()[0],)),
        ]
        if kind == "zstd":
            found.append(
                Contender(
                    "bsdtar --zstd",
                    PEER,
                    ["bsdtar", "--zstd", "-C", bundle, "-cf", "out.tar", "."],
                    directories=(),
                    archive="out.tar",
                )
            )
        return [
            *found,
            Contender(
                f"{program} -c, the pages alone, to /dev/null", LIMIT, [*program.split(), "-c", pages], directories=()
            ),
        ]

    return contenders


def cases(settings):
    words = f"a bundle with {settings.mib} MiB of memory pages"
    found = import_cases(settings)
    for kind in ENDINGS:
        peer = tar_with(WRITING[kind])
        found.append(
            Case(
                f"export-{kind}",
                f"Export, {kind}",
                words,
                export_contenders(settings, kind),
                [
                    Goal(
                        f"export, {kind}: {EXPORT_GOAL[kind]} of `{peer}`",
                        LIBCRUTILS,
                        peer=peer,
                        factor=EXPORT_GOAL[kind],
                    ),
                    Goal(f"export, {kind}: an archive at most 2 % larger", LIBCRUTILS, SIZE, peer=peer, factor=1.02),
                ],
                note="Levels are the programs' own defaults: zstd 3, gzip 6.",
                group=GROUP,
                size=settings.mib,
                memory="writing",
            )
        )
    return found
