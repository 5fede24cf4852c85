"""All methods on one protocol; no paper has this table."""

from paperlib.papers import Paper

PAPER = Paper(
    title="The methods compared",
    idea="all methods on one protocol",
    profile="cpu",
    datasets=("cifar10",),
)
BLOCKS = {"compared": "paperlib.papers.compared.page:block"}
