"""How many samples a core infers and learns in a second: cycles, sweeps as measured, frequency."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from binnet.chips.cycles import (
    count_inference_cycles,
    count_sweep_cycles,
    count_training_cycles,
    count_update_cycles,
)
from binnet.chips.design import CoreDesign


@dataclass(frozen=True)
class Throughput:
    """Cycles of a core for a mean sample.

    Attributes
    ----------
    frequency : float or None
        MHz; None where it is not known.
    sweep : float
        Cycles of a sweep in which all neurons are walked.
    sweeps_inference : float
        Mean sweeps of an inference.
    inference : float
        Cycles of an inference, from its first word to that of its result.
    sweeps_learning : float or None
        Mean sweeps of a relaxation that learns; None of a core that infers, or where unknown.
    update : float or None
        Cycles of an update after a full batch in which all groups learn: the most.
    learned_sample : float or None
        Cycles of a sample that is learned, with its part of the update and of decays.
    """

    frequency: float | None
    sweep: float
    sweeps_inference: float
    inference: float
    sweeps_learning: float | None
    update: float | None
    learned_sample: float | None

    @property
    def inferences_per_second(self) -> float | None:
        """Inferences in a second, if the frequency is known."""
        return None if self.frequency is None else 1e6 * self.frequency / self.inference

    @property
    def samples_learned_per_second(self) -> float | None:
        """Samples learned in a second, if the frequency is known and the core learns."""
        if self.frequency is None or self.learned_sample is None:
            return None
        return 1e6 * self.frequency / self.learned_sample

    def rows(self) -> list[tuple[str, float, str]]:
        """Return what is counted: its name, cycles, and how many sweeps are meant.

        Returns
        -------
        list of (str, float, str)
            A row each.
        """
        rows = [
            ("sweep", self.sweep, ""),
            ("inference", self.inference, f"  of {self.sweeps_inference:.2f} sweeps"),
        ]
        if self.update is not None:
            rows.append(("update", self.update, "  of a full batch"))
        if self.learned_sample is not None:
            rows.append(("learned sample", self.learned_sample,
                         f"  of {self.sweeps_learning:.2f} sweeps"))  # fmt: skip
        return rows

    def to_dict(self) -> dict[str, Any]:
        """Return cycles and rates as plain values for JSON.

        Returns
        -------
        dict
            Plain values.
        """
        rates = ("inferences_per_second", "samples_learned_per_second")
        return {**asdict(self), **{name: getattr(self, name) for name in rates}}


def count_throughput(
    design: CoreDesign,
    frequency: float | None,
    sweeps: float,
    sweeps_learning: float | None = None,
    *,
    flips: float = 0.0,
    flips_learning: float = 0.0,
) -> Throughput:
    """Return the cycles of a core for samples that take so many sweeps in the mean.

    Parameters
    ----------
    design : CoreDesign
        The core.
    frequency : float, optional
        MHz.
    sweeps : float
        Mean sweeps of an inference, from 1.
    sweeps_learning : float, optional
        Mean sweeps of a relaxation that learns. Default: unknown.
    flips, flips_learning : float, default 0
        Mean number of neurons that flip after the first sweep, all together; of an event-driven
        core, which walks them.

    Returns
    -------
    Throughput
        Cycles; exact means, but for an event-driven core, where they are off by a cycle for a
        group in some sweeps.
    """

    def changes(n: int, flipped: float) -> list[int]:
        return [design.n_neurons, round(flipped), *([0] * n)][:n] if design.event_driven else []

    inference = _interpolate(
        lambda n: count_inference_cycles(design, n, changes=changes(n, flips)), sweeps
    )
    sweep = count_sweep_cycles(design, design.n_neurons)
    learning = design.learning
    if learning is None:
        return Throughput(frequency, sweep, sweeps, inference, None, None, None)
    update = count_update_cycles(design, learning.batch_size)
    if sweeps_learning is None:
        return Throughput(frequency, sweep, sweeps, inference, None, update, None)

    def train(n: int) -> float:
        walks = changes(n, flips_learning)
        ends = (count_training_cycles(design, label, n, turns=learning.sweeps, changes=walks)
                for label in (0, design.n_outputs - 1))  # fmt: skip
        return sum(ends) / 2  # of all labels

    decays = count_update_cycles(design, learning.batch_size, decays=True) - update
    shared = (update + decays / learning.decay_period) / learning.batch_size
    sample = _interpolate(train, sweeps_learning) + shared
    return Throughput(frequency, sweep, sweeps, inference, sweeps_learning, update, sample)


def _interpolate(count: Callable[[int], float], sweeps: float) -> float:
    """Return the mean of what is linear in the sweeps, or nearly so."""
    low = max(1, int(sweeps))
    return count(low) + (sweeps - low) * (count(low + 1) - count(low))
