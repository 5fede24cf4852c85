"""On a CUDA device: what a CPU computes, to that device's rounding, without waiting for it inside
an epoch."""

import math
import warnings

import pytest
import torch

from paperlib import degrade, methods, papers, running
from paperlib.datasets import Split
from paperlib.degrade.corruptions import NAMES, corrupt
from paperlib.degrade.levels import to_float
from paperlib.execution import Execution
from paperlib.files import pack, unpack
from paperlib.methods import Batch, Task
from paperlib.papers import PAPERS
from paperlib.store import Store
from paperlib.sweep import Sweep
from paperlib.training import Trainer

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]

TASK = Task(10, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))


@pytest.fixture
def cuda():
    return Execution("cuda", "bf16")


def make_method(run, execution):
    torch.manual_seed(0)
    parents = {
        role: execution.place(methods.build_network(p, TASK)).eval() for role, p in run.uses.items()
    }
    return execution.place(methods.build(run, TASK, parents))


def make_trainer(run, execution):
    images = torch.randint(
        256, (128, 3, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8
    )
    split = Split(images, torch.arange(128) % 10).to(execution.device)
    return Trainer(run, make_method(run, execution), split, degrade.build(run.degrade), execution)


def make_batch(run, device):
    generator = torch.Generator().manual_seed(0)
    levels = torch.randint(256, (64, 3, 32, 32), generator=generator, dtype=torch.uint8).to(device)
    degraded = degrade.build(run.degrade)(levels)
    return Batch(to_float(levels), to_float(degraded), torch.arange(64, device=device) % 10)


def test_the_default_is_the_fast_way():
    assert Execution.on() == Execution("cuda", "bf16", compile=True)


def test_low_resolution_is_the_cpus_to_one_grey_level(cuda):
    images = torch.randint(256, (8, 3, 32, 32), dtype=torch.uint8)
    lowres = degrade.build({"name": "lowres"})
    with cuda.autocast():
        ours = lowres(images.cuda())
    assert ours.dtype == torch.uint8
    # Sums in another order may round to the neighbouring level, in the small image and again in the
    # enlarged one.
    assert (ours.cpu().int() - lowres(images).int()).abs().max() < 2.5


SUMS_OF_PAIRS = (
    "gaussian_noise",
    "shot_noise",
    "impulse_noise",
    "speckle_noise",
    "contrast",
    "pixelate",
)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "frost"])
def test_corruptions_are_the_cpus(name):
    """To the bit where nothing is summed in an order that a device may choose; else a level off
    here and there."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (40, 3, 32, 32), generator=generator, dtype=torch.uint8)
    for table in ("cifar-c", "imagenet-c"):
        expected = corrupt(images, name, 3, table=table).int()
        ours = corrupt(images.cuda(), name, 3, table=table)
        assert ours.is_cuda
        off = (ours.cpu().int() - expected).abs()
        if name in SUMS_OF_PAIRS:
            assert off.max() == 0
        else:
            assert (off > 1).float().mean() < 0.01
        few = corrupt(images[7:9].cuda(), name, 3, table=table, index=7)
        assert torch.equal(few, ours[7:9]), "an image has its bits whatever the batch"


@pytest.mark.parametrize("compiled", [False, True])
def test_losses_are_the_cpus(tiny_student, cpu, cuda, compiled):
    run = tiny_student()
    expected = make_method(run, cpu).loss(make_batch(run, "cpu"))
    method = make_method(run, cuda)
    loss = torch.compile(method.loss) if compiled else method.loss
    with cuda.autocast():
        losses = loss(make_batch(run, "cuda"))
    assert losses["loss"].dtype == torch.float32
    for name, value in expected.items():
        # bf16 has 8 bits; eighteen layers of it, averaged over 64 images, stay within a few per
        # cent.
        assert losses[name].item() == pytest.approx(value.item(), rel=0.05), name


def test_nothing_waits_for_the_device_inside_an_epoch(tiny_student, cuda):
    def waits(batch_size):
        trainer = make_trainer(tiny_student(batch_size=batch_size, clip=1.0), cuda)
        trainer.epoch()  # the first sets up kernels
        torch.cuda.set_sync_debug_mode("warn")
        try:
            with warnings.catch_warnings(record=True) as seen:
                warnings.simplefilter("always")
                trainer.epoch()
        finally:
            torch.cuda.set_sync_debug_mode("default")
        return sum("synchroniz" in str(warning.message) for warning in seen)

    # however many steps: only the end of an epoch waits
    assert waits(batch_size=16) == waits(batch_size=64)


def test_a_state_brings_back_weights_slots_and_batches(tiny_student, cuda, tmp_path):
    run = tiny_student(epochs=3)
    trainer = make_trainer(run, cuda)
    trainer.epoch()
    (tmp_path / "state").write_bytes(pack(trainer.state()[0], **trainer.state()[1]))
    resumed = make_trainer(run, cuda)
    resumed.restore(*unpack(tmp_path / "state"))
    assert all(
        torch.equal(a, b)
        for a, b in zip(trainer.state()[0].values(), resumed.state()[0].values(), strict=True)
    )
    for step, again in zip(trainer.batches, resumed.batches, strict=True):
        assert torch.equal(step.clean, again.clean)
        assert torch.equal(step.labels, again.labels)


def test_a_run_from_beginning_to_end(tiny, tiny_student, store, cpu, cuda):
    running.train(tiny(), store, None, cuda)
    record = running.train(tiny_student(), store, None, cuda)
    assert all(math.isfinite(value) for value in record.metrics.values())
    assert record.provenance["device"] == torch.cuda.get_device_name()
    assert record.provenance["precision"] == "bf16"
    assert all(tensor.device.type == "cpu" for tensor in store.weights(record.run).values())
    # What a GPU trained, a CPU can use.
    running.train(tiny_student(seed=1), store, None, cpu)


@pytest.mark.parametrize("slug", PAPERS)
def test_every_paper_runs_at_smoke(slug, tmp_path, cuda):
    """Every method, degradation and table, on the device and in its precision."""
    settings = papers.study(slug).PROFILES["smoke"]
    sweeping = Sweep(Store(tmp_path), None, cuda, bar=False)
    studies = {
        name: papers.study(slug).study(settings, name, sweeping) for name in settings.datasets
    }
    assert all(table.rows for table in papers.tables(slug).tables(settings, studies))
    for run in sweeping.trained:
        assert sweeping.store.record(run).provenance["device"] == torch.cuda.get_device_name()
