# SPDX-License-Identifier: Apache-2.0
"""Medians, ratios, goals, and what became slower. Works on results.json's form alone."""

from statistics import median

from .model import LIBRARY, PEER, SIZE, WALL

# What became slower than the committed ratio by more than this is said.
TOLERANCE = 1.30
# Resident memory that design.md promises, in bytes.
MEMORY = {"reading": 64 << 20, "writing": 96 << 20}


def middle(samples, metric):
    """The median of what was measured, without what wasn't; None if nothing was."""
    values = [sample[metric] for sample in samples if sample.get(metric) is not None]
    return median(values) if values else None


def spread(samples, metric):
    """The least and the most."""
    values = [sample[metric] for sample in samples if sample.get(metric) is not None]
    return (min(values), max(values)) if values else None


def contender(case, name):
    return next((one for one in case["contenders"] if one["name"] == name), None)


def value(case, name, metric):
    one = contender(case, name)
    return middle(one["samples"], metric) if one else None


def ratio(own, other):
    """How often the other's fits into one's own; None without either."""
    return own / other if own is not None and other else None


def judged(case, goal):
    """(reached or None, what was reached) of a goal: a ratio, or the metric itself."""
    own = value(case, goal["subject"], goal.get("metric", WALL))
    if own is None:
        return None, None
    if "peer" not in goal:
        return own <= goal["limit"], own
    found = ratio(own, value(case, goal["peer"], goal.get("metric", WALL)))
    return (None if found is None else found <= goal["factor"]), found


def memory(case):
    """(contender, peak, promised) of the library's contenders that took the most, or None if nothing is promised."""
    if not case.get("memory"):
        return None
    peaks = [
        (max(sample["peak"] for sample in one["samples"]), one["name"])
        for one in case["contenders"]
        if one["role"] == LIBRARY and one["samples"]
    ]
    if not peaks:
        return None
    peak, name = max(peaks)
    return name, peak, MEMORY[case["memory"]]


def ratios(case):
    """{(the library's contender, peer): ratio of the medians} of what the case's table leads with."""
    metric = case.get("metric", WALL)
    found = {}
    for own in case["contenders"]:
        for other in case["contenders"]:
            if own["role"] == LIBRARY and other["role"] == PEER:
                number = ratio(middle(own["samples"], metric), middle(other["samples"], metric))
                if number is not None:
                    found[own["name"], other["name"]] = number
    return found


def slower(new, old):
    """Lines about cases whose ratio to a peer is now larger than in the older results by more than the tolerance."""
    before = {case["name"]: case for case in old.get("cases", [])}
    lines = []
    for case in new["cases"]:
        earlier = before.get(case["name"])
        if earlier is None or earlier.get("size") != case.get("size"):
            continue
        known = ratios(earlier)
        for (own, other), now in ratios(case).items():
            then = known.get((own, other))
            if then is not None and now > then * TOLERANCE:
                lines.append(f"SLOWER: {case['name']}: {own} takes {now:.3g} of {other}'s time, {then:.3g} before")
    return lines


def compressed_ratio(case, name, peer):
    return ratio(value(case, name, SIZE), value(case, peer, SIZE))


def updated(results, later):
    """Results with the cases of a later run in place of their own, and new ones behind them; they name both."""
    found = {case["name"]: case for case in later["cases"]}
    names = sorted({*results.get("later", []), *found})
    own = [found.pop(case["name"], case) for case in results["cases"]]
    skipped = [one for one in results.get("skipped", []) if one[0] not in names]
    return {**results, "later": names, "skipped": skipped, "cases": [*own, *found.values()]}
