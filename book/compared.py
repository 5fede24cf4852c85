# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # The methods compared
#
# Five papers, five data sets, five protocols: their numbers cannot be put side by side. Here all
# methods are trained on **one protocol**: as many images, the same network, the same seeds, no more
# compute than a baseline gets, and three kinds of degradation: noise, as in ssdl, low resolution,
# as in dfd, and common corruptions, as in ddp and sfd. No paper has this table. What to use when:

# %% tags=["parameters", "hide-input"]
# "records": draw everything from the committed records. "store": from a folder of runs, as far as
# there are any. "run": train what is missing, then draw.
mode = "records"
profile = "cpu"
datasets = "cifar10"
seeds = 0  # 0: as many as the profile says
runs = "../runs"
data_root = ""

# %% tags=["hide-input"]
from pathlib import Path

from IPython.display import Markdown

from paperlib import figures
from paperlib.book.chapters import measurements
from paperlib.papers.compared import study as compared
from paperlib.papers.compared import tables as compared_tables
from paperlib.papers.compared import words
from paperlib.study import select

names = datasets.split(",")
settings = select(compared.PROFILES, profile, names, seeds or None)
root = Path(data_root) if data_root else None
results, samples = measurements("compared", mode, runs, root)
main = names[0]
found = compared_tables.scores(settings, main, compared.study(settings, main, results))
nothing = Markdown(words.NOTHING_YET)

Markdown(f"In the setting `{settings.profile}`, on {main}:\n\n{words.advice(found)}")

# %% [markdown]
# A method is recommended where the 95 % interval of its gain, paired by seed, is above 0 beside the
# simplest thing that can be done with the same images and labels. The rest of the page is what
# these sentences are made of.
#
# ## Who sees what
#
# | | sees in training | needs at test time |
# | :-- | :-- | :-- |
# | clean images only | clean images, labels | the network |
# | [fq](fq.ipynb) | clean images, labels | the network, a non-linearity behind each convolution |
# | cross-entropy, degraded | degraded images, labels | the network |
# | cross-entropy, clean and degraded | both, labels | the network |
# | [dfd](dfd.ipynb) | both, labels, a teacher trained on clean images | the network |
# | [ssdl](ssdl.ipynb) | degraded images, labels, a teacher trained on such images | the network |
# | [ddp](ddp.ipynb) | both, **no labels** | the network and a module |
# | [sfd](sfd.ipynb) | both, labels | the network |
#
# ## The setting
#
# One network, as many images for all, and one recipe for whatever starts from random weights: few
# images, many epochs, so that longer training has little left to give. It is that of the chapters
# on dfd, ssdl and fq, whose effects are known there, and whose trainings are used here, too. Like
# their papers, ddp's module is trained for the network of the clean images, which it leaves alone,
# and sfd, with the baseline that it is built upon, goes on from that network, by Adam. DDP's module
# is trained for the one degradation that it is tested under; the 15 corruptions are a mixture,
# where neither module nor network is told which one it sees. Noise is drawn once for each training
# image, as in ssdl's chapter.
#
# A method costs more than plain training: it has a teacher, or another network to start from, or it
# sees two images a step. So there is a **baseline with the most compute**, cross-entropy on
# degraded images for as long as a teacher and its student take. Gains are over that one.

# %% tags=["remove-input"]
compared_tables.costs(settings, main)

# %% [markdown]
# ## Under the degradation that was trained for

# %% tags=["remove-input"]
title = f"Top-1 (%), {main}, {compared_tables.describe(settings)}"
compared_tables.accuracy(title, found) if found.cells else nothing

# %% [markdown]
# What a method has beyond the baseline with the most compute. Bold: the interval excludes 0. Of
# twenty such intervals one does so by luck.

# %% tags=["remove-input"]
gains = compared_tables.gains(found)
compared_tables.gain_table(main, found) if gains else nothing

# %% tags=["remove-input"]
shown = {"both": "clean and degraded images"} | {
    name: name for name in ("dfd", "ssdl", "ddp", "sfd")
}
series = {
    label: {compared.DEGRADATIONS[name]: gain for name, gain in gains[method].items()}
    for method, label in shown.items()
    if method in gains
}
ylabel = "gain over the baseline\nwith the most compute (points)"
_ = figures.gains(series, ylabel) if series else None

# %% [markdown]
# Cross-entropy on clean *and* degraded images, and sfd, which is built upon it, send two kinds of
# images through one network, whose **batch norm** keeps one mean and one deviation for both. Where
# the two kinds differ much, neither fits.
#
# ## On clean images, and under what nobody saw
#
# What is gained under a degradation may be paid for elsewhere.

# %% tags=["remove-input"]
title = f"Top-1 (%) on clean images, by the degradation that was trained for, {main}"
compared_tables.accuracy(title, found, "top1@none") if found.cells else nothing

# %% [markdown]
# And what was trained for the 15 corruptions under four others, speckle noise, Gaussian blur,
# spatter and saturation; gains are over the baseline with the most compute again.

# %% tags=["remove-input"]
table = compared_tables.elsewhere(f"Under four unseen corruptions, {main}", found)
table if table.rows else nothing

# %% [markdown]
# ## How to read this page
#
# - One network, one schedule: a method may do better with a recipe of its own. Weights of
#   distillation terms are those of the methods' own chapters, none of them chosen on test images.
# - The network is small and so are the images: a method that needs a strong teacher or many images
#   is at a disadvantage. The papers' own chapters have their claims.
# - The two networks of fq learn from images from which those are left out that its chapter
#   calibrates on; they are compared with each other.
# - The last epoch counts. Test images have one draw of each degradation per seed, the same for all
#   methods. The number of seeds is fixed, so that these are ordinary 95 % intervals.
#
# ## What to take away
#
# Under each degradation, the best of all methods:

# %% tags=["remove-input"]
words.findings(found)
