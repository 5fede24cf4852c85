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
# Ida, T. Ono. ICIP 2023. At hand were the authors' **slides**, whose result figures are lost: the
# paper's numbers cannot be matched, not even its data are known. What can be tested is what the
# slides claim of methods beside each other.

# %% tags=["parameters", "hide-input"]
# "records": draw everything from the committed records. "store": from a folder of runs, as far as
# there are any. "run": train what is missing, then draw.
mode = "records"
profile = "cpu"
datasets = "cifar10,scenes"
seeds = 0  # 0: as many as the profile says
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
from paperlib.papers.ssdl import words
from paperlib.papers.ssdl.denoising import Denoising
from paperlib.papers.ssdl.method import SSDL, STL
from paperlib.report import Tables, claims_table, in_words, scale_table
from paperlib.study import select

names = datasets.split(",")
settings = select(ssdl.PROFILES, profile, names, seeds or None)
root = Path(data_root) if data_root else None
results, samples = measurements("ssdl", mode, runs, root)

studies = {name: ssdl.study(settings, name, results) for name in names}
measured = {name: ssdl_numbers.scores(items) for name, items in studies.items()}
main = next((name for name in names if name not in DETECTION), None)
scenes = next((name for name in names if name in DETECTION), None)
items = studies[main] if main else {item: {} for item in ssdl.ITEMS}
scores = measured[main] if main else ssdl_numbers.scores(items)
verdicts = ssdl_tables.verdicts(settings, main, items) if main else []
level = ssdl_numbers.main_level(settings)

in_words(verdicts) if main else Markdown(f"*This page shows {', '.join(names)}.*")

# %% [markdown]
# [How to read a verdict](verdicts.md). All numbers on this page are of one
# setting; the first two sections say what it is about, and [below](#the-setting) is why it can
# decide.
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
# good. With a fresh draw in every epoch a network sees many noisy versions of an image, whose mean
# is the clean one. In the training of SSDL, of Noise2Noise and of the noisy baseline no clean image
# is even in memory; a test makes sure. (Six numbers are left of them: every network here normalises
# its input by the channel means and deviations of the clean training set.)
#
# ## The setting
#
# A student costs its own training, its teacher's, and the teacher's answers. The fair control is a
# baseline that trains for as long as both, and it is only fair where longer training has little
# left to give: on few images, with many epochs. And a teacher can only show its worth where a
# better one is clearly better. Held-out training images say whether longer training would help; no
# test image has decided on a recipe, a tap or a weight.

# %% tags=["remove-input"]
words.if_any(ssdl_tables.setting(settings, main, scores)) if main else None

# %% [markdown]
# ## The methods compared
#
# - **floor**: trained on clean images, tested on noise. **ceiling**: tested on clean ones.
# - **noisy baseline**: cross-entropy on noisy images. And the same with the **compute of teacher
#   and student**: without this control, training longer would pass for distillation.
# - **Noise2Noise**, then a classifier trained on the denoised images. The denoiser learns from
#   pairs of draws:

# %% tags=["remove-input"]
source(Denoising.loss)

# %% [markdown]
# - **joint training**: a denoiser before a frozen, clean-trained classifier, trained to restore
#   first and then to recognise and to restore. Both denoisers are trained until their methods have
#   cost what SSDL costs, its teacher included.
# - **STL** and **SSDL**; and SSDL whose teacher sees another draw of the noise than the student.
#
# Taps (the last feature, or every stage) and $\lambda$ are fixed in the profile. They come from
# this grid, the same for STL and SSDL, on noisy training images that were kept out:

# %% tags=["remove-input"]
words.if_any(ssdl_tables.tuning(settings, main, scores)) if main else None

# %% tags=["remove-input"]
panels = ssdl_numbers.tuned(settings, scores)
_ = figures_ssdl.ablations(panels, ylabel="held-out accuracy (%)") if panels else None

# %% [markdown]
# ## The results

# %% tags=["remove-input"]
words.if_any(ssdl_tables.main(settings, main, scores)) if main else None

# %% tags=["remove-input"]
accuracy, gains = ssdl_numbers.curves(settings, scores)
several = len({sigma for curve in accuracy.values() for sigma in curve}) > 1
_ = figures_ssdl.noise_curves(accuracy, gains) if several else None

# %% [markdown]
# Gains, paired by seed, with the intervals of the [verdicts](verdicts.md), which
# allow for seeds that were added until a claim was decided; bold where they exclude 0.

# %% tags=["remove-input"]
Tables(ssdl_tables.gains(settings, main, scores) if main else [])

# %% [markdown]
# ### The same compute
#
# Beside the baseline that trained for as long as teacher and student together:

# %% tags=["remove-input"]
words.compute(settings, scores) or words.NOTHING_YET

# %% [markdown]
# Networks that are far from converged gain most from more steps, of whatever kind. So the same
# question for shorter and for longer schedules; one training of the baseline costs 1, a student
# with its teacher 7/3 of what either has.

# %% tags=["remove-input"]
words.if_any(ssdl_tables.schedules(settings, main, scores)) if main else None

# %% tags=["remove-input"]
words.schedules(settings, scores)

# %% [markdown]
# ## With fewer images
#
# Each headline claim again with fewer training images, by the same recipe. An effect that is there
# with few images and gone with many would be worth little.

# %% tags=["remove-input"]
curves = ssdl_tables.scale(settings, main, items) if main and items["scale"] else []
drawn = {curve.claim.text: curve.points for curve in curves if len(curve.points) > 1}
margins = {curve.claim.text: curve.claim.margin for curve in curves}
_ = figures.scale(drawn, margins) if drawn else None

# %% tags=["remove-input"]
scale_table(curves) if drawn else words.NOTHING_YET

# %% [markdown]
# ## As good as with clean images?
#
# "Comparable" is a claim of **equivalence**, and a difference that was not found does not show it:
# few seeds find nothing. It holds if the whole interval of the difference lies within a margin of
# ±1 point, declared beforehand: a choice of ours, about what a reader would call the same. And it
# is only asked where student-teacher learning is itself farther from the noisy baseline than that;
# otherwise any two methods would be as good as each other. The answer stands at the top of the
# page.
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
_ = figures.image_grid(rows | {"clean": own["clean"]}) if rows else None

# %% [markdown]
# PSNR beside accuracy:

# %% tags=["remove-input"]
words.if_any(ssdl_tables.psnr(settings, main, scores)) if main else None

# %% tags=["remove-input"]
made = ssdl_numbers.restoring(scores, level)
plain = {
    name: label for name, label in ssdl.METHODS.items() if name != "floor" and label not in made
}
others = {label: scores.estimate(f"{name}/{level}") for name, label in plain.items()}
others = {label: value for label, value in others.items() if value}
_ = figures_ssdl.accuracy_and_psnr(made, others) if made else None

# %% tags=["remove-input"]
words.restored(settings, scores)

# %% [markdown]
# ## The noisy teacher beside the clean one
#
# "Quality of noisy teacher is comparable to that of clean teacher", say the slides, with a picture.
# For the same images: feature maps of an early stage, of the teacher trained on clean images (shown
# clean ones) and of that trained on noisy images (shown noisy ones), and where each finds the
# evidence for the true class.

# %% tags=["remove-input"]
shown = next(iter(items["similarity"].get(level, [])), None)
_ = figures_ssdl.teacher_pictures(samples(shown.run)) if shown else None

# %% [markdown]
# In numbers: linear CKA with the clean teacher's features of clean images, layer by layer; 1 is
# equal up to rotation and scale. The controls say what such a number is worth; all but the clean
# teacher itself started from other random weights than it did, and learned from other images of the
# same set. A second clean teacher is as similar to it as training makes two networks; an untrained
# network is similar by its architecture alone.

# %% tags=["remove-input"]
layers = ssdl_numbers.layers(scores, level)
_ = figures_ssdl.similarity_layers(layers) if layers else None

# %% tags=["remove-input"]
words.features(settings, scores)

# %% [markdown]
# ## Why it works, if it does
#
# If a noisy teacher's features are worth anything to a student, a better noisy teacher should be
# worth more:

# %% tags=["remove-input"]
words.if_any(ssdl_tables.teachers(settings, main, scores)) if main else None

# %% tags=["remove-input"]
words.teachers(settings, scores)

# %% [markdown]
# The same in a picture, beside what compute alone does:

# %% tags=["remove-input"]
panels = ssdl_numbers.knobs(settings, scores)
_ = figures_ssdl.ablations(panels) if panels else None

# %% [markdown]
# And whether the teacher had better see the student's very image or another draw of the noise:

# %% tags=["remove-input"]
words.draws(settings, scores) or words.NOTHING_YET

# %% [markdown]
# ## One more task
#
# The slides leave other tasks to future work. Detection of digits in noisy scenes, with
# distillation of the backbone's maps:

# %% tags=["remove-input"]
words.if_any(ssdl_tables.detection(settings, scenes, measured[scenes])) if scenes else None

# %% tags=["remove-input"]
words.detected(measured[scenes]) if scenes else None

# %% [markdown]
# ## What the slides do not say
#
# Every choice below is a parameter of `Run` or of the method; the default comes first.
#
# - **Data, noise, network, training, every number.** CIFAR-10 and generated digits, Gaussian noise
#   and Poisson–Gaussian noise, ResNet-18, the recipe of the profile.
# - **Which features.** Both tried, see the grid: `taps="last"`, `"stages"`.
# - **The teacher's draw of the noise.** `draw="same"`: where there is no clean image, there is but
#   one noisy one. `"independent"` needs two exposures of one scene, as Noise2Noise does.
# - **Where the student starts.** From random weights, those that its teacher started from too.
# - **The denoisers.** A small U-Net for Noise2Noise, and for joint training the denoiser of Liu et
#   al. (2018), whose layers are known from their code; trained here, as theirs is, to restore
#   first, and then with the classifier.
# - **8 bits.** Noisy values are rounded and cut to 0 and 255, as a camera's are. The mean of cut
#   noise is not zero near black and white, so that Noise2Noise learns slightly wrong values there;
#   see exercise 17.
#
# ## Verdicts
#
# The slides give no numbers, so that no claim has a size: what is judged is the sign, or the
# margin. The claims in bold are the headline.

# %% tags=["remove-input"]
claims_table(verdicts) if verdicts else None

# %% [markdown]
# ## What to take away

# %% tags=["remove-input"]
words.conclusion(settings, scores, verdicts)
