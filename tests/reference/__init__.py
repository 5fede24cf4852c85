"""Parity with the published corruption functions, measured in an environment of their own.

Two publications are the reference, for three severity tables (`paperlib/degrade/tables.py`):

- "imagecorruptions": the package of that name, 1.1.2 (requirements.txt says what it runs with);
- "imagenet-c", "cifar-c": `make_imagenet_c.py` at commit e0377d46411fa30c01a9559017bdb6a5f78d4abf
  and `make_cifar_c.py` at commit ca360085d57889288c4143fddd8a707bbcae01bd, in the folder
  `ImageNet-C/create_c` of github.com/hendrycks/robustness, which is on no package index: the user
  names a checkout. Their motion blur and snow call ImageMagick 6 through Wand.

No line and no picture of theirs is committed. `make parity ROBUSTNESS=checkout IMAGES=photographs`
makes the environment and runs, in this order, `python -m reference COMMAND` with its python:

- `golden` writes `tests/golden/*.npz`: small arrays, of inputs made by formula and what the
  reference makes of them. `tests/degrade/test_parity.py` and `test_statistics.py` compare with
  those, without the reference environment.
- `fed` runs both on photographs of 224 pixels and CIFAR-10 images with the same random fields, and
  writes `data/results/parity/<table>.json`.
- `free` runs both with random numbers of their own, compares statistics (see `moments`), and writes
  `data/results/parity/statistics.json`.
- `speed` (`make bench-corruptions`) times both in turn, and writes
  `data/results/bench/corruptions-<device>.json`.

The last three have both sides in one process: the reference environment's python, with the folder
of our environment that holds torch at the end of its path (so numpy, OpenCV and Pillow are the
reference's).

What is changed in the reference, and why: numpy's and scikit-image's random numbers come from one
seeded stream that never changes, numpy's RandomState; `gaussian(multichannel=True)` is translated;
the literal 224 of make_imagenet_c.py becomes the size of the image, so that golden arrays can be
small, and the 256 of its fog's plasma the next power of two; frost textures come from a named
folder. Of the two files only imports, functions and the class that blurs are executed: nothing that
reads data sets or writes.
"""
