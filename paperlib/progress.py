"""The progress bar of long work, such as a sweep."""

from tqdm import tqdm

FORMAT = "{desc} {percentage:3.0f}%|{bar:20}| {elapsed} done, {remaining} left"


def progress_bar(total: float, shown: bool | None = None) -> tqdm:
    """A bar on standard error for `total` units of work; `shown` None asks for a terminal there."""
    return tqdm(total=total, disable=None if shown is None else not shown, bar_format=FORMAT)
