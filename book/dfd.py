# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # Deep feature distillation for low resolution (dfd)
#
# *Low-resolution visual recognition via deep feature distillation.* M. Zhu, K. Han, C. Zhang, J.
# Lin, Y. Wang. ICASSP 2019. At hand was the **whole paper**.
#
# ## The problem
#
# A network that recognises sharp photographs fails on the small, blurred ones that a distant camera
# delivers: detail that it relied on is gone. Training it on low-resolution images helps, but only
# as far as labels can carry it. In many applications sharp versions of the *training* images exist,
# though; only the deployed camera is poor. The paper asks how to use them: train a **teacher** on
# the sharp images, then train a **student** on their low-resolution versions so that it both
# recognises them and has the features that the teacher has of the sharp ones. At test time only the
# student is left, and it costs what any network of its size costs.

# %% tags=["parameters", "hide-input"]
# "records": draw everything from the committed records. "run": train what is missing, then draw.
mode = "records"
profile = "demo"
datasets = "cifar10,synthdigits"
seeds = 3
runs = "../runs"
data_root = ""

# %% tags=["hide-input"]
from pathlib import Path

from IPython.display import Markdown

from paperlib import degrade, figures
from paperlib.book.chapters import measurements, source
from paperlib.datasets import load
from paperlib.papers.dfd import figures as dfd_figures
from paperlib.papers.dfd import method
from paperlib.papers.dfd import study as dfd
from paperlib.papers.dfd import tables as dfd_tables
from paperlib.report import Tables
from paperlib.study import select

names = datasets.split(",")
first = names[0]
settings = select(dfd.PROFILES, profile, names, seeds)
root = Path(data_root) if data_root else None
results, samples = measurements("dfd", mode, runs, root)

studies = {name: dfd.study(settings, name, results) for name in names}
measured = {name: dfd_tables.scores(items) for name, items in studies.items()}

Markdown(f"*This page shows the setting `{settings.profile}`, on {', '.join(names)}.*")

# %% [markdown]
# ## The method
#
# The schematic is our own drawing of the paper's Fig. 1, with an image of the embedded data set.

# %% tags=["remove-input"]
picture = load("synthdigits").test.images[5:6]
low = degrade.build(dfd.low(8))(picture)
_ = dfd_figures.dfd_schematic(picture[0] / 255, low[0] / 255)

# %% [markdown]
# Two networks of the same architecture, two versions of the same picture. The teacher $f_t$ was
# trained on high-resolution images $I^{hr}$ and is frozen. The student $f_s$ sees the
# low-resolution version $I^{lr}$: reduced by a factor $s$ and enlarged again to the size that the
# network takes. The **distillation loss** is half the squared Euclidean distance of their last
# features,
#
# $$ L_{distillation} = \tfrac{1}{2} \, \lVert f_s(I^{lr}_i) - f_t(I^{hr}_i) \rVert_2^2 . \tag{1} $$

# %% tags=["remove-input"]
source(method.distillation_loss)

# %% [markdown]
# The student's class probabilities come from one linear layer on its feature, and the **recognition
# loss** is their cross-entropy with the label:
#
# $$ p_i = \mathrm{softmax}(f_s(I^{lr}_i) W + b), \tag{2} $$
#
# $$ L_{recognition} = -y_i \, (\log p_i)^T . \tag{3} $$

# %% tags=["remove-input"]
source(method.probabilities)

# %% tags=["remove-input"]
source(method.recognition_loss)

# %% [markdown]
# The student minimises both, weighed by $\lambda$:
#
# $$ L = L_{recognition} + \lambda \, L_{distillation} . \tag{4} $$

# %% tags=["remove-input"]
source(method.total_loss)

# %% [markdown]
# All of this meets in one method, which is what the training loop calls for every batch.
# `batch.clean_images` and `batch.degraded` show the same crop and flip of the same images.

# %% tags=["remove-input"]
source(method.DFD.loss)

# %% [markdown]
# ## Table 1: three networks, two resolutions
#
# Each network is trained on low-resolution images alone, then as a student of DFD. A number of ours
# is the mean over seeds with the half-width of its 95 % $t$-interval and the number of seeds in
# brackets.

# %% tags=["remove-input"]
dfd_tables.table1(settings, measured)

# %% [markdown]
# The teachers, for comparison: tested on what they were trained on, and on 8×8 images, which they
# have never seen.

# %% tags=["remove-input"]
dfd_tables.teachers(settings, measured)

# %% [markdown]
# ## Fig. 2: the weight of the distillation loss
#
# The paper tunes $\lambda$ over seven values, finds DFD above its base network at all of them, and
# the best result around $\lambda = 2$. We tune on training images that are kept out of the
# training, with one seed; the chosen value is the one used in every other table, at both
# resolutions.

# %% tags=["remove-input"]
bases, curves = dfd_tables.lambda_curves(measured[first])
_ = (
    dfd_figures.lambda_sweep(bases, curves, "λ", "top-1 (%), held-out images")
    if curves
    else print("No record yet.")
)

# %% tags=["remove-input"]
dfd_tables.lambdas(first, measured[first])

# %% tags=["remove-input"]
dfd_tables.fig2_claims(first, measured[first])

# %% [markdown]
# ## Table 2: against super-resolution
#
# The other way to recognise a small image is to enlarge it well first. The paper trains three
# super-resolution networks from 8×8 to 16×16 and a ResNet-18 on what they produce. We do the same:
# VDSR and ESPCN with the pixel loss, SRGAN from a network trained with the pixel loss (SRResNet),
# with its discriminator and a content loss. Its content loss compares features of our own VGG-16,
# trained on the same images: ImageNet weights would bring in other data. Each super-resolution
# network is trained once, the classifier behind it with every seed.

# %% tags=["remove-input"]
dfd_tables.table2(settings, measured)

# %% [markdown]
# How well they enlarge, measured where it is their job:

# %% tags=["remove-input"]
dfd_tables.quality(first, measured[first])

# %% [markdown]
# ## Fig. 3: what super-resolution produces

# %% tags=["remove-input"]
shown = {
    name: samples(records[0].run) for name, records in studies[first]["fig3"].items() if records
}
if shown:
    one = next(iter(shown.values()))
    outputs = {name: images["output"] for name, images in shown.items()}
    _ = figures.image_grid({"HR, 16×16": one["target"], "LR, 8×8": one["input"], **outputs})
else:
    print("No record yet.")

# %% [markdown]
# ## What the paper does not say
#
# Every choice below is a parameter of `Run`, of the method or of the network; the default comes
# first.
#
# - **Sum or mean in equation (1).** As printed it is a sum over the $d$ entries of the feature; a
#   program that calls an ordinary mean-squared-error loss divides by $d$, which makes $\lambda$ up
#   to 512 times weaker. Default: `reduction="mean"`, with which the whole grid of $\lambda$ trains;
#   the paper calls its Fig. 2 steady up to $\lambda = 10$. The table below has the sum as well.
# - **Which feature.** "Last feature layer": default `feature="post"`, after the last ReLU and
#   pooling, which is what the linear layer reads; `"pre"` pools before the ReLU.
# - **Where the student starts.** The text fine-tunes the student "after getting pre-trained
#   models", while Algorithm 1 trains only the teacher beforehand. Default: `init="scratch"`, the
#   base network's own random weights, so that base network and student differ by the distillation
#   loss alone. `"teacher"` and `"lr"` (the base network's weights) give the student a head start,
#   which in a short schedule is worth more than distillation: the table below therefore has the
#   control for it, the base network with the same head start and no distillation.
# - **Kernels.** Default: bicubic with antialiasing down, bicubic up, each rounded to 8 bits;
#   `down=` and `up=` take `bilinear`, `area` and `nearest`.
# - **Order.** Images are cropped and flipped first and then reduced, so the pair always matches.
# - **Learning rate and schedule.** Given are SGD, momentum 0.9, weight decay 5e-4, 100 epochs,
#   batch 128. Default in `paper`: 0.1 for ResNet-18, 0.05 for VGG-16, 0.01 for AlexNet, a tenth at
#   half and at three quarters of the steps. `demo` and `smoke`: a short ramp up and a long one
#   down.
# - **Networks.** AlexNet is the one in use for CIFAR (first convolution 11×11, stride 4), VGG-16
#   has batch norm, dropout and one linear layer, ResNet-18 a 3×3 stem without max-pool.
# - **$\lambda$ for each cell.** Tuned once per network, at 8×8.
# - **Flips for digits.** The text flips all images; we flip CIFAR and leave digits as they are.
# - **Super-resolved images** are enlarged from 16×16 to 32×32 with the bicubic kernel before
#   ResNet-18 sees them.
# - **Validation and reporting.** The last epoch is reported; nothing is selected on test images.

# %% tags=["remove-input"]
dfd_tables.ablations(settings, first, measured[first])

# %% [markdown]
# The control decides how the rows from trained weights are to be read: a student that gains no more
# over its base network than the control does owes its gain to the head start, not to the
# distillation.
#
# ## What reproduced and what did not
#
# Differences are paired by seed; [how to read a verdict](index.md#how-to-read-a-verdict). In a
# reduced setting, or on other data than the paper's, only the sign of an effect is judged, not its
# size.

# %% tags=["remove-input"]
Tables(dfd_tables.claims(settings, name, items) for name, items in studies.items())

# %% tags=["remove-input"]
dfd_tables.untested(names)
