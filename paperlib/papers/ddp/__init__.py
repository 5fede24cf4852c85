"""Deep degradation prior for low-quality image classification (CVPR 2020)."""

from paperlib.papers import Paper

PAPER = Paper(
    title="Deep degradation prior for low-quality image classification",
    authors="Y. Wang, Y. Cao, Z.-J. Zha, J. Zhang, Z. Xiong",
    venue="CVPR 2020",
    source="abstract",
    idea="a module that undoes the drift of features, learned without labels, in a frozen network",
    profile="cpu",
    datasets=("cifar10",),
)
METHODS = {"ddp": "paperlib.papers.ddp.method:DDP", "drift": "paperlib.papers.ddp.drift:Drift"}
