"""The tables of the page on degradations: constants, and records of parity and speed."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from paperlib.book.blocks import mode
from paperlib.degrade.draws import Draws
from paperlib.degrade.levels import truncated
from paperlib.degrade.tables import CORRUPTIONS, TABLES
from paperlib.evidence.claims import DATA
from paperlib.report import Table

MEANING = {
    "gaussian_noise": "standard deviation",
    "shot_noise": "photons at full brightness",
    "impulse_noise": "share of values",
    "defocus_blur": "radius, sigma of the edge",
    "glass_blur": "sigma, reach, iterations",
    "motion_blur": "radius, sigma",
    "zoom_blur": "end, step",
    "snow": "mean, sd, zoom, threshold, radius, sigma, image weight",
    "frost": "image weight, frost weight (scale)",
    "fog": "strength, decay",
    "brightness": "added to V",
    "contrast": "factor",
    "elastic_transform": "amplitude, sigma, shear",
    "pixelate": "factor on the size",
    "jpeg_compression": "quality",
    "speckle_noise": "standard deviation, times x",
    "gaussian_blur": "sigma",
    "spatter": "mean, sd, sigma, threshold, strength, mud?",
    "saturate": "factor on S, added to S",
}


def _row(constants: Sequence[Any]) -> str:
    return ", ".join("mud" if x is True else "water" if x is False else f"{x:g}" for x in constants)


def severities() -> Table:
    """The two published sets of constants side by side."""
    rows = [
        (name, MEANING[name], *(_rows(TABLES[table][name]) for table in ("imagenet-c", "cifar-c")))
        for name in CORRUPTIONS
    ]
    headers = ("corruption", "constants", "imagenet-c", "cifar-c")
    return Table("The constants at severities 1 to 5", headers, rows)


def _rows(rows: Sequence[Sequence[Any]]) -> str:
    # one line per severity where each has several constants
    return (", " if len(rows[0]) == 1 else "<br>").join(map(_row, rows))


def _records(pattern: str) -> list[dict[str, Any]]:
    paths = sorted((DATA / "results").glob(pattern))
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]


def series(
    function: Callable[..., Tensor], image: Tensor, values: Sequence[Mapping[str, Any]]
) -> Tensor:
    """One image under a degradation at several settings, always with the same draws.

    Args:
        function: of `paperlib.degrade`.
        image: (3, H, W) uint8.
        values: its keyword arguments in each setting.
    Returns:
        (n, 3, H, W) uint8.
    """
    batch, index = image[None], torch.zeros(1, dtype=torch.int64)
    return torch.cat(
        [truncated(function(batch, Draws(index, function.__name__), **kwargs)) for kwargs in values]
    )


POISSON_GAUSSIAN = tuple(
    {"peak": peak, "sigma": sigma} for peak, sigma in ((100, 5), (30, 10), (10, 15), (4, 20))
)
SENSOR = ({"iso": 400}, {"iso": 1600}, {"iso": 6400}, {"iso": 25600})


def parity() -> Table:
    """By table of severities the lowest PSNR, given the reference's random numbers."""
    found = [record for record in _records("parity/*.json") if "corruptions" in record]
    records = {record["table"]: record for record in found}
    names = [name for name in TABLES if name in records]
    images = {name: records[name]["images"] for name in names}
    headers = [f"{name}, {i['count']} images, {i['size']} px" for name, i in images.items()]
    rows = [
        (corruption, *(_agreement(records[name]["corruptions"].get(corruption)) for name in names))
        for corruption in CORRUPTIONS
    ]
    title = "Same random numbers: lowest PSNR, and lowest share of equal values"
    return Table(title, ("corruption", *headers), rows)


def _agreement(cells: Sequence[Mapping[str, float]] | None) -> str:
    if cells is None:
        return "in distribution"
    lowest, equal = min(cell["psnr_min"] for cell in cells), min(cell["equal"] for cell in cells)
    return "all equal" if equal == 1 else f"{lowest:.0f} dB, {100 * equal:.1f} %"


def statistics(table: str) -> Table:
    """Own random numbers: largest differences, beside those that 9 of 10 tests would find."""
    (record,) = _records("parity/statistics.json")
    part = next(part for part in record["tables"] if part["table"] == table)
    rows = []
    for wrong in part["wrong_versions"]:
        cells = [cell for cell in part["cells"] if cell["corruption"] == wrong["corruption"]]
        mean, variance = (
            max(cells, key=lambda cell: abs(cell[gap]) / cell["detectable"][limit])
            for gap, limit in (("gap_mean_levels", "mean_levels"), ("gap_variance", "variance"))
        )
        gap, limit = variance["gap_variance"], variance["detectable"]["variance"]
        rows.append(
            (
                wrong["corruption"],
                f"{cells[0]['versions_each']}",
                f"{mean['gap_mean_levels']:+.2f} ({mean['detectable']['mean_levels']:.2g})",
                f"{100 * gap:+.1f} % ({100 * limit:.2g} %)",
                f"{max(cell['detectable']['spectrum'] for cell in cells):.1%}",
                f"{min(p for cell in cells for p in cell['p'].values()):.2g}",
                f"{wrong['what']}: {'found' if wrong['noticed_by'] else 'missed'}",
            )
        )
    title = (
        f"Own random numbers, {table}, {part['size']} px: {part['rejected']} of {part['tests']} "
        f"tests reject (Holm, family-wise error {part['family_wise_error']:g})"
    )
    found = ("mean, levels", "variance", "spectrum from", "smallest p", "wrong on purpose")
    return Table(title, ("corruption", "copies a side", *found), rows)


def speed() -> list[Table]:
    """Milliseconds per image beside the package imagecorruptions; one table per device."""
    return [_speed(record) for record in _records("bench/corruptions-*.json")]


def _speed(record: Mapping[str, Any]) -> Table:
    sizes = record["sizes"]
    races = [{row["corruption"]: row for row in size["corruptions"]} for size in sizes]
    rows = [(name, *(text for race in races for text in _race(race[name]))) for name in CORRUPTIONS]
    suite, mean = ["**the whole suite**"], ["geometric mean"]
    headers = ["corruption"]
    for size in sizes:
        headers += [f"{size['size']} px: reference", "ours", "ratio"]
        total = size["summary"]
        suite += [f"{total[f'suite_{who}_ms']:.3g}" for who in ("reference", "ours")]
        suite += [f"**{total['suite_ratio']:.0f}×**"]
        mean += ["", "", f"{total['geometric_mean']:.1f}×"]
    made = record["provenance"]
    title = f"Milliseconds an image, {made['device']}, {made['threads']} threads"
    return Table(title, headers, [*rows, tuple(suite), tuple(mean)])


def _race(row: Mapping[str, Any]) -> tuple[str, str, str]:
    times = row["reference_ms_median"], row["ours_ms_median"]
    return f"{times[0]:.3g}", f"{times[1]:.3g}", f"{row['ratio']:.1f}×"


def loop() -> Table:
    """What corruption costs inside the training loop, and a whole CIFAR-10-C."""
    rows = []
    for record in _records("bench/corruption-*.json"):
        device = record["provenance"]["device"]
        for r in record["results"]:
            if "share" in r:
                what = f"in the loop, batch {r['batch']}, {mode(r)}"
                rows.append((device, what, f"{100 * r['share']:.1f} % of ResNet-18's step"))
            else:
                seconds = sorted(r["seconds"])[len(r["seconds"]) // 2]
                rows.append((device, f"{r['images']:,} images of 32 px", f"{seconds:.1f} s"))
    return Table("Inside the loop, and a set on the device", ("device", "what", "cost"), rows)
