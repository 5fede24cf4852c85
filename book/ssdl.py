# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # Simple self-distillation for noisy images (ssdl)
#
# *Simple self-distillation learning for noisy image classification.* T. Sasaya, T. Watanabe, T.
# Ida, T. Ono. ICIP 2023.
#
# ## The problem
#
# Cameras deliver noisy images, and in most factories, hospitals and cars there is **no clean
# version** of them to learn from. Denoising first and classifying then either needs clean images,
# or, with Noise2Noise, makes do without them and blurs. Student-teacher learning, [as in
# dfd](dfd.ipynb), needs a teacher that has seen clean images. The paper's proposal is a single word
# long: show the teacher **noisy** images too.
#
# Why should a student learn anything from a teacher that knows no more than it does? The claim is
# that a feature extractor "naturally removes unnecessary features": trained on noise with labels,
# its features are *pseudo-clean*.
#
# At hand were the authors' **slides**, whose result figures are lost. The paper's numbers cannot be
# matched, not even its data are known; so this chapter tests its **relative** claims: as good as
# student-teacher learning with clean images, better than the noisy baseline, better than denoising
# first.

# %% tags=["parameters", "hide-input"]
# "records": draw everything from the committed records. "run": train what is missing, then draw.
mode = "records"
profile = "cpu"
datasets = "cifar10,scenes"
seeds = 5
runs = "../runs"
data_root = ""

# %% tags=["hide-input"]
from pathlib import Path

from IPython.display import Markdown

from paperlib import figures
from paperlib.book.chapters import measurements, source
from paperlib.datasets import DETECTION
from paperlib.papers.ssdl import figures as figures_ssdl
from paperlib.papers.ssdl import numbers as ssdl_numbers
from paperlib.papers.ssdl import study as ssdl
from paperlib.papers.ssdl import tables as ssdl_tables
from paperlib.papers.ssdl.denoising import Denoising
from paperlib.papers.ssdl.method import SSDL, STL
from paperlib.study import select

names = datasets.split(",")
settings = select(ssdl.PROFILES, profile, names, seeds)
root = Path(data_root) if data_root else None
results, samples = measurements("ssdl", mode, runs, root)

studies = {name: ssdl.study(settings, name, results) for name in names}
measured = {name: ssdl_numbers.scores(settings, items) for name, items in studies.items()}
main = next((name for name in names if name not in DETECTION), None)
scenes = next((name for name in names if name in DETECTION), None)
items = studies[main] if main else {item: {} for item in ssdl.ITEMS}
scores = measured[main] if main else ssdl_numbers.scores(settings, items)
level = ssdl_numbers.main_level(settings)

Markdown(f"*This page shows the setting `{settings.profile}`, on {', '.join(names)}.*")

# %% [markdown]
# ## The method
#
# $\tilde x$ is the noisy image, $f_s$ and $f_t$ are the features of student and teacher, one
# architecture. The teacher is trained on noisy images with labels, then frozen; the student
# minimises
#
# $$ L = L_{CE}(\tilde x) + \lambda \, \lVert f_s(\tilde x) - f_t(\tilde x) \rVert^2 . $$
#
# Student-teacher learning (STL) has $f_t(x)$ there, with a clean $x$ and a teacher trained on clean
# images. Everything else is the same here, down to the code:

# %% tags=["remove-input"]
source(SSDL)

# %% tags=["remove-input"]
source(STL)

# %% [markdown]
# "No clean image" is taken at its word: every training image has **one** draw of the noise, for
# good. With a fresh draw in every epoch a network sees a hundred noisy versions of an image, whose
# mean is the clean one. In the training of SSDL, of Noise2Noise and of the noisy baseline no clean
# image is even in memory; a test makes sure. (Six numbers are left of them: every network here
# normalises its input by the channel means and deviations of the clean training set.)
#
# ## The methods compared
#
# - **floor**: trained on clean images, tested on noise. **ceiling**: tested on clean ones.
# - **noisy baseline**: cross-entropy on noisy images. And the same with the **compute of teacher
#   and student**: a student costs its own training, its teacher's, and the teacher's answers.
#   Without this control, training longer would pass for distillation.
# - **Noise2Noise**, then a classifier trained on the denoised images. The denoiser learns from
#   pairs of draws:

# %% tags=["remove-input"]
source(Denoising.loss)

# %% [markdown]
# - **joint training**: a denoiser before a frozen, clean-trained classifier, trained to recognise
#   and to restore.
# - **STL** and **SSDL**; and SSDL whose teacher sees another draw of the noise than the student.
#
# Taps (the last feature, or every stage) and $\lambda$ are tuned alike for STL and SSDL, on noisy
# training images that were kept out:

# %% tags=["remove-input"]
ssdl_tables.tuning(settings, main, scores) if main else None

# %% [markdown]
# ## The results

# %% tags=["remove-input"]
ssdl_tables.main(settings, main, scores) if main else None

# %% tags=["remove-input"]
accuracy, gains = ssdl_numbers.curves(settings, scores)
several = len({sigma for curve in accuracy.values() for sigma in curve}) > 1
_ = (
    figures_ssdl.noise_curves(accuracy, gains)
    if several
    else print("A curve over σ wants several: PROFILE=cpu.")
)

# %% [markdown]
# Gains, paired by seed; bold where the 95 % interval excludes 0.

# %% tags=["remove-input"]
tables = ssdl_tables.gains(settings, main, scores) if main else []
Markdown("\n\n".join(table._repr_markdown_() for table in tables))

# %% [markdown]
# In the setting `cpu`, which this site shows, a noisy teacher is worth something: SSDL is ahead of
# the noisy baseline under both noises, and in the mean over them ahead of denoising first, which is
# worth nothing. It is **not** ahead of the baseline that trained for as long as teacher and student
# together; in the mean it is behind. With a clean teacher, the student is ahead of that one too, in
# the mean and under the strong noise.
#
# ### The same compute
#
# Networks that are far from converged gain most from more steps, of whatever kind: then the fair
# control beats every teacher, as in [ten minutes](#what-ten-minutes-show). The setting `cpu`
# therefore has few images and, for them, a long schedule; below, a still longer one. One training
# of the baseline costs 1; a student with its teacher costs 7/3 of what either has.

# %% tags=["remove-input"]
ssdl_tables.schedules(settings, main, scores) if main else None

# %% [markdown]
# The longer all of them train, the less is left for the control to gain, and the sign turns. With
# three seeds the interval of the last difference contains 0. Whoever can train to the end gets
# something from a noisy teacher, perhaps; whoever cannot had better train the baseline for longer.
#
# ## As good as with clean images?
#
# "Comparable" is a claim of **equivalence**, and a difference that was not found does not show it:
# few seeds find nothing. Two one-sided $t$-tests ask whether the difference lies within a margin of
# ±1 point: a choice of ours, about what a reader would call the same.

# %% tags=["remove-input"]
ssdl_tables.equivalent(settings, main, scores) if main else None

# %% tags=["remove-input"]
rows = ssdl_numbers.tests(settings, scores)
_ = figures_ssdl.equivalences(rows) if rows else print("No record yet.")

# %% [markdown]
# In the setting `cpu` the answer is **no**: SSDL is behind student-teacher learning under strong
# noise and in the mean over both strengths. What the teacher knows of clean images is worth points,
# and this claim of the paper does not reproduce here.
#
# ## A better image is not a better recognition
#
# The slides' point about Noise2Noise: it blurs, and blur hurts recognition. What the two denoisers
# make of test images that they have not seen:

# %% tags=["remove-input"]
rows = {}
for name, cell in (("Noise2Noise", "denoiser"), ("joint", "joint")):
    record = next(iter(items["main"].get(f"{cell}/{level}", [])), None)
    if record:
        own = samples(record.run)
        rows |= {"noisy": own["input"], name: own["output"]}
_ = figures.image_grid(rows | {"clean": own["clean"]}) if rows else print("No record yet.")

# %% [markdown]
# PSNR beside accuracy:

# %% tags=["remove-input"]
ssdl_tables.psnr(settings, main, scores) if main else None

# %% tags=["remove-input"]
made = ssdl_numbers.restoring(scores, level)
plain = {
    name: label for name, label in ssdl.METHODS.items() if name != "floor" and label not in made
}
others = {label: scores.estimate(f"{name}/{level}") for name, label in plain.items()}
_ = figures_ssdl.accuracy_and_psnr(made, others) if made else print("No record yet.")

# %% [markdown]
# ## The noisy teacher beside the clean one
#
# "Quality of the noisy teacher is comparable to that of the clean teacher", say the slides, with a
# picture. For the same images: feature maps of an early stage, of the teacher trained on clean
# images (shown clean ones) and of that trained on noisy images (shown noisy ones), and where each
# finds the evidence for the true class.

# %% tags=["remove-input"]
shown = next(iter(items["similarity"].get(level, [])), None)
_ = figures_ssdl.teacher_pictures(samples(shown.run)) if shown else print("No record yet.")

# %% [markdown]
# In numbers: linear CKA with the clean teacher's features of clean images, layer by layer; 1 is
# equal up to rotation and scale. The controls say what such a number is worth; all but the clean
# teacher itself started from other random weights than it did. A second clean teacher is as like it
# as training makes two networks, and an untrained network is like it without any.

# %% tags=["remove-input"]
curves = ssdl_numbers.layers(scores, level)
_ = figures_ssdl.similarity_layers(curves) if curves else print("No record yet.")

# %% [markdown]
# In the setting `cpu` the noisy teacher's last features are between two controls: more like the
# clean teacher's than what that one makes of noisy images, and less than a second clean teacher's.
# Before the last stage its interval overlaps that of the second clean teacher. "Comparable" is a
# fair word for the features, then; the accuracies above say that the rest matters.
#
# ## Why it works, if it does
#
# If a noisy teacher's features are worth anything to a student, a better noisy teacher should be
# worth more:

# %% tags=["remove-input"]
ssdl_tables.teachers(settings, main, scores) if main else None

# %% [markdown]
# In the setting `cpu` it is, by the means: with a teacher of 3/7 of the epochs the student is where
# the baseline is, and the longer the teacher was trained the further ahead. A teacher that started
# from other random weights teaches as well. The same in a picture, beside what compute alone does:

# %% tags=["remove-input"]
panels = ssdl_numbers.knobs(settings, scores)
drawn = any(line for panel in panels.values() for line in panel.values())
_ = figures_ssdl.ablations(panels) if drawn else print("No record yet.")

# %% [markdown]
# Where the features are compared, and how much they count: the tuning above, which has one seed;
# what learned nothing is left out. What the draw of the noise does is in the table of the results.

# %% tags=["remove-input"]
panels = ssdl_numbers.tuned(scores)
_ = (
    figures_ssdl.ablations(panels, ylabel="held-out accuracy (%)")
    if panels
    else print("No record yet.")
)

# %% [markdown]
# ## One more task
#
# The slides leave other tasks to future work. Detection of digits in noisy scenes, with
# distillation of the backbone's maps:

# %% tags=["remove-input"]
ssdl_tables.detection(settings, scenes, measured[scenes]) if scenes else None

# %% [markdown]
# In the setting `cpu` all three find nearly every digit; the gains are of about a point, and the
# intervals of both contain 0.
#
# ## What the paper does not say
#
# Every choice below is a parameter of `Run` or of the method; the default comes first.
#
# - **Data, noise, network, training, every number.** CIFAR-10 and generated digits, Gaussian noise
#   and Poisson–Gaussian noise, ResNet-18, the recipe of the profile.
# - **Which features.** Both tried, see the tuning: `taps="last"`, `"stages"`.
# - **The teacher's draw of the noise.** `draw="same"`: where there is no clean image, there is but
#   one noisy one. `"independent"` needs two exposures of one scene, as Noise2Noise does.
# - **Where the student starts.** From random weights, those that its teacher started from too; the
#   ablation above has a teacher from other weights.
# - **The denoisers.** A small U-Net for Noise2Noise, and for joint training the denoiser of Liu et
#   al. (2018), whose layers are known from their code; trained here, as theirs is, to restore
#   first, and then with the classifier.
# - **8 bits.** Noisy values are rounded and cut to 0 and 255, as a camera's are. The mean of cut
#   noise is not zero near black and white, so that Noise2Noise learns slightly wrong values there;
#   see exercise 17.
#
# ## What reproduced and what did not
#
# Differences are paired by seed; [how to read a verdict](index.md#how-to-read-a-verdict). The
# slides give no numbers: what is judged is the sign. The claim that SSDL is as good as
# student-teacher learning has no sign, and is [tested above](#as-good-as-with-clean-images).

# %% tags=["remove-input"]
ssdl_tables.claims(settings, main, items) if main else None

# %% [markdown]
# ## What ten minutes show
#
# `make reproduce PAPER=ssdl PROFILE=demo DATASET=cifar10,scenes` has twice the images and a
# thirteenth of the epochs.

# %% tags=["remove-input"]
tables = []
if mode == "records" and profile != "demo" and main:
    short = select(ssdl.PROFILES, "demo", [main])
    found = ssdl_numbers.scores(short, ssdl.study(short, main, results))
    tables = [ssdl_tables.main(short, main, found), *ssdl_tables.gains(short, main, found)]
Markdown("\n\n".join(table._repr_markdown_() for table in tables) or "Nothing beside the above.")
