"""The command line, which the Makefile calls: each command imports what it needs."""

import argparse
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paperlib import __version__, papers
from paperlib.errors import UserError, choose

if TYPE_CHECKING:
    from paperlib.datasets import Dataset
    from paperlib.evidence.verdicts import Verdict
    from paperlib.study import Settings

ROOT = Path(__file__).resolve().parents[1]
CODE, BOOK, DATA = ROOT / "paperlib", ROOT / "book", ROOT / "data"
RUNS, BUILD = ROOT / "runs", ROOT / "build"  # what is trained, and rendered
RESULTS = DATA / "results"  # committed records by paper, and in "cost" what reproductions cost
# the pages that have blocks written by `python -m paperlib readme`, and where its pictures go
PAGES = (ROOT / "README.md", BOOK / "index.md", BOOK / "measurements.md", BOOK / "verdicts.md")
PICTURES = BOOK / "_static"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; a mistake that the user can mend is one line on standard error, status 2."""
    options = _parser().parse_args(arguments)
    try:
        status = options.command(options) or 0
        sys.stdout.flush()
        return status
    except UserError as error:
        print(f"paperlib: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        message = "interrupted; the same command resumes where this one stopped"
        print(f"\npaperlib: {message}", file=sys.stderr)
        return 130
    except BrokenPipeError:  # such as `| head`, which has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141  # as a shell says of a program that the signal ends


def _parser() -> argparse.ArgumentParser:
    about = "Robustness distillation: five papers reproduced."
    parser = argparse.ArgumentParser("python -m paperlib", description=about)
    parser.add_argument("--version", action="version", version=f"paperlib {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(
        command: Any, name: str, text: str, *parents: argparse.ArgumentParser
    ) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text, parents=parents)
        sub.set_defaults(command=command)
        return sub

    device, root, what = (argparse.ArgumentParser(add_help=False) for _ in range(3))
    device.add_argument(
        "--device", default="auto", help="cpu, cuda, cuda:1, ...; default: the fastest there is"
    )
    root.add_argument(
        "--data-root", type=Path, help="folder of data sets; default: $DATA_ROOT or a cache folder"
    )
    what.add_argument("paper", help="; ".join(_listed()))
    what.add_argument(
        "--profile",
        help="smoke, demo, cpu or paper; default: paper with a GPU and the data, else demo",
    )
    what.add_argument("--dataset", help="data sets, separated by commas; default: the profile's")
    what.add_argument(
        "--seeds", help="number of seeds, of all; default: until the headline claims are decided"
    )
    what.add_argument("--runs", type=Path, default=RUNS, help="folder of the runs (default: runs)")

    about = "train what is missing, print the tables, render the chapter"
    sub = add(_reproduce, "reproduce", about, what, root, device)
    about = "time to train, such as 90s, 30m or 2h: headline claims first, then what is cheapest"
    sub.add_argument("--budget", help=about)
    about = "train again what other code or other data made"
    sub.add_argument("--fresh", action="store_true", help=about)
    about = "runs trained at once; default: 1 on a GPU, else one per core"
    sub.add_argument("--workers", type=int, default=0, help=about)
    sub.add_argument(
        "--no-chapter", action="store_true", help="stop after the tables (needs no jupyter)"
    )

    about = "copy finished runs into data/results/, from which the book is drawn"
    sub = add(_record, "record", about, what, root)
    about = "first digits of hashes; default: the whole reproduction's runs"
    sub.add_argument("--run", nargs="*", default=[], help=about)
    sub.add_argument(
        "--cost", action="store_true", help="only what the whole reproduction cost, for the README"
    )
    sub.add_argument("--replace", action="store_true", help="overwrite records that are there")

    about = "what came of the papers' claims, from the committed records"
    sub = add(_verdicts, "verdicts", about)
    sub.add_argument("--paper", help="names, separated by commas; default: all")
    sub.add_argument("--json", action="store_true", help="a list of objects, for programs")
    sub.add_argument("--runs", type=Path, help="folder of runs to read in place of the records")
    sub.add_argument("--profile", default="", help="default: that of the book, for each paper")
    about = "data sets, separated by commas; default: those of the book, or of the profile"
    sub.add_argument("--dataset", help=about)

    about = "write corrupted copies of a data set's test images, in the layout of CIFAR-10-C"
    sub = add(_corrupt, "corrupt", about, root, device)
    sub.add_argument(
        "--dataset", required=True, help="synthdigits, cifar10, cifar100, svhn or FOLDER@PIXELS"
    )
    about = "where the folder CIFAR-10-C or the like is, or is made"
    sub.add_argument("--out", type=Path, required=True, help=about)
    sub.add_argument(
        "--corruptions", default="all", help="standard (15), extra (4), all, or names, with commas"
    )
    sub.add_argument(
        "--severities", default="1,2,3,4,5", help="numbers with commas (default: 1,2,3,4,5)"
    )
    sub.add_argument(
        "--table",
        help="whose severities: cifar-c, imagenet-c, imagecorruptions; default: by image size",
    )
    sub.add_argument("--seed", default="0", help="of the random draws (default: 0)")
    sub.add_argument("--frost", type=Path, help="folder of the frost textures")

    add(_book, "book", "execute the chapters from the records and build the HTML site")
    add(_readme, "readme", "write the tables and the picture of README and book from the records")
    add(_bench, "bench", "measure speed; writes data/results/bench/")
    sub = add(_test, "test", "lint, types, import contracts, tests; with notebooks and book")
    sub.add_argument("--quick", action="store_true", help="without the tests marked slow")
    return parser


def _listed() -> Iterator[str]:
    """Every paper for the help: its name and what it is."""
    for slug in papers.PAPERS:
        paper = papers.about(slug)
        yield f"{slug}: {f'{paper.title} ({paper.venue})' if paper.venue else paper.idea}"


def _reproduce(options: argparse.Namespace) -> None:
    from paperlib.progress import Line, parse_duration, shown

    started = time.monotonic()
    budget = parse_duration(options.budget, "budget") if options.budget else None
    with shown(Line(None if budget is None else started + budget)) as line:
        line.set_description("reading the data")
        from paperlib import reproducing  # takes seconds
        from paperlib.evidence.spent import spent
        from paperlib.files import write_atomically

        done, data = reproducing.trained(options, line)
    settings, sweep, studies = done.settings, done.sweep, done.items()
    for table in papers.tables(options.paper).tables(settings, studies):
        print(f"\n{table}")
    print(f"\nrun records: {_shown(options.runs)}/<hash>/record.json")
    out = _built(options.paper, settings)
    try:
        if not options.no_chapter:
            _chapter(options, settings, data, out)
    finally:  # whatever becomes of the chapter, what was trained has an end that says so
        print("", *done.ending(lambda **given: _again(options, **given)), sep="\n")
        print(spent(studies, done.verdicts()).text())
        seconds = time.monotonic() - started
        trained, reused = len(sweep.trained), len(sweep.reused)
        print(f"{trained} run(s) trained, {reused} reused, {seconds:.0f} s in all")
    if not reused and not budget:  # only a whole reproduction from nothing tells what it costs
        cost = {"seconds": round(seconds), **reproducing.provenance(sweep)}
        write_atomically(out / "cost.json", json.dumps(cost, indent=1).encode())


def _again(options: argparse.Namespace, **given: str) -> str:
    """The command that goes on with a reproduction, with other variables."""
    device = "" if options.device == "auto" else options.device
    asked = {"PROFILE": options.profile, "DATASET": options.dataset, "DEVICE": device}
    asked |= {"DATA_ROOT": options.data_root, "WORKERS": options.workers, **given}
    asked = {name: shlex.quote(str(value)) for name, value in asked.items() if value}
    if options.runs == RUNS and not options.no_chapter:
        words = [f"{k}={v}" for k, v in {"PAPER": options.paper, **asked}.items()]
        return " ".join(["make reproduce", *words, *["FRESH=1"] * options.fresh])
    flags = [f"--{name.lower().replace('_', '-')}={value}" for name, value in asked.items()]
    flags += ["--fresh"] * options.fresh
    flags += [f"--runs={shlex.quote(str(options.runs))}"] * (options.runs != RUNS)
    flags += ["--no-chapter"] * options.no_chapter
    return " ".join(["python -m paperlib reproduce", options.paper, *flags])


def _built(paper: str, settings: "Settings") -> Path:
    """The folder of what a reproduction renders."""
    return BUILD / paper / "-".join([settings.profile, *settings.datasets])


def _chapter(
    options: argparse.Namespace, settings: "Settings", data: "Sequence[Dataset]", out: Path
) -> None:
    """Execute the chapter and render the book around it; what would come out the same is kept."""
    from paperlib.book import rendering

    parameters = {
        "mode": "store",
        "profile": settings.profile,
        "datasets": ",".join(settings.datasets),
        "seeds": settings.seeds,
        "runs": str(options.runs.resolve()),
        "data_root": str(options.data_root.resolve()) if options.data_root else "",
    }
    records = sorted(options.runs.glob("*/record.json"))
    made_of = [CODE, DATA, *records, *rendering.pictures(data)]
    executed, page = rendering.render(BOOK / f"{options.paper}.py", parameters, out, made_of)
    print(f"executed notebook: {_shown(executed)}")
    print(f"rendered chapter: {_shown(page)}")


def _shown(path: Path) -> Path:
    """A path as short as it can be shown here."""
    path = path.resolve()
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _record(options: argparse.Namespace) -> None:
    from paperlib import recording
    from paperlib.archive import Archive
    from paperlib.files import write_atomically
    from paperlib.reproducing import asked
    from paperlib.store import Store

    slug, settings = options.paper, asked(options)
    built = _built(slug, settings)
    if (cost := built / "cost.json").exists():
        write_atomically(RESULTS / "cost" / f"{slug}-{built.name}.json", cost.read_bytes())
    if options.cost:
        return
    archive, store = Archive(RESULTS / slug), Store(options.runs)
    kept, gone = recording.record(slug, settings, store, archive, options.run, options.replace)
    print(f"{len(kept)} record(s) in {_shown(archive.folder)}")
    if gone:
        print(f"{len(gone)} that no page's plan names any more are removed")


def _verdicts(options: argparse.Namespace) -> None:
    from paperlib.book.chapters import finished
    from paperlib.evidence.spent import spent
    from paperlib.papers import overview
    from paperlib.store import Store

    known = list(papers.published())
    slugs = [choose("paper", slug, known) for slug in (options.paper or ",".join(known)).split(",")]
    names = options.dataset.split(",") if options.dataset else None
    if options.runs and not options.runs.is_dir():
        raise UserError(f"{options.runs}: there is no such folder of runs")
    results = finished(Store(options.runs)) if options.runs else None
    found = {slug: overview.judged(slug, results, options.profile, names) for slug in slugs}

    def source(slug: str) -> "list[Verdict]":
        return found[slug][1]

    if options.json:
        print(json.dumps(overview.ledger(slugs, source), indent=1))
        return
    print(overview.ledger_text(slugs, source), "", sep="\n")
    for slug, measured in found.items():
        print(f"{slug}: {spent(*measured).text()}")


def _corrupt(options: argparse.Namespace) -> None:
    from paperlib.corrupted_set import corrupt_dataset

    corrupt_dataset(
        dataset=options.dataset,
        out=options.out,
        corruptions=options.corruptions,
        severities=options.severities,
        table=options.table,
        seed=options.seed,
        device=options.device,
        root=options.data_root,
        frost=options.frost,
    )


def _book(options: argparse.Namespace) -> None:
    from paperlib.book import notebooks

    for source in sorted(BOOK.glob("*.py")):
        if source.stem != "conf":
            print(f"executed notebook: {_shown(notebooks.refresh(source))}")
    print(f"site: {_shown(notebooks.build_site(BUILD / 'site'))}")


def _readme(options: argparse.Namespace) -> None:
    from paperlib.files import write_atomically

    for path, text in written().items():
        changed = not path.exists() or path.read_text(encoding="utf-8") != text
        if changed:
            write_atomically(path, text.encode())
        print(f"{_shown(path)}: {'rewritten' if changed else 'up to date'}")


def written() -> dict[Path, str]:
    """The pages and pictures that are written from the records, as they should be now."""
    from paperlib.book import blocks
    from paperlib.papers import overview

    all_blocks = {**blocks.BLOCKS, **overview.BLOCKS, **papers.load("BLOCKS")}
    pictures = {PICTURES / name: draw() for name, draw in overview.PICTURES.items()}
    return {**blocks.rendered(PAGES, all_blocks), **pictures}


def _bench(options: argparse.Namespace) -> None:
    from paperlib.bench import corruption

    corruption.main()
    for main in papers.load("BENCHES").values():
        main()


def _test(options: argparse.Namespace) -> int:
    """Every check; the first that fails ends it. Notebooks and book are tests among the others."""
    scripts = Path(sys.executable).parent
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    pytest = ["pytest", "-q", f"--numprocesses={cores}", *(["-m", "not slow"] * options.quick)]
    # as many processes as cores: more threads would only take turns, and change the sums' order
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    lint = (["ruff", "check", "."], ["ruff", "format", "--check", "."])
    for command in (*lint, ["mypy"], ["lint-imports"], pytest):
        print("$", *command, flush=True)
        program = [str(scripts / command[0]), *command[1:]]
        if status := subprocess.run(program, cwd=ROOT, env=env).returncode:
            return status
    return 0
