"""All corruptions through the public functions: what they take, and on what their bits depend."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from paperlib.degrade import corruptions, frost
from paperlib.degrade.corruptions import FUNCTIONS, NAMES, corrupt, corrupt_array
from paperlib.degrade.tables import CORRUPTIONS, SEVERITIES, TABLES
from paperlib.errors import UserError

RANDOM = (
    *("gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise"),
    *("glass_blur", "motion_blur", "elastic_transform"),
    *("snow", "frost", "procedural_frost", "fog", "spatter"),
)


@pytest.fixture(scope="module", autouse=True)
def textures(tmp_path_factory):
    """Frost textures of random pixels: the real ones are not in the repository."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("frost")
    for i, end in enumerate(("png", "png", "png", "jpg", "jpg", "jpg"), 1):
        pixels = np.random.default_rng(i).integers(0, 256, (280, 300, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"frost{i}.{end}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FROST_TEXTURES", str(folder))
        yield


def pictures(count=5, height=32, width=32, channels=3, seed=0):
    """Smooth shades with some noise, which blurs and JPEG leave recognisable, unlike pure noise."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, channels, 4, 4, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").mul(255)
    noise = torch.rand(count, channels, height, width, generator=generator).mul(20)
    return (smooth + noise).clamp(0, 255).to(torch.uint8)


def test_every_corruption_has_a_function_and_five_severities_in_every_table():
    assert set(NAMES) == set(FUNCTIONS)
    assert len(CORRUPTIONS) == 19
    for table in TABLES.values():
        assert set(table) == set(CORRUPTIONS)
        assert all(len(rows) == 5 for rows in table.values())


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("name", NAMES)
def test_an_image_has_the_same_bits_in_every_batch(name, table):
    """Alone and in another order; of a size that leaves vector instructions a rest."""
    images = pictures(9, 41, 35)
    index = torch.tensor([5, 0, 3, 11, 2, 9, 8, 1, 4])
    for severity in (1, 3, 5):
        together = corrupt(images, name, severity, table=table, index=index)
        assert together.dtype == torch.uint8
        assert together.shape == images.shape
        for i in (0, 4, 8):
            alone = corrupt(images[i : i + 1], name, severity, table=table, index=int(index[i]))
            assert torch.equal(alone[0], together[i]), severity
        order = torch.tensor([6, 1, 7])
        assert torch.equal(
            corrupt(images[order], name, severity, table=table, index=index[order]), together[order]
        )


@pytest.mark.parametrize("name", NAMES)
def test_chunks_change_nothing(name, monkeypatch):
    images = pictures(5)
    whole = corrupt(images, name, 3, table="cifar-c")
    monkeypatch.setattr(corruptions, "chunk", lambda images: 2)
    assert torch.equal(corrupt(images, name, 3, table="cifar-c"), whole)


@pytest.mark.parametrize("name", NAMES)
def test_random_ones_differ_by_seed_and_image_and_the_others_do_not(name):
    images = pictures(1).expand(3, -1, -1, -1)
    first = corrupt(images, name, 5, table="imagenet-c")
    again = corrupt(images, name, 5, table="imagenet-c", seed=1)
    assert (not torch.equal(first, again)) == (name in RANDOM)
    assert (not torch.equal(first[0], first[1])) == (name in RANDOM)
    assert torch.equal(corrupt(images, name, 5, table="imagenet-c"), first)


@pytest.mark.parametrize("table", ["imagenet-c", "cifar-c"])
@pytest.mark.parametrize("name", NAMES)
def test_severities_hurt(name, table):
    """Every severity changes the image, the fifth more than the first; between, order may vary."""
    images = pictures(8, 64, 64)
    distances = []
    for severity in SEVERITIES:
        corrupted = corrupt(images, name, severity, table=table)
        distances.append(float((corrupted.float() - images.float()).square().mean()))
    if (name, table) == ("saturate", "cifar-c") or name == "elastic_transform":
        # 0.3 times the saturation is a larger change than 1.5 times; likewise the shear
        assert min(distances) > 0
    else:
        assert distances[4] > distances[0] > 0


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [(16, 16), (17, 40), (35, 16)])
@pytest.mark.parametrize("channels", [1, 3])
def test_sizes_and_channels(name, size, channels):
    images = pictures(2, *size, channels)
    before = images.clone()
    for table in TABLES:
        for severity in SEVERITIES:
            assert corrupt(images, name, severity, table=table).shape == images.shape
    assert torch.equal(images, before), "the input was written to"


@pytest.mark.parametrize("name", NAMES)
def test_extreme_images(name):
    """Black, white, one colour, and a checkerboard: no NaN becomes a zero, nothing fails."""
    levels = torch.tensor([0, 255, 90], dtype=torch.uint8)[:, None, None, None].expand(
        -1, 3, 48, 48
    )
    checkerboard = (
        ((torch.arange(48)[:, None] + torch.arange(48)) % 2 * 255)
        .to(torch.uint8)
        .expand(1, 3, -1, -1)
    )
    images = torch.cat([levels, checkerboard])
    for table in TABLES:
        for severity in SEVERITIES:
            corrupted = corrupt(images, name, severity, table=table)
            if name in (
                "defocus_blur",
                "gaussian_blur",
                "motion_blur",
                "glass_blur",
                "zoom_blur",
                "elastic_transform",
            ):
                flat = corrupted[2].long() - 90
                assert flat.abs().max() <= 2, "a flat image stays flat"
            if name in ("contrast", "pixelate"):
                assert (corrupted[:3].long() - images[:3].long()).abs().max() <= 1


@pytest.mark.parametrize("name", NAMES)
def test_no_images(name):
    assert corrupt(torch.empty(0, 3, 32, 32, dtype=torch.uint8), name, 2).shape == (0, 3, 32, 32)


@pytest.mark.parametrize(
    "name", ["gaussian_noise", "motion_blur", "jpeg_compression", "glass_blur"]
)
def test_memory_layout_and_type_change_nothing(name):
    images = pictures(3)
    expected = corrupt(images, name, 4, table="cifar-c")
    big = torch.zeros(3, 3, 64, 32, dtype=torch.uint8)
    big[:, :, ::2] = images
    assert torch.equal(corrupt(big[:, :, ::2], name, 4, table="cifar-c"), expected)
    assert torch.equal(
        corrupt(images.contiguous(memory_format=torch.channels_last), name, 4, table="cifar-c"),
        expected,
    )
    floats = corrupt(images.float() / 255, name, 4, table="cifar-c")
    assert floats.dtype == torch.float32
    assert torch.equal(floats, expected.float() / 255)
    assert corrupt(images.double() / 255, name, 4, table="cifar-c").dtype == torch.float64


def test_arrays_as_files_give_them():
    images = pictures(2).permute(0, 2, 3, 1).numpy()
    expected = corrupt(pictures(2), "gaussian_noise", 2).permute(0, 2, 3, 1).numpy()
    frozen = images.copy()
    frozen.flags.writeable = False
    assert np.array_equal(corrupt_array(frozen, "gaussian_noise", 2), expected)
    assert np.array_equal(corrupt_array(images[:, ::-1][:, ::-1], "gaussian_noise", 2), expected)
    assert np.array_equal(corrupt_array(np.asfortranarray(images), "gaussian_noise", 2), expected)
    assert np.array_equal(corrupt_array(images[0], "gaussian_noise", 2), expected[0])
    grey = images[0, :, :, 0]
    assert corrupt_array(grey, "fog", 2).shape == grey.shape
    assert np.array_equal(
        corrupt_array(grey[..., None], "fog", 2)[..., 0], corrupt_array(grey, "fog", 2)
    )


def test_index_names_images():
    images = pictures(3)
    counted = corrupt(images, "gaussian_noise", 1, index=10)
    assert torch.equal(
        corrupt(images, "gaussian_noise", 1, index=torch.tensor([10, 11, 12])), counted
    )
    assert not torch.equal(corrupt(images, "gaussian_noise", 1), counted)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (
            torch.zeros(3, 32, 32, dtype=torch.uint8),
            r"torch.uint8 of shape \(3, 32, 32\); they must be a tensor \(B, C",
        ),
        (torch.zeros(1, 2, 32, 32, dtype=torch.uint8), "1 or 3 channels"),
        (torch.zeros(1, 32, 32, 3, dtype=torch.uint8), "1 or 3 channels"),
        (
            torch.zeros(1, 3, 15, 32, dtype=torch.uint8),
            "images are 15x32; they must be at least 16x16",
        ),
        (
            torch.zeros(1, 3, 32, 32, dtype=torch.int64),
            "torch.int64; they must be uint8, or float in",
        ),
        (torch.zeros(1, 3, 32, 32, dtype=torch.complex64), "torch.complex64; they must be uint8"),
        (torch.full((1, 3, 32, 32), 1.01), r"float images must lie in \[0, 1\]"),
        (torch.full((1, 3, 32, 32), -0.01), r"float images must lie in \[0, 1\]"),
        (torch.full((1, 3, 32, 32), float("nan")), r"float images must lie in \[0, 1\]"),
        (torch.full((1, 3, 32, 32), 255.0), r"float images must lie in \[0, 1\]"),
        (np.zeros((1, 3, 32, 32), np.uint8), "they must be a tensor"),
        ("fog", "images are str"),
    ],
)
def test_wrong_images(images, message):
    with pytest.raises(UserError, match=message):
        corrupt(images, "fog", 1)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((32, 32, 3)),
        np.zeros(32, np.uint8),
        np.zeros((1, 1, 32, 32, 3), np.uint8),
        torch.zeros(32, 32),
        None,
    ],
)
def test_wrong_arrays(image):
    with pytest.raises(
        UserError, match=r"they must be uint8 arrays \(H, W\), \(H, W, C\) or \(N, H, W, C\)"
    ):
        corrupt_array(image, "fog", 1)


@pytest.mark.parametrize(
    "index", [torch.arange(2), torch.zeros(3, 1, dtype=torch.int64), torch.rand(3)]
)
def test_wrong_indices(index):
    with pytest.raises(
        UserError, match=r"index has shape .*; it must hold one integer for each of 3 images"
    ):
        corrupt(pictures(3), "fog", 1, index=index)


def test_no_textures(monkeypatch, tmp_path):
    with pytest.raises(UserError, match="procedural_frost"):
        frost.find_textures(tmp_path)
    monkeypatch.setenv("FROST_TEXTURES", str(tmp_path / "nowhere"))
    monkeypatch.delenv("DATA_ROOT", raising=False)
    with pytest.raises(UserError, match="procedural_frost"):
        corrupt(pictures(1), "frost", 1)


names = st.one_of(st.sampled_from(NAMES), st.text(max_size=12))
severities = st.one_of(
    st.integers(-1, 7), st.sampled_from([2.0, 2.5, True, None, "3", float("nan")])
)
tables = st.one_of(st.sampled_from([*TABLES]), st.text(max_size=8))
shapes = st.tuples(st.integers(0, 3), st.integers(0, 4), st.integers(12, 40), st.integers(12, 40))
dtypes = st.sampled_from(
    [torch.uint8, torch.float32, torch.float16, torch.bfloat16, torch.int32, torch.bool]
)


@pytest.mark.slow
@settings(max_examples=400, deadline=None, derandomize=True)
@given(name=names, severity=severities, table=tables, shape=shapes, dtype=dtypes, data=st.data())
def test_any_input_gets_the_right_answer_or_one_clear_line(
    name, severity, table, shape, dtype, data
):
    step = data.draw(st.sampled_from([1, 2]), "stride of the rows")
    top = data.draw(st.sampled_from([1, 255]), "largest value")
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 5), "pixels"))
    batch, channels, height, width = shape
    pixels = torch.randint(
        0, top + 1, (batch, channels, height * step, width), generator=generator
    ).to(dtype)[:, :, ::step]
    before = pixels.clone()
    known = name in NAMES and table in TABLES
    known &= not isinstance(severity, bool | str | None) and severity in SEVERITIES
    sound = channels in (1, 3) and min(height, width) >= 16
    sound &= dtype == torch.uint8 or (
        dtype.is_floating_point and (not pixels.numel() or float(pixels.max()) <= 1)
    )
    if known and sound:
        out = corrupt(pixels, name, severity, table=table)
        assert out.shape == pixels.shape
        assert out.dtype == dtype
        if dtype.is_floating_point and out.numel():
            assert float(out.min()) >= 0
            assert float(out.max()) <= 1
    else:
        with pytest.raises(UserError) as caught:
            corrupt(pixels, name, severity, table=table)
        assert "\n" not in str(caught.value)
    assert torch.equal(pixels, before)
