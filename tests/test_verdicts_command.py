"""The command `verdicts`: from committed records, and from a folder of runs."""

import json

import pytest
import torch
from toy_paper import Toy

from paperlib import cli, papers
from paperlib.evidence.verdicts import VERDICTS
from paperlib.papers import overview

KEYS = {
    *("paper", "claim", "dataset", "setting", "n", "effect", "low", "high", "verdict", "headline"),
}


@pytest.fixture
def command(tiny, store, monkeypatch):
    """Prints the verdicts of a made-up paper, of which three seeds of two cells are there."""
    toy = Toy(tiny)
    monkeypatch.setattr(papers, "study", lambda slug: toy)
    monkeypatch.setattr(papers, "tables", lambda slug: toy)
    monkeypatch.setattr(overview, "read_claims", lambda slug: toy.claims)
    for cell in ("base", "sure", "picture"):
        for seed in range(1 if cell == "picture" else 3):
            store.finish(toy.record(toy.run(cell, seed)), {"x": torch.zeros(1)}, {})
    common = ("verdicts", "--paper", "dfd", "--profile", "demo", "--runs", str(store.root))
    return lambda *more: cli.main([*common, *more])


def test_those_of_a_folder_of_runs(command, capsys):
    assert command() == 0
    said = capsys.readouterr().out
    assert said.startswith("Headline claims: 1 holds\n")
    assert "\nsure beats base   " in said
    assert "  +10.0 [+8.6, +11.4]  " in said
    assert "\nOther claims: 2 not tested\n" in said
    share = "95 % of 1,140 core-seconds of training decided claims, 95 % headline ones"
    assert said.endswith(f"\n\ndfd: {share}\n"), "3 (2 + 4) of 19 minutes"


def test_as_json_a_list_of_objects_and_nothing_else(command, capsys):
    assert command("--json") == 0
    first, *others = json.loads(capsys.readouterr().out)
    assert first.keys() >= KEYS
    assert (first["paper"], first["dataset"], first["setting"]) == ("dfd", "synthdigits", "demo")
    assert (first["claim"], first["n"], first["headline"]) == ("sure beats base", 3, True)
    assert first["verdict"] == "holds"
    assert 0 < first["low"] < first["effect"] < first["high"]
    assert {row["verdict"] for row in others} == {"not tested"}
    assert {row["effect"] for row in others} == {None}


def test_the_committed_ones(capsys):
    assert cli.main(["verdicts", "--paper", "dfd,ssdl", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["paper"] for row in rows} == {"dfd", "ssdl"}
    assert {row["verdict"] for row in rows} <= set(VERDICTS)
    assert [row["headline"] for row in rows] == sorted((r["headline"] for r in rows), reverse=True)
