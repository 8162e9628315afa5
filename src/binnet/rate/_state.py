"""A training run between two updates: what it knows, and how that is written and read back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from binnet._records import Record, reading
from binnet._tensors import read_tensors, write_tensors
from binnet._validation import check_integer
from binnet.rate._losses import Goal, make_goal
from binnet.rate._trajectories import Floats, Workspace
from binnet.rate.configuration import RateConfiguration
from binnet.rate.divergence import DivergenceError
from binnet.rate.model import WEIGHTS, RateRNN, check_inputs
from binnet.rate.optimisers import make_optimiser
from binnet.rate.results import RateTrainingResult
from binnet.rate.rules._gradients import Gradient, compute_gradient
from binnet.rate.starting import NOISE, TRIALS, draw_feedback, floss_between
from binnet.rate.tasks import Task

_FORMAT, _KIND = "binnet-rate", "checkpoint of a rate network"


class State:
    """What a run needs to go on."""

    def __init__(
        self, configuration: RateConfiguration, network: RateRNN, losses: NDArray[np.float64]
    ) -> None:
        self.configuration, self.network = configuration, network
        self.optimiser = make_optimiser(configuration.optimiser, configuration.learning_rate)
        self.iteration = len(losses)
        self.losses = _lengthen(losses, configuration.iterations)
        self.feedback: Floats | None = None
        if configuration.feedback != "readout":
            self.feedback = draw_feedback(configuration.seed, network)

    @property
    def learned(self) -> dict[str, Floats]:
        """The arrays that the optimiser changes, by name."""
        weights = self.network.weights()
        if self.feedback is not None and self.configuration.feedback == "learned":
            weights["feedback"] = self.feedback
        return weights

    @property
    def finished(self) -> bool:
        return self.iteration == self.configuration.iterations

    def set_iterations(self, iterations: int) -> None:
        """Let the run end after another number of updates, more than it has done."""
        if iterations == self.configuration.iterations:
            return  # the command that let it go on, once more: the run has perhaps ended since
        remedy = f"the run has done {self.iteration}"
        check_integer("iterations", iterations, self.iteration + 1, remedy=remedy)
        self.configuration = replace(self.configuration, iterations=iterations)
        self.losses = _lengthen(self.losses[: self.iteration], iterations)

    def result(self, provenance: dict[str, Any]) -> RateTrainingResult:
        return RateTrainingResult(
            self.network.copy(),
            self.losses[: self.iteration].copy(),
            self.configuration,
            provenance,
            self.finished,
            None if self.feedback is None else self.feedback.copy(),
        )

    def learn(self, draw: Task, threads: int, work: Workspace) -> float:
        """Do one update, after a round of flossing if one is due; return the loss before it.

        Raises
        ------
        DivergenceError
            If what it computes, or the weights that it leaves, are not finite: this state is then
            of no use.
        """
        c = self.configuration
        floss_between(self.network, c, draw, self.iteration)
        inputs, goal = self.draw_batch(draw)
        noise = (c.seed, NOISE, self.iteration)
        step = compute_gradient(
            self.network, inputs, goal, c.rule, self.feedback, threads, work, noise
        )
        self.apply(step)
        return step.loss

    def draw_batch(self, draw: Task) -> tuple[Floats, Goal]:
        """Return inputs and goal of the next update's trials, checked."""
        c, network = self.configuration, self.network
        trials = draw(c.batch_size, (c.seed, TRIALS, self.iteration)).masked(c.loss_mask)
        inputs = check_inputs(network, trials.inputs)
        shape = (*inputs.shape[:2], network.n_outputs)
        return inputs, make_goal(trials.loss, trials.targets, trials.mask, shape, network.dtype)

    def apply(self, step: Gradient) -> None:
        """Change the weights by a gradient; refuse those that it leaves if they are not finite."""
        c, weights, grads = self.configuration, self.learned, step.grads
        if "feedback" in weights:
            # Kolen and Pollack 1994: the same changes and the same decay make both alike.
            grads = grads | {"feedback": grads["readout"]}
            for name in ("readout", "feedback"):
                weights[name] *= weights[name].dtype.type(1 - c.learning_rate * c.feedback_decay)
        self.optimiser.step(weights, grads)
        self.losses[self.iteration] = step.loss
        self.iteration += 1
        for name, values in weights.items():
            if not np.isfinite(values).all():
                raise DivergenceError(f"the update leaves weights {name} that are not finite")

    def check(self) -> None:
        """Refuse a memory of gradients that has overflowed: it would hold weights for good.

        Raises
        ------
        DivergenceError
            If it has.
        """
        for key, value in self.optimiser.state().items():
            if not np.isfinite(value).all():
                raise DivergenceError(f"the optimiser's {key} is not finite")

    def save(self, path: str | Path) -> None:
        tensors: dict[str, Any] = self.learned
        tensors |= {f"optimiser.{key}": value for key, value in self.optimiser.state().items()}
        if self.network.connections is not None:
            tensors["connections"] = self.network.connections
        tensors["losses"] = self.losses[: self.iteration].copy()
        write_tensors(path, _FORMAT, tensors, {"configuration": self.configuration.to_dict()})

    @classmethod
    def load(cls, path: str | Path) -> State:
        path = Path(path)
        tensors, info = read_tensors(path, _FORMAT, _KIND)
        with reading(path, _KIND):
            return cls._restore(path, tensors, info)

    @classmethod
    def _restore(cls, path: Path, tensors: dict[str, Any], info: Record) -> State:
        configuration = RateConfiguration.from_dict(info.table("configuration").values)
        if not {*WEIGHTS, "losses"} <= tensors.keys():
            raise ValueError(f"{path} lacks weights or losses; use an undamaged checkpoint")
        recurrent, input_weights, readout = (tensors[name].copy() for name in WEIGHTS)
        network = RateRNN(
            recurrent,
            input_weights,
            readout,
            configuration.leak,
            configuration.activation,
            tensors.get("connections"),
        )
        losses = tensors["losses"]
        if (
            network.n_neurons != configuration.n_hidden
            or network.dtype.name != configuration.dtype
            or losses.ndim != 1
            or losses.dtype != np.float64
            or len(losses) > configuration.iterations
        ):
            raise ValueError(
                f"{path} does not fit its configuration: {network.n_neurons} neurons in "
                f"{network.dtype}, {losses.dtype} losses of shape {losses.shape}; use an undamaged "
                "checkpoint"
            )
        state = cls(configuration, network, losses)
        if "feedback" in state.learned:
            feedback = tensors.get("feedback")
            if feedback is None or (feedback.shape, feedback.dtype) != (
                readout.shape,
                readout.dtype,
            ):
                raise ValueError(
                    f"{path} lacks the learned feedback, {readout.dtype} of shape {readout.shape}; "
                    "use an undamaged checkpoint"
                )
            state.feedback = feedback.copy()
        prefix = "optimiser."
        state.optimiser.restore(
            {key[len(prefix) :]: v for key, v in tensors.items() if key.startswith(prefix)},
            state.learned,
        )
        return state


def _lengthen(losses: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    return np.concatenate([losses, np.zeros(n - len(losses))])
