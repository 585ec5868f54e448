# SPDX-License-Identifier: Apache-2.0
"""The data that is worked on, made once in each place, and always the same."""

import os
import random
import shutil
import subprocess
import tarfile

ARCHIVES = "tests/data"
EPOCH = 1_767_225_600
# A member of 1 MiB of every bundle's.
MEMBER = "checkpoint/pages-2.img"


class Data:
    """What there is in one place. Every method makes what it names unless it is there."""

    def __init__(self, settings, place):
        self.settings = settings
        self.place = place

    def tool(self, name):
        return self.settings.programs / name

    def _once(self, name, make):
        path = self.place.path(name)
        if not path.exists():
            make(path)
            self.place.sync()
        return name

    def _run(self, *command):
        subprocess.run([str(word) for word in command], check=True, cwd=self.place.directory)

    def pages(self, path, mib):
        with open(path, "wb") as file:
            subprocess.run([self.tool("pages"), str(mib)], stdout=file, check=True)

    def bundle(self, mib):
        """podman's bundle of a real container, but with so much memory."""

        def make(path):
            shutil.rmtree(f"{path}.making", ignore_errors=True)
            os.mkdir(f"{path}.making")
            self._run("tar", "--zstd", "-xf", self.settings.root / ARCHIVES / "plain.tar.zst", "-C", f"{path}.making")
            # A directory of CRIU's that only root could enter.
            os.chmod(f"{path}.making/checkpoint", 0o700)
            # CRI-O's layout wants it.
            with open(f"{path}.making/dump.log", "w") as log:
                log.write("(00.000000) Version: 3.17.1\n")
            self.pages(f"{path}.making/checkpoint/pages-1.img", mib)
            # Another process's, small and behind the large ones.
            self.pages(f"{path}.making/{MEMBER}", 1)
            os.rename(f"{path}.making", path)

        return self._once(f"bundle-{mib}", make)

    def archive(self, mib, compression="none", layout="podman"):
        """The bundle's archive, written by the library. podman's has the configuration first, CRI-O's last."""
        name = f"{layout}-{mib}.tar" + {"none": "", "gzip": ".gz", "zstd": ".zst"}[compression]
        bundle = self.bundle(mib)
        return self._once(
            name, lambda path: self._run(self.tool("driver"), "export", compression, layout, bundle, path)
        )

    def gnu_archive(self, mib):
        """The bundle's archive as GNU tar writes it, where nothing begins at a block of the file system's."""
        bundle = self.bundle(mib)
        return self._once(f"gnu-{mib}.tar", lambda path: self._run("tar", "-C", bundle, "-cf", path, "."))

    def packed(self, mib, tool, ending, layout="crio"):
        """An engine's archive, packed by a tool."""
        plain = self.archive(mib, layout=layout)

        def make(path):
            with open(path, "wb") as file:
                subprocess.run([*tool, "-c", self.place.path(plain)], stdout=file, check=True)

        return self._once(f"{plain}.{ending}", make)

    def of_podman(self, mib):
        """podman's archive as its own code compresses it, in one frame; by zstd where that can't be had."""
        tool = self.tool("podman-crutils")
        if not tool.exists():
            return self.packed(mib, ["zstd"], "one.zst", "podman")
        plain = self.archive(mib)
        return self._once(f"{plain}.one.zst", lambda path: self._run(tool, "pack", plain, path))

    def small_files(self, files):
        """A root file system of small files: 20 a directory, from 100 bytes to 16 KiB, most of them small."""

        def make(root):
            numbers = random.Random(7)
            pool = self._text(numbers)
            for index in range(files):
                directory = root / f"usr/share/package{index // 20:04}"
                if index % 20 == 0:
                    directory.mkdir(parents=True)
                file = directory / f"file{index % 20:02}.conf"
                size = int(100 * 164 ** numbers.random())
                start = numbers.randrange(len(pool) - size)
                file.write_bytes(pool[start : start + size])
                os.utime(file, ns=(EPOCH * 10**9, (EPOCH - index) * 10**9 + numbers.randrange(10**9)))

        return self._once(f"files-{files}", make)

    @staticmethod
    def _text(numbers):
        words = [bytes(numbers.choices(b"abcdefghijklmnopqrstuvwxyz", k=numbers.randint(2, 10))) for _ in range(2000)]
        return b" ".join(numbers.choices(words, k=40_000))

    def small_list(self, files):
        """The same as changes, all of them additions, as the driver reads them."""
        root = self.small_files(files)

        def make(path):
            with open(path, "w") as out:
                for directory, directories, names in os.walk(self.place.path(root)):
                    below = directory[len(str(self.place.path(root))) :]
                    out.writelines(f"A {below}/{name}\n" for name in sorted(directories + names))

        return self._once(f"changes-{files}", make)

    def small_base(self, files):
        """A directory with the rootfs-diff.tar of the small files."""
        root, changes = self.small_files(files), self.small_list(files)

        def make(path):
            path.mkdir()
            self._run(self.tool("driver"), "diff", changes, root, path)

        return self._once(f"base-{files}", make)

    def real(self):
        """Real archives of podman's, of some 20 KiB, for as long as they are."""
        for name in ("plain.tar.zst", "plain.tar.gz"):
            self._once(name, lambda path, name=name: shutil.copyfile(self.settings.root / ARCHIVES / name, path))
        return "plain.tar.zst", "plain.tar.gz"

    def manifest(self, name, lines):
        """Writes what the limits do: (bytes, offset there, offset here, source, destination), or a directory."""
        with open(self.place.path(name), "w") as out:
            out.writelines(
                f"D {line}\n" if isinstance(line, str) else "F\t" + "\t".join(map(str, line)) + "\n" for line in lines
            )
        return name

    def extraction(self, archive, name="extraction", aligned=False):
        """What extracting an archive into out is, as a manifest. Aligned: as if members began at blocks."""
        lines = []
        made = set()
        with tarfile.open(self.place.path(archive)) as tar:
            for member in tar:
                path = os.path.normpath(member.name)
                self._parents(path if member.isdir() else os.path.dirname(path), made, lines)
                if member.isreg():
                    offset = member.offset_data // 4096 * 4096 if aligned else member.offset_data
                    lines.append((member.size, offset, 0, archive, f"out/{path}"))
        return self.manifest(name, lines)

    @staticmethod
    def _parents(path, made, lines):
        parts = [part for part in path.split("/") if part not in ("", ".")]
        for end in range(1, len(parts) + 1):
            directory = "/".join(parts[:end])
            if directory not in made:
                made.add(directory)
                lines.append(f"out/{directory}")

    def collection(self, directory, name="collection", block=4096, header=None):
        """What putting a directory's files into one file is, as a manifest: each at a block, behind a header of a
        block, or of as many bytes as said."""
        header = header or block
        lines, offset = [], header
        for parent, _, files in os.walk(self.place.path(directory)):
            for file in sorted(files):
                path = os.path.join(parent, file)
                size = os.path.getsize(path)
                lines.append((size, 0, offset, os.path.relpath(path, self.place.directory), "out.tar"))
                offset += -(-size // block) * block + header
        return self.manifest(name, lines)
