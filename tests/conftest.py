"""What several files share: a store, and runs that train in a fraction of a second."""

from functools import partial

import pytest
import torch

from paperlib.execution import Execution
from paperlib.runs import Run
from paperlib.store import Store


@pytest.fixture
def cpu():
    """The execution whose bits do not depend on the machine's abilities."""
    return Execution("cpu", "fp32")


@pytest.fixture
def one_thread():
    """Sums in the order of one thread: for tests that compare bits with those of another process."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def store(tmp_path):
    """An empty store."""
    return Store(tmp_path / "runs")


@pytest.fixture
def tiny():
    """Makes tiny runs; any field may be changed: `tiny(seed=1)`."""
    return partial(
        Run,
        method="supervised",
        dataset="synthdigits",
        network="resnet18",
        width=0.0625,
        train_size=64,
        test_size=32,
        epochs=2,
        batch_size=32,
        lr=0.05,
    )


@pytest.fixture
def tiny_student(tiny):
    """Makes a tiny student of DFD with its teacher; any field may be changed."""
    return partial(tiny, method="dfd", degrade={"name": "lowres", "factor": 4}, uses={"teacher": tiny()})
