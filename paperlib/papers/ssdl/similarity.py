"""Are a noisy teacher's features like a clean teacher's?

The slides of SSDL answer with pictures: "Quality of noisy teacher is comparable to that of clean
teacher"; how they were made is not known. A run of this method keeps such pictures, and beside them
a number for every layer, with controls, which are ours.
"""

from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import Tensor, nn

from paperlib import methods
from paperlib.degrade.levels import to_levels
from paperlib.errors import UserError
from paperlib.methods.base import Batch, Method, Options, Task, classifier_of, shrunk
from paperlib.papers.ssdl.cka import CKA, averages, class_activation_maps, gram
from paperlib.papers.ssdl.taps import Taps
from paperlib.runs import Run

REFERENCE = "network_clean"  # what all else is compared with
COMPARED = ("other_noisy", "again_clean", "network_noisy", "other_clean", "untrained_clean")
# Images per Gram matrix, at most: its cost per image grows with them, what it tells hardly does.
AT_ONCE = 256
SHOWN = 6  # images
PICTURE, MAP = 64, 32  # pixels per side to which pictures and maps are averaged down


class Similarity(Method):
    """Compares two trained classifiers of one architecture, layer by layer; trains nothing.

    Needs epochs=0 and uses={"network": Run(...), "other": Run(...), "again": Run(...)}: the teacher
    that was trained on clean images, the one that was trained on noisy ones, and a second one
    trained on clean images, from another seed. The run's `degrade` is the noise. All is computed in
    float32, on test images.

    What is compared is named after the network and the images that it sees, always with
    "network_clean":

    - "other_noisy": the claim, a noisy teacher's features of noisy images are those of a clean one
      of clean images;
    - "again_clean": the ceiling, as similar as two networks are that differ in their seed alone;
    - "network_noisy": what the clean teacher makes of the same noisy images, the claim's floor;
    - "other_clean": what the two differ in on the same clean images: training alone;
    - "untrained_clean": "other" as it was before training. Layers that are similar here are so
      without learning.

    Networks that start from the same random weights are similar for that reason already: "other"
    and "again" should have one seed, and not that of "network".
    """

    def __init__(
        self, run: Run, task: Task, parents: Mapping[str, nn.Module], options: Options
    ) -> None:
        if run.epochs or run.evaluate or run.holdout:
            wanted = "epochs=0, no evaluate, no holdout"
            raise UserError(f"similarity trains nothing and takes one noise: {wanted}")
        roles = ("network", "other", "again")
        networks = {role: classifier_of(run, parents, role) for role in roles}
        if any(network.head.out_features != task.classes for network in networks.values()):
            raise UserError("similarity compares networks with the classes of the run's data set")
        super().__init__(run, task, parents, options)
        self.parents["untrained"] = _untrained(run.uses["other"], task, networks["network"])
        self.taps = {role: Taps(self.parents[role]) for role in (*networks, "untrained")}
        self.layers = self.taps["network"].names
        self.shown = self.layers[min(1, len(self.layers) - 1)]  # the first one behind the stem
        self.has_cams = averages(networks["network"])

    @staticmethod
    def build(run: Run, task: Task, options: Options) -> nn.Module:
        """Nothing: there is no network to hand on."""
        return nn.Identity()

    def look(self, view: str, batch: Batch) -> dict[str, Tensor]:
        """By layer the features (B, C, h, w) float32, behind their ReLU.

        Args:
            view: `REFERENCE` or one of `COMPARED`.
            batch: clean and noisy images.
        """
        role, images = view.split("_")
        with torch.autocast(batch.degraded.device.type, enabled=False):
            maps = self.taps[role].maps(batch.clean_images if images == "clean" else batch.degraded)
        last = self.layers[-1]
        return maps | {last: maps[last].relu()}

    def measure(self, batches: Iterable[Batch]) -> dict[str, float]:
        """ "cka@<layer>/<compared>": debiased linear CKA of the layer's flattened maps, see `cka`.

        Raises:
            UserError: fewer than four test images, or noisy images of another size.
        """
        ckas = {layer: CKA((REFERENCE, view) for view in COMPARED) for layer in self.layers}
        for batch in _parts(batches):
            with torch.autocast(batch.degraded.device.type, enabled=False):
                for layer, own in self._grams(batch).items():
                    ckas[layer].add(own)
        return {
            f"cka@{layer}/{view}": value
            for layer, own in ckas.items()
            for (_, view), value in own.values().items()
        }

    def _grams(self, batch: Batch) -> dict[str, dict[str, Tensor]]:
        """Gram matrices by layer and view."""
        if batch.clean_images.shape != batch.degraded.shape:
            what = "the degradation must keep the image's size"
            raise UserError(f"similarity compares layers of one shape: {what}")
        grams: dict[str, dict[str, Tensor]] = {layer: {} for layer in self.layers}
        for view in (REFERENCE, *COMPARED):  # one at a time: maps are large, Gram matrices are not
            for layer, features in self.look(view, batch).items():
                grams[layer][view] = gram(features)
        return grams

    def samples(self, batch: Batch) -> dict[str, Tensor]:
        """Pictures of the first 6 test images, and of what the networks make of them.

        "images.clean" and "images.noisy" (n, 3, H, W) uint8, at most 64 pixels per side;
        "maps.<view>" (n, h, w) float16, means over the channels of the first layer behind the stem,
        at most 32 per side, of "network_clean", "network_noisy" and "other_noisy"; "cams.<view>"
        (n, h, w) float16, class-activation maps of the true class, of networks with global average
        pooling.
        """
        batch = batch.part(slice(SHOWN))
        out: dict[str, Tensor] = {}
        for name, images in (("clean", batch.clean_images), ("noisy", batch.degraded)):
            out[f"images.{name}"] = to_levels(shrunk(images, PICTURE))
        for view in (REFERENCE, "network_noisy", "other_noisy"):
            seen = self.look(view, batch)
            out[f"maps.{view}"] = shrunk(seen[self.shown], MAP).mean(1).half()
            if self.has_cams:
                network, last = self.parents[view.split("_")[0]], seen[self.layers[-1]]
                cams = class_activation_maps(network, last, batch.labels)
                out[f"cams.{view}"] = shrunk(cams[:, None], MAP)[:, 0].half()
        return out


def _untrained(run: Run, task: Task, like: nn.Module) -> nn.Module:
    """What a run's network was before its training, frozen, on the device of another network."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(run.seed)
        network = methods.build_network(run, task).eval().requires_grad_(False)
    device = next(like.parameters()).device
    return network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]


def _parts(batches: Iterable[Batch]) -> Iterator[Batch]:
    """The batches in about equal parts of at most `AT_ONCE` images."""
    for batch in batches:
        count = -(-len(batch.labels) // AT_ONCE)
        for where in torch.arange(len(batch.labels)).tensor_split(count):
            yield batch.part(slice(int(where[0]), int(where[-1]) + 1))
