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
# methods are trained on **one protocol**: the same images, the same network, the same budget, the
# same seeds, and every kind of degradation that the five papers treat. No paper has this table.
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
# All start from one network, trained on clean images. Those that see degraded images then have the
# same number of epochs on the same ones; a method with a teacher of its own (ssdl) has had its
# teacher's training beside it.

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
from paperlib.book.chapters import measurements
from paperlib.papers.compared import study as compared
from paperlib.papers.compared import tables as compared_tables
from paperlib.study import select

names = datasets.split(",")
settings = select(compared.PROFILES, profile, names, seeds)
root = Path(data_root) if data_root else None
results, samples = measurements("compared", mode, runs, root)
studies = {name: compared.study(settings, name, results) for name in names}
main = names[0]
found = compared_tables.scores(main, studies[main])

Markdown(f"*This page shows the setting `{settings.profile}`, on {', '.join(names)}.*")

# %% [markdown]
# ## Under the degradation that was trained for

# %% tags=["remove-input"]
title = f"Top-1 (%), {main}, {compared_tables.describe(settings)}"
compared_tables.accuracy(title, found)

# %% [markdown]
# What a method adds to cross-entropy on the same degraded images. Bold: the 95 % interval, paired
# by seed, excludes 0. There are 35 intervals: one or two would exclude it by luck.

# %% tags=["remove-input"]
compared_tables.gain_table(main, found)

# %% tags=["remove-input"]
gains = compared_tables.gains(found)
shown = {"both": "clean and degraded images"} | {
    name: name for name in ("dfd", "ssdl", "ddp", "sfd")
}
series = {
    label: {compared.DEGRADATIONS[name]: gain for name, gain in gains[method].items()}
    for method, label in shown.items()
    if method in gains
}
_ = figures.gains(series, "gain over cross-entropy (points)") if series else print("No record yet.")

# %% [markdown]
# Cross-entropy on clean *and* degraded images, and sfd, which is built upon it, send two kinds of
# images through one network: its **batch norm** keeps one mean and one deviation for both, and
# where the two differ much (8 × 8 pixels) it serves neither. That is no failure of the
# distillation, which starts from there; it is the price of one network for both, and what it buys
# stands in the next table.
#
# ## On clean images, and under what nobody saw
#
# What is gained under a degradation may be paid for elsewhere.

# %% tags=["remove-input"]
compared_tables.accuracy(f"Top-1 (%) on clean images, {main}", found, "top1@none")

# %% tags=["remove-input"]
title = f"Top-1 (%) under speckle noise, Gaussian blur, spatter and saturation, {main}"
compared_tables.accuracy(title, found, "unseen")

# %% [markdown]
# ## What it costs

# %% tags=["remove-input"]
compared_tables.costs(found)

# %% [markdown]
# ## How to read this page
#
# - One network, one schedule: a method may do better with a recipe of its own. Weights of
#   distillation terms are the papers' or the released codes' (`paperlib.methods`), not tuned here;
#   none is chosen on test images.
# - The six distortions have fixed strengths, stated in `paperlib.papers.compared.study`.
# - The last epoch counts. Test images have one draw of each degradation, the same for all methods.
