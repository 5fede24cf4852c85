"""Self-feature distillation with uncertainty modelling (Yang, Dong, Li et al., ECCV 2022)."""

METHODS = {
    "sfd": "paperlib.papers.sfd.method:SFD",
    "features": "paperlib.papers.sfd.features:Features",
    "urie": "paperlib.papers.sfd.baselines.urie:URIE",
    "vid": "paperlib.papers.sfd.baselines.vid:VID",
    "qualnet": "paperlib.papers.sfd.baselines.qualnet:QualNet",
}
CLASSIFIERS = {"invertible": "paperlib.papers.sfd.baselines.qualnet:Invertible"}
