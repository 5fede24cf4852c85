"""The feature de-drifting module of *Deep degradation prior* (Wang et al., CVPR 2020).

    before, after = split(network, plug_point("resnet18", network))
    module = FeatureDeDrifting(channels=64)
    logits = network.classify(after(module(before(images), images))).logits

The paper's text was unavailable, and there is no official code. The layers are those of the
baseline "FDM_DDP" in the repository of *Lightweight adaptive feature de-drifting* (Peng, Cao, Sun &
Wang, 2023), of which two authors are the paper's; what is inferred says so.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class FeatureDeDrifting(nn.Module):
    """FDM: early feature maps of a degraded image -> those of the clean image.

    Three pairs of 3x3 convolutions with ReLU, of C, C/2 and C/4 channels, see 5, 9 and 13 pixels;
    their outputs side by side go through a 1x1 convolution back to C channels. Bias on, no batch
    norm, stride 1. That the pairs stand for the paper's "non-classical receptive field", a centre
    and its surround, is inferred. 117,472 parameters for 64 channels with the image, as in the
    code; 115,744 without.

    Args:
        channels: C of the maps, 64 in the code.
        image: the degraded image, at the size of the maps, is concatenated with them, as in the
            code; whether the paper does so is not known.
        residual: the module predicts what is to be added to the maps, from a last convolution of
            zeros. The code of FDM_DDP does not; the same group's AFD adds the maps, too.
        rectify: a ReLU behind it all, as in the code, for maps that are not negative.
    """

    def __init__(
        self, channels: int, image: bool = True, residual: bool = True, rectify: bool = True
    ) -> None:
        super().__init__()
        self.form = {"channels": channels, "image": image, "residual": residual, "rectify": rectify}
        self.image, self.residual, self.rectify = image, residual, rectify
        widths = [max(1, channels // n) for n in (1, 2, 4)]
        read, pairs = channels + 3 * image, []
        for width in widths:
            first, second = (nn.Conv2d(n, width, 3, padding=1) for n in (read, width))
            pairs.append(nn.Sequential(first, nn.ReLU(inplace=True), second, nn.ReLU(inplace=True)))
            read = width
        self.pairs = nn.ModuleList(pairs)
        self.merge = nn.Conv2d(sum(widths), channels, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        if residual:
            nn.init.zeros_(self.merge.weight)

    def forward(self, maps: Tensor, images: Tensor) -> Tensor:
        """The maps as those of the clean image.

        Args:
            maps: (N, C, h, w), of the degraded image.
            images: (N, 3, H, W), the degraded image as the network sees it, normalised; other sizes
                than h x w are averaged to it (how is not known; inferred).

        Returns:
            (N, C, h, w).
        """
        x = maps
        if self.image:
            if images.shape[-2:] != maps.shape[-2:]:
                images = F.interpolate(images, maps.shape[-2:], mode="area")
            x = torch.cat([maps, images.to(maps.dtype)], dim=1)
        seen = []
        for pair in self.pairs:
            x = pair(x)
            seen.append(x)
        out = self.merge(torch.cat(seen, dim=1))
        if self.residual:
            out = out + maps
        return out.relu() if self.rectify else out
