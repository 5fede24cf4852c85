"""Robustness distillation: five papers reproduced.

The packages may import only from those above them in this list:
`errors`, `datasets`, `degrade`, `networks`, `methods`, `evaluation`, `runs`, `training`, `sweep`, `experiments`,
`report`, `figures`, `notebooks`, `cli`.
"""
