"""How a run is executed: device, precision, compilation.

It changes the speed and the last bits of the numbers, never the recipe.
"""

import dataclasses
import datetime
import os
import platform
import resource
import subprocess
import sys
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from paperlib.errors import UserError, choose

PRECISIONS = ("fp32", "bf16")
Module = TypeVar("Module", bound=nn.Module)


@dataclass(frozen=True)
class Execution:
    """How to run.

    Attributes:
        device: what PyTorch calls it, "cpu" or "cuda:1".
        precision: "fp32", or "bf16": autocast; parameters and batch norm stay in float32.
        compile: whether losses go through `torch.compile`.
    """

    device: str = "cpu"
    precision: str = "fp32"
    compile: bool = False

    @classmethod
    def on(cls, device: str = "auto", precision: str = "auto") -> "Execution":
        """The fastest way on a device.

        Args:
            device: "auto" takes CUDA where there is one.
            precision: "fp32", "bf16" or "auto", which takes bf16 where the hardware has it.

        Raises:
            UserError: unknown precision, or a device that is not there.
        """
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            torch.empty(1, device=device).item()  # "meta" is a device without values
        except (RuntimeError, AssertionError, ImportError) as error:
            raise UserError(
                f"device {device!r} is not available here; choose from: {_devices()}"
            ) from error
        choose("precision", precision, ["auto", *PRECISIONS])
        on_cpu = torch.device(device).type == "cpu"
        if precision == "auto":
            precision = "bf16" if not on_cpu or _cpu_has_bf16() else "fp32"
        # Compiling pays where a run is minutes long and kernels are launched faster than Python
        # can; not on a CPU.
        return cls(device, precision, compile=not on_cpu)

    def obeying(self, precision: str) -> "Execution":
        """The same in the precision that a method needs; "" leaves it alone."""
        return dataclasses.replace(self, precision=precision) if precision else self

    @property
    def kind(self) -> str:
        """The device without its number: "cpu", "cuda"."""
        return torch.device(self.device).type

    def autocast(self) -> AbstractContextManager[Any]:
        """The context in which networks and losses are evaluated."""
        return torch.autocast(self.kind, torch.bfloat16, enabled=self.precision == "bf16")

    def exact(self) -> AbstractContextManager[Any]:
        """The context in which everything else is, also where `autocast` surrounds it."""
        return torch.autocast(self.kind, enabled=False)

    def place(self, module: Module) -> Module:
        """The module on the device, convolution weights channels-last."""
        return module.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def provenance(self) -> dict[str, Any]:
        """Device, versions, commit and date: what a reader must know to judge a number."""
        cuda = self.kind == "cuda"
        return {
            "device": torch.cuda.get_device_name(self.device) if cuda else _cpu_name(),
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "precision": self.precision,
            "compile": self.compile,
            "torch": torch.__version__,
            "cuda": torch.version.cuda if cuda else None,
            "python": platform.python_version(),
            "commit": COMMIT,
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        }


def peak_memory(children: bool = False) -> int:
    """The most bytes that this process has held at once.

    Args:
        children: take the largest of this process and its finished children instead.
    """
    whose = [resource.RUSAGE_SELF, *([resource.RUSAGE_CHILDREN] if children else [])]
    unit = 1 if sys.platform == "darwin" else 1024
    return max(resource.getrusage(who).ru_maxrss for who in whose) * unit


def _devices() -> str:
    return ", ".join(["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))])


def _cpu_has_bf16() -> bool:
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _commit() -> str:
    """The commit of this checkout, with a "+" if files differ from it; "unknown" outside one."""
    git = ["git", "-C", str(Path(__file__).parent)]
    try:
        head = subprocess.run(
            [*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True
        ).stdout.strip()
        changed = subprocess.run(
            [*git, "status", "--porcelain", "-uno"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head[:12] + ("+" if changed.stdout.strip() else "")


COMMIT = _commit()  # when the code was imported: files that are edited later are not what runs
