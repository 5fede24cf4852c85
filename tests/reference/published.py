"""The published corruption functions, made to run in the reference environment (`reference`)."""

import ast
import importlib
import importlib.metadata
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

FILES = {"imagenet-c": "make_imagenet_c.py", "cifar-c": "make_cifar_c.py"}
COMMITS = {
    "imagenet-c": "e0377d46411fa30c01a9559017bdb6a5f78d4abf",
    "cifar-c": "ca360085d57889288c4143fddd8a707bbcae01bd",
}
TABLES = ("imagenet-c", "cifar-c", "imagecorruptions")
UNUSED = ("torch", "torchvision")  # imported by the files for their data loaders

Corrupt = Callable[[np.ndarray, str, int], np.ndarray]


class Adapt(ast.NodeTransformer):
    """Keeps what defines corruptions; replaces constant sizes and texture files by given ones."""

    def __init__(self, size: int, textures: Path) -> None:
        self.size, self.textures = size, textures

    def visit_Module(self, node: ast.Module) -> ast.Module:
        body = [self.visit(part) for part in node.body if self.wanted(part)]
        return ast.fix_missing_locations(ast.Module(body, type_ignores=[]))

    @staticmethod
    def wanted(node: ast.stmt) -> bool:
        if isinstance(node, ast.Import | ast.ImportFrom):
            module = getattr(node, "module", None) or node.names[0].name
            return module.split(".")[0] not in UNUSED
        if isinstance(node, ast.Assign):  # the signature of ImageMagick's function
            return "MagickMotionBlurImage" in ast.unparse(node.targets[0])
        return isinstance(node, ast.FunctionDef) or (
            isinstance(node, ast.ClassDef) and node.name == "MotionImage"
        )

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        if node.value == 224:
            return ast.copy_location(ast.Constant(self.size), node)
        if node.value == 256:  # the plasma's size, in a default argument
            return ast.copy_location(ast.Constant(1 << (self.size - 1).bit_length()), node)
        if isinstance(node.value, str) and node.value.startswith("./frost"):
            return ast.copy_location(ast.Constant(str(self.textures / node.value[2:])), node)
        return node


def _with_channels(gaussian: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(*args: Any, multichannel: bool = False, **kwargs: Any) -> Any:
        if multichannel:
            kwargs["channel_axis"] = -1
        return gaussian(*args, **kwargs)

    return wrapper


def _from_file(path: Path, size: int, textures: Path) -> dict[str, Any]:
    module = types.ModuleType(path.stem)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = Adapt(size, textures).visit(ast.parse(path.read_text()))
        exec(compile(tree, path.name, "exec"), module.__dict__)
    return module.__dict__


def load(
    table: str, textures: Path | None = None, robustness: Path | None = None, size: int = 224
) -> Corrupt:
    """The corruption functions that a table was published with.

    Args:
        table: one of `TABLES`.
        textures: folder of frost1.png ...; by default those inside the package imagecorruptions.
        robustness: the checkout of hendrycks/robustness; not needed for "imagecorruptions".
        size: side of the images "imagenet-c" is to take; "cifar-c" takes 32, "imagecorruptions" any
            from 32.
    Returns:
        A function of ((H, W, 3) uint8, name, severity) that returns (H, W, 3) uint8.
    """
    warnings.simplefilter("ignore", DeprecationWarning)  # numpy.fromstring, Pillow's mode=
    if table == "imagecorruptions":
        functions = importlib.import_module("imagecorruptions.corruptions").__dict__
        if textures:
            functions["resource_filename"] = lambda _, name: str(textures / Path(name).name)
    else:
        if robustness is None:
            sys.exit(
                "--robustness is missing: "
                f"a checkout of github.com/hendrycks/robustness at {COMMITS[table]}"
            )
        textures = textures or package_textures()
        functions = _from_file(
            robustness / "ImageNet-C" / "create_c" / FILES[table], size, textures
        )
    if not hasattr(functions["gaussian"], "translated"):
        functions["gaussian"] = _with_channels(functions["gaussian"])
        functions["gaussian"].translated = True

    def corrupt(image: np.ndarray, name: str, severity: int) -> np.ndarray:
        return np.uint8(functions[name](Image.fromarray(image), severity))

    return corrupt


def package_textures() -> Path:
    """The folder of frost photographs inside the package imagecorruptions."""
    return Path(importlib.import_module("imagecorruptions").__file__ or "").parent / "frost"


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """All random numbers, scikit-image's too, are of RandomState(seed), which never changes."""
    np.random.seed(seed)  # noqa: NPY002 (what the reference draws from)
    state, default_rng = np.random.mtrand._rand, np.random.default_rng
    np.random.default_rng = lambda *_: state  # type: ignore[assignment]
    try:
        yield
    finally:
        np.random.default_rng = default_rng


def versions() -> dict[str, str]:
    """What a reader must know of the reference's environment."""
    names = (
        "imagecorruptions",
        "numpy",
        "scipy",
        "scikit-image",
        "opencv-python-headless",
        "pillow",
        "wand",
    )
    found = {}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "missing"
    try:
        import wand.version

        found["imagemagick"] = wand.version.MAGICK_VERSION.split()[1]
    except ImportError:
        found["imagemagick"] = "missing"
    return {"python": sys.version.split()[0], **found}
