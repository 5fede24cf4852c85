"""Networks layer by layer, as papers print them in tables."""

import torch
from torch import Tensor, nn

from paperlib import networks
from paperlib.report import Table


def layers(title: str, network: str, classes: int, size: int) -> Table:
    """Convolutions, max-pools and linear layers of a network, seen at work on one image of `size` x
    `size` pixels."""
    module = networks.build(network, classes, size=size).eval()
    rows: list[tuple[str, ...]] = []

    def describe_layer(layer: nn.Module, inputs: tuple[Tensor, ...], out: Tensor) -> None:
        match layer:
            case nn.Conv2d():
                what = f"conv {layer.kernel_size[0]}×{layer.kernel_size[1]}, {layer.out_channels}"
            case nn.MaxPool2d():
                what = f"max-pool {layer.kernel_size}×{layer.kernel_size}"
            case nn.Linear():
                what = f"linear, {layer.out_features}"
            case _:
                return
        stride = getattr(layer, "stride", "")
        shape = " × ".join(map(str, out.shape[2:])) or "–"
        count = sum(p.numel() for p in layer.parameters())
        rows.append(
            (what, str(stride[0] if isinstance(stride, tuple) else stride), shape, f"{count:,}")
        )

    hooks = [layer.register_forward_hook(describe_layer) for layer in module.modules()]
    with torch.inference_mode():
        module(torch.zeros(1, 3, size, size))
    for hook in hooks:
        hook.remove()
    total = sum(p.numel() for p in module.parameters())
    title = (
        f"{title}, {size} × {size} pixels, {classes} classes: {total:,} parameters with batch norm"
    )
    return Table(title, ("layer", "stride", "output", "parameters"), rows)
