# SPDX-License-Identifier: Apache-2.0
"""A case, its contenders, what it is to reach, and what was measured."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

LIBRARY, PEER, LIMIT = "library", "peer", "limit"

WALL, INSIDE, PEAK, SIZE = "wall", "inside", "peak", "size"


class Skipped(Exception):
    """Why something can't run here."""


@dataclass
class Contender:
    """A command that does a case's work. Paths in it are relative to the case's place."""

    name: str
    role: str
    command: list
    # What is made anew before each run, outside of the time: directories that have to be there.
    directories: tuple = ("out",)
    # A call before each run, after the destination is removed and before the file system is synced.
    prepare: Callable = None
    # The same, after it was synced: what has to be unwritten when the run begins.
    prepare_unsynced: Callable = None
    # The file whose size tells how well the contender compressed.
    archive: str = None
    # Exit statuses that are success.
    statuses: tuple = (0,)
    # Programs that have to be there, beside the first of the command.
    needs: tuple = ()
    # How many cores it may use, if not all.
    cores: int = None


@dataclass
class Goal:
    """What a case is to reach: the subject's median at most `factor` times the peer's, or at most `limit`."""

    words: str
    subject: str
    metric: str = WALL
    peer: str = None
    factor: float = None
    limit: float = None

    def as_json(self):
        return {name: value for name, value in vars(self).items() if value is not None}


@dataclass
class Case:
    """One line of work and those who do it."""

    name: str
    title: str
    # What is worked on, in words, with its size.
    data: str
    # Makes the data in a place, and answers the contenders.
    contenders: Callable
    goals: list = field(default_factory=list)
    # Under which heading of the report it is; the series for the plots have none.
    group: str = ""
    # What a reader has to know to read the figures.
    note: str = ""
    # Bytes that the size of the machine's figures depends on; figures of other sizes aren't compared.
    size: int = 0
    # Runs, if they are others than for all.
    runs: int = None
    # What of the measurements the table leads with.
    metric: str = WALL
    # If the case is one of a series for a plot: which plot, and where on the axis.
    plot: tuple = None
    # Which of the promises about memory holds: "reading", "writing" or none.
    memory: str = None


@dataclass
class Sample:
    """What one run took."""

    wall: float
    user: float
    system: float
    peak: int
    written: int
    inside: float = None
    size: int = None


@dataclass
class Settings:
    """What was asked for, and where things are."""

    root: Path
    work: Path
    prefix: Path
    runs: int
    quick: bool

    @property
    def programs(self):
        return self.work / "bin"

    @property
    def mib(self):
        """How much memory the large bundle has."""
        return 128 if self.quick else 1024

    @property
    def series(self):
        """How much memory the bundles of the plots have, in MiB."""
        return (16, 64, 256) if self.quick else (64, 256, 1024, 4096)

    @property
    def files(self):
        return 2000 if self.quick else 20000
