"""The README's picture: every headline claim, what was measured of it, and its verdict.

It is SVG written here, so that the same records give the same bytes on every machine; its colours
follow the reader's light or dark setting.
"""

from collections.abc import Iterable, Iterator
from html import escape

from paperlib.evidence.verdicts import HOLDS, NO_EFFECT, REVERSED, Verdict

LABELS, PANEL, WORDS, ROW, TOP = 555, 330, 130, 22, 44  # pixels
LOWEST, HIGHEST, STEP = -10, 25, 5  # points
CLASSES = {HOLDS: "better", REVERSED: "worse", NO_EFFECT: "none"}  # of all other words "open"
STYLE = """text { font: 12px system-ui, sans-serif; fill: #1f2328 }
.small { font-size: 11px; fill: #59636e }
.name { font-weight: 600 }
.zero { stroke: #818b98 }
.panel { fill: #818b98; fill-opacity: 0.1 }
.paper { fill: none; stroke: #59636e; stroke-width: 1.5 }
.open { stroke: #818b98; fill: #818b98 }
.none { stroke: #0969da; fill: #0969da }
.better { stroke: #1a7f37; fill: #1a7f37 }
.worse { stroke: #cf222e; fill: #cf222e }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc }
.small { fill: #9198a1 }
.paper { stroke: #9198a1 }
.none { stroke: #4493f8; fill: #4493f8 }
.better { stroke: #3fb950; fill: #3fb950 }
.worse { stroke: #f85149; fill: #f85149 }
}"""


def svg(found: Iterable[tuple[str, Verdict]]) -> str:
    """A row per headline claim: our effect with its interval, the paper's own, the verdict.

    Args:
        found: names of papers, and verdicts on their claims; others than headline claims are left
            out.
    """
    rows = [(slug, verdict) for slug, verdict in found if verdict.claim.headline]
    height, width = len(rows) * ROW, LABELS + PANEL + WORDS
    tall = TOP + height + 22
    size = f'width="{width}" height="{tall}" viewBox="0 0 {width} {tall}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size}>',
        "<title>The headline claims: measured effects and verdicts</title>",
        f"<style>\n{STYLE}\n</style>",
        '<text x="0" y="14">Points of accuracy that each headline claim is about: ours with its '
        "interval (dots), the paper's in its own setting (diamonds)</text>",
        f'<rect class="panel" x="{LABELS}" y="{TOP}" width="{PANEL}" height="{height}"/>',
        f'<line class="zero" x1="{_x(0)}" x2="{_x(0)}" y1="{TOP}" y2="{TOP + height}"/>',
    ]
    for points in range(LOWEST, HIGHEST + 1, STEP):
        place = f'x="{_x(points)}" y="{TOP + height + 14}" text-anchor="middle"'
        lines.append(f'<text class="small" {place}>{_signed(points)}</text>')
    for row, (slug, verdict) in enumerate(rows):
        lines += _row(slug, verdict, TOP + row * ROW + ROW // 2)
    return "\n".join([*lines, "</svg>", ""])


def _x(points: float) -> str:
    """Where so many points are; what is beyond the panel is at its edge."""
    share = (min(max(points, LOWEST), HIGHEST) - LOWEST) / (HIGHEST - LOWEST)
    return f"{LABELS + share * PANEL:.1f}"


def _signed(points: int) -> str:
    return f"{points:+d}".replace("-", "−") if points else "0"


def _row(slug: str, verdict: Verdict, y: int) -> Iterator[str]:
    claim, own, kind = verdict.claim, verdict.measured, CLASSES.get(verdict.word, "open")
    yield f'<text class="name" x="0" y="{y + 4}">{slug}</text>'
    yield f'<text class="small" x="40" y="{y + 4}">{escape(claim.text)}</text>'
    if claim.points is not None:
        x = float(_x(claim.points))
        yield f'<path class="paper" d="M{x - 5:.1f} {y}l5 -5l5 5l-5 5z"/>'
    if own is not None:
        low, high = _x(own.low), _x(own.high)
        yield f'<line class="{kind}" stroke-width="2" x1="{low}" x2="{high}" y1="{y}" y2="{y}"/>'
        yield f'<circle class="{kind}" cx="{_x(own.mean)}" cy="{y}" r="3.5"/>'
    yield f'<text class="small" x="{LABELS + PANEL + 10}" y="{y + 4}">{verdict.word}</text>'
