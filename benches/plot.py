# SPDX-License-Identifier: Apache-2.0
"""Pictures of time against size, as SVG. Both axes are logarithmic."""

import math
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 760, 420
LEFT, RIGHT, TOP, BOTTOM = 78, 214, 44, 52
# The library's lines are drawn through, peers' are dashed, for those who don't see the colours.
COLOURS = ("#0b6e4f", "#c8553d", "#2f5d9b", "#8a5a00", "#7b3f8c", "#555555")
PEER_DASH = "6 4"
GAP = 17


def duration(seconds):
    """A time in the unit that suits it."""
    for unit, factor in ("s", 1), ("ms", 1e3), ("µs", 1e6):
        if seconds * factor >= 0.9995 or unit == "µs":
            return f"{seconds * factor:.3g} {unit}"


def size(mib):
    return f"{mib // 1024} GiB" if mib >= 1024 and mib % 1024 == 0 else f"{mib} MiB"


def decades(least, most):
    """The powers of ten that enclose what is between, at least one apart."""
    low, high = math.floor(math.log10(least)), math.ceil(math.log10(most))
    return range(low, max(high, low + 1) + 1)


def spaced(wanted, gap, least, most):
    """Places for labels as near as may be to those wanted, none closer than the gap, all of them between."""
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    placed = [0.0] * len(wanted)
    last = least - gap
    for index in order:
        last = placed[index] = max(wanted[index], last + gap)
    over = max(0.0, last - most)
    for index in reversed(order):
        if over <= 0:
            break
        placed[index] = min(placed[index], most)
        most = placed[index] - gap
    return placed


class Axes:
    """Where numbers are on the picture."""

    def __init__(self, sizes, times):
        self.sizes = sizes
        self.powers = decades(min(times), max(times))

    def x(self, mib):
        low, high = math.log(self.sizes[0]), math.log(self.sizes[-1])
        share = (math.log(mib) - low) / (high - low) if high > low else 0.5
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, seconds):
        low, high = self.powers[0], self.powers[-1]
        return HEIGHT - BOTTOM - (math.log10(seconds) - low) / (high - low) * (HEIGHT - TOP - BOTTOM)


def grid(axes):
    for power in axes.powers:
        y = axes.y(10.0**power)
        yield f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#d0d0d0"/>'
        yield f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{duration(10.0**power)}</text>'
    for mib in axes.sizes:
        x = axes.x(mib)
        yield f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="#ececec"/>'
        yield f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 19}" text-anchor="middle">{size(mib)}</text>'


def line(axes, points, colour, dash):
    path = " ".join(f"{axes.x(mib):.1f},{axes.y(seconds):.1f}" for mib, seconds in points)
    yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>'
    for mib, seconds in points:
        yield f'<circle cx="{axes.x(mib):.1f}" cy="{axes.y(seconds):.1f}" r="3.5" fill="{colour}"/>'


def picture(title, lines):
    """The picture of lines: [(name, [(MiB, seconds), ...]), ...], each with at least one point."""
    sizes = sorted({mib for _, points in lines for mib, _ in points})
    axes = Axes(sizes, [seconds for _, points in lines for _, seconds in points])
    ends = [axes.y(max(points)[1]) for _, points in lines]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        'font-family="sans-serif" font-size="13" fill="#222222">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="24" font-size="15" font-weight="bold">{escape(title)}</text>',
        *grid(axes),
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2:.0f}" y="{HEIGHT - 10}" text-anchor="middle">memory pages</text>',
    ]
    for style, (name, points) in enumerate(lines):
        dash = "" if name.startswith("libcrutils") else f' stroke-dasharray="{PEER_DASH}"'
        parts.extend(line(axes, sorted(points), COLOURS[style % len(COLOURS)], dash))
    for style, ((name, points), y) in enumerate(zip(lines, spaced(ends, GAP, TOP, HEIGHT - BOTTOM))):
        colour = COLOURS[style % len(COLOURS)]
        end = axes.x(max(points)[0]) + 6
        parts.append(
            f'<line x1="{end:.1f}" x2="{end + 12:.1f}" y1="{ends[style]:.1f}" y2="{y:.1f}" stroke="{colour}"/>'
        )
        parts.append(
            f'<text x="{end + 16:.1f}" y="{y + 4:.1f}" fill="{colour}">{escape(name)}, '
            f"{duration(max(points)[1])}</text>"
        )
    return "\n".join([*parts, "</svg>", ""])


def series(cases, subject):
    """The lines of one plot, of the cases' medians."""
    from .judge import middle

    lines = {}
    for case in cases:
        if not case.get("plot") or case["plot"][0] != subject:
            continue
        system = case["name"].split("/")[0] if "/" in case["name"] else None
        for one in case["contenders"]:
            value = middle(one["samples"], "inside") or middle(one["samples"], "wall")
            if value:
                name = f"{one['name'].split(' -a')[0]}{' --reflink' if 'reflink' in one['name'] else ''}"
                lines.setdefault(f"{name}, {system}" if system else one["name"], []).append((case["plot"][1], value))
    return list(lines.items())
