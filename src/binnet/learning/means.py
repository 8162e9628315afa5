"""Running means of the weights of a run: each synapse keeps one of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from binnet.networks import BLOCKS, BinaryNetwork
from binnet.networks.sparse import is_sparse, with_values

#: Batches of an epoch after which means take in the weights; they do after its last one, too. After
#: every batch it would take as long as learning does; so it is a tenth or less.
PERIOD = 250
_PREFIX = "mean_"  # before the names of blocks in a checkpoint


@dataclass(eq=False)
class RunningMean:
    """The mean of a run's weights, docs/model/network.md, eq. (3.8).

    Parameters
    ----------
    exponent : float
        gamma; 0: there is no mean.
    network : BinaryNetwork, optional
        The means; None: nothing has been taken in yet.
    count : int, default 0
        n, how often the weights have been taken in.
    """

    exponent: float
    network: BinaryNetwork | None = None
    count: int = 0

    def batches_before(self, batch: int) -> int | None:
        """Return how many batches from number `batch` of an epoch on end where it is due.

        Parameters
        ----------
        batch : int
            The next one.

        Returns
        -------
        int or None
            None: there is no mean.
        """
        return PERIOD - batch % PERIOD if self.exponent else None

    def take_in(self, network: BinaryNetwork) -> None:
        """Let the means take in the weights as they are now.

        Parameters
        ----------
        network : BinaryNetwork
            The weights; they are kept where they are the first.
        """
        self.count += 1
        if self.network is None:
            self.network = network
            return
        share = network.dtype.type((self.exponent + 1) / (self.count + self.exponent))
        means: dict[str, Any] = {}
        for name in BLOCKS:
            mean, now = getattr(self.network, name), getattr(network, name)
            if is_sparse(mean):
                means[name] = with_values(mean, mean.data + share * (now.data - mean.data))
            else:
                means[name] = mean + share * (now - mean)
        self.network = replace(network, **means)

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Return the arrays of a checkpoint by name; none where nothing has been taken in.

        Returns
        -------
        dict of str to ndarray
            The blocks.
        """
        if self.network is None:
            return {}
        tensors: dict[str, NDArray[Any]] = {}
        for name in BLOCKS:
            mean, key = getattr(self.network, name), f"{_PREFIX}{name}"
            if is_sparse(mean):
                tensors[f"{key}.data"] = mean.data  # their places are those of the weights
            else:
                tensors[key] = np.ascontiguousarray(mean)
        return tensors

    @staticmethod
    def expect_tensors(
        blocks: Mapping[str, tuple[tuple[int, ...], str]],
    ) -> dict[str, tuple[tuple[int, ...], str]]:
        """Return shape and dtype of the arrays of `tensors` once there are any.

        Parameters
        ----------
        blocks : mapping
            Shape and dtype of the blocks of weights.

        Returns
        -------
        dict
            Shape and dtype by name.
        """
        kinds = {"float32": "float32"}  # integers keep means of their exact values
        return {
            f"{_PREFIX}{name}": (shape, kinds.get(dtype, "float64"))
            for name, (shape, dtype) in blocks.items()
            if name in BLOCKS
        }

    def restore(self, network: BinaryNetwork, tensors: dict[str, NDArray[Any]], count: int) -> None:
        """Take over the means of a checkpoint, where it has any.

        Parameters
        ----------
        network : BinaryNetwork
            The weights.
        tensors : dict of str to ndarray
            Arrays of the checkpoint, checked.
        count : int
            How often the weights had been taken in.

        Raises
        ------
        ValueError
            If sparse weights have another number of means, or none.
        """
        if not count:
            return
        means: dict[str, Any] = {}
        for name in BLOCKS:
            weights, mean = getattr(network, name), tensors.get(f"{_PREFIX}{name}")
            if is_sparse(weights):
                values = tensors.get(f"{_PREFIX}{name}.data", np.zeros(0))
                if values.shape != weights.data.shape:
                    raise ValueError(
                        f"{_PREFIX}{name}.data must have shape {weights.data.shape}, got "
                        f"{values.shape}"
                    )
                mean = with_values(weights, values)
            means[name] = mean
        self.network, self.count = replace(network, **means), count
