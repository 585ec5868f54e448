# SPDX-License-Identifier: Apache-2.0
"""The contenders that several cases have."""

from ..model import LIBRARY, LIMIT, PEER, Contender

LIBCRUTILS = "libcrutils"
GNU_TAR = "GNU tar"
REFLINK = "cp -a --reflink=always"
# The package that podman and CRI-O do it with.
PODMAN = "podman's crutils"


def importer(archive, name=LIBCRUTILS):
    """The bundle isn't there yet: a new one is made. Its path has to be absolute, unless it exists."""
    return Contender(name, LIBRARY, ["driver", "import", archive, "out"])


def exporter(bundle, compression="none"):
    return Contender(
        LIBCRUTILS,
        LIBRARY,
        ["driver", "export", compression, "podman", bundle, "out.tar"],
        directories=(),
        archive="out.tar",
    )


def extractor(archive, *options, name=GNU_TAR, needs=()):
    return Contender(name, PEER, ["tar", *options, "-xf", archive, "-C", "out"], needs=needs)


def archiver(bundle, *options, name=GNU_TAR, needs=()):
    return Contender(
        name,
        PEER,
        ["tar", *options, "-C", bundle, "-cf", "out.tar", "."],
        directories=(),
        archive="out.tar",
        needs=needs,
    )


def copier(directory, *options, name=None):
    words = ["cp", "-a", *options]
    return Contender(name or " ".join(words), PEER, [*words, f"{directory}/.", "out"])


def kernel_limit(manifest, directories):
    return Contender("the system calls alone", LIMIT, ["limits", "kernel", manifest], directories=directories)


def podman(*command, directories=("out",), archive=None):
    return Contender(PODMAN, PEER, ["podman-crutils", *command], directories=directories, archive=archive)
