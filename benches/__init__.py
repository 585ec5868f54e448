# SPDX-License-Identifier: Apache-2.0
"""The benchmarks: what the library takes beside other programs, on the same data. `make bench` runs them all.

tools/          programs that the benchmarks run: operations of the library and of podman, limits, data, measuring
tar-crate.rs    the tar crate's own unpacking, one of the peers
places.py       the file systems that cases run on
data.py         the data, always the same
model.py        a case, its contenders, what it is to reach, and what was measured
cases/          the cases
runner.py       runs the contenders of a case in alternation
judge.py        medians, ratios, goals, and what became slower than the committed figures
summary.py      what the report opens with
report.py       BENCHMARKS.md, made of results.json alone; plot.py its pictures
"""
