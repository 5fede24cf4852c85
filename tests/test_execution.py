"""Devices, precision and provenance."""

import pytest
import torch
from torch import nn

from paperlib.errors import UserError
from paperlib.execution import Execution


def test_an_unknown_device_or_precision_names_the_choices():
    with pytest.raises(UserError, match=r"device 'tpu' is not available here; choose from: cpu"):
        Execution.on("tpu")
    with pytest.raises(UserError, match="unknown precision 'fp8'; choose from: auto, fp32, bf16"):
        Execution.on("cpu", "fp8")


def test_a_cpu_runs_uncompiled_and_in_what_it_has():
    assert Execution.on("cpu", "fp32") == Execution("cpu", "fp32", compile=False)
    assert Execution.on("cpu").precision in ("fp32", "bf16")


@pytest.mark.parametrize(
    ("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)]
)
def test_autocast_follows_the_precision_and_leaves_parameters_alone(precision, dtype):
    layer = nn.Linear(2, 2)
    with Execution("cpu", precision).autocast():
        assert layer(torch.zeros(1, 2)).dtype == dtype
    assert layer.weight.dtype == torch.float32


def test_convolutions_are_placed_channels_last():
    placed = Execution().place(nn.Conv2d(8, 8, 3))
    assert placed.weight.is_contiguous(memory_format=torch.channels_last)


def test_provenance_says_what_a_reader_needs():
    said = Execution("cpu", "bf16").provenance()
    assert {
        "device",
        "cores",
        "threads",
        "precision",
        "compile",
        "torch",
        "cuda",
        "python",
        "commit",
        "date",
    } == set(said)
    assert said["device"]
    assert said["torch"] == torch.__version__
    assert said["cuda"] is None
