# SPDX-License-Identifier: Apache-2.0
"""BENCHMARKS.md, made of results.json, and of choices.md, which people write."""

import textwrap
from pathlib import Path

from . import judge, summary as short
from .model import INSIDE, LIBRARY, LIMIT, PEER, SIZE, WALL
from .plot import duration

WIDTH = 120
GROUPS = (
    "Uncompressed bundles",
    "Compressed bundles",
    "Finding the runtime",
    "Parts of an archive",
    "Looking into a checkpoint",
    "Images",
    "Small files",
    "Real archives",
    "Finding changes",
    "Hostile archives",
)
TITLES = {
    "import": "Import, uncompressed: time against size",
    "export": "Export, uncompressed: time against size",
    "runtime": "Runtime look-up: time against size",
}

CHOICES = Path(__file__).with_name("choices.md")

LIMITS = """\
The last column is what the same work comes to with nothing but the system calls, or the tool that does the decisive
part of it alone: the case's *limit*, by the same measure."""

METHOD = """\
Each case runs its contenders in alternation, every round in another order, and gives the median of their runs, with the
least and the most. A run begins with its destination removed and its file system synced; sources are in the page cache
unless a case says otherwise. Nobody waits for the disk at the end, unless a case says so: what is measured is the time
until the program returns; writes of gigabytes are slowed towards the disk's speed by the kernel all the same. Each file
system is an image of its own in a file, behind a loop device with direct I/O, so that nothing is cached twice. Before a
run that writes much, as much memory is taken and given back: a virtual machine's host may have reclaimed what was free,
and whoever came first would have paid for getting it again.

Time is that of the process, from its start to its end, but where "in the process" says that the library's call alone is
timed. CPU is user and system time together, with that of programs that it starts. Memory is the largest resident set of
any process of the run. Written is what the kernel counts for the process as written (`write_bytes` of `/proc/PID/io`):
pages dirtied in the page cache. What is cloned isn't written; a copy by `cp -a --reflink=always` is 0.

Ratios are the library's median by the other's: 0.5x is half of its time. Limits that aren't tools of their own are in
`benches/tools/limits.c` and `frames.c`. `driver` is `benches/tools/driver.c`, one call of the library in a process of its own."""


def bytes_of(number):
    """A number of bytes in the unit that suits it."""
    if number is None or number < 0:
        return "?"
    for unit in "B", "KiB", "MiB", "GiB":
        if number < 1024 or unit == "GiB":
            return f"{number:.0f} {unit}" if unit == "B" or number >= 100 else f"{number:.3g} {unit}"
        number /= 1024


def times(number):
    """A ratio in as many digits as mean something."""
    if number is None:
        return ""
    return f"{number:.0f}x" if number >= 100 else f"{number:.2g}x" if number < 0.1 else f"{number:.3g}x"


def table(header, rows, right):
    """A table in Markdown; columns from `right` on are numbers."""
    lines = [
        "| " + " | ".join(header) + " |",
        "| " + " | ".join("---" if index < right else "---:" for index in range(len(header))) + " |",
    ]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def verdict(reached):
    return {None: "not measured", True: "yes", False: "**no**"}[reached]


def reached_words(goal, found):
    if found is None:
        return ""
    return times(found) if "peer" in goal else duration(found)


def grouped(cases):
    """[(group, its cases)] in the report's order, without what is for the plots alone."""
    found = [(group, [case for case in cases if case["group"] == group]) for group in GROUPS]
    return [(group, members) for group, members in found if members]


def goals(cases):
    """Every goal of every case, with what was reached and how near the limit is."""
    rows = []
    for case in [case for _, members in grouped(cases) for case in members]:
        for goal in case["goals"]:
            reached, found = judge.judged(case, goal)
            rows.append(
                [
                    f"[{goal['words']}](#{anchor(case['title'])})",
                    reached_words(goal, found),
                    verdict(reached),
                    limit_words(case, goal),
                ]
            )
    return table(["to reach", "measured", "reached", "limit"], rows, 1)


def limit_words(case, goal):
    """What the best of the case's limits would make of the goal: nothing that uses the same calls gets below it."""
    metric = goal.get("metric", WALL)
    limits = [one for one in case["contenders"] if one["role"] == LIMIT and one["name"] != goal.get("peer")]
    values = [judge.middle(one["samples"], metric) for one in limits]
    values = [value for value in values if value is not None]
    if not values or goal["subject"] not in [one["name"] for one in case["contenders"]] or metric == SIZE:
        return ""
    if "peer" not in goal:
        return duration(min(values))
    peer = judge.value(case, goal["peer"], metric)
    role = judge.contender(case, goal["peer"])["role"] if peer else None
    return times(min(values) / peer) if role in (PEER, LIMIT) else ""


def memory(results):
    """The most memory that the library took, of all cases that read and of all that write."""
    rows = []
    for kind, words in ("reading", "import, apply, look-up"), ("writing", "export, diff"):
        found = [
            (*judge.memory(case), case)
            for case in results["cases"]
            if case.get("memory") == kind and judge.memory(case)
        ]
        if found:
            name, peak, promised, case = max(found, key=lambda one: one[1])
            rows.append(
                [words, bytes_of(peak), bytes_of(promised), verdict(peak <= promised), f"{case['title']}: {name}"]
            )
    return table(["what", "peak", "promised", "kept", "of all cases, the most"], rows, 5)


def anchor(title):
    """The fragment that a heading of this title gets."""
    kept = "".join(c for c in title.lower() if c.isalnum() or c in " -_")
    return kept.replace(" ", "-")


def archive_size(samples):
    size = judge.middle(samples, SIZE)
    return bytes_of(size) if size else ""


def case_rows(case, libraries, metric):
    inside = any(judge.middle(one["samples"], INSIDE) for one in case["contenders"])
    archive = any(judge.middle(one["samples"], SIZE) for one in case["contenders"])
    header = [
        "",
        *(["in the process"] if inside else []),
        "median",
        "least to most",
        *(f"{name} / this" if len(libraries) > 1 else "ratio" for name in libraries),
        "CPU",
        "memory",
        "written",
        *(["archive"] if archive else []),
    ]
    rows = []
    for one in case["contenders"]:
        samples = one["samples"]
        if not samples:
            continue
        least, most = judge.spread(samples, WALL)
        own = judge.middle(samples, metric)
        cpu = judge.middle([{"cpu": sample["user"] + sample["system"]} for sample in samples], "cpu")
        called = judge.middle(samples, INSIDE)
        name = (
            f"**{one['name']}**"
            if one["role"] == LIBRARY
            else f"*limit:* {one['name']}"
            if one["role"] == LIMIT
            else one["name"]
        )
        ratios = [
            "" if name_of == one["name"] else times(judge.ratio(judge.value(case, name_of, metric), own))
            for name_of in libraries
        ]
        rows.append(
            [
                name,
                *([duration(called) if called else ""] if inside else []),
                duration(judge.middle(samples, WALL)),
                f"{duration(least)} to {duration(most)}",
                *ratios,
                duration(cpu) if cpu else "0",
                bytes_of(max(s["peak"] for s in samples)),
                bytes_of(judge.middle(samples, "written")),
                *([archive_size(samples)] if archive else []),
            ]
        )
    return header, rows


REACHED = {None: "not measured", True: "reached", False: "not reached"}


AIMS = "What the authors want to reach"


def wrapped(text):
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)


def case_section(case):
    libraries = [one["name"] for one in case["contenders"] if one["role"] == LIBRARY and one["samples"]]
    header, rows = case_rows(case, libraries, case.get("metric", WALL))
    lines = [
        f"### {case['title']}",
        "",
        wrapped(f"{case['data'][0].upper()}{case['data'][1:]}. {case['runs']} runs each."),
        "",
        table(header, rows, 1),
        "",
    ]
    if case.get("note"):
        lines += [wrapped(case["note"]), ""]
    for goal in case["goals"]:
        reached, found = judge.judged(case, goal)
        lines.append(f"- {goal['words']}: {reached_words(goal, found)}, {REACHED[reached]}")
    width = max(len(one["name"]) for one in case["contenders"])
    commands = [f"{one['name']:{width}}  {one['command']}" for one in case["contenders"]]
    return "\n".join([*lines, *([""] if case["goals"] else []), "```", *commands, "```", ""])


def machine(results):
    found = results["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    return wrapped(
        f"Measured on {results['date']}, version {results['version']}, on {found['processor']}, {found['cores']} "
        f"{'virtual ' if found['virtual'] else ''}cores, {bytes_of(found['memory'])} of memory, Linux "
        f"{found['kernel']}. Cases that name no file system ran on {found['file system']}. The peers: {versions}. The "
        f"machine's load before the first run was {found['load']:.2f}."
    )


def opening(results):
    """What a reader wants to know first."""
    rows = short.compared(results)
    if not rows:
        return []
    cells = [short.cells(row, times) for row in rows]
    return ["## In short\n", wrapped(f"{short.WORDS} {short.conclusion(rows)}") + "\n", table(short.HEADER, cells, 1) + "\n"]


def markdown(results, pictures):
    """The whole report. `pictures`: {subject: path of its plot, as seen from the report}."""
    parts = [
        "# Benchmarks\n",
        f"Made by `{results['command']}`, which makes the data, runs every case and writes this file.\n",
        machine(results) + "\n",
    ]
    if results.get("later"):
        later = ", ".join(results["later"])
        parts.append(wrapped(f"Measured once more since then, in a run without the others: {later}.") + "\n")
    if results["quick"]:
        parts.append("**Sizes are reduced: these figures check the harness, not the library.**\n")
    parts += opening(results)
    parts += ["Memory, in all cases:\n", memory(results) + "\n"]
    if pictures:
        parts += ["## Time against size\n"]
        parts += [f"![{TITLES[subject]}]({path})\n" for subject, path in pictures.items()]
    parts += ["## How it is measured\n", METHOD + "\n"]
    for group, members in grouped(results["cases"]):
        parts += [f"## {group}\n", *(case_section(case) for case in members)]
    parts += [f"## {AIMS}\n", goals(results["cases"]) + "\n", LIMITS + "\n"]
    parts += ["## What was chosen\n", CHOICES.read_text(encoding="utf-8")]
    if results["skipped"]:
        parts += ["## What didn't run\n", "\n".join(f"- {name}: {why}" for name, why in results["skipped"]) + "\n"]
    return "\n".join(parts)


def summary(cases):
    """The goals as lines for a terminal."""
    lines = []
    for case in [case for _, members in grouped(cases) for case in members]:
        for goal in case["goals"]:
            reached, found = judge.judged(case, goal)
            mark = {None: "?      ", True: "reached", False: "NOT    "}[reached]
            lines.append(f"{mark} {goal['words']}: {reached_words(goal, found) or 'not measured'}")
    return lines
