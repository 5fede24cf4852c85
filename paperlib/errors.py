"""The one kind of error that a user can mend, the check that raises it most, and damaged files."""

from collections.abc import Iterable


class UserError(Exception):
    """A mistake that the user can mend.

    The command line shows its one line without a traceback and exits with 2.
    """


class Corrupt(Exception):
    """A file does not match its checksum, or cannot be read at all."""


def choose(kind: str, name: str, valid: Iterable[str]) -> str:
    """The name, if it is one of `valid`; else raises a `UserError` that lists the choices."""
    choices = list(valid)
    if name not in choices:
        raise UserError(f"unknown {kind} {name!r}; choose from: {', '.join(choices)}")
    return name
