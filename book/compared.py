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
# methods are trained on **one protocol**: the same images, the same network, the same seeds, no
# more compute than a baseline gets, and every kind of degradation that the five papers treat. No
# paper has this table.

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
from paperlib.study import select

names = datasets.split(",")
settings = select(compared.PROFILES, profile, names, seeds or None)
root = Path(data_root) if data_root else None
results, samples = measurements("compared", mode, runs, root)
main = names[0]
found = compared_tables.scores(settings, main, compared.study(settings, main, results))

Markdown(f"*This page shows the setting `{settings.profile}`, on {main}.*")

# %% [markdown]
# ## What to use when
#
# By what one has to learn from: a method that can use it, and the simplest thing at hand. "Ahead"
# and "behind" are said where the interval of the difference, paired by seed, excludes 0.

# %% tags=["remove-input"]
compared_tables.advice(main, found)

# %% [markdown]
# The rest of the page is what this table is made of.
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
# All but fq start from one network, trained on clean images; fq trains its own, in float32, beside
# the same without it. Those that see degraded images then have the same number of epochs on the
# same ones. A method costs more than that where it sees two images a step (sfd) or has a teacher of
# its own (ssdl), so there is a **baseline with the most compute**: cross-entropy on degraded images
# for as long as a teacher and its student take. Gains are over that one. DDP's module is trained
# for the one degradation that it is tested under; "15 corruptions" and "6 distortions" are
# mixtures, where neither module nor network is told which one it sees.
#
# ## Under the degradation that was trained for

# %% tags=["remove-input"]
title = f"Top-1 (%), {main}, {compared_tables.describe(settings)}"
compared_tables.accuracy(title, found)

# %% [markdown]
# What a method has beyond the baseline with the most compute. Bold: the interval excludes 0. A
# table of so many intervals has one or two that do so by luck.

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
ylabel = "gain over the baseline\nwith the most compute (points)"
_ = figures.gains(series, ylabel) if series else print("No record yet.")

# %% [markdown]
# Cross-entropy on clean *and* degraded images, and sfd, which is built upon it, send two kinds of
# images through one network: its **batch norm** keeps one mean and one deviation for both, and
# where the two differ much it can serve neither. That is the price of one network for both, and
# what it buys stands in the next table.
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
#   distillation terms are the papers' or the released codes' (`paperlib.methods`); that of ssdl,
#   whose paper prints none, is the one of [its chapter](ssdl.ipynb). None is chosen on test images.
# - The network is small and so are the images: a method that needs a strong teacher or many images
#   is at a disadvantage. The papers' own chapters have their claims.
# - The six distortions have fixed strengths, stated in `paperlib.papers.compared.study`.
# - The last epoch counts. Test images have one draw of each degradation per seed, the same for all
#   methods.
