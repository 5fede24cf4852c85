"""Methods by name: one file a paper."""

from collections.abc import Mapping

from torch import nn

from paperlib.errors import UserError, choose
from paperlib.methods.base import Batch, Method, Task, frozen
from paperlib.methods.calibration import Calibration
from paperlib.methods.ddp import DDP
from paperlib.methods.denoising import Denoising
from paperlib.methods.detection import Detection
from paperlib.methods.detection_ssdl import DetectionSSDL
from paperlib.methods.dfd import DFD
from paperlib.methods.drift import Drift
from paperlib.methods.features import Features
from paperlib.methods.fq import FQ
from paperlib.methods.joint import Joint
from paperlib.methods.moments import Moments
from paperlib.methods.qualnet import QualNet
from paperlib.methods.sfd import SFD
from paperlib.methods.similarity import Similarity
from paperlib.methods.ssdl import SSDL, STL
from paperlib.methods.super_resolution import SRGAN, SuperResolution
from paperlib.methods.supervised import Supervised
from paperlib.methods.urie import URIE
from paperlib.methods.vid import VID
from paperlib.runs import Run

METHODS: dict[str, type[Method]] = {
    "supervised": Supervised,
    "dfd": DFD,
    "super_resolution": SuperResolution,
    "srgan": SRGAN,
    "fq": FQ,
    "calibration": Calibration,
    "moments": Moments,
    "detection": Detection,
    "ddp": DDP,
    "drift": Drift,
    "sfd": SFD,
    "features": Features,
    "urie": URIE,
    "vid": VID,
    "qualnet": QualNet,
    "stl": STL,
    "ssdl": SSDL,
    "denoising": Denoising,
    "joint": Joint,
    "similarity": Similarity,
    "detection_ssdl": DetectionSSDL,
}

__all__ = ["METHODS", "Batch", "Method", "Task", "build", "build_network", "frozen"]


def build(run: Run, task: Task, parents: Mapping[str, nn.Module]) -> Method:
    """The method that a run names, with the run's options. Raises `UserError` for an unknown name or option."""
    make = METHODS[choose("method", run.method, METHODS)]
    try:
        return make(run, task, parents, **run.options)
    except TypeError as error:
        raise UserError(f"method {run.method!r}: {error}") from error


def build_network(run: Run, task: Task) -> nn.Module:
    """Only the network that a run trains, freshly initialised: to load its weights into."""
    return METHODS[choose("method", run.method, METHODS)].build(run, task)
