"""Candidates of a random search: groups of configurations, and points in the box of each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from binnet._validation import check_choice, check_real, check_reals
from binnet.learning import Configuration, preset

KINDS = ("uniform", "loguniform", "choice")
Candidate = dict[str, Any]  # a value for each entry of a box
_OF_THE_PLAN = ("n_hidden", "epochs", "seed")  # the same for all groups


@dataclass(frozen=True)
class Group:
    """Configurations that are tuned together: what they share, and the box that is searched.

    Parameters
    ----------
    box : mapping of str to sequence
        What is searched: parameters of a `binnet.learning.Configuration`, each as ("uniform", low,
        high), ("loguniform", low, high) with 0 < low, or ("choice", value, ...). A value of a
        choice that is a mapping sets several parameters at once, in place of what the entries
        before it say; the name of the entry is then free.
    fixed : mapping, optional
        Parameters that are the same in the whole group, where they are not those of the preset.
    preset : str, default "source"
        What all else is taken from.
    known : sequence of mapping, optional
        Candidates that are tried beside those that are drawn: a value for each entry of the box.

    Raises
    ------
    TypeError, ValueError
        If an entry of the box is none of these, a known candidate is not in the box, a parameter is
        in the box and fixed, or it is one that the plan sets for all groups.

    Examples
    --------
    >>> group = Group({"margin": ("uniform", 0.0, 1.5)}, {"self_coupling": 0.0})
    >>> group.configure({"margin": 0.3}, n_hidden=100).plasticity.margin
    0.3
    """

    box: Mapping[str, Sequence[Any]]
    fixed: Mapping[str, Any] = field(default_factory=dict)
    preset: str = "source"
    known: Sequence[Candidate] = ()

    def __post_init__(self) -> None:
        for part in ("box", "fixed"):
            if not isinstance(getattr(self, part), Mapping):
                raise TypeError(
                    f"{part} of a group must be a table, parameters by name, got "
                    f"{getattr(self, part)!r}"
                )
        if isinstance(self.known, str | Mapping) or not isinstance(self.known, Sequence):
            raise TypeError(f"known of a group must be a list of candidates, got {self.known!r}")
        if not self.box:
            raise ValueError("the box of a group must have at least one parameter, got none")
        for name, entry in self.box.items():
            _check_entry(name, entry)
            if name in self.fixed:
                raise ValueError(f"{name} is in the box and has a fixed value, too; leave one out")
        for name in _OF_THE_PLAN:
            if name in {*self.box, *self.fixed}:
                raise ValueError(
                    f"{name} is no parameter of a group: the plan of the search sets it, the same "
                    "for all; leave it out"
                )
        for candidate in self.known:
            self._check_known(candidate)

    def _check_known(self, candidate: object) -> None:
        if not isinstance(candidate, Mapping) or set(candidate) != set(self.box):
            raise ValueError(
                f"a known candidate must have a value for each entry of the box, "
                f"{', '.join(self.box)}, got {candidate!r}"
            )
        for name, (kind, *values) in self.box.items():
            if kind != "choice":
                check_real(f"known: {name}", candidate[name], *values)

    def configure(self, candidate: Mapping[str, Any], **changes: Any) -> Configuration:
        """Return the configuration of a candidate.

        Parameters
        ----------
        candidate : mapping
            A value for each entry of the box.
        **changes : Any
            Further parameters, such as `n_hidden`, `epochs` and `seed`.

        Returns
        -------
        Configuration
            The configuration.

        Raises
        ------
        TypeError, ValueError
            If a parameter is unknown or out of its range.
        """
        return preset(self.preset).replace(**{**self.settle(candidate), **changes})

    def settle(self, candidate: Mapping[str, Any]) -> dict[str, Any]:
        """Return all parameters that differ from the preset's.

        Parameters
        ----------
        candidate : mapping
            A value for each entry of the box.

        Returns
        -------
        dict
            Names and values.
        """
        settled = dict(self.fixed)
        for name, value in candidate.items():
            settled.update(value if isinstance(value, Mapping) else {name: value})
        return settled

    def narrow(self, centre: Mapping[str, Any], width: float) -> Group:
        """Return the group with a smaller box around one of its candidates.

        Parameters
        ----------
        centre : mapping
            The candidate; its choices are kept.
        width : float
            Half of the smaller box's edge in units of the edge of this one (of its logarithm, where
            that is what is uniform), > 0; the smaller one does not reach beyond this one.

        Returns
        -------
        Group
            The same group with its smaller box.
        """
        box: dict[str, Sequence[Any]] = {}
        for name, (kind, *values) in self.box.items():
            if kind == "choice":
                box[name] = (kind, centre[name])
                continue
            low, high = values
            reach = width * (math.log(high / low) if kind == "loguniform" else high - low)
            ends = (
                (centre[name] * math.exp(-reach), centre[name] * math.exp(reach))
                if kind == "loguniform"
                else (centre[name] - reach, centre[name] + reach)
            )
            box[name] = (kind, max(low, ends[0]), min(high, ends[1]))
        return Group(box, self.fixed, self.preset)  # what is known may lie outside

    def draw(self, n: int, seed: int) -> list[Candidate]:
        """Draw candidates by a Latin hypercube: each parameter's values are evenly spread.

        Parameters
        ----------
        n : int
            How many, at least 1.
        seed : int
            Of the generator.

        Returns
        -------
        list of dict
            A value for each entry of the box; numbers with four digits.
        """
        import numpy as np
        from scipy.stats import loguniform, qmc, uniform

        points = qmc.LatinHypercube(len(self.box), seed=np.random.default_rng(seed)).random(n)
        candidates: list[Candidate] = [{} for _ in range(n)]
        for (name, (kind, *values)), column in zip(self.box.items(), points.T, strict=True):
            if kind == "choice":
                drawn = [values[int(u * len(values))] for u in column]
            else:
                low, high = values
                law = loguniform(low, high) if kind == "loguniform" else uniform(low, high - low)
                drawn = [float(f"{value:.4g}") for value in law.ppf(column)]
            for candidate, value in zip(candidates, drawn, strict=True):
                candidate[name] = value
        return candidates

    def to_dict(self) -> dict[str, Any]:
        """Return the group as plain values, of which ``Group(**values)`` makes it again.

        Returns
        -------
        dict
            "box", "fixed", "preset" and "known".
        """
        return asdict(self)


def _check_entry(name: str, entry: Any) -> None:
    if isinstance(entry, str) or not isinstance(entry, Sequence) or len(entry) < 2:
        raise TypeError(
            f'box: {name} must be ("uniform", low, high), ("loguniform", low, high) or '
            f'("choice", value, ...), got {entry!r}'
        )
    kind, *values = entry
    check_choice(f"box: the kind of {name}", kind, KINDS)
    if kind == "choice":
        return
    low = 0.0 if kind == "loguniform" else -math.inf
    ends = check_reals(f"box: the ends of {name}", values, low, above=kind == "loguniform")
    if len(ends) != 2 or not ends[0] < ends[1]:
        raise ValueError(f"box: {name} must have two ends, low < high, got {list(values)}")
