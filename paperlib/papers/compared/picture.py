"""What all methods gain, as the README shows it: a table, and a picture that is text.

The picture is SVG written here, so that the same records give the same bytes on every machine; its
colours follow the reader's light or dark setting.
"""

from collections.abc import Iterator

from paperlib.archive import Archive
from paperlib.book.blocks import pipe
from paperlib.evidence.claims import DATA
from paperlib.evidence.estimates import Estimate
from paperlib.evidence.scores import Scores
from paperlib.papers.compared import PAPER, study, tables
from paperlib.papers.compared.profiles import Settings
from paperlib.papers.compared.study import DEGRADATIONS, METHODS
from paperlib.study import select

LABELS, PANEL, GAP, ROW, TOP = 240, 140, 12, 24, 46  # pixels
LOWEST, HIGHEST = -36, 12  # points
STYLE = """text { font: 12px system-ui, sans-serif; fill: #1f2328 }
.small { font-size: 11px; fill: #59636e }
.zero { stroke: #818b98 }
.panel { fill: #818b98; fill-opacity: 0.1 }
.open { stroke: #818b98; fill: #818b98 }
.better { stroke: #1a7f37; fill: #1a7f37 }
.worse { stroke: #cf222e; fill: #cf222e }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc }
.small { fill: #9198a1 }
.better { stroke: #3fb950; fill: #3fb950 }
.worse { stroke: #f85149; fill: #f85149 }
}"""


def _setting() -> tuple[Settings, str]:
    settings = select(study.PROFILES, PAPER.profile, PAPER.datasets)
    return settings, settings.datasets[0]


def _scores() -> Scores:
    settings, dataset = _setting()
    archive = Archive(DATA / "results" / "compared")
    return tables.scores(settings, dataset, study.study(settings, dataset, archive))


def block() -> str:
    """The gains as a table in Markdown, below the setting."""
    settings, dataset = _setting()
    table = tables.gain_table(dataset, _scores())
    shown = pipe(table.headers, table.rows) if table.rows else "Not measured yet."
    return f"{tables.describe(settings)}.\n\n{shown}"


def svg() -> str:
    """Dots with intervals: a row per method, a panel per degradation."""
    found = tables.gains(_scores())
    methods = [method for method in METHODS if method in found]
    height, width = len(methods) * ROW, LABELS + len(DEGRADATIONS) * (PANEL + GAP)
    tall = TOP + height + 24
    size = f'width="{width}" height="{tall}" viewBox="0 0 {width} {tall}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size}>',
        f"<title>Gain over cross-entropy with the most compute, {_setting()[1]}</title>",
        f"<style>\n{STYLE}\n</style>",
        f'<text x="0" y="14">Points of top-1 accuracy on {_setting()[1]}, gained over cross-entropy'
        " on the same degraded images with the most compute; colour: the interval excludes"
        " 0</text>",
    ]
    for row, method in enumerate(methods):
        y = TOP + row * ROW + ROW // 2
        name = METHODS[method].removesuffix(" (POW-1), clean images only")
        lines.append(f'<text class="small" x="0" y="{y + 4}">{name}</text>')
    for column, (name, label) in enumerate(DEGRADATIONS.items()):
        left = LABELS + column * (PANEL + GAP)
        lines += _panel(left, label, height)
        for row, method in enumerate(methods):
            if name in found[method]:
                lines += _dot(left, TOP + row * ROW + ROW // 2, found[method][name])
    return "\n".join([*lines, "</svg>", ""])


def _x(left: int, points: float) -> str:
    share = (min(max(points, LOWEST), HIGHEST) - LOWEST) / (HIGHEST - LOWEST)
    return f"{left + share * PANEL:.1f}"


def _panel(left: int, label: str, height: int) -> Iterator[str]:
    zero, bottom = _x(left, 0), TOP + height
    yield f'<text class="small" x="{left}" y="{TOP - 8}">{label}</text>'
    yield f'<rect class="panel" x="{left}" y="{TOP}" width="{PANEL}" height="{height}"/>'
    yield f'<line class="zero" x1="{zero}" x2="{zero}" y1="{TOP}" y2="{bottom}"/>'
    for points in (-30, -20, -10, 0, 10):
        place = f'x="{_x(left, points)}" y="{bottom + 14}" text-anchor="middle"'
        yield f'<text class="small" {place}>{str(points).replace("-", "−")}</text>'


def _dot(left: int, y: int, gain: Estimate) -> Iterator[str]:
    """Grey where the interval contains 0; an interval beyond the panel ends at its edge."""
    kind = {1: "better", 0: "open", -1: "worse"}[tables.told(gain)]
    low, high = _x(left, gain.mean - gain.half), _x(left, gain.mean + gain.half)
    yield f'<line class="{kind}" stroke-width="2" x1="{low}" x2="{high}" y1="{y}" y2="{y}"/>'
    yield f'<circle class="{kind}" cx="{_x(left, gain.mean)}" cy="{y}" r="3.5"/>'
