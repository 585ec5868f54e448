# SPDX-License-Identifier: Apache-2.0
"""A checkpoint archive that becomes an OCI image."""

from ..data import Data
from ..model import LIBRARY, LIMIT, PEER, Case, Contender, Goal
from .peers import LIBCRUTILS

GROUP = "Images"
BUILDAH = "buildah"
# How the layer is compressed: at most how much of buildah's time, and the same by a program.
FORMS = {"gzip": (0.3, ["pigz", "-c"]), "zstd": (0.15, ["zstd", "-T0", "-c"])}
# The recipe of Kubernetes' documentation. What it ends with: a layout; `commit` knows no zstd.
RECIPE = """set -e
b() {{ buildah --root "$PWD/out/root" --runroot "$PWD/out/run" --storage-driver vfs "$@"; }}
c=$(b from scratch)
b add --quiet "$c" {archive} /
b config --annotation io.kubernetes.cri-o.annotations.checkpoint.name=counter "$c"
{end}
b rm "$c" >out/removed"""
END = {
    "gzip": 'b commit --quiet "$c" oci:out/layout:latest',
    "zstd": 'b commit --quiet "$c" checkpoint; b push --quiet --compression-format zstd checkpoint oci:out/layout:latest',
}


def builder(archive, form, name=LIBCRUTILS):
    return Contender(name, LIBRARY, ["driver", "image", form, archive, "out"])


def contenders_of(settings, form):
    def contenders(place):
        archive = Data(settings, place).archive(settings.mib)
        recipe = RECIPE.format(archive=archive, end=END[form])
        tool = FORMS[form][1]
        return [
            builder(archive, form),
            Contender(BUILDAH, PEER, ["sh", "-c", recipe], needs=("buildah",)),
            Contender(f"{' '.join(tool)}, to /dev/null", LIMIT, [*tool, archive], directories=()),
        ]

    return contenders


def kept_contenders(settings):
    def contenders(place):
        archive = Data(settings, place).archive(settings.mib, "zstd")
        return [
            builder(archive, "kept"),
            Contender("sha256sum and cp", LIMIT, ["sh", "-c", f"sha256sum {archive} && cp {archive} out/"]),
        ]

    return contenders


def cases(settings):
    words = f"an archive with {settings.mib} MiB of memory pages"
    found = [
        Case(
            f"image-{form}",
            f"An uncompressed archive becomes an image, {form}",
            words,
            contenders_of(settings, form),
            [Goal(f"image, {form}: {factor} of buildah's time", LIBCRUTILS, peer=BUILDAH, factor=factor)],
            group=GROUP,
            size=settings.mib,
            runs=3,
            note="buildah follows the recipe of Kubernetes' documentation, in a storage of its own.",
            memory="writing",
        )
        for form, (factor, _) in FORMS.items()
    ]
    return [
        *found,
        Case(
            "image-kept",
            "A zstd archive becomes an image as it is",
            words,
            kept_contenders(settings),
            group=GROUP,
            size=settings.mib,
            note="The archive is decoded once, for the digest of its content.",
            memory="writing",
        ),
    ]
