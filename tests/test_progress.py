"""What long work says on a terminal, and times in words."""

import io
import sys
import time

import pytest

from paperlib.errors import UserError
from paperlib.progress import COLUMNS, Line, duration, parse_duration, progress_bar, shown


class Terminal(io.StringIO):
    """Standard error as a terminal."""

    def isatty(self):
        return True

    @property
    def lines(self):
        """What stood in the line, one drawing after the other."""
        return [text for text in self.getvalue().split("\r") if text.strip()]


LABEL = "cifar10 resnet18 dfd lowres-4 lambda_=2.0 reduction=sum feature=post seed=11"


@pytest.mark.parametrize("about", ["", "headline claims 12/34"])
@pytest.mark.parametrize("budget", [None, 3000.0, 400_000.0])
@pytest.mark.parametrize("doing", ["", "run 1/9", f"run 123/1234: {LABEL}"])
def test_the_line_never_fills_more_than_80_columns(about, budget, doing):
    line = Line(budget and time.monotonic() + budget)
    line.about, line.expected, line.later = about, 20_000.0, 300_000.0
    line.part(1e15)
    line.set_description(doing)
    text = line.text()
    assert len(text) < COLUMNS == 80, "the cursor stands in the last one"
    assert text.startswith(about)
    assert doing in text or text.endswith("…")


def test_the_line_says_at_once_what_is_done_and_ends_empty():
    file = Terminal()
    with shown(Line(time.monotonic() + 1800.4, file)) as line:
        assert file.lines == ["30m left"]
        line.set_description("reading the data")
        assert file.lines[-1] == "30m left, reading the data"
    *_, last, end = file.getvalue().split("\r")
    assert (last.strip(), end) == ("", "")


def test_a_shorter_line_leaves_nothing_of_a_longer_one():
    file = Terminal()
    line = Line(None, file)
    line.set_description("a long description")
    line.set_description("short")
    assert file.lines[-1] == "short".ljust(len("a long description"))


def test_the_line_is_drawn_on_terminals_alone(capsys):
    with shown(Line()) as line, progress_bar(2.0) as bar:
        bar.update(1.0)
        line.set_description("working")
    assert capsys.readouterr().err == ""


def test_what_is_printed_stands_above_the_line(capsys):
    file = Terminal()
    with shown(Line(None, file)) as line:
        line.set_description("working")
        line.say("a result")
        assert file.lines[-1] == "working"
    assert capsys.readouterr().out == "a result\n"


def test_what_others_say_stands_above_the_line(capsys):
    file = Terminal()
    with shown(Line(None, file)) as line:
        line.set_description("working")
        print("a warning", file=sys.stderr)
        line.draw()
    assert file.lines == ["working", "a warning\n", "working"]


def test_bars_within_are_parts_of_the_line(capsys):
    file = Terminal()
    with shown(Line(None, file)) as line:
        line.about = "claims 1/2"
        with progress_bar(4.0) as bar:
            bar.set_description("run 1/4: first")
            time.sleep(0.05)
            bar.update(1.0)
            assert 0.1 < line.left < 10, "three times what a quarter took"
        assert file.lines[-1] == "claims 1/2, run 1/4: first"
    with progress_bar(4.0, shown=True) as bar:
        bar.update(1.0)
    assert "25%|" in capsys.readouterr().err, "outside, a bar is a bar"


def test_the_time_left_is_that_of_the_budget_or_what_is_expected():
    line = Line()
    line.part(10.0)
    line.expected, line.later = 60.0, 30.0
    assert line.left == pytest.approx(90, abs=1)
    assert Line(time.monotonic() + 50).left == pytest.approx(50, abs=1)
    assert Line(time.monotonic() - 50).left == 0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("30m", 1800), ("2h", 7200), ("1h30m", 5400), ("0.5H", 1800), (" 1m30s ", 90)],
)
def test_a_time_is_read(text, seconds):
    assert parse_duration(text, "budget") == seconds


@pytest.mark.parametrize("text", ["", "30", "m", "0s", "-3m", "3d", "30m2h", "1e3s", "nan"])
def test_what_is_no_time_is_refused_with_the_forms(text):
    with pytest.raises(UserError, match=r"budget is .*; it must be a time such as 90s, 30m, 2h or"):
        parse_duration(text, "budget")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (89, "89s"), (90, "2m"), (719, "12m"), (5400, "1h30m"), (7200, "2h"), (1e5, "28h")],
)
def test_a_time_in_words(seconds, text):
    assert duration(seconds) == text
