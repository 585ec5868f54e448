# SPDX-License-Identifier: Apache-2.0
"""What the plots show: the same work on bundles of more and more memory."""

from ..data import Data
from ..model import LIBRARY, PEER, Case, Contender
from ..places import CLONING
from .peers import LIBCRUTILS, REFLINK, archiver, copier, exporter, extractor, importer

RUNS = 3
# Two file systems are enough: one that clones and one that doesn't.
SHOWN = ("ext4", "xfs")


def contenders_of(settings, name, subject, mib):
    def contenders(place):
        data = Data(settings, place)
        bundle = data.bundle(mib)
        if subject == "import":
            archive = data.archive(mib)
            found = [importer(archive), extractor(archive)]
        else:
            found = [exporter(bundle), archiver(bundle)]
        if name in CLONING:
            found.append(copier(bundle, "--reflink=always", name=REFLINK))
        return found

    return contenders


def cases(name, settings):
    return [
        Case(
            f"{name}/{subject}-{mib}",
            f"{subject.capitalize()}, {name}, {mib} MiB",
            f"{mib} MiB of memory pages",
            contenders_of(settings, name, subject, mib),
            size=mib,
            runs=RUNS,
            plot=(subject, mib),
            memory="reading" if subject == "import" else "writing",
        )
        for mib in (settings.series if name in SHOWN else ())
        for subject in ("import", "export")
    ]


def look_ups(settings):
    """The runtime of archives in podman's order, and of one that has to be unpacked to its end."""

    def contenders(mib):
        def of_size(place):
            data = Data(settings, place)
            return [
                *(
                    Contender(
                        words, LIBRARY, ["driver", "runtime", data.archive(mib, compression), 201], directories=()
                    )
                    for compression, words in (("none", f"{LIBCRUTILS}, uncompressed"), ("zstd", f"{LIBCRUTILS}, zstd"))
                ),
                Contender(
                    "GNU tar --zstd -xO",
                    PEER,
                    ["tar", "--zstd", "-xOf", data.archive(mib, "zstd"), "config.dump"],
                    directories=(),
                ),
            ]

        return of_size

    return [
        Case(
            f"runtime-{mib}",
            f"Runtime, {mib} MiB",
            f"{mib} MiB of memory pages",
            contenders(mib),
            size=mib,
            runs=RUNS,
            plot=("runtime", mib),
            memory="reading",
        )
        for mib in settings.series
    ]
