"""Feature quantization for defending against distortion of images (Sun, Ozay, Zhang, Liu & Okatani,
CVPR 2018)."""

METHODS = {
    "fq": "paperlib.papers.fq.method:FQ",
    "calibration": "paperlib.papers.fq.calibration:Calibration",
    "moments": "paperlib.papers.fq.moments:Moments",
    "detection": "paperlib.papers.fq.detection:QuantizedDetection",
}
