"""Optimisers: Adam and plain gradient descent, on named arrays that they change in place."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from binnet._validation import check_choice, check_real
from binnet.rate._trajectories import Floats

OPTIMISERS = ("adam", "sgd")


class SGD:
    """Gradient descent: ``weight -= learning_rate * gradient``.

    Parameters
    ----------
    learning_rate : float
        Step size, above 0.
    """

    def __init__(self, learning_rate: float) -> None:
        self.learning_rate = check_real("learning_rate", learning_rate, 0.0, above=True)

    def step(self, weights: Mapping[str, Floats], grads: Mapping[str, Floats]) -> None:
        """Change the weights by one step along the gradient.

        Parameters
        ----------
        weights, grads : mapping of str to ndarray
            Arrays by name; a weight without a gradient stays.
        """
        for name, grad in grads.items():
            weights[name][...] -= self.learning_rate * grad

    def state(self) -> dict[str, Floats]:
        """Return what a checkpoint needs to go on: nothing."""
        return {}

    def restore(self, state: Mapping[str, Floats], weights: Mapping[str, Floats]) -> None:
        """Take up a state.

        Parameters
        ----------
        state : mapping of str to ndarray
            What `state` returned.
        weights : mapping of str to ndarray
            The weights that it belongs to.

        Raises
        ------
        ValueError
            If it is not that of such weights.
        """


class Adam:
    """Adam with bias correction (Kingma and Ba 2015), as torch.optim.Adam computes it.

    Parameters
    ----------
    learning_rate : float
        Step size, above 0.
    betas : (float, float), default (0.9, 0.999)
        Decay rates of the running means of gradient and squared gradient.
    epsilon : float, default 1e-8
        Added to the root of the mean square.
    """

    def __init__(
        self,
        learning_rate: float,
        betas: tuple[float, float] = (0.9, 0.999),
        epsilon: float = 1e-8,
    ) -> None:
        self.learning_rate = check_real("learning_rate", learning_rate, 0.0, above=True)
        self.betas, self.epsilon = betas, epsilon
        self._steps = 0
        self._means: dict[str, Floats] = {}
        self._squares: dict[str, Floats] = {}

    def step(self, weights: Mapping[str, Floats], grads: Mapping[str, Floats]) -> None:
        """Change the weights by one step.

        Parameters
        ----------
        weights, grads : mapping of str to ndarray
            Arrays by name; a weight without a gradient stays.
        """
        from binnet_kernels.rate.steps import step_adam

        self._steps += 1
        beta1, beta2 = self.betas
        rate = self.learning_rate / (1 - beta1**self._steps)
        scale = 1 / math.sqrt(1 - beta2**self._steps)
        for name, grad in grads.items():
            if name not in self._means:
                self._means[name], self._squares[name] = np.zeros_like(grad), np.zeros_like(grad)
            arrays = (weights[name], grad, self._means[name], self._squares[name])
            numbers = (beta1, beta2, rate, scale, self.epsilon)
            step_adam(*(a.reshape(-1) for a in arrays), *map(grad.dtype.type, numbers))

    def state(self) -> dict[str, Floats]:
        """Return what a checkpoint needs to go on."""
        tensors: dict[str, Floats] = {"steps": np.array([self._steps], np.float64)}
        tensors |= {f"mean.{name}": value for name, value in self._means.items()}
        return tensors | {f"square.{name}": value for name, value in self._squares.items()}

    def restore(self, state: Mapping[str, Floats], weights: Mapping[str, Floats]) -> None:
        """Take up a state.

        Parameters
        ----------
        state : mapping of str to ndarray
            What `state` returned.
        weights : mapping of str to ndarray
            The weights that it belongs to.

        Raises
        ------
        ValueError
            If it is not that of such weights.
        """
        self._steps = int(check_real("steps", float(state["steps"][0]), 0.0))
        for name, value in state.items():
            kind, _, weight = name.partition(".")
            if kind in ("mean", "square"):
                of = weights[weight]
                if (value.shape, value.dtype) != (of.shape, of.dtype):
                    raise ValueError(f"{name} must be {of.dtype} of shape {of.shape}")
                (self._means if kind == "mean" else self._squares)[weight] = value.copy()
        if self._means.keys() != self._squares.keys():
            raise ValueError("every mean must have its square, and every square its mean")


def make_optimiser(name: str, learning_rate: float) -> Adam | SGD:
    """Return an optimiser by name.

    Parameters
    ----------
    name : {"adam", "sgd"}
        Which one.
    learning_rate : float
        Step size, above 0.

    Returns
    -------
    Adam or SGD
        A new optimiser.
    """
    check_choice("optimiser", name, OPTIMISERS)
    return Adam(learning_rate) if name == "adam" else SGD(learning_rate)
