"""The loss of a training run that is no longer finite."""

from __future__ import annotations

from typing import Self

from binnet.rate.configuration import RateConfiguration


class DivergenceError(ArithmeticError):
    """The loss of a training run is no longer finite."""

    @classmethod
    def at(cls, iteration: int, loss: float, c: RateConfiguration, kept: str) -> Self:
        """Return the error with its cause and a remedy.

        Parameters
        ----------
        iteration : int
            Updates that were done.
        loss : float
            What is not finite.
        c : RateConfiguration
            Parameters of the run.
        kept : str
            What is left of the run.

        Returns
        -------
        DivergenceError
            To be raised.
        """
        if iteration == 0:
            text = (
                f"the loss is {loss} before the first update, whatever the learning rate: the "
                "network that training begins with has no finite activity; try a gain below "
                f"{c.gain:g}"
            )
        else:
            text = (
                f"training diverged: the loss is {loss} at iteration {iteration} with "
                f"learning_rate {c.learning_rate:g}; try a lower one"
            )
        return cls(f"{text}; {kept}" if kept else text)
