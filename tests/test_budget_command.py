"""A budget from the command line, with networks that train."""

import re
import time

import pytest
from toy_paper import Toy, claim

from paperlib import cli, papers, sweep
from paperlib.store import Store


@pytest.fixture
def toy(tiny):
    return Toy(tiny)


@pytest.fixture
def command(toy, monkeypatch, tmp_path):
    """Reproduces the toy from the command line; returns the status."""
    monkeypatch.setattr(papers, "study", lambda slug: toy)
    monkeypatch.setattr(papers, "tables", lambda slug: toy)
    monkeypatch.setattr(cli, "BUILD", tmp_path / "build")
    runs = ("--runs", str(tmp_path / "runs"))
    common = ["reproduce", "dfd", "--profile", "demo", *runs, "--device", "cpu", "--workers", "1"]
    return lambda *more: cli.main([*common, "--no-chapter", *more])


@pytest.mark.slow
def test_an_interrupt_in_training_resumes(command, monkeypatch, capsys):
    calls, train = [], sweep.train

    def interrupt(run, *rest):
        calls.append(run)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return train(run, *rest)

    monkeypatch.setattr(sweep, "train", interrupt)
    assert command("--seeds", "1") == 130
    assert "the same command resumes where this one stopped" in capsys.readouterr().err
    assert command("--seeds", "1") == 0
    assert len(set(calls)) == 5
    assert "3 run(s) trained, 2 reused" in capsys.readouterr().out


@pytest.mark.slow
def test_a_budget_ends_in_the_midst_of_a_run_which_goes_on_later(command, toy, tmp_path, capsys):
    toy.epochs, toy.claims = {**Toy.epochs, "base": 100_000}, (claim("sure", "base", True),)
    started = time.monotonic()
    assert command("--budget", "4s") == 0
    assert time.monotonic() - started < 20
    said = capsys.readouterr().out
    assert "dfd, profile demo, on synthdigits, at most 20 seed(s), cpu in " in said
    assert re.search(r"1 run\(s\) at once, within \ds\n", said)
    assert re.search(
        r"\nnot tested: sure beats base, .*; 3 seeds would .*, about \w+ more here\n", said
    )
    flags = f"--profile=demo --device=cpu --workers=1 --runs={tmp_path}/runs --no-chapter"
    again = re.escape(f"python -m paperlib reproduce dfd {flags}")
    assert re.search(rf"\nto finish, about \w+ here: {again}\n", said)
    store, run = Store(tmp_path / "runs"), toy.run("base", 0)
    _, before = store.checkpoint(run)
    assert not list((tmp_path / "build").rglob("cost.json")), "it tells not what the profile costs"

    assert command("--budget", "4s") == 0
    _, after = store.checkpoint(run)
    assert after["epoch"] > before["epoch"]


def test_the_command_that_goes_on_is_that_of_make_where_make_can(tmp_path):
    def again(*more, **given):
        options = cli._parser().parse_args(["reproduce", "dfd", *more])
        return cli._again(options, **given)

    assert again() == "make reproduce PAPER=dfd"
    assert again("--profile", "cpu", "--seeds", "3", "--budget", "1m", BUDGET="2h") == (
        "make reproduce PAPER=dfd PROFILE=cpu BUDGET=2h"
    )
    assert again("--data-root", "my data") == "make reproduce PAPER=dfd DATA_ROOT='my data'"
    assert again("--fresh", "--device", "cuda") == "make reproduce PAPER=dfd DEVICE=cuda FRESH=1"
    assert again("--no-chapter", "--fresh", SEEDS="40") == (
        "python -m paperlib reproduce dfd --seeds=40 --fresh --no-chapter"
    )
