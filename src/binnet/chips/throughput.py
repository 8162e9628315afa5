"""How many samples a core infers and learns in a second: cycles, sweeps as measured, frequency."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Throughput:
    """Cycles of a core for a mean sample.

    Attributes
    ----------
    frequency : float or None
        MHz; None where it is not known.
    sweep : float
        Cycles of a sweep.
    sweeps_inference : float
        Mean sweeps of an inference.
    inference : float
        Cycles of an inference, from its first word to that of its result.
    sweeps_learning : float or None
        Mean sweeps of a relaxation that learns; None of a core that infers, or where unknown.
    update : float or None
        Cycles of an update after a full batch.
    learned_sample : float or None
        Cycles of a sample that is learned, with its part of the update.
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
