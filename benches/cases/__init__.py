# SPDX-License-Identifier: Apache-2.0
"""All cases, by the place that they run in."""

from ..places import HERE, MKFS, TMPFS
from . import bundle, changes, compressed, hostile, images, inspection, runtime, series, small


def room(settings):
    """How many GiB an image has to hold: the largest bundle, its archives and what comes of them, and the smaller ones."""
    return (settings.series[-1] * 5 + settings.mib * 6 + 2048) // 1024


def of_place(name, settings):
    """The cases that run in a place, in their order."""
    if name == HERE:
        return [
            *runtime.cases(settings),
            *compressed.cases(settings),
            *images.cases(settings),
            *inspection.cases(settings),
            *small.real(settings),
            *series.look_ups(settings),
        ]
    if name == TMPFS:
        return [*changes.cases(settings), *hostile.cases(settings)]
    return [*bundle.cases(name, settings), *small.cases(name, settings), *series.cases(name, settings)]


PLACES = (*MKFS, TMPFS)
