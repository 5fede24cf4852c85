"""What `python -m paperlib corrupt` is asked for: the data set, the folder of the set, the severity
table."""

import numpy as np
import pytest

from paperlib import corrupting
from paperlib.corrupting import corrupt_dataset
from paperlib.errors import UserError


def test_where_a_set_goes(tmp_path):
    assert corrupting.set_folder(tmp_path, "cifar10") == tmp_path / "CIFAR-10-C"
    assert corrupting.set_folder(tmp_path / "CIFAR-100-C", "cifar100") == tmp_path / "CIFAR-100-C"
    assert (
        corrupting.set_folder(tmp_path / "CIFAR-100-C", "cifar10")
        == tmp_path / "CIFAR-100-C" / "CIFAR-10-C"
    )
    assert corrupting.set_folder(tmp_path, "synthdigits") == tmp_path / "synthdigits-C"


def test_the_table_is_chosen_by_size_or_by_the_user():
    assert corrupting.default_table(32, 32) == "cifar-c"
    assert corrupting.default_table(224, 224) == "imagenet-c"
    with pytest.raises(
        UserError, match="no severity table was made for 64x64 images; choose one of: imagenet-c"
    ):
        corrupting.default_table(64, 64)


def test_a_folder_can_be_corrupted(root, tmp_path):
    out = corrupt_dataset("pets@32", tmp_path / "out", "brightness", "1", root=root, device="cpu")
    assert out == tmp_path / "out/pets@32-C"
    assert np.load(out / "brightness.npy").shape == (8, 32, 32, 3)
    with pytest.raises(UserError, match="or FOLDER@PIXELS"):
        # of two mistakes the first is said
        corrupt_dataset("pets", tmp_path / "out", "no corruption", "1")
    with pytest.raises(
        UserError, match="scenes: the layout of CIFAR-10-C holds a label for every image"
    ):
        corrupt_dataset("scenes", tmp_path / "out", "brightness", "1")
