# SPDX-License-Identifier: Apache-2.0
"""python3 -m benches [--quick] [--runs N] [--work DIRECTORY] [CASE...]: see `make bench`."""

import argparse
import dataclasses
import datetime
import fcntl
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from . import cases, judge, machine, places, plot, report
from .model import Settings, Skipped
from .runner import Failed, Runner, choose, shown

ROOT = Path(__file__).resolve().parent.parent
RESULTS = "benches/results.json"
REPORT = "BENCHMARKS.md"
PICTURES = "benches/plots"
FAILED = "failed:"
FLAGS = ["-O2", "-Wall", "-Wextra"]


def arguments():
    parser = argparse.ArgumentParser(prog="python3 -m benches", description="Runs the benchmarks.")
    parser.add_argument(
        "cases", nargs="*", help="parts of the names of the cases to be run; all of them if there is none"
    )
    parser.add_argument(
        "--quick", action="store_true", help="an eighth of the data and three runs, to check the harness"
    )
    parser.add_argument("--runs", type=int, default=0, help="runs of each contender; 5, or 3 with --quick")
    parser.add_argument("--work", type=Path, default=ROOT / "build/bench", help="where images and data are")
    parser.add_argument("--prefix", type=Path, default=ROOT / "build/prefix", help="where the library is installed")
    parser.add_argument("--tar-crate", type=Path, default=ROOT / "target/release/examples/tar-crate")
    parser.add_argument("--list", action="store_true", help="lists the cases")
    parser.add_argument(
        "--update", action="store_true", help=f"puts the named cases into {RESULTS} in place of their earlier results"
    )
    parser.add_argument("--render", action="store_true", help=f"writes {REPORT} anew from {RESULTS}")
    return parser.parse_args()


def build(settings, tar_crate):
    """Compiles the programs that the cases run."""
    settings.programs.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "PKG_CONFIG_PATH": str(settings.prefix / "lib/pkgconfig")}
    words = subprocess.run(
        ["pkg-config", "--cflags", "--libs", "crutils"], check=True, capture_output=True, text=True, env=environment
    ).stdout.split()
    for source in sorted((ROOT / "benches/tools").glob("*.c")):
        libraries = {"driver": [*words, f"-Wl,-rpath,{settings.prefix / 'lib'}"], "frames": ["-lzstd"]}.get(source.stem, [])
        subprocess.run(["cc", *FLAGS, source, *libraries, "-o", settings.programs / source.stem], check=True)
    link = settings.programs / "tar-crate"
    link.unlink(missing_ok=True)
    if tar_crate.exists():
        link.symlink_to(tar_crate.resolve())


def build_podman(settings, skip):
    """Builds podman's own code, if it can be had."""
    program = settings.programs / "podman-crutils"
    program.unlink(missing_ok=True)
    command = [ROOT / "scripts/podman-crutils", "build", program]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        words = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
        skip("podman's own code", words[-1])


def wanted(case, names):
    return not names or any(name in case.name for name in names)


def measured(case, place, settings, skip):
    """A case's results, as results.json has them."""
    contenders = choose(case.contenders(place), settings, lambda name, why: skip(f"{case.name}: {name}", why))
    runs = min(settings.runs, case.runs or settings.runs)
    tell(f"{case.name}: data")
    samples = Runner(settings, place).case(case, contenders, runs, tell)
    return {
        "name": case.name,
        "title": case.title,
        "data": case.data,
        "note": case.note,
        "group": case.group,
        "size": case.size,
        "runs": runs,
        "metric": case.metric,
        "plot": case.plot,
        "memory": case.memory,
        "goals": [goal.as_json() for goal in case.goals],
        "contenders": [
            {
                "name": one.name,
                "role": one.role,
                "command": shown(one).replace(f"{place.directory}/", ""),
                "samples": [dataclasses.asdict(sample) for sample in samples[one.name]],
            }
            for one in contenders
        ],
    }


def tell(line):
    """What is going on, on a line that the next one replaces."""
    if sys.stderr.isatty():
        print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)


def run_all(settings, names):
    """(cases, skipped): whatever can run, place by place, so that there is one image at a time."""
    found, skipped = [], []

    def skip(name, why):
        tell("")
        print(f"skipped: {name}: {why}", flush=True)
        skipped.append([name, why])

    build_podman(settings, skip)

    for name in cases.PLACES:
        chosen = [case for case in cases.of_place(name, settings) if wanted(case, names)]
        if not chosen:
            continue
        try:
            with places.place(name, settings.work, cases.room(settings)) as place:
                for case in chosen:
                    try:
                        found.append(measured(case, place, settings, skip))
                        print_case(found[-1])
                    except Skipped as reason:
                        skip(case.name, str(reason))
                    except (Failed, subprocess.CalledProcessError, OSError) as reason:
                        skip(case.name, f"{FAILED} {reason}")
        except Skipped as reason:
            skip(", ".join(case.name for case in chosen), str(reason))
    return found, skipped


def print_case(case):
    tell("")
    print(case["name"])
    for one in case["contenders"]:
        wall, inside = (judge.middle(one["samples"], metric) for metric in ("wall", "inside"))
        words = f"  {one['name']:40} {plot.duration(wall):>9}"
        print(words + (f"  {plot.duration(inside):>9} in the process" if inside else ""))
    sys.stdout.flush()


def write(results, directory, names):
    """Writes results, pictures and the report below a directory."""
    pictures = {}
    for subject in report.TITLES:
        lines = plot.series(results["cases"], subject)
        if lines:
            path = directory / PICTURES / f"{subject}.svg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(plot.picture(report.TITLES[subject], lines))
            pictures[subject] = str(path.relative_to(directory))
    (directory / RESULTS).parent.mkdir(parents=True, exist_ok=True)
    (directory / RESULTS).write_text(lines_of(results))
    (directory / REPORT).write_text(report.markdown(results, pictures))
    print(f"\nwritten: {directory / REPORT}" + (f", of the cases named {' '.join(names)}" if names else ""))


def lines_of(results):
    """Results as JSON with a line for each case, so that differences can be read."""
    head = {name: value for name, value in results.items() if name != "cases"}
    cases_of = ",\n".join(json.dumps(case) for case in results["cases"])
    return json.dumps(head, indent=1)[:-2] + ',\n "cases": [\n' + cases_of + "\n]}\n"


def main():
    # Trees of hostile archives are deep, and os.walk recurses.
    sys.setrecursionlimit(1 << 15)
    asked = arguments()
    if asked.render:
        write(json.loads((ROOT / RESULTS).read_text()), ROOT, [])
        return 0
    settings = Settings(
        ROOT, asked.work.resolve(), asked.prefix.resolve(), asked.runs or (3 if asked.quick else 5), asked.quick
    )
    names = [case.name for place in cases.PLACES for case in cases.of_place(place, settings)]
    if asked.list:
        print("\n".join(names))
        return 0
    if asked.update and asked.quick:
        raise SystemExit("--update needs cases of the whole size")
    for part in asked.cases:
        if not any(part in name for name in names):
            raise SystemExit(f"no case has {part} in its name; --list lists them")
    # Whatever ends this unmounts what it mounted.
    for number in signal.SIGINT, signal.SIGTERM, signal.SIGHUP:
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    settings.work.mkdir(parents=True, exist_ok=True)
    with open(settings.work / "lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SystemExit(f"another run is at work in {settings.work}") from None
        places.clear(settings.work)
        build(settings, asked.tar_crate)
        before = machine.described(settings.work)
        found, skipped = run_all(settings, asked.cases)
    return conclude(settings, asked, before, found, skipped)


def conclude(settings, asked, before, found, skipped):
    """Writes and says what was found. The committed files are written of a whole run alone, or brought up to date."""
    version = subprocess.run(
        [ROOT / "scripts/cargo-field", "version"], check=True, capture_output=True, text=True
    ).stdout.strip()
    results = {
        "command": "make bench",
        "date": datetime.date.today().isoformat(),
        "version": version,
        "quick": settings.quick,
        "machine": before,
        "cases": found,
        "skipped": skipped,
    }
    print()
    print("\n".join(report.summary(found)))
    slower = judge.slower(results, committed())
    if slower:
        print("\n" + "\n".join(slower))
    if asked.update:
        results = judge.updated(json.loads((ROOT / RESULTS).read_text()), results)
    write(results, ROOT if asked.update or not (asked.quick or asked.cases) else settings.work, asked.cases)
    return 1 if any(why.startswith(FAILED) for _, why in skipped) else 0


def committed():
    """The results that are committed, or those that are there if there is no repository."""
    shown = subprocess.run(["git", "-C", ROOT, "show", f"HEAD:{RESULTS}"], capture_output=True, text=True, check=False)
    if shown.returncode == 0:
        return json.loads(shown.stdout)
    return json.loads((ROOT / RESULTS).read_text()) if (ROOT / RESULTS).exists() else {}


if __name__ == "__main__":
    sys.exit(main())
