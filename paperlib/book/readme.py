"""The README's tables, written from committed records: a test checks that they are up to date."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from tabulate import tabulate

from paperlib import papers
from paperlib.archive import Archive
from paperlib.evidence.claims import DATA
from paperlib.papers.compared import study as compared
from paperlib.papers.compared import tables as compared_tables
from paperlib.papers.dfd import study as dfd
from paperlib.papers.dfd import tables as dfd_tables
from paperlib.papers.fq import study as fq
from paperlib.papers.fq import tables as fq_tables
from paperlib.report import Table
from paperlib.study import select

PATH = Path(__file__).resolve().parents[2] / "README.md"


def write() -> bool:
    """Write every marked block of the README anew; returns whether anything changed."""
    before = PATH.read_text(encoding="utf-8")
    after = render(before)
    PATH.write_text(after, encoding="utf-8")
    return after != before


def render(text: str) -> str:
    """The text with each block between `<!-- name -->` and `<!-- end -->` replaced by what its
    function gives.

    Raises ValueError if the text has lost a block.
    """
    for name, make in BLOCKS.items():
        head, rest = text.split(f"<!-- {name} -->\n")
        text = f"{head}<!-- {name} -->\n{make()}\n<!-- end -->{rest.split('<!-- end -->', 1)[1]}"
    return text


def _results() -> str:
    """The verdicts on DFD, from the records that the chapter shows."""
    archive = Archive(DATA / "results" / "dfd")
    settings = select(dfd.PROFILES, "demo", ["cifar10"])
    items = dfd.study(settings, "cifar10", archive)
    table = dfd_tables.claims(settings, "cifar10", items)
    return f"{dfd_tables.describe(settings)}.\n\n{_pipe(table.headers, table.rows)}"


def _profiles() -> str:
    """What profiles cost, measured by whole reproductions from nothing."""
    rows = []
    for path in sorted((DATA / "results" / "cost").glob("*.json")):
        cost = json.loads(path.read_text(encoding="utf-8"))
        paper, profile, dataset = path.stem.split("-", 2)
        memory = f"{cost['peak_process_bytes'] / 2**30:.1f} GiB × {cost['workers']}"
        seconds = f"{cost['seconds'] // 60} min {cost['seconds'] % 60} s"
        rows.append(
            (
                paper,
                profile,
                dataset,
                seconds,
                memory,
                f"{cost['device']}, {cost['cores']} cores",
                cost["date"],
            )
        )
    headers = (
        "paper",
        "profile",
        "data",
        "time",
        "peak memory (process × processes)",
        "on",
        "measured",
    )
    return _pipe(headers, rows)


def _speed() -> str:
    """The student step of DFD against the usual one, from the benchmark's records."""
    rows = []
    for path in sorted((DATA / "results" / "bench").glob("dfd-step-*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        for r in record["results"]:
            mode = r["precision"] + (", compiled" if r["compile"] else "")
            ours, usual = (_range(r[f"{who}_images_per_second"]) for who in ("ours", "usual"))
            outside = f"{100 * r['share_outside']:.1f} %"
            rows.append(
                (
                    record["provenance"]["device"],
                    r["batch"],
                    mode,
                    ours,
                    usual,
                    f"{r['ratio']:.2f}×",
                    outside,
                )
            )
    headers = (
        "device",
        "batch",
        "ours in",
        "ours, images/s",
        "usual, images/s",
        "ratio",
        "outside networks and optimizer",
    )
    return _pipe(headers, rows)


def _range(values: list[float]) -> str:
    return f"{min(values):.0f} to {max(values):.0f}"


def _pipe(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    return tabulate(rows, headers, tablefmt="pipe", disable_numparse=True)


def _corruptions() -> str:
    """The suite against the package imagecorruptions: whole suite, geometric mean, worst and glass
    blur, by size."""
    rows = []
    for path in sorted((DATA / "results" / "bench").glob("corruptions-*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        for size in record["sizes"]:
            total, ratios = (
                size["summary"],
                {row["corruption"]: row["ratio"] for row in size["corruptions"]},
            )
            rows.append(
                (
                    record["provenance"]["device"],
                    f"{size['size']} × {size['size']}",
                    f"{total['suite_reference_ms']:.3g} ms",
                    f"{total['suite_ours_ms']:.3g} ms",
                    f"{total['suite_ratio']:.0f}×",
                    f"{total['geometric_mean']:.1f}×",
                    f"{ratios['glass_blur']:.0f}×",
                    f"{total['worst']} {total['worst_ratio']:.1f}×",
                )
            )
    headers = (
        "device",
        "image",
        "imagecorruptions, all 19",
        "ours",
        "ratio",
        "geometric mean",
        "glass blur",
        "least",
    )
    return _pipe(headers, rows)


def _claims() -> str:
    """How many claims of the papers with many of them got which verdict, by what they are about."""
    found: list[tuple[str, str, str, Table]] = []
    archive, settings = Archive(DATA / "results" / "fq"), fq.PROFILES["cpu"]
    for dataset in settings.datasets:
        for table in fq_tables.claims(settings, dataset, fq.study(settings, dataset, archive)):
            found.append(("fq", table.title.split(".")[0], dataset, table))
    others = (
        ("ddp", "ImageNet-C", "demo"),
        ("sfd", "ImageNet-C", "demo"),
        ("ssdl", "noise, relative", "cpu"),
    )
    for slug, about, profile in others:
        module, tables = papers.study(slug), papers.tables(slug)
        settings = select(module.PROFILES, profile, ["cifar10"])
        items = module.study(settings, "cifar10", Archive(DATA / "results" / slug))
        found.append((slug, about, "cifar10", tables.claims(settings, "cifar10", items)))
    rows = []
    for *head, table in found:
        verdicts = [row[-1] for row in table.rows]
        rows.append((*head, len(verdicts), *(verdicts.count(verdict) for verdict in VERDICTS)))
    return _pipe(("paper", "claims of", "measured on", "claims", *VERDICTS), rows)


def _compared() -> str:
    """The page on all methods: what each adds to cross-entropy on the same images."""
    settings = select(compared.PROFILES, "demo", ["cifar10"])
    items = compared.study(settings, "cifar10", Archive(DATA / "results" / "compared"))
    table = compared_tables.gain_table("cifar10", compared_tables.scores("cifar10", items))
    return f"{compared_tables.describe(settings)}.\n\n{_pipe(table.headers, table.rows)}"


VERDICTS = ("reproduced", "direction only", "inconclusive", "not reproduced", "not tested")


def _quantization() -> str:
    """Throughput with feature quantization over that without, from the benchmark's records."""
    rows = []
    for path in sorted((DATA / "results" / "bench").glob("quantization-*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        for r in record["results"]:
            mode = r["precision"] + (", compiled" if r["compile"] else "")
            plain = _range(r["images_per_second"]["plain"])
            ratios = {f"+{name.upper()}": f"{ratio:.2f}×" for name, ratio in r["ratio"].items()}
            rows.append({"device": record["provenance"]["device"], "batch": r["batch"], "in": mode,
                         "plain, images/s": plain, **ratios})  # fmt: skip
    return _pipe(list(rows[0]), [list(row.values()) for row in rows]) if rows else ""


BLOCKS: dict[str, Callable[[], str]] = {
    "results": _results,
    "profiles": _profiles,
    "speed": _speed,
    "corruptions": _corruptions,
    "claims": _claims,
    "compared": _compared,
    "quantization": _quantization,
}
