"""Low-resolution visual recognition via deep feature distillation (ICASSP 2019)."""

from paperlib.papers import Paper

PAPER = Paper(
    title="Low-resolution visual recognition via deep feature distillation",
    authors="M. Zhu, K. Han, C. Zhang, J. Lin, Y. Wang",
    venue="ICASSP 2019",
    source="whole paper",
    idea="clean teacher, low-resolution student, squared distance of their last features",
    profile="cpu",
    datasets=("cifar10",),
)
METHODS = {
    "dfd": "paperlib.papers.dfd.method:DFD",
    "super_resolution": "paperlib.papers.dfd.super_resolution:SuperResolution",
    "srgan": "paperlib.papers.dfd.super_resolution:SRGAN",
}
BENCHES = {"dfd-step": "paperlib.papers.dfd.bench:main"}
BLOCKS = {"speed": "paperlib.papers.dfd.bench:block"}
