"""Robustness distillation: five papers reproduced.

`papers` has one package for each paper; everything else is the core, which names no paper. Imports
point one way, and `make test` checks it by the contracts in `pyproject.toml`: the core imports no
paper, a paper imports no other paper, `degrade` and `datasets` import neither networks nor methods.
"""

__version__ = "0.2.0"
