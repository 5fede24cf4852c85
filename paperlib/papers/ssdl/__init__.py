"""Simple self-distillation learning for noisy image classification (ICIP 2023)."""

from paperlib.papers import Paper

PAPER = Paper(
    title="Simple self-distillation learning for noisy image classification",
    authors="T. Sasaya, T. Watanabe, T. Ida, T. Ono",
    venue="ICIP 2023",
    source="slides",
    idea="the teacher sees noisy images too; no clean image anywhere",
    profile="cpu",
    datasets=("cifar10",),
)
METHODS = {
    "stl": "paperlib.papers.ssdl.method:STL",
    "ssdl": "paperlib.papers.ssdl.method:SSDL",
    "denoising": "paperlib.papers.ssdl.denoising:Denoising",
    "joint": "paperlib.papers.ssdl.joint:Joint",
    "similarity": "paperlib.papers.ssdl.similarity:Similarity",
    "detection_ssdl": "paperlib.papers.ssdl.detection:DetectionSSDL",
}
