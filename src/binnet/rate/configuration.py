"""Everything that defines a run of a rate network, as one frozen object."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from binnet._memory import check_memory
from binnet._validation import check_choice, keep_integer, keep_real
from binnet.rate._trajectories import check_leak
from binnet.rate.flossing import FLOSSINGS
from binnet.rate.model import ACTIVATIONS, DTYPES
from binnet.rate.optimisers import OPTIMISERS
from binnet.rate.rules import LOCAL_RULES
from binnet.rate.rules._gradients import find_kind
from binnet.rate.structures import check_structure
from binnet.rate.tasks import LOSS_MASKS, TASKS

#: The task of a run whose task is a function of the user's.
CUSTOM = "custom"
FEEDBACKS = ("readout", "random", "learned")


@dataclass(frozen=True)
class RateConfiguration:
    """How a rate network is built and trained; the defaults are the source's settings.

    Parameters
    ----------
    task : {"romo", "two-alternative", "delayed-match", "custom"}, default "romo"
        What is learned; "custom" for a function that is passed to `train`.
    loss_mask : {"task", "response"}, default "task"
        Which steps count: those that the task says, or only those of the response.
    rule : str, default "bptt"
        Learning rule, one of those of `binnet.rate.gradient`.
    feedback : {"readout", "random", "learned"}, default "readout"
        What carries the error back in rules that are not exact: the readout, a fixed random matrix
        (RFLO), or one that learns as the readout does (Kolen and Pollack 1994).
    feedback_decay : float, default 1.0
        Decay of learned feedback and readout per update, in units of the learning rate: both are
        multiplied by 1 - learning_rate * feedback_decay, and so is their difference. From 0 to
        1 / learning_rate.
    n_hidden : int, default 64
        N, at least 1.
    gain : float, default 1.0
        Initial gain >= 0: the root mean square norm of W_h's rows, N(0, gain²/N) if Gaussian.
    structure : str, default "gaussian"
        How W_h is drawn, one of those of `binnet.rate.RateRNN.initialise`.
    leak : float, default 0.5
        a = 1 - dt/tau, in [0, 1).
    activation : {"relu", "tanh"}, default "relu"
        f.
    iterations : int, default 4000
        Updates, at least 1.
    batch_size : int, default 32
        Trials per update, at least 1.
    learning_rate : float, default 1e-3
        Step size, above 0.
    optimiser : {"adam", "sgd"}, default "adam"
        How the gradient is followed.
    floss_exponents : int, default 0
        k, Lyapunov exponents that are pushed towards 0 before training; 0: none.
    floss_version : {"local", "full"}, default "local"
        Which gradient of the exponents.
    floss_iterations : int, default 100
        Steps of that pretraining.
    floss_batch_size : int, default 8
        Trials in each of them.
    floss_learning_rate : float, default 1e-3
        Step size of flossing, above 0.
    floss_every : int, default 0
        Updates between two rounds of flossing during training, `floss_iterations` steps each; 0:
        only before it.
    dtype : {"float32", "float64"}, default "float32"
        Precision.
    seed : int, default 0
        Of weights, trials and random feedback.

    Raises
    ------
    TypeError, ValueError
        If a value is out of its range.
    """

    task: str = "romo"
    loss_mask: str = "task"
    rule: str = "bptt"
    feedback: str = "readout"
    feedback_decay: float = 1.0
    n_hidden: int = 64
    gain: float = 1.0
    structure: str = "gaussian"
    leak: float = 0.5
    activation: str = "relu"
    iterations: int = 4000
    batch_size: int = 32
    learning_rate: float = 1e-3
    optimiser: str = "adam"
    floss_exponents: int = 0
    floss_version: str = "local"
    floss_iterations: int = 100
    floss_batch_size: int = 8
    floss_learning_rate: float = 1e-3
    floss_every: int = 0
    dtype: str = "float32"
    seed: int = 0

    def __post_init__(self) -> None:
        for name, choices in (
            ("task", (*TASKS, CUSTOM)),
            ("loss_mask", LOSS_MASKS),
            ("feedback", FEEDBACKS),
            ("activation", ACTIVATIONS),
            ("optimiser", OPTIMISERS),
            ("floss_version", FLOSSINGS),
            ("dtype", DTYPES),
        ):
            check_choice(name, getattr(self, name), choices)
        kind, _ = find_kind(self.rule)
        for name in ("n_hidden", "iterations", "batch_size", "floss_batch_size"):
            keep_integer(self, name, 1)
        for name in ("floss_exponents", "floss_iterations", "floss_every"):
            keep_integer(self, name, 0)
        keep_integer(self, "seed", 0, None)
        keep_real(self, "gain", 0.0)
        keep_real(self, "feedback_decay", 0.0)
        keep_real(self, "learning_rate", 0.0, above=True)
        keep_real(self, "floss_learning_rate", 0.0, above=True)
        if self.feedback == "learned" and self.learning_rate * self.feedback_decay > 1:
            raise ValueError(
                f"feedback_decay must be 0..{1 / self.learning_rate:g}, 1 over the learning rate, "
                f"as no update can take away more than all, got {self.feedback_decay:g}"
            )
        object.__setattr__(self, "leak", check_leak(self.leak))
        check_structure(self.structure, self.n_hidden)
        if self.floss_exponents > self.n_hidden:
            raise ValueError(
                f"floss_exponents must be 0..{self.n_hidden}, as a network of n_hidden = "
                f"{self.n_hidden} neurons has no more exponents, got {self.floss_exponents}"
            )
        if self.floss_every and not (self.floss_exponents and self.floss_iterations):
            raise ValueError(
                f"floss_every = {self.floss_every} flosses during training and needs "
                "floss_exponents >= 1 and floss_iterations >= 1, got "
                f"{self.floss_exponents} and {self.floss_iterations}; or take floss_every 0"
            )
        if self.feedback != "readout" and not kind.takes_feedback:
            raise ValueError(
                f"feedback {self.feedback!r} needs one of the rules {', '.join(LOCAL_RULES)}; "
                f"{self.rule} has no learning signal to replace"
            )

    def check_memory(self) -> None:
        """Refuse a run that takes more memory than there is.

        Raises
        ------
        MemoryError
            If it does.
        """
        for what, n_bytes in (
            (f"n_hidden = {self.n_hidden}: the weights", 16.0 * self.n_hidden**2),
            (f"batch_size = {self.batch_size}: the trials", 500.0 * self.batch_size),
            (f"iterations = {self.iterations}: the losses", 8.0 * self.iterations),
            (
                f"n_hidden = {self.n_hidden}: the influence of all weights, by rule {self.rule},",
                4.0 * self.n_hidden**3 * (self.rule == "rtrl"),
            ),
        ):
            check_memory(what, n_bytes, "take fewer")

    def to_dict(self) -> dict[str, Any]:
        """Return all parameters as plain values.

        Returns
        -------
        dict
            Parameters by name.
        """
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(
        cls, values: Mapping[str, Any], base: RateConfiguration | None = None
    ) -> RateConfiguration:
        """Return a configuration from plain values; those that are missing are those of `base`.

        Parameters
        ----------
        values : mapping
            Parameters by name.
        base : RateConfiguration, optional
            Default: the defaults.

        Returns
        -------
        RateConfiguration
            The configuration.

        Raises
        ------
        TypeError, ValueError
            If a name is unknown or a value is out of its range.
        """
        known = [f.name for f in dataclasses.fields(cls)]
        for name in values:
            if name not in known:
                raise ValueError(f"unknown parameter {name!r}; known are {', '.join(known)}")
        return dataclasses.replace(base or cls(), **values)
