"""Faster R-CNN (Ren, He, Girshick & Sun, 2015) from torchvision's parts, trained from scratch.

*Feature quantization* detects with Faster R-CNN on ZF (Zeiler & Fergus, 2014): a plain network of
five convolutions, pre-trained on ImageNet, whose last maps have stride 16. Of torchvision's
detectors (FCOS, RetinaNet, SSD, Faster R-CNN) this is the paper's, and on small images also the one
that learns soonest on a CPU: its second stage classifies a few dozen boxes per image, half of them
objects, where one-stage detectors have to find a handful of objects among thousands of positions.
In ZF's place stands the beginning of one of our classifiers, by default of Plain-10, which has no
shortcuts either; no weights are downloaded.

The parts are torchvision's (`RegionProposalNetwork`, `RoIHeads`), but not its transform: images
come in one size and are never resized. The two stages compute in float32, inside autocast too,
because boxes in bfloat16 would be half a pixel off at 100 pixels; the backbone follows autocast.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from paperlib import networks
from paperlib.errors import UserError

# for the digits of scenes; VOC's objects at 300 pixels take 3, "48,96,192"
STAGES, ANCHORS = 2, "18,26,38"
RATIOS = (0.5, 1.0, 2.0)  # heights of anchors over their widths, the paper's
# side of the grid of features that the second stage reads of a box; 7 in the paper, on larger maps
POOLED = 5
UNITS = 512  # of the second stage's two layers at width 1; ZF has 4096
# boxes per image that reach the second stage; 4 times as many before NMS
PROPOSALS = {"training": 64, "testing": 64}
SAMPLED = 64  # anchors per image that count in a loss, and half as many boxes
# of two boxes of one class, from which the less certain one is dropped, as in the paper's code
OVERLAP = 0.3
# confidence below which a box is not reported; boxes reported per image
LEAST_SCORE, MOST = 0.05, 50


class Detections(NamedTuple):
    """What is found in B images, at most K objects each, the most certain first."""

    boxes: Tensor  # (B, K, 4) float32: x0, y0, x1, y1 in pixels; zeros where there is none
    labels: Tensor  # (B, K) int64: the class, -1 where there is none
    scores: Tensor  # (B, K) float32: the confidence in [0, 1], 0 where there is none


class Detector(nn.Module):
    """A backbone, a region proposal network, and a head that classifies and refines the boxes.

    Args:
        backbone: maps normalised images (B, 3, H, W) to feature maps of one stride; its last
            convolution names their number of channels.
        classes: number of classes, without the background.
        width: scales the second stage's layers.
        anchors: sides of the square anchors in pixels; each also comes in the shapes of `RATIOS`,
            of equal area.

    The network takes images in [0, 1] and normalises them itself with `mean` and `std`, as
    `Classifier` does.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, backbone: nn.Module, classes: int, width: float, anchors: Sequence[float]
    ) -> None:
        super().__init__()
        self.backbone = backbone
        channels = [
            layer.out_channels for layer in backbone.modules() if isinstance(layer, nn.Conv2d)
        ][-1]
        self.proposals = _proposals(channels, tuple(anchors))
        self.heads = _heads(channels, max(4, round(width * UNITS)), classes)
        self.register_buffer("mean", torch.zeros(3))
        self.register_buffer("std", torch.ones(3))

    def normalise_with(self, mean: Sequence[float], std: Sequence[float]) -> None:
        """Set the training images' channel means and deviations (3 values each, on [0, 1])."""
        self.mean.copy_(torch.tensor(mean))
        self.std.copy_(torch.tensor(std))

    def losses(self, images: Tensor, targets: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
        """The four losses of Faster R-CNN, scalars, in training mode.

        Args:
            images: (B, 3, H, W) float in [0, 1].
            targets: for each image "boxes" (n, 4) float32 in pixels and "labels" (n,) int64, 0 to
                classes - 1.

        Returns:
            "objectness" and "proposal" of the first stage (is it an object, where), "class" and
            "box" of the second.
        """
        # torchvision's 0 is background
        shifted = [{"boxes": t["boxes"], "labels": t["labels"] + 1} for t in targets]
        losses = self._stages(images, shifted)[1]
        names = {"loss_objectness": "objectness", "loss_rpn_box_reg": "proposal"}
        names |= {"loss_classifier": "class", "loss_box_reg": "box"}
        return {name: losses[theirs] for theirs, name in names.items()}

    def forward(self, images: Tensor) -> Detections:
        """What is found in images (B, 3, H, W) float in [0, 1], in eval mode."""
        found = self._stages(images, None)[0]
        most = max((len(each["scores"]) for each in found), default=0)
        out = Detections(
            images.new_zeros(len(images), most, 4, dtype=torch.float32),
            images.new_full((len(images), most), -1, dtype=torch.int64),
            images.new_zeros(len(images), most, dtype=torch.float32),
        )
        for i, each in enumerate(found):
            count = len(each["scores"])
            out.boxes[i, :count], out.labels[i, :count] = each["boxes"], each["labels"] - 1
            out.scores[i, :count] = each["scores"]
        return out

    # Numbers of boxes differ from image to image: nothing here is worth a compiler's while.
    @torch.compiler.disable
    def _stages(
        self, images: Tensor, targets: Any
    ) -> tuple[list[dict[str, Tensor]], dict[str, Tensor]]:
        from torchvision.models.detection.image_list import ImageList

        normal = (images - self.mean.view(3, 1, 1)) / self.std.view(3, 1, 1)
        maps = self.backbone(normal).float()
        with torch.autocast(images.device.type, enabled=False):
            features = OrderedDict([("0", maps)])
            sizes = [(images.shape[-2], images.shape[-1])] * len(images)
            boxes, first = self.proposals(ImageList(normal.float(), sizes), features, targets)
            found, second = self.heads(features, boxes, sizes, targets)
        return found, {**first, **second}


def _proposals(channels: int, anchors: tuple[float, ...]) -> nn.Module:
    """The first stage. As in the paper, an overlap of 0.7 is an object, below 0.3 none."""
    from torchvision.models.detection.anchor_utils import AnchorGenerator
    from torchvision.models.detection.rpn import RegionProposalNetwork, RPNHead

    generator = AnchorGenerator((anchors,), (RATIOS,))
    before = {name: 4 * count for name, count in PROPOSALS.items()}
    head = RPNHead(channels, generator.num_anchors_per_location()[0])
    return RegionProposalNetwork(
        generator, head, 0.7, 0.3, SAMPLED, 0.5, before, PROPOSALS, nms_thresh=0.7
    )


def _heads(channels: int, units: int, classes: int) -> nn.Module:
    """The second stage: two layers on a grid of a box's features, then class and correction."""
    from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
    from torchvision.models.detection.roi_heads import RoIHeads
    from torchvision.ops import MultiScaleRoIAlign

    pool = MultiScaleRoIAlign(["0"], POOLED, sampling_ratio=2)
    layers = TwoMLPHead(channels * POOLED**2, units)
    predictor = FastRCNNPredictor(units, classes + 1)
    return RoIHeads(
        *(pool, layers, predictor, 0.5, 0.5, SAMPLED // 2, 0.5, None),
        LEAST_SCORE,
        OVERLAP,
        detections_per_img=MOST,
    )


def build(
    name: str, classes: int, width: float = 1.0, stages: int = STAGES, anchors: str = ANCHORS
) -> Detector:
    """A freshly initialised detector on the stem and the first stages of a classifier.

    Args:
        name: "plain10", "resnet18" or "resnet50", the latter two with the stem for large images.
        classes: number of classes, without the background.
        width: factor on the channel counts.
        stages: how many of the classifier's stages the backbone keeps: the features' stride is 4,
            8, 16 with 1, 2, 3.
        anchors: sides of the anchors in pixels, with commas: about those of the objects.

    Raises:
        UserError: a network without stages, another number of stages, or anchors that are no
        positive numbers.
    """
    body = networks.build(name, classes, width, size=224).body
    parts = [child for child, _ in body.named_children()]
    if "stage1" not in parts:
        choices = "plain10, resnet18, resnet50"
        raise UserError(f"network {name!r} has no stages to detect with; choose from: {choices}")
    check(stages, anchors)
    kept = nn.Sequential(
        OrderedDict((part, body.get_submodule(part)) for part in parts[: 1 + stages])
    )
    return Detector(kept, classes, width, _sides(anchors))


def check(stages: int, anchors: str) -> None:
    """Raises `UserError` for values that `build` does not take, whatever the network."""
    if stages not in (1, 2, 3):  # behind the last stage the ReLU is missing, and the stride is 32
        raise UserError(f"stages is {stages}; choose from: 1, 2, 3")
    _sides(anchors)


def _sides(text: str) -> list[float]:
    try:
        sides = [float(word) for word in text.split(",")]
    except ValueError:
        sides = [0.0]
    if min(sides) <= 0:
        raise UserError(
            f"anchors are {text!r}; they must be positive numbers with commas, such as '18,26,38'"
        )
    return sides
