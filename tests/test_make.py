"""What `make` hands over to the command line."""

import os
import subprocess

import pytest

from paperlib import cli, papers

GIVEN = (  # variables of the Makefile, which a shell may have, too
    *("PAPER", "PROFILE", "DATASET", "DATA_ROOT", "SEEDS", "BUDGET", "FRESH", "DEVICE", "WORKERS"),
    *("JSON", "ROBUSTNESS", "IMAGES", "VENV"),
)


@pytest.fixture
def make(tmp_path):
    """Runs `make` with an environment whose python prints its arguments; returns those."""
    python = tmp_path / "env" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\nfor argument; do printf "%s\\n" "$argument"; done\n')
    python.chmod(0o755)
    (tmp_path / "env" / ".stamp").touch()

    def make(*arguments, **variables):
        command = ["make", f"VENV={tmp_path / 'env'}", *arguments]
        # as from a terminal, also where `make test` runs the tests: it hands its own on
        handed = {"MAKEFLAGS", "MAKEOVERRIDES", "MAKELEVEL", "MFLAGS", *GIVEN}
        env = {k: v for k, v in os.environ.items() if k not in handed} | variables
        done = subprocess.run(
            command, cwd=cli.ROOT, env=env, capture_output=True, text=True, check=True
        )
        return done.stdout.splitlines()

    return make


def test_make_lists_the_papers(make):
    assert f"  PAPER={'|'.join(papers.PAPERS)}" in make("help")


ODD = "/my da\"ta's $HOME `touch {0}` $(shell touch {0}) $$(touch {0}) # ; x"


@pytest.mark.parametrize("where", ["on the command line", "in the environment"])
def test_make_hands_over_what_it_is_given(make, tmp_path, where):
    odd = ODD.format(tmp_path / "executed")
    given = {"PAPER": "dfd; x", "PROFILE": "", "DATASET": "a b,c", "DATA_ROOT": odd}
    if where == "in the environment":
        found = make("reproduce", **given)
    else:
        found = make("reproduce", *(f"{name}={value}" for name, value in given.items()))
    assert found == [
        *("-m", "paperlib", "reproduce", "dfd; x"),
        *("--dataset=a b,c", f"--data-root={odd}"),
    ]
    assert not (tmp_path / "executed").exists()


def test_make_gives_every_variable(make):
    given = ["PROFILE=smoke", "SEEDS=2", "BUDGET=30m", "FRESH=1", "DEVICE=cpu", "WORKERS=3"]
    assert make("reproduce", *given)[3:] == [
        *("dfd", "--profile=smoke", "--seeds=2", "--budget=30m", "--fresh"),
        *("--device=cpu", "--workers=3"),
    ]


def test_make_gives_the_verdicts_of_all_papers_or_of_some(make):
    assert make("verdicts") == ["-m", "paperlib", "verdicts"]
    assert make("verdicts", "PAPER=dfd,fq", "JSON=1")[3:] == ["--paper=dfd,fq", "--json"]
    assert make("verdicts", PAPER="dfd")[3:] == ["--paper=dfd"]
