"""The embedded data set: its pictures, and the cache file that keeps them."""

import threading
import warnings

import pytest
import torch

from paperlib.datasets import cache, synthdigits


@pytest.fixture(scope="module")
def drawn():
    return synthdigits.make(seed=0, train=300, test=200)


@pytest.fixture
def small(monkeypatch, tmp_path):
    """`synthdigits.load` with a tiny data set and an empty cache folder. Returns the path of its
    cache file."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    make = synthdigits.make
    monkeypatch.setattr(synthdigits, "make", lambda seed: make(seed, train=20, test=10))
    return tmp_path / "paperlib" / f"synthdigits-{synthdigits.VERSION}-0{cache.ENDING}"


def same(left, right):
    return all(torch.equal(a, b) for a, b in zip(left, right, strict=True))


def test_shapes_types_and_range(drawn):
    train_images, train_labels, test_images, test_labels = drawn
    assert train_images.shape == (300, 3, 32, 32)
    assert test_images.shape == (200, 3, 32, 32)
    assert train_images.dtype == test_images.dtype == torch.uint8
    assert train_labels.shape == (300,)
    assert test_labels.shape == (200,)
    assert train_labels.dtype == test_labels.dtype == torch.int64
    assert train_images.is_contiguous()


def test_labels_are_balanced(drawn):
    _, train_labels, _, test_labels = drawn
    assert train_labels.bincount().tolist() == [30] * 10
    assert test_labels.bincount().tolist() == [20] * 10


def test_same_seed_same_bits_whatever_the_number_of_threads(drawn):
    threads = torch.get_num_threads()
    torch.set_num_threads(1 if threads > 1 else 2)
    try:
        torch.manual_seed(123)  # the global generator must not matter
        train_images, train_labels, test_images, test_labels = synthdigits.make(
            seed=0, train=100, test=100
        )
        assert same((train_images, train_labels), (drawn[0][:100], drawn[1][:100]))
        assert same((test_images, test_labels), (drawn[2][:100], drawn[3][:100]))
    finally:
        torch.set_num_threads(threads)


def test_the_global_generator_is_left_alone():
    before = torch.get_rng_state()
    synthdigits.make(seed=0, train=10, test=0)
    assert torch.equal(before, torch.get_rng_state())


def test_a_picture_does_not_depend_on_how_many_are_drawn(drawn):
    train_images, train_labels, test_images, test_labels = drawn
    first = synthdigits.make(seed=0, train=130, test=7)
    assert same(first, (train_images[:130], train_labels[:130], test_images[:7], test_labels[:7]))


def test_other_seed_other_pictures(drawn):
    images, labels, _, _ = synthdigits.make(seed=1, train=300, test=0)
    assert not torch.equal(images, drawn[0])
    assert not torch.equal(labels, drawn[1])


def test_all_pictures_differ_so_train_and_test_are_disjoint(drawn):
    train_images, _, test_images, _ = drawn
    assert len(torch.cat([train_images, test_images]).unique(dim=0)) == 500


def test_the_pictures_fill_the_range_without_being_all_alike(drawn):
    means = drawn[0].double().mean((1, 2, 3)) / 255
    assert 0.3 < means.mean() < 0.7
    assert means.std() > 0.1


def test_the_label_is_the_digit_in_the_middle(monkeypatch):
    """Without any of the random distortions, the best of all glyphs for the middle of the picture
    is the label's."""
    monkeypatch.setattr(torch, "rand", lambda *shape, **_: torch.full(shape, 0.5).double())
    monkeypatch.setattr(torch, "randn", lambda *shape, **_: torch.zeros(shape).double())
    images, labels, _, _ = synthdigits.make(train=synthdigits.CHUNK, test=0)
    upright = torch.nn.functional.interpolate(synthdigits.draw_glyphs(), size=24, mode="area")
    middle = images.double().mean(1)[:, 6:26, 10:22].flatten(1)
    known = upright[:, :, 2:22, 6:18].flatten(2).flatten(0, 1)
    guesses = (
        torch.corrcoef(torch.cat([middle, known]))[: len(labels), len(labels) :].argmax(1) % 10
    )
    assert (guesses == labels).double().mean() > 0.95


def test_every_font_has_ten_different_digits():
    glyphs = synthdigits.draw_glyphs()
    assert glyphs.shape[:2] == (len(synthdigits.FONTS), 10)
    assert glyphs.amin() == 0
    assert glyphs.amax() == 1
    for digits in glyphs:
        assert len(digits.unique(dim=0)) == 10


def test_made_once_then_read_from_the_cache(small, monkeypatch):
    first = synthdigits.load()
    assert small.is_file()
    monkeypatch.setattr(synthdigits, "make", lambda seed: pytest.fail("made again"))
    assert same(first, synthdigits.load())


@pytest.mark.parametrize("damage", ["flipped", "truncated", "empty", "no checksum"])
def test_a_corrupt_cache_file_is_set_aside_and_made_again(small, damage):
    first = synthdigits.load()
    content = bytearray(small.read_bytes())
    if damage == "flipped":
        content[-100] ^= 1
    if damage == "no checksum":
        content = content.replace(b"sha256", b"sha257")
    small.write_bytes({"truncated": content[:-1000], "empty": b""}.get(damage, content))

    with pytest.warns(UserWarning, match="set aside as .*, it is made again"):
        assert same(first, synthdigits.load())
    assert small.with_name(f"{small.name}.corrupt").is_file()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert same(first, synthdigits.load())


def test_a_cache_folder_that_cannot_be_written_only_warns(small, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    # a folder below a file: fails for root, too
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.warns(UserWarning, match="could not keep"):
        images = synthdigits.load()[0]
    assert len(images) == 20


def test_a_disk_that_fills_up_only_warns_and_leaves_nothing_behind(small, monkeypatch):
    def fail(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("safetensors.torch.save_file", fail)
    with pytest.warns(UserWarning, match="No space left"):
        synthdigits.load()
    assert [path.suffix for path in small.parent.iterdir()] in ([], [".lock"])


def test_of_two_at_once_one_makes_it_and_the_other_waits(small, monkeypatch):
    make, calls, both = synthdigits.make, [], threading.Barrier(2)
    monkeypatch.setattr(synthdigits, "make", lambda seed: calls.append(seed) or make(seed))
    results = []

    def load():
        both.wait()
        results.append(synthdigits.load())

    threads = [threading.Thread(target=load) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert calls == [0]
    assert same(*results)
