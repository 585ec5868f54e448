# SPDX-License-Identifier: Apache-2.0
"""Import and export of a bundle with much memory, compressed."""

from ..data import Data
from ..model import LIMIT, PEER, SIZE, Case, Contender, Goal
from .peers import LIBCRUTILS, archiver, exporter, extractor, importer

GROUP = "Compressed bundles"
ENDINGS = {"zstd": "zst", "gzip": "gz"}
# The program that GNU tar is to run for reading and for writing, as one argument, and how it's called in the tables.
READING = {"zstd": "zstd", "gzip": "pigz"}
WRITING = {"zstd": "zstd -T0", "gzip": "pigz"}
IMPORT_GOAL = {"zstd": 0.4, "gzip": 0.6}
EXPORT_GOAL = {"zstd": 0.9, "gzip": 0.7}


def tar_with(program):
    return f"GNU tar -I '{program}'" if " " in program else f"GNU tar -I {program}"


def import_contenders(settings, kind):
    def contenders(place):
        archive = Data(settings, place).archive(settings.mib, kind)
        program = READING[kind]
        found = [
            importer(archive),
            extractor(archive, "-I", program, name=tar_with(program), needs=(program,)),
            Contender("bsdtar", PEER, ["bsdtar", "-xf", archive, "-C", "out"]),
        ]
        decoders = {"zstd": ["zstd"], "gzip": ["pigz", "gzip"]}[kind]
        return found + [
            Contender(f"{one} -dc, to /dev/null", LIMIT, [one, "-dc", archive], directories=()) for one in decoders
        ]

    return contenders


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
    found = []
    for kind in ENDINGS:
        peer = tar_with(READING[kind])
        found.append(
            Case(
                f"import-{kind}",
                f"Import, {kind}",
                f"{words}; the archive is the library's own",
                import_contenders(settings, kind),
                [
                    Goal(
                        f"import, {kind}: {IMPORT_GOAL[kind]} of `{peer}`",
                        LIBCRUTILS,
                        peer=peer,
                        factor=IMPORT_GOAL[kind],
                    )
                ],
                group=GROUP,
                size=settings.mib,
                memory="reading",
            )
        )
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
