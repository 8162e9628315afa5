"""Data sets: entangled MNIST, which comes with the package; MNIST and its kin; the user's own.

Nothing here touches the network unless a function is called with ``download=True``.
"""

from __future__ import annotations

from .associations import Associations, draw_associations
from .dataset import Dataset
from .entangled import EntangledMnist, load_entangled_mnist, project_and_binarise
from .idx import DataFileError, read_idx
from .idx_dataset import load_idx_dataset
from .loading import load_dataset
from .mnist import Mnist, load_mnist
from .tables import load_table

__all__ = [
    "Associations",
    "DataFileError",
    "Dataset",
    "EntangledMnist",
    "Mnist",
    "draw_associations",
    "load_dataset",
    "load_entangled_mnist",
    "load_idx_dataset",
    "load_mnist",
    "load_table",
    "project_and_binarise",
    "read_idx",
]
