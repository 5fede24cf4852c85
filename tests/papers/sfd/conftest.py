"""What tests of the baselines share."""

import pytest
import torch

from paperlib.methods import Batch


@pytest.fixture
def batch():
    """Six clean and six degraded images, of noise."""
    clean, degraded = torch.rand(2, 6, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    return Batch(clean, degraded, torch.arange(6))
