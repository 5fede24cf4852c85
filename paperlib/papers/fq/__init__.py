"""Feature quantization for defending against distortion of images (CVPR 2018)."""

from paperlib.papers import Paper

PAPER = Paper(
    title="Feature quantization for defending against distortion of images",
    authors="Z. Sun, M. Ozay, Y. Zhang, X. Liu, T. Okatani",
    venue="CVPR 2018",
    source="supplement",
    idea="floor and power functions inside the network",
    profile="cpu",
    datasets=("cifar10", "cifar100", "scenes"),
)
METHODS = {
    "fq": "paperlib.papers.fq.method:FQ",
    "calibration": "paperlib.papers.fq.calibration:Calibration",
    "moments": "paperlib.papers.fq.moments:Moments",
    "detection": "paperlib.papers.fq.detection:QuantizedDetection",
}
BENCHES = {"quantization": "paperlib.papers.fq.bench:main"}
BLOCKS = {"quantization": "paperlib.papers.fq.bench:block"}
