# SPDX-License-Identifier: Apache-2.0
"""Archives that were made to cost more than their bytes: each at one size and at twice that, and the ratio."""

import bz2
import gzip
import io
import lzma
import os
import subprocess
import tarfile

from ..model import LIBRARY, PEAK, Case, Contender, Goal, Skipped

ONCE, TWICE = "libcrutils", "libcrutils, twice the input"
# What twice the input may cost.
FACTOR = 2.2


def member(name, kind=tarfile.REGTYPE, data=b"", link="", **more):
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = kind, len(data), link
    for key, value in more.items():
        setattr(info, key, value)
    return info, data


def packed(members):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for info, data in members:
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def way(depth):
    """The directories of a deep path, from the top down."""
    return ["d/" * number for number in range(1, depth + 1)]


def holes(count):
    """A sparse file with one byte in each 64 KiB."""
    pieces = "".join(f"{number << 16}\n1\n" for number in range(count))
    table = f"{count}\n{pieces}".encode()
    table += bytes(-len(table) % 512)
    headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "s"}
    headers["GNU.sparse.realsize"] = str(count << 16)
    return packed([member("s", data=table + b"x" * count, pax_headers=headers)])


def links(count):
    """Links that lead through one another, in chains that are as long as a path may be resolved."""
    chains = (
        member(f"{chain}-{number}", tarfile.SYMTYPE, link=f"{chain}-{number + 1}" if number < 39 else ".")
        for chain in range(count)
        for number in range(40)
    )
    return packed([*chains, *(member(f"{chain}-1/f{chain}") for chain in range(count))])


def zstd(data):
    return subprocess.run(["zstd", "-qc"], input=data, stdout=subprocess.PIPE, check=True).stdout


def empty_streams(compress, count):
    return compress(b"") * count + compress(packed([member("f")]))


def archives(scale):
    """By name: what makes the archive for a size, and the size."""
    many, few = 20000 * scale, 300 * scale
    of = tarfile
    return {
        "empty files": (lambda n: packed(member(f"f{i}") for i in range(n)), many),
        "directories": (lambda n: packed(member(f"d{i}", of.DIRTYPE) for i in range(n)), many),
        "symlinks": (lambda n: packed(member(f"l{i}", of.SYMTYPE, link="x") for i in range(n)), many),
        "hard links": (
            # A file system has a limit of links to one file: ext4's is 65000.
            lambda n: packed(
                member(f"l{i}", *((of.REGTYPE,) if i % 1000 == 0 else (of.LNKTYPE, b"", f"l{i - i % 1000}")))
                for i in range(n)
            ),
            many,
        ),
        "one name": (lambda n: packed(member("f", data=b"x") for _ in range(n)), many),
        "file and directory in turn": (
            lambda n: packed(member("f", (of.REGTYPE, of.DIRTYPE)[i % 2]) for i in range(n)),
            many,
        ),
        # Twice as many, and not twice as deep: names would be twice as long, too.
        "deep trees": (
            lambda n: packed(member(f"{t}/{path}", of.DIRTYPE) for t in range(n) for path in way(1000)),
            scale,
        ),
        "files at the end of a deep tree": (
            lambda n: packed(member(f"{'d/' * 500}f{i}") for i in range(n)),
            many // 4,
        ),
        "parents that are implied": (lambda n: packed(member(f"{i}/d/e/f") for i in range(n)), many // 4),
        "names of 4000 bytes": (lambda n: packed(member(f"{'n' * 200}/" * 19 + f"{i}") for i in range(n)), many // 10),
        "names with dots": (lambda n: packed(member("./x/../" * 100 + f"f{i}") for i in range(n)), many // 4),
        "files through links": (links, few // 3),
        "attributes": (
            lambda n: packed(
                member(f"f{i}", pax_headers={f"SCHILY.xattr.user.{k}": "v" for k in range(8)}) for i in range(n)
            ),
            many // 10,
        ),
        # The map of twice as many has to stay below 1 MiB.
        "holes": (holes, many // 4),
        "names of whiteouts": (lambda n: packed(member(f"d{i % 100}/.wh.f{i}") for i in range(n)), many),
        "empty streams of gzip": (lambda n: empty_streams(gzip.compress, n), many),
        "empty streams of bzip2": (lambda n: empty_streams(bz2.compress, n), many),
        "empty streams of xz": (lambda n: empty_streams(lzma.compress, n), many),
        "empty frames of zstd": (lambda n: empty_streams(zstd, n), many),
    }


def hostile(settings, name, make, size):
    key = name.replace(" ", "-")

    def contenders(place):
        if os.geteuid() != 0:
            raise Skipped("the archives' files are root's, whom only root may give files to")
        for times in (1, 2):
            base = place.path(f"hostile-{key}-{times}")
            if not base.exists():
                base.mkdir()
                (base / "rootfs-diff.tar").write_bytes(make(size * times))
        commands = [["driver", "apply", f"hostile-{key}-{times}", "out"] for times in (1, 2)]
        return [Contender(name, LIBRARY, command) for name, command in zip((ONCE, TWICE), commands)]

    return case(settings, name, f"{size:,} and {2 * size:,} members, streams or holes", contenders)


def listed(settings, size):
    """deleted.files lists every directory of a deep path, at whose end the diff has the files that stay."""

    def contenders(place):
        if os.geteuid() != 0:
            raise Skipped("the archives' files are root's, whom only root may give files to")
        made = []
        for times in (1, 2):
            base, root = place.path(f"hostile-listed-{times}"), f"hostile-listed-root-{times}"
            depth, files = 400, size * times
            if not base.exists():
                base.mkdir()
                place.path(root).mkdir()
                end = "d/" * depth
                (base / "rootfs-diff.tar").write_bytes(packed(member(f"{end}f{i}") for i in range(files)))
                names = ",".join(f'"/{path.rstrip("/")}"' for path in way(depth))
                (base / "deleted.files").write_text(f"[{names}]")
                driver = settings.programs / "driver"
                subprocess.run([driver, "apply", base, root], cwd=place.directory, check=True)
            # Nothing goes, since the diff holds all of it: each run finds the same.
            made.append(["driver", "remove", base.name, root])
        return [Contender(name, LIBRARY, command, directories=()) for name, command in zip((ONCE, TWICE), made)]

    return case(settings, "listed trees times kept files", f"{size:,} files and their double", contenders)


def case(settings, name, data, contenders):
    words = f"hostile archives, {name}: twice the input"
    return Case(
        f"hostile/{name.replace(' ', '-')}",
        f"Hostile: {name}",
        data,
        contenders,
        [
            Goal(f"{words}, at most {FACTOR} times the time", TWICE, peer=ONCE, factor=FACTOR),
            Goal(f"{words}, at most {FACTOR} times the memory", TWICE, PEAK, peer=ONCE, factor=FACTOR),
        ],
        group="Hostile archives",
        size=settings.files,
    )


def cases(settings):
    scale = 1 if settings.quick else 5
    made = [hostile(settings, name, *how) for name, how in archives(scale).items()]
    return [*made, listed(settings, 2000 * scale)]
