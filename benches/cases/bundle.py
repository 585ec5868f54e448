# SPDX-License-Identifier: Apache-2.0
"""Import and export of a bundle with much memory, uncompressed, on each file system."""

import os

from ..data import Data
from ..model import LIMIT, PEER, Case, Contender, Goal
from ..places import CLONING
from .peers import GNU_TAR, LIBCRUTILS, REFLINK, archiver, copier, exporter, extractor, importer, kernel_limit, podman

GROUP = "Uncompressed bundles"
# What the table of goals says of the data.
SYNCED = "on the disk, and in the page cache"
FOREIGN = "libcrutils, an archive by GNU tar"
FSYNC = "fsync of the source alone"


def goals(subject, name):
    if name in CLONING:
        return [
            Goal(f"{subject}, uncompressed: 1/100 of GNU tar's time", LIBCRUTILS, peer=GNU_TAR, factor=0.01),
            Goal(f"{subject}, uncompressed: 2x of `cp -a --reflink=always`", LIBCRUTILS, peer=REFLINK, factor=2),
        ]
    return [Goal(f"{subject}, uncompressed: 0.4 of GNU tar's time", LIBCRUTILS, peer=GNU_TAR, factor=0.4)]


def import_contenders(settings, name):
    def contenders(place):
        data = Data(settings, place)
        bundle, archive = data.bundle(settings.mib), data.archive(settings.mib)
        foreign = data.gnu_archive(settings.mib)
        found = [
            importer(archive),
            importer(foreign, FOREIGN),
            extractor(archive),
            Contender("bsdtar", PEER, ["bsdtar", "-xf", archive, "-C", "out"]),
            Contender("tar crate", PEER, ["tar-crate", archive, "out"]),
            podman("import", archive, "out"),
            copier(bundle),
        ]
        if name in CLONING:
            found.append(copier(bundle, "--reflink=always"))
        return [*found, kernel_limit(data.extraction(archive, aligned=True), ("out",))]

    return contenders


def export_contenders(settings, name):
    def contenders(place):
        data = Data(settings, place)
        bundle = data.bundle(settings.mib)
        found = [
            exporter(bundle),
            archiver(bundle),
            Contender("bsdtar", PEER, ["bsdtar", "-C", bundle, "-cf", "out.tar", "."], directories=()),
            copier(bundle),
        ]
        if name in CLONING:
            found.append(copier(bundle, "--reflink=always"))
        return [*found, kernel_limit(data.collection(bundle), ())]

    return contenders


def rewrite(path):
    """Writes a file anew without having the disk hold it. Its name is free then: file systems write a file out that
    replaces another by its name, or that was truncated."""

    def write():
        old = path.with_name(path.name + ".old")
        os.rename(path, old)
        with open(old, "rb", buffering=0) as source, open(path, "xb", buffering=0) as copy:
            while piece := source.read(1 << 20):
                copy.write(piece)
        old.unlink()

    return write


def just_written(settings, subject):
    def contenders(place):
        data = Data(settings, place)
        bundle, archive = data.bundle(settings.mib), data.archive(settings.mib)
        source = f"{bundle}/checkpoint/pages-1.img" if subject == "export" else archive
        own = exporter(bundle) if subject == "export" else importer(archive)
        other = archiver(bundle) if subject == "export" else extractor(archive)
        found = [own, other, Contender(FSYNC, LIMIT, ["limits", "fsync", source])]
        for one in found:
            one.prepare_unsynced = rewrite(place.path(source))
        return found

    return contenders


def cases(name, settings):
    words = f"a bundle with {settings.mib} MiB of memory pages"
    found = []
    for subject, contenders in ("import", import_contenders), ("export", export_contenders):
        found.append(
            Case(
                f"{name}/{subject}",
                f"{subject.capitalize()}, uncompressed, {name}",
                f"{words}, {SYNCED}",
                contenders(settings, name),
                goals(f"{name}: {subject}", name),
                group=GROUP,
                size=settings.mib,
                note="`cp -a` clones as well, as it does since coreutils 9." if name in CLONING else "",
                memory="reading" if subject == "import" else "writing",
            )
        )
    for subject in ("import", "export") if name in CLONING else ():
        found.append(
            Case(
                f"{name}/{subject}-just-written",
                f"{subject.capitalize()} of what was just written, {name}",
                f"{words}, written anew before each run and not yet on the disk",
                just_written(settings, subject),
                [
                    Goal(
                        f"{name}: {subject} of what was just written: 1.2 of its fsync alone",
                        LIBCRUTILS,
                        peer=FSYNC,
                        factor=1.2,
                    )
                ],
                group=GROUP,
                note="Cloning has the file system write the source out first; GNU tar leaves that to later.",
                size=settings.mib,
                memory="reading" if subject == "import" else "writing",
            )
        )
    return found
