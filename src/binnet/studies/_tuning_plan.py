"""The budget of a random search with successive halving."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from binnet._validation import check_integer
from binnet.studies._training import N_SAMPLES

#: Seeds that no candidate was chosen with begin here.
FIRST_TEST_SEED = 100


@dataclass(frozen=True)
class TuningPlan:
    """The budget of a search, the same for each group.

    Parameters
    ----------
    sizes : sequence of int, default (100, 400)
        Hidden neurons H, each searched in the whole box.
    followers : sequence of int, default ()
        Further H, each searched around the best candidate of the H before it only.
    candidates, refined : int, default 48, 24
        Candidates in the box of a group, and in each smaller one around the best as yet.
    rounds : int, default 2
        Smaller boxes, one after the other.
    following : int, default 8
        Candidates of each follower, in one smaller box.
    short, epochs : int, default 3, 10
        Epochs that all candidates are trained, and those of the best quarter and of the test.
    finalists, finalist_seeds : int, default 3, 3
        Candidates that are compared by their mean (a follower's fewer, if it has fewer that were
        trained long), and over how many seeds.
    seeds, follower_seeds : int, default 5, 3
        Trainings of the chosen one that are tested, and those at a follower.
    samples, validation : int, default 60000, 10000
        Training samples, the first of 60000, and how many of them, the last, are held out until the
        test.

    Raises
    ------
    TypeError, ValueError
        If a value is out of its range.
    """

    sizes: Sequence[int] = (100, 400)
    followers: Sequence[int] = ()
    candidates: int = 48
    refined: int = 24
    rounds: int = 2
    following: int = 8
    short: int = 3
    epochs: int = 10
    finalists: int = 3
    finalist_seeds: int = 3
    seeds: int = 5
    follower_seeds: int = 3
    samples: int = N_SAMPLES
    validation: int = 10000

    def __post_init__(self) -> None:
        for name in ("candidates", "refined", "rounds", "following", "short", "epochs", "seeds",
                     "follower_seeds"):  # fmt: skip
            check_integer(name, getattr(self, name), 1)
        check_integer("finalist_seeds", self.finalist_seeds, 1, FIRST_TEST_SEED)
        check_integer("samples", self.samples, 2, N_SAMPLES)
        check_integer("validation", self.validation, 1, self.samples - 1)
        most = count_best(self.candidates) + self.rounds * count_best(self.refined)
        remedy = "the finalists are among the best quarter of the candidates"
        check_integer("finalists", self.finalists, 1, most, remedy=remedy)
        if not self.sizes:
            raise ValueError("sizes must be at least one number of hidden neurons, got none")
        sizes = (*self.sizes, *self.followers)
        if len(set(sizes)) < len(sizes):
            raise ValueError(f"sizes and followers must name each H once, got {list(sizes)}")


def count_best(n: int) -> int:
    """Return how many of `n` candidates are trained longer."""
    return -(-n // 4)
