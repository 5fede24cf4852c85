"""Deep degradation prior for low-quality image classification (Wang, Cao, Zha, Zhang & Xiong, CVPR
2020)."""

METHODS = {"ddp": "paperlib.papers.ddp.method:DDP", "drift": "paperlib.papers.ddp.drift:Drift"}
