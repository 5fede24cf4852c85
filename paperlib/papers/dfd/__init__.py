"""Low-resolution visual recognition via deep feature distillation (Zhu, Han, Zhang, Lin & Wang,
ICASSP 2019)."""

METHODS = {
    "dfd": "paperlib.papers.dfd.method:DFD",
    "super_resolution": "paperlib.papers.dfd.super_resolution:SuperResolution",
    "srgan": "paperlib.papers.dfd.super_resolution:SRGAN",
}
