"""Robustness distillation: five papers reproduced.

The packages may import only from those above them in this list:
`errors`, `datasets`, `degrade`, `robustness`, `networks`, `methods`, `evaluation`, `runs`, `store`, `training`,
`sweep`, `growing`, `corrupted_set`, `corrupting`, `experiments`, `report`, `figures`, `notebooks`, `cli`.
"""
