"""Data sets: entangled MNIST, which comes with the package; raw MNIST; random associations.

Nothing here touches the network unless a function is called with ``download=True``.
"""

from __future__ import annotations

from .associations import Associations, draw_associations
from .entangled import EntangledMnist, load_entangled_mnist, project_and_binarise
from .idx import DataFileError, read_idx
from .mnist import Mnist, load_mnist

__all__ = [
    "Associations",
    "DataFileError",
    "EntangledMnist",
    "Mnist",
    "draw_associations",
    "load_entangled_mnist",
    "load_mnist",
    "project_and_binarise",
    "read_idx",
]
