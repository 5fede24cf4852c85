"""Simple self-distillation learning for noisy image classification (Sasaya et al., ICIP 2023)."""

METHODS = {
    "stl": "paperlib.papers.ssdl.method:STL",
    "ssdl": "paperlib.papers.ssdl.method:SSDL",
    "denoising": "paperlib.papers.ssdl.denoising:Denoising",
    "joint": "paperlib.papers.ssdl.joint:Joint",
    "similarity": "paperlib.papers.ssdl.similarity:Similarity",
    "detection_ssdl": "paperlib.papers.ssdl.detection:DetectionSSDL",
}
