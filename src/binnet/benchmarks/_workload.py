"""What a workload is: a named piece of binnet's own work, of fixed size, whose answer is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

#: Where the data that a call goes through lie, on a machine of today: 32 KB, 1 MB, 32 MB, more.
Level = Literal["L1", "L2", "L3", "memory"]
#: Kinds of arithmetic whose peaks are measured (`binnet.benchmarks.measure_limits`); "none" stands
#: for work that no measured peak bounds.
Operation = Literal["fma32", "dot8", "popcount", "none"]


@dataclass(frozen=True)
class Work:
    """What one call of a workload does."""

    amount: float  # in units of the figure of merit: flips, samples, ...
    n_bytes: float = 0.0  # that the algorithm has to read and write, from where they lie
    operations: float = 0.0  # of the workload's kind; an FMA or a product with its addition is 2


@dataclass(frozen=True)
class Answer:
    """What a call found: the same for every implementation, number of threads and machine.

    Integers are compared by the checksum alone. Floats are, within a class of CPUs; beyond it the
    probes (few sums that stand for all of it) are compared, to `tolerance`, relative.
    """

    checksum: str  # SHA-256 of the answer's bytes, in hex, the first 16 digits
    probes: Mapping[str, float] = field(default_factory=dict)
    tolerance: float = 0.0


@dataclass(frozen=True)
class Task:
    """A workload that is ready to run: its data are drawn and laid out.

    Each call does the same work from the same start, and leaves the same answer.
    """

    call: Callable[[], object]
    answer: Callable[[], Answer]  # of the last call
    work: Work


@dataclass(frozen=True)
class Workload:
    """A named piece of work of fixed size and seed.

    `prepare` takes the number of threads and returns a `Task`; it imports what it needs itself, so
    that workloads are listed without Numba.
    """

    name: str  # for example "sweep-int8-l2"
    suite: str  # for example "sweeps"
    summary: str  # one line for a reader
    unit: str  # of the figure of merit, which is per second: "flips", "samples", ...
    level: Level
    operation: Operation
    is_exact: bool  # whether the answer consists of integers
    sizes: Mapping[str, int]  # for example {"n_neurons": 800, "n_samples": 16}
    prepare: Callable[[int], Task]
    is_quick: bool = False  # whether `--quick` runs it

    def __post_init__(self) -> None:
        if not self.name.islower() or " " in self.name:
            raise ValueError(f"a workload is named in lower case without blanks, not {self.name!r}")
