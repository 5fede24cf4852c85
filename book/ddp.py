# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # Deep degradation prior (ddp)
#
# *Deep degradation prior for low-quality image classification.* Y. Wang, Y. Cao, Z.-J. Zha, J.
# Zhang, Z. Xiong. CVPR 2020.
#
# ## The problem
#
# A classifier is given: trained on clean photographs by somebody else, perhaps with labels that are
# no longer available. Now its images are foggy, noisy, compressed. Training it again is out of
# the question. The paper leaves it as it is and **plugs a small module in** behind one of its first
# layers, which maps the features of a degraded image to what they would be if the image were clean.
# The module learns from pairs of images, clean and degraded, **without a label**; a few images are
# said to do, even of another data set.
#
# Why should so little be enough? The claim behind the method, its *prior*: in the space of early
# features, what a degradation does to a patch depends on the patch's structure and on the
# degradation, and not on the image.
#
# At hand was the **abstract** alone; the module's layers are those of a later paper of the same
# group. What neither says is listed under [What the paper does not
# say](#what-the-paper-does-not-say).

# %% tags=["parameters", "hide-input"]
# "records": draw everything from the committed records. "run": train what is missing, then draw.
mode = "records"
profile = "demo"
datasets = "cifar10"
seeds = 3
runs = "../runs"
data_root = ""

# %% tags=["hide-input"]
from pathlib import Path

from IPython.display import Markdown

from paperlib import figures
from paperlib.book.chapters import measurements, source
from paperlib.papers.ddp import figures as figures_ddp
from paperlib.papers.ddp import study as ddp
from paperlib.papers.ddp import tables as ddp_tables
from paperlib.papers.ddp.method import DDP
from paperlib.papers.ddp.module import FeatureDeDrifting
from paperlib.report import Tables
from paperlib.study import select

names = datasets.split(",")
settings = select(ddp.PROFILES, profile, names, seeds)
root = Path(data_root) if data_root else None
results, samples = measurements("ddp", mode, runs, root)

studies = {name: ddp.study(settings, name, results) for name in names}
main, items = names[0], studies[names[0]]
found = ddp_tables.scores(main, items)
network = settings.networks[0]

Markdown(f"*This page shows the setting `{settings.profile}`, on {', '.join(names)}.*")

# %% [markdown]
# ## The method
#
# Let $f$ be the frozen network up to the plug point, $x$ a clean image and $\tilde x$ the degraded
# one. The module $g$ reads the degraded features and, as we know it, the degraded image, and is
# trained with
#
# $$ \min_g \; \big\lVert\, g\big(f(\tilde x), \tilde x\big) - f(x) \,\big\rVert^2 . $$
#
# Nothing else is trained, and the network behind the plug point never knows. The module has three
# pairs of 3×3 convolutions, whose outputs side by side are merged by a 1×1 convolution: 117,472
# parameters behind 64 channels.

# %% tags=["remove-input"]
source(FeatureDeDrifting.forward)

# %% tags=["remove-input"]
source(DDP.loss)

# %% [markdown]
# On a network and images of your own:
#
# ```python
# from paperlib.runs import Run
#
# frozen = Run("supervised", "cifar10", "resnet18")
# fog = {"name": "corruption", "corruption": "fog", "severity": 3, "table": "cifar-c"}
# module = Run("ddp", "cifar10", "resnet18", degrade=fog, uses={"frozen": frozen}, train_size=10,
#              epochs=200, batch_size=10, optimizer="adam", lr=1e-3, weight_decay=0.0)
# ```
#
# ## The observation behind it
#
# Take the same positions of many clean images, group them by their features into clusters of
# similar patches, and look at where each goes when the image is degraded: its **drift**, $d =
# f(\tilde x) - f(x)$. If the prior holds, the drifts of a cluster have one direction and one
# length. The control on the right: the same patches, each image under another corruption, drawn for
# it.

# %% tags=["remove-input"]
shown = next((name for name in ("contrast", "fog", "brightness") if items["drift"].get(name)), None)
if shown:
    _ = figures_ddp.drift_arrows(samples(items["drift"][shown][0].run), shown)
else:
    print("No record yet.")

# %% [markdown]
# In numbers, for every corruption. Left, the mean cosine between two drifts of a cluster: 1 is one
# direction, 0 none. Right, how much of the drifts the cluster's mean drift explains, when the mean
# is learned on one half of the images and tested on the other. Below 0, a margin does more harm
# than none.

# %% tags=["remove-input"]
drifts = ddp_tables.drifts(main, found)
_ = figures_ddp.prior(drifts) if drifts else print("No record yet.")

# %% tags=["remove-input"]
ddp_tables.drift(settings, main, found)

# %% [markdown]
# "Wrong pairs" are drifts between patches of one cluster that do not belong together. The prior is
# strong where a corruption changes tone or contrast everywhere alike, and weak where it is noise:
# there a patch's drift is as good as independent of the patch. A module can gain there
# nevertheless, since it sees more than a cluster: the neighbourhood, in which noise can be averaged
# out. The prior is thus not the whole reason for what the module can do.
#
# ## Gains over the frozen network
#
# Per corruption: a module learned for it alone, at one severity; one module for all 15 corruptions
# at all severities; and the same learned from **ten images of another data set**. The last four
# corruptions were seen by none.

# %% tags=["remove-input"]
series = {
    f"for it alone (severity {ddp.SEVERITY})": ddp_tables.single_gains(network, main, found),
    "one for all": ddp_tables.summary_gains(network, "blind", main, found),
    "one for all, 10 images elsewhere": ddp_tables.summary_gains(network, "ten", main, found),
}
_ = figures.gains(series) if all(series.values()) else print("No record yet.")

# %% tags=["remove-input"]
ddp_tables.gains(settings, main, found)

# %% [markdown]
# Bold: the 95 % interval excludes 0. There are some fifty intervals per network: two or three
# would exclude 0 by luck. "Drift left" is what the module was trained for: the mean squared
# distance to the clean features, behind the module, as a share of that without it. Beside it stands
# what that is worth: **less drift is not yet more accuracy**. The squared error is least for a mean
# over all clean features that may belong to the degraded one, and a mean is blurred. Where a
# corruption moves pixels (elastic transform), the mean is over places, and the network is better
# off without.
#
# ## One module for everything, and ten images
#
# mCE is relative to the frozen network here, which therefore has 100.

# %% tags=["remove-input"]
ddp_tables.printed()

# %% tags=["remove-input"]
ddp_tables.main(settings, main, found)

# %% [markdown]
# The abstract's extreme setting takes ten images of CUB-C for a VGG-16 on ImageNet-C. Here the ten
# come from another set of small images (CIFAR-100 for CIFAR-10 and the other way round; generated
# scenes for generated digits), or, as a control, from the data set itself. For folders of
# photographs, `imagenet@224`, they come from the folder `cub@224`.
#
# ## JPEG compression
#
# The one corruption for which numbers of others are known: ImageNet-C's five severities are the
# qualities 25 to 7. One module for all five.

# %% tags=["remove-input"]
ddp_tables.jpeg(settings, main, found)

# %% [markdown]
# ## What the paper does not say
#
# Every choice below is a parameter of `Run` or of the method; the default comes first.
#
# - **The module.** Its layers are second-hand (see `paperlib.papers.ddp.module`). Whether it sees
#   the image: yes, as there; `image=False`.
# - **What it starts from.** `residual=True`: it predicts what is to be added, and starts with
#   nothing. The second-hand module predicts the features themselves (`residual=False`): from ten
#   images it first has to learn what the features are, and loses accuracy where ours gains.
# - **Where.** Behind the first ReLU of ResNets and AlexNet and the second one of VGG-16; `at` takes
#   any other place.
# - **The loss.** Mean squared error; `norm="l1"`.
# - **Crops, mirror images, learning rate, number of images and steps.** Those of the profile. The
#   second-hand module's authors also turn images by any angle; we do not.
# - **One module for each condition, or one for all.** Both, above. The abstract's "under various
#   degradation conditions" is read as the former.
# - **Which conditions are behind "37 to 55 %".** Unknown; a VGG-16 has less than 37 % over all of
#   ImageNet-C. We take all 15 corruptions at all severities, and compare the gain.

# %% tags=["remove-input"]
ddp_tables.ablations(settings, main, found)

# %% [markdown]
# ## What reproduced and what did not
#
# Differences are paired by seed; [how to read a verdict](index.md#how-to-read-a-verdict). All
# claims are about ImageNet: measured on anything else, they can at best be right in direction.

# %% tags=["remove-input"]
Tables(ddp_tables.claims(settings, name, own) for name, own in studies.items())
