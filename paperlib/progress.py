"""Progress of long work on a terminal: a bar, or one line about several parts; and durations."""

import io
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stderr
from contextvars import ContextVar
from typing import Any, TextIO

from tqdm import tqdm

from paperlib.errors import UserError

FORMAT = "{desc} {percentage:3.0f}%|{bar:20}| {elapsed} done, {remaining} left"
COLUMNS = 80  # of the line, with the one in which the cursor stands
REDRAWN = 0.1  # seconds between two drawings of the line, at least


def progress_bar(total: float, shown: bool | None = None) -> Any:
    """A bar on standard error for `total` units of work; `shown` None asks for a terminal there.

    While a `line` is shown, the work is a part of what the line tells, and there is no other bar.
    """
    line = _line.get()
    if line is not None and shown is not False:
        return line.part(total)
    return tqdm(total=total, disable=None if shown is None else not shown, bar_format=FORMAT)


class Line:
    """One line about work of several parts, at most 80 columns wide; drawn on terminals alone.

    Attributes:
        until: moment of `time.monotonic` at which all work ends, None without a limit.
        about: how the line starts, such as "claims 2/4".
        doing: what is done now; cut off where the line is full.
        expected: seconds that the part is expected to take, until its own pace tells.
        later: seconds of what comes behind the part.
    """

    def __init__(self, until: float | None = None, file: TextIO | None = None) -> None:
        self.until, self.file = until, file or sys.stderr
        self.about, self.doing, self.expected, self.later = "", "", 0.0, 0.0
        self._drawn, self._width = 0.0, 0
        self.part(0.0)

    def part(self, total: float) -> "Line":
        """Begin a part of `total` units of work; the line is its bar."""
        self._total, self._done, self._began = total, 0.0, time.monotonic()
        return self

    def __enter__(self) -> "Line":
        return self

    def __exit__(self, *error: object) -> None:
        self.part(0.0)

    def update(self, amount: float) -> None:
        """So much of the part is done."""
        self._done += amount
        if time.monotonic() - self._drawn > REDRAWN:
            self.draw()

    def set_description(self, text: str) -> None:
        """Say what is done now."""
        self.doing = text
        self.draw()

    @property
    def left(self) -> float:
        """Seconds to the end: of the limit, or as far as it can be told."""
        now = time.monotonic()
        if self.until is not None:
            return max(0.0, self.until - now)
        elapsed = now - self._began
        if self._done and self._total:
            rest = elapsed * max(0.0, self._total / self._done - 1)
        else:
            rest = max(0.0, self.expected - elapsed)
        return rest + self.later

    def text(self) -> str:
        """What the line says now."""
        known = self.left or self.until is not None
        parts = [self.about, f"{duration(self.left)} left" if known else "", self.doing]
        text = ", ".join(filter(None, parts))
        return text if len(text) < COLUMNS else f"{text[: COLUMNS - 2]}…"

    def draw(self) -> None:
        """Show the line as it is now."""
        if self.file.isatty():
            text, self._drawn = self.text(), time.monotonic()
            self.file.write(f"\r{text:{self._width}}")
            self.file.flush()
            self._width = len(text)

    def say(self, text: str) -> None:
        """Print a line on standard output, above this one."""
        self.clear()
        print(text, flush=True)
        self.draw()

    def clear(self) -> None:
        """Leave an empty line behind."""
        if self._width:
            self.file.write(f"\r{'':{self._width}}\r")
            self.file.flush()
            self._width = 0


class _Above(io.TextIOBase):
    """A terminal below whose text the line goes on: what others say on it does not mix with it."""

    def __init__(self, line: Line, file: TextIO) -> None:
        self._line, self._file = line, file

    def write(self, text: str) -> int:
        self._line.clear()
        return self._file.write(text)

    def flush(self) -> None:
        self._file.flush()


_line: ContextVar[Line | None] = ContextVar("line", default=None)


@contextmanager
def shown(line: Line) -> Iterator[Line]:
    """Draw a line until the end of the block, and let it tell of all bars within."""
    token = _line.set(line)
    line.draw()
    try:
        with redirect_stderr(_Above(line, line.file)) if line.file.isatty() else nullcontext():
            yield line
    finally:
        _line.reset(token)
        line.clear()


def duration(seconds: float) -> str:
    """A time as people say it and `parse_duration` reads it: "45s", "12m", "1h20m", "31h"."""
    if seconds < 90:
        return f"{seconds:.0f}s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes}m"
    if minutes >= 600 or minutes % 60 == 0:
        return f"{round(minutes / 60)}h"
    return f"{minutes // 60}h{minutes % 60:02}m"


def parse_duration(text: str, name: str) -> float:
    """Seconds of "90s", "30m", "2h" or "1h30m".

    Raises:
        UserError: anything else, or no time at all; it starts with `name`.
    """
    number = r"(\d+(?:\.\d+)?)"
    found = re.fullmatch(rf"(?:{number}h)?(?:{number}m)?(?:{number}s)?", text.strip().lower())
    seconds = 0.0
    for value, unit in zip(found.groups() if found else (), (3600, 60, 1), strict=False):
        seconds += float(value or 0) * unit
    if not seconds:
        raise UserError(f"{name} is {text!r}; it must be a time such as 90s, 30m, 2h or 1h30m")
    return seconds
