# SPDX-License-Identifier: Apache-2.0
"""Runs the contenders of a case in alternation, and measures each run."""

import mmap
import os
import shutil
import signal
import subprocess

from .model import INSIDE, LIBRARY, Sample, Skipped

# What a run makes, and what is removed before the next one.
DESTINATIONS = ("out", "out.tar")
# From so many bytes on, where the memory for them comes from makes a difference.
MUCH = 64 << 20
TOUCH = b"\1" * (4 << 20)


class Failed(Exception):
    """A contender failed, and what it said."""


def available(contender, settings):
    """The contenders' programs that are missing here."""
    words = [contender.command[0], *contender.needs]
    return [word for word in words if shutil.which(word) is None and not (settings.programs / word).exists()]


def shown(contender):
    """A contender's command as a person would type it."""
    words = [*(["taskset", "-c", f"0-{contender.cores - 1}"] if contender.cores else []), *map(str, contender.command)]
    return " ".join(f"'{word}'" if " " in word or "*" in word else word for word in words)


def remove(path):
    # Trees of hostile archives are deeper than Python recurses.
    subprocess.run(["rm", "-rf", "--", path], check=True)


class Runner:
    """Runs commands in a place."""

    def __init__(self, settings, place):
        self.settings = settings
        self.place = place
        # Where the runs' own figures go, which isn't the file system that is measured.
        self.result = settings.work / "result"

    def case(self, case, contenders, runs, tell):
        """The samples of every contender by name. Each round runs all of them, every time in another order, and after
        others."""
        samples = {contender.name: [] for contender in contenders}
        most = self.settings.mib << 20
        for contender in contenders:
            self.warm(contender)
        for number in range(runs):
            turn = number % len(contenders)
            order = contenders[turn:] + contenders[:turn]
            for contender in reversed(order) if number % 2 else order:
                tell(f"{case.name}: run {number + 1} of {runs}: {contender.name}")
                samples[contender.name].append(self.run(contender, most))
                most = max(sample.written for done in samples.values() for sample in done)
        self.clean()
        return samples

    def clean(self):
        for name in DESTINATIONS:
            remove(self.place.path(name))

    def warm(self, contender):
        """Reads the files that a command names, so that all find them in the page cache from the first run on."""
        for word in map(str, contender.command):
            path = self.place.path(word)
            if path.is_file():
                read(path)
            elif path.is_dir():
                for parent, _, files in os.walk(path):
                    for file in files:
                        read(os.path.join(parent, file))

    def run(self, contender, written=0):
        """One run, which may write so many bytes, beginning without the destination and with nothing left to be
        written."""
        self.clean()
        for name in contender.directories:
            self.place.path(name).mkdir()
        if contender.prepare:
            contender.prepare()
        self.place.sync()
        if contender.prepare_unsynced:
            contender.prepare_unsynced()
        take_memory(written)
        output, words = self.measured(contender)
        wall, user, system, peak, written, status = words.split()
        if os.waitstatus_to_exitcode(int(status)) not in contender.statuses:
            raise Failed(f"{shown(contender)}: status {status}: {output}")
        sample = Sample(float(wall), float(user), float(system), int(peak) << 10, int(written))
        for line in output.splitlines():
            if line.startswith(f"{INSIDE} "):
                sample.inside = float(line.split()[1])
        if contender.archive:
            sample.size = os.path.getsize(self.place.path(contender.archive))
        return sample

    def measured(self, contender):
        """Runs a command under `measure`: what it said, if that is the library's or a limit's, and measure's line."""
        program = self.settings.programs / contender.command[0]
        command = [str(program) if program.exists() else contender.command[0], *map(str, contender.command[1:])]
        speaks = contender.command[0] in ("driver", "frames", "limits", "podman-crutils")
        own = sorted(os.sched_getaffinity(0))[: contender.cores]
        process = subprocess.Popen(
            [self.settings.programs / "measure", self.result, *command],
            cwd=self.place.directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if speaks else subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
            preexec_fn=(lambda: os.sched_setaffinity(0, own)) if contender.cores else None,
        )
        try:
            output, errors = process.communicate()
        except BaseException:
            # The session is this process's own: nobody else is in it.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
        if process.returncode != 0:
            raise Failed(f"{shown(contender)}: {errors.decode(errors='replace')}")
        text = (output or b"").decode() + "\n" + errors.decode(errors="replace")
        return text.strip(), self.result.read_text()


def take_memory(size):
    """Has the machine own as many free bytes: a virtual one's host may have taken back what nobody used."""
    if size >= MUCH:
        with mmap.mmap(-1, size) as memory:
            for start in range(0, size - len(TOUCH) + 1, len(TOUCH)):
                memory[start : start + len(TOUCH)] = TOUCH


def read(path):
    with open(path, "rb", buffering=0) as file:
        while file.read(1 << 20):
            pass


def choose(contenders, settings, skip):
    """The contenders whose programs are there. Without the library's there is no case."""
    chosen = []
    for contender in contenders:
        missing = available(contender, settings)
        if not missing:
            chosen.append(contender)
        elif contender.role == LIBRARY:
            raise Skipped(f"no {', '.join(missing)}")
        else:
            skip(contender.name, f"no {', '.join(missing)}")
    return chosen
