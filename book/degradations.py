# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # The degradation suite
#
# Four of the five papers ask how well a network recognises *corrupted* images, most of them by the
# yardstick of ImageNet-C (D. Hendrycks and T. Dietterich, *Benchmarking neural network robustness
# to common corruptions and perturbations*, ICLR 2019): 19 corruptions, 15 of them standard and 4
# kept for validation, at five severities. The functions that made that benchmark work on one image
# at a time on a CPU, and some take long. Here they work on whole batches, on the device that the
# network is on, at a speed at which a training loop can corrupt every image anew; and each image
# has its own random numbers, whatever batch it comes in.

# %% tags=["parameters", "hide-input"]
# This page trains nothing: it draws its pictures, and reads records of parity and speed.
mode = "records"

# %% tags=["hide-input"]
import inspect

import torch
from IPython.display import Markdown
from matplotlib_inline.backend_inline import set_matplotlib_formats

from paperlib import figures
from paperlib.book import degradation_tables as tables
from paperlib.degrade import blur, distortions
from paperlib.degrade.corruptions import corrupt
from paperlib.degrade.draws import Draws
from paperlib.degrade.sensor import additive_gaussian, poisson_gaussian, sensor_noise
from paperlib.degrade.tables import CORRUPTIONS, SEVERITIES
from paperlib.errors import choose

choose("mode", mode, ("records",))
# Noise does not compress: as PNG the galleries would take megabytes.
set_matplotlib_formats("jpeg", pil_kwargs={"quality": 80})


def source(function):
    """The code that runs, as it stands in the library."""
    return Markdown(f"```python\n{inspect.getsource(function)}```")


# a public-domain portrait of Grace Hopper that comes with matplotlib
photograph = figures.photograph(224)
small = figures.photograph(32)

# %% [markdown]
# ## In use
#
# ```python
# from paperlib.degrade.corruptions import corrupt
#
# foggy = corrupt(images, "fog", 3)  # (B, 3, H, W) uint8, any device
# foggy = corrupt(images, "fog", 3, table="cifar-c")  # the constants of CIFAR-10-C
# foggy = corrupt(images, "fog", 3, seed=1, index=torch.tensor([7]))  # image 7 of another draw
# ```
#
# In a run, a degradation is named by plain values, and the training loop applies it on the device:
#
# ```python
# {"name": "corruption", "corruption": "fog", "severity": 3, "table": "cifar-c"}
# {"name": "random_corruption", "corruptions": "standard", "severities": "1,2,3,4,5",
#  "table": "cifar-c"}
# ```
#
# From the command line, a whole CIFAR-10-C in the published layout, resumable:
#
# ```bash
# python -m paperlib corrupt --dataset cifar10 --out DIR
# ```
#
# ## The nineteen, at 224 pixels
#
# Severities 1 to 5 from left to right, with the constants of ImageNet-C. Frost needs the
# reference's six photographs of ice, which are not ours to give away: where they are found
# (`FROST_TEXTURES`, `DATA_ROOT/frost`, or an installed `imagecorruptions`), `frost` uses them. The
# row shown here is `procedural_frost`, which is drawn by us and bears another name so that nobody
# mistakes one for the other.

# %% tags=["remove-input"]
shown = ["procedural_frost" if name == "frost" else name for name in CORRUPTIONS]


def rows(image, table):
    """Every corruption at every severity, (5, 3, H, W) each."""
    batch = image[None]
    return {
        name: torch.cat([corrupt(batch, name, s, table=table) for s in SEVERITIES])
        for name in shown
    }


_ = figures.gallery(rows(photograph, "imagenet-c"), 112)

# %% [markdown]
# ## The same at 32 pixels
#
# CIFAR-10-C was made with constants of its own. At 32 pixels, a blur that is mild on a photograph
# leaves nothing.

# %% tags=["remove-input"]
_ = figures.gallery(rows(small, "cifar-c"), 96)

# %% [markdown]
# ## The constants
#
# They are in pixels, or in parts of full brightness, whatever the size of the image: a table
# belongs to a size, and `corrupt` takes it by name and never interpolates between the two.

# %% tags=["remove-input"]
tables.severities()

# %% [markdown]
# A third table, `imagecorruptions`, is for comparison with code that trains with the package of
# that name. It differs from `imagenet-c` in its elastic transform, which bends in fine waves and
# does not shear; in not centring what it has zoomed (zoom blur, snow); and in enlarging frost's
# photographs by 1.1.
#
# ## What the constants do not say
#
# Five habits of the reference decide what its images look like, and whoever reimplements the
# formulas misses them.
#
# - **Levels are cut, not rounded.** The results are floats in [0, 255] that become bytes by
#   truncation, half a level darker on average.
# - **Glass blur copies, it does not swap.** The loop means to swap two pixels; but the two colour
#   pixels are numpy views of one array, so the first assignment overwrites what the second was to
#   copy. Each visited pixel becomes what its neighbour holds *at that moment*; nothing goes the
#   other way.
# - **Zoom blur counts one factor more than it seems**, because of how `numpy.arange` rounds, and
#   weighs the unzoomed image twice.
# - **Saturation turns greys red.** A grey pixel has hue 0.
# - **ImageNet-C was saved as JPEG, quality 85**, after the corruption. What is corrupted in memory
#   is easier to recognise; compare with the published files only what was compressed alike.
#
# ## Glass blur, in parallel
#
# The reference visits the pixels one after the other, from the bottom right to the top left, and
# what one becomes depends on what was visited before: a loop of fifty thousand steps, by far the
# slowest of the nineteen. But since it copies, each pixel in the end holds the *old* value of
# exactly one pixel: the one where its chain of copies starts. The ends of all chains can be found
# at once, by letting every pixel repeatedly ask the pixel it points at where that one points.

# %% tags=["remove-input"]
source(blur._ends)

# %% [markdown]
# ## Random numbers by image
#
# A draw is a function of the seed, the corruption, the severity, the image's number and the
# position in the image; it has no state. So image 7 gets the same bits alone or among 10,000, today
# or after an interrupted night, on a CPU or on a GPU. Two rounds of a 32-bit mixing function turn
# the counter into bits, in integer arithmetic that every device does alike; normal numbers come
# from a table of 65,536 quantiles, and photon counts from alias tables, because logarithms differ
# between devices in the last bit.

# %% tags=["remove-input"]
source(Draws.bits)

# %% [markdown]
# ## Parity with the reference
#
# The reference runs in an environment of its own, since it needs libraries of 2023 (`make parity`).
# It is given random numbers that are recorded; ours is given the same. What remains is rounding.
# Below, the lowest peak signal-to-noise ratio over severities and test images, and the share of
# values that are equal to the last bit. 48 dB is one level of difference in every value; 40 dB is
# what we asked of ourselves.

# %% tags=["remove-input"]
tables.parity()

# %% [markdown]
# Left to draw its own numbers, our version must have the reference's *distribution*. For each
# random corruption, the mean, the variance and the radial power spectrum of many corrupted copies
# of one image are compared with those of the reference, and so is how much the first two vary
# between copies. A test that finds nothing proves little unless it could have found something: the
# brackets, and the column on the spectrum, say from which difference on it would have done so nine
# times out of ten, and the last column what it said of a version that we made wrong on purpose. The
# difference shown is the one nearest to its bracket among the severities.

# %% tags=["remove-input"]
tables.statistics("cifar-c")

# %% tags=["remove-input"]
tables.statistics("imagenet-c")

# %% [markdown]
# ## Speed
#
# Milliseconds per image, mean over the five severities, in one process and in turns with the
# package `imagecorruptions`; ours on batches of photographs, both with the threads they take by
# themselves. Where a ratio is under 1 the package is faster: its JPEG and its pixelation are C code
# that was polished for decades.

# %% tags=["remove-input"]
Markdown("\n\n".join(table._repr_markdown_() for table in tables.speed()))

# %% [markdown]
# What it costs to corrupt inside the training loop, each image with a type and a severity of its
# own, and how long a whole CIFAR-10-C takes on the device:

# %% tags=["remove-input"]
tables.loop()

# %% [markdown]
# ## Noise
#
# Denoising papers use other models: Gaussian noise with a standard deviation in levels (15, 30, 45,
# 60 below), Poisson-Gaussian noise, and the noise of a raw sensor. With `draw="fixed"` each
# training image has *one* noisy copy for good, made before any crop, as if no clean image had ever
# existed; with `draw="fresh"` every epoch draws anew, and a method may average its way back to the
# clean image.

# %% tags=["remove-input"]
noises = {
    "additive_gaussian": (additive_gaussian, [{"sigma": s} for s in (15, 30, 45, 60)]),
    "poisson_gaussian": (poisson_gaussian, tables.POISSON_GAUSSIAN),
    "sensor_noise": (sensor_noise, tables.SENSOR),
}
_ = figures.gallery(
    {
        name: tables.series(function, photograph, values)
        for name, (function, values) in noises.items()
    },
    128,
)

# %% [markdown]
# ## The six distortions of feature quantization
#
# The paper behind the chapter `fq` tests six distortions whose strength it sets by their effect: so
# strong that the plain network keeps a given part of its accuracy. `calibration.calibrate` finds
# that strength for any network. From left to right, strengths 0.2 to 1.

# %% tags=["remove-input"]
_ = figures.gallery(
    {
        name: tables.series(f, photograph, [{"strength": s} for s in (0.2, 0.4, 0.6, 0.8, 1.0)])
        for name, f in distortions.DISTORTIONS.items()
    },
    112,
)

# %% [markdown]
# ## Scores
#
# The *corruption error* of a classifier divides the sum of its errors over the five severities by
# AlexNet's, so that hard and easy corruptions count alike; the mean over the 15 standard ones is
# the *mCE*. Relative mCE does the same with the errors that the corruption *adds*:
#
# $$
# \mathrm{CE}_c = \frac{\sum_s E_{s,c}}{\sum_s A_{s,c}}, \qquad
# \mathrm{rCE}_c = \frac{\sum_s (E_{s,c} - E_{\text{clean}})}{\sum_s (A_{s,c} - A_{\text{clean}})},
# $$
#
# with $E_{s,c}$ the network's error at severity $s$ of corruption $c$ and $A_{s,c}$ AlexNet's.
#
# AlexNet's errors on ImageNet-C mean nothing on other data. There `paperlib.evidence.robustness`
# takes a run of ours as the baseline and carries its name in every score, so that two mCEs with
# different denominators never look alike.
