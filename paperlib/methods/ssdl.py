"""Simple self-distillation learning for noisy image classification (Sasaya et al., ICIP 2023).

Student-teacher learning without a clean image anywhere: the teacher is trained on noisy images, and shown noisy images.
The slides say so much; equation and weight are those of `paperlib.methods.dfd`, which differs in the teacher alone.
"""

from torch import Tensor

from paperlib.methods.base import Batch
from paperlib.methods.dfd import DFD


class SSDL(DFD):
    """The student; its parent "teacher" is a network trained on degraded images. Options are those of `DFD`."""

    def teachers_view(self, batch: Batch) -> Tensor:
        """The very images that the student sees: where there is no clean image, there is no other one."""
        return batch.degraded
