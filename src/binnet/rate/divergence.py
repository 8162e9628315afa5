"""Activity, a gradient or a loss of a rate network that is no longer finite."""

from __future__ import annotations

from typing import Self


class DivergenceError(ArithmeticError):
    """Activity, a gradient or the loss of a rate network is no longer finite.

    Parameters
    ----------
    cause : str
        What is not finite, and where.
    remedy : str, optional
        What to do about it.

    Attributes
    ----------
    cause : str
        The message without the remedy.
    """

    def __init__(self, cause: str, remedy: str = "") -> None:
        super().__init__(f"{cause}; {remedy}" if remedy else cause)
        self.cause = cause

    @classmethod
    def in_states(cls, trial: int, step: int, dtype: str) -> Self:
        """Return the error of a trajectory that overflows.

        Parameters
        ----------
        trial : int
            The trial.
        step : int
            The first step whose state, or output, is not finite.
        dtype : str
            Precision that overflows.

        Returns
        -------
        DivergenceError
            To be raised.
        """
        more = "" if dtype == "float64" else ", or float64 in place of float32"
        return cls(
            f"the activity grows beyond {dtype} at step {step} of trial {trial}",
            f"take a smaller gain or weights, trials of at most {step} steps{more}",
        )

    @classmethod
    def at(
        cls, iteration: int, cause: float | str, kept: str, *, gain: float, learning_rate: float
    ) -> Self:
        """Return the error of a training run, with its cause and a remedy.

        Parameters
        ----------
        iteration : int
            Updates that were done.
        cause : float or str
            A loss that is not finite, or what else is not.
        kept : str
            What is left of the run.
        gain, learning_rate : float
            Those of the run.

        Returns
        -------
        DivergenceError
            To be raised.
        """
        what = cause if isinstance(cause, str) else f"the loss is {cause}"
        if iteration == 0:
            text = (
                f"{what} before the first update, whatever the learning rate; try a gain below "
                f"{gain:g}"
            )
        else:
            text = (
                f"training diverged: {what} at iteration {iteration} with learning_rate "
                f"{learning_rate:g}; try a lower one"
            )
        return cls(f"{text}; {kept}" if kept else text)
