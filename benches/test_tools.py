# SPDX-License-Identifier: Apache-2.0
"""The data's manifests, and the programs that the benchmarks run."""

import os
import re
import shutil
import subprocess
import tarfile
import tempfile
import unittest
import zlib
from pathlib import Path

from benches.cases import bundle
from benches.data import Data
from benches.places import HERE, Place

TOOLS = Path(__file__).parent / "tools"



class Directory(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.path = Path(directory.name)
        self.data = Data(None, Place(HERE, self.path))

    def tool(self, name, *libraries):
        """A program, compiled for the test."""
        if shutil.which("cc") is None:
            print("skipped: no cc")
            self.skipTest("no cc")
        command = ["cc", "-O1", "-Wall", "-Werror", TOOLS / f"{name}.c", *libraries, "-o", self.path / name]
        subprocess.run(command, check=True)
        return self.path / name

    def write(self, name, content):
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


class Limits(Directory):
    CONTENT = {
        "source/a": b"a" * 100,
        "source/sub/dir/b": b"b" * 5000,
        "source/empty": b"",
        "source/large": b"l" * 70_000,
    }

    def setUp(self):
        super().setUp()
        for name, content in self.CONTENT.items():
            self.write(name, content)

    def run_limit(self, kind, manifest):
        subprocess.run([self.tool("limits"), kind, manifest], cwd=self.path, check=True)

    def test_an_extraction_gives_the_archives_files(self):
        with tarfile.open(self.path / "archive.tar", "w") as tar:
            tar.add(self.path / "source", arcname=".")
        manifest = self.data.extraction("archive.tar")
        for kind in "kernel", "memory", "whole":
            (self.path / "out").mkdir()
            self.run_limit(kind, manifest)
            for name, content in self.CONTENT.items():
                self.assertEqual((self.path / "out" / name.removeprefix("source/")).read_bytes(), content)
            shutil.rmtree(self.path / "out")

    def test_a_collection_has_every_files_bytes_from_a_block_on(self):
        for kind in "kernel", "whole":
            self.run_limit(kind, self.data.collection("source"))
            collected = (self.path / "out.tar").read_bytes()
            for content in filter(None, self.CONTENT.values()):
                start = collected.index(content)
                self.assertEqual((start % 4096, collected[start : start + len(content)]), (0, content))
            (self.path / "out.tar").unlink()

    def test_a_header_may_be_longer_than_a_block(self):
        self.run_limit("memory", self.data.collection("source", block=512, header=1536))
        collected = (self.path / "out.tar").read_bytes()
        self.assertEqual(collected[:1536].strip(b"\0"), b"")
        start = collected.index(b"l" * 70_000)
        self.assertEqual(start % 512, 0)


class Measure(Directory):
    def measured(self, *command):
        subprocess.run([self.tool("measure"), self.path / "result", *command], check=True)
        return (self.path / "result").read_text().split()

    def test_a_process_is_measured_without_what_python_takes(self):
        wall, _, _, peak, written, status = self.measured("sh", "-c", "exit 3")
        self.assertEqual(os.waitstatus_to_exitcode(int(status)), 3)
        self.assertLess(int(peak), 8 << 10)
        self.assertGreater(float(wall), 0)
        self.assertEqual(int(written), 0)


class Pages(Directory):
    def test_a_quarter_is_zeros_and_the_same_each_time(self):
        pages = self.tool("pages")
        first, second = (subprocess.run([pages, "2"], capture_output=True, check=True).stdout for _ in range(2))
        self.assertEqual(first, second)
        self.assertEqual(len(first), 2 << 20)
        runs = [first[start : start + 32768] for start in range(0, len(first), 32768)]
        packed = [len(run) / len(zlib.compress(run)) for run in runs]
        self.assertEqual(sum(not any(run) for run in runs), len(runs) // 4)
        self.assertEqual(sum(3 < ratio < 5 for ratio in packed), len(runs) // 2)
        self.assertEqual(sum(1.2 < ratio < 2 for ratio in packed), len(runs) // 4)


class Frames(Directory):
    SKIPPABLE = b"\x50\x2a\x4d\x18\x03\0\0\0abc"

    def setUp(self):
        super().setUp()
        if shutil.which("zstd") is None or not Path("/usr/include/zstd.h").exists():
            print("skipped: no zstd, or no header of it")
            self.skipTest("no zstd, or no header of it")
        self.contents = [b"a" * 300_000, os.urandom(400_000), b"", b"c"]
        stream = self.SKIPPABLE
        for number, content in enumerate(self.contents):
            self.write(f"part-{number}", content)
            packed = ["zstd", "-qc", self.path / f"part-{number}"]
            stream += subprocess.run(packed, check=True, capture_output=True).stdout + self.SKIPPABLE
        self.write("archive", stream)

    def test_what_is_decoded_is_written_where_it_belongs(self):
        command = [self.tool("frames", "-lzstd"), "write", "archive", "out"]
        subprocess.run(command, cwd=self.path, check=True)
        self.assertEqual((self.path / "out").read_bytes(), b"".join(self.contents))

    def test_every_blocks_header_is_read(self):
        if shutil.which("strace") is None:
            print("skipped: no strace")
            self.skipTest("no strace")
        command = ["strace", "-fqe", "trace=pread64", self.tool("frames", "-lzstd"), "hop", "archive", "1"]
        ran = subprocess.run(command, cwd=self.path, check=True, capture_output=True, text=True)
        self.assertRegex(ran.stdout, r"^inside \d+\.\d+\n$")
        # Blocks of at most 128 KiB: three, four, an empty one, one.
        self.assertEqual((ran.stderr.count(", 5, "), ran.stderr.count(", 3, ")), (4, 9))


class Source(Directory):
    def test_what_was_just_written_is_another_file_with_the_same_bytes(self):
        self.write("file", b"content")
        before = (self.path / "file").stat().st_ino
        bundle.rewrite(self.path / "file")()
        self.assertEqual((self.path / "file").read_bytes(), b"content")
        self.assertNotEqual((self.path / "file").stat().st_ino, before)
        self.assertEqual(os.listdir(self.path), ["file"])


class Driver(unittest.TestCase):
    @unittest.skipIf(shutil.which("cc") is None, "no cc")
    def test_the_driver_calls_the_library_as_its_header_says(self):
        include = Path(__file__).parent.parent / "include"
        checked = ["cc", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-I", include, TOOLS / "driver.c"]
        subprocess.run(checked, check=True)

    def test_the_operations_that_cases_name_are_the_drivers(self):
        known = set(re.findall(r'\{ "([\w-]+)", \w+, \d \}', (TOOLS / "driver.c").read_text()))
        named = set()
        for path in Path(__file__).parent.glob("**/*.py"):
            named |= set(re.findall(r'\["driver", "([\w-]+)"', path.read_text()))
            named |= set(re.findall(r'tool\("driver"\), "([\w-]+)"', path.read_text()))
        self.assertEqual(named, known)


if __name__ == "__main__":
    unittest.main()
