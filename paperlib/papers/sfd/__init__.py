"""Self-feature distillation with uncertainty modeling (ECCV 2022)."""

from paperlib.papers import Paper

PAPER = Paper(
    title="Self-feature distillation with uncertainty modeling for degraded image recognition",
    authors="Z. Yang, W. Dong, X. Li, J. Wu, L. Li, G. Shi",
    venue="ECCV 2022",
    source="poster",
    idea="one network distils from itself; a learned uncertainty weights the distance",
    profile="cpu",
    datasets=("cifar10",),
)
METHODS = {
    "sfd": "paperlib.papers.sfd.method:SFD",
    "features": "paperlib.papers.sfd.features:Features",
    "urie": "paperlib.papers.sfd.baselines.urie:URIE",
    "vid": "paperlib.papers.sfd.baselines.vid:VID",
    "qualnet": "paperlib.papers.sfd.baselines.qualnet:QualNet",
}
CLASSIFIERS = {"invertible": "paperlib.papers.sfd.baselines.qualnet:Invertible"}
