"""Chapters: execute the text notebooks, keep the result stable byte for byte, and render the book.

A chapter's source is a py:percent file; its executed notebook lies beside it (committed, in records
mode) or under `build/` (any other run). The tools come with the extra `book`; only the command line
imports this module, and late.
"""

import ast
import copy
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ipykernel.kernelspec
import jupytext
import nbformat
import papermill
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import DeadKernelError
from nbformat import NotebookNode
from papermill.exceptions import PapermillExecutionError

from paperlib.errors import UserError, choose
from paperlib.files import write_atomically

ROOT = Path(__file__).resolve().parents[2]
BOOK = ROOT / "book"


class ChapterFailed(UserError):
    """A cell raised an error; the message says which, and where the notebook is kept."""


class _OwnKernel(AsyncKernelManager):
    """The kernel of this very interpreter, whatever kernels are installed under the same name."""

    @property
    def kernel_spec(self) -> KernelSpec:
        path = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        env = {
            "PYTHONPATH": os.pathsep.join(path),
            "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        }
        # its log would warn, at every start, that a kernel on this very machine is not encrypted
        launch = ipykernel.kernelspec.get_kernel_dict(["--log-level=ERROR"])
        return KernelSpec(resource_dir=ipykernel.kernelspec.RESOURCES, env=env, **launch)


def execute(source: Path, target: Path, parameters: Mapping[str, Any]) -> Path:
    """Run the chapter `source` with `parameters`; write the normalised notebook to `target`.

    While the chapter runs, and after a failure, what has been executed lies beside the target as
    `*.partial.ipynb`.
    """
    notebook = jupytext.read(source)
    _check_parameters(source.stem, notebook, parameters)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".partial.ipynb")
    try:
        executed = papermill.execute_notebook(
            notebook,
            partial,
            dict(parameters),
            kernel_name="python3",
            language="python",
            cwd=source.parent,
            progress_bar=False,
            kernel_manager_class=_OwnKernel,
            # otherwise the kernel's timing decides how printed text is cut into outputs
            coalesce_streams=True,
        )
    except PapermillExecutionError as error:
        first_line = " ".join([f"{error.ename}:", *error.evalue.splitlines()[:1]])
        raise ChapterFailed(
            f"chapter {source.stem}, cell [{error.exec_count}]: {first_line} (kept: {partial})"
        ) from error
    except DeadKernelError as error:
        raise ChapterFailed(
            f"chapter {source.stem}: its process died; out of memory? (kept: {partial})"
        ) from error
    _write(normalise(executed), target)
    partial.unlink()
    return target


def refresh(source: Path) -> Path:
    """Execute a chapter in records mode and replace the committed notebook beside it."""
    built = source.parent.parent / "build" / source.stem / "records" / f"{source.stem}.ipynb"
    executed = nbformat.read(execute(source, built, {}), as_version=4)
    return _write(executed, source.with_suffix(".ipynb"))


def normalise(notebook: NotebookNode) -> NotebookNode:
    """A copy without timings, versions, random ids and metadata: the same run, the same bytes."""
    notebook = copy.deepcopy(notebook)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    language = {"file_extension": ".py", "name": "python", "pygments_lexer": "ipython3"}
    notebook.metadata = nbformat.from_dict({"kernelspec": kernel, "language_info": language})
    for index, cell in enumerate(notebook.cells):
        cell.id = f"cell-{index}"
        cell.source = cell.source.rstrip("\n")
        for key in ("papermill", "execution", "lines_to_next_cell"):
            cell.metadata.pop(key, None)
        if not cell.metadata.get("tags"):
            cell.metadata.pop("tags", None)
    return notebook


def build_site(
    out: Path, chapters: Mapping[str, Path] | None = None, strict: bool = True, book: Path = BOOK
) -> Path:
    """Render the book to HTML in `out` and return its first page; if `strict`, warnings are errors.

    `chapters` maps slugs to executed notebooks that are shown in place of the committed ones.
    """
    env = dict(os.environ)
    if mathjax := env.get("PAPERLIB_MATHJAX"):
        env["PAPERLIB_MATHJAX"] = str(Path(mathjax).resolve())  # Sphinx reads it in another folder
    with tempfile.TemporaryDirectory(prefix="paperlib-book-") as folder:
        # nothing outside changes before the build succeeds
        copied, built = Path(folder, "book"), Path(folder, "site")
        shutil.copytree(book, copied)
        for slug, executed in (chapters or {}).items():
            choose("chapter", slug, sorted(path.stem for path in copied.glob("*.ipynb")))
            shutil.copyfile(executed, copied / f"{slug}.ipynb")
        command = [sys.executable, "-m", "sphinx", "-q", "-b", "html", "-d", f"{folder}/doctrees"]
        command += [*(["-W", "--keep-going", "-n"] * strict), str(copied), str(built)]
        done = subprocess.run(command, env=env, capture_output=True, text=True)
        if done.returncode:
            errors = done.stderr.replace(str(copied), book.name).strip()
            raise UserError(f"the book does not build:\n{errors}")
        shutil.copytree(built, out, dirs_exist_ok=True)
    return out / "index.html"


def _check_parameters(chapter: str, notebook: NotebookNode, parameters: Mapping[str, Any]) -> None:
    """Refuse names that the parameters cell does not assign, and values of another type."""
    defaults: dict[str, Any] = {}
    for cell in notebook.cells:
        if "parameters" in cell.metadata.get("tags", []):
            for node in ast.parse(cell.source).body:
                if isinstance(node, ast.Assign):
                    defaults |= {
                        ast.unparse(name): ast.literal_eval(node.value) for name in node.targets
                    }
                elif isinstance(node, ast.AnnAssign) and node.value:
                    defaults[ast.unparse(node.target)] = ast.literal_eval(node.value)
    for name, value in parameters.items():
        default = defaults[choose(f"parameter of chapter {chapter}", name, defaults)]
        allowed = {type(default), int} if isinstance(default, float) else {type(default)}
        if default is not None and type(value) not in allowed:
            expected = type(default).__name__
            raise UserError(
                f"parameter {name!r} of chapter {chapter} must be of type {expected}, not {value!r}"
            )


def _write(notebook: NotebookNode, path: Path) -> Path:
    """Write atomically and return `path`: a reader sees the old notebook or the new one, whole."""
    nbformat.validate(notebook)
    write_atomically(path, (nbformat.writes(notebook) + "\n").encode())
    return path
