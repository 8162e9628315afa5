"""A fair comparison of groups of configurations: each is tuned with the same budget, then tested.

Random search with successive halving, scored on validation samples that are not trained on: all
candidates of a group are trained shortly, the best quarter of them longer; then the same in smaller
boxes around the best as yet, settings that were known before among them. The best few are trained
with further seeds, the best of these by the mean is chosen, trained on all samples with new seeds
and measured on the test set, once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from binnet import sweeps
from binnet._validation import check_choice
from binnet.learning import Configuration, preset
from binnet.studies._candidates import Candidate, Group
from binnet.studies._training import check_training, train_whole
from binnet.studies._tuning_plan import FIRST_TEST_SEED, TuningPlan, count_best
from binnet.sweeps import Observable

__all__ = [
    "BOX",
    "GROUPS",
    "Group",
    "TuningPlan",
    "compare_groups",
    "run_tuning",
    "train_candidate",
]

#: What a configuration learns with, beside its self-coupling: rates, margins, strengths, schedule.
BOX: dict[str, Sequence[Any]] = {
    "rate_couplings": ("loguniform", 0.001, 0.1),
    "rate_input": ("loguniform", 0.01, 0.5),
    "rate_readout": ("loguniform", 0.03, 1.0),
    "margin": ("uniform", 0.0, 1.5),
    "readout_margin": ("uniform", 0.5, 6.0),
    "input_strength": ("loguniform", 1.0, 10.0),
    "feedback_strength": ("uniform", 0.2, 2.5),
    # How the feedback ends; the last of the choices is that there is none.
    "annealing": ("choice", "step", "linear", "none", {"feedback_strength": 0.0}),
    "warmup": ("choice", 1, 2),
    "feedback": ("choice", 3, 5, 7),
    "free": ("choice", 2, 5),
    "decay": (
        "choice",
        {"decay_couplings": 0.0, "decay_readout": 0.0},
        {"decay_couplings": 0.005, "decay_readout": 0.005},
    ),
}
_SHARED = {"rate_schedule": "linear", "rate_scaling": "fields"}
_READOUT = ("rate_readout", "readout_margin", "input_strength", "decay")
# The preset "single", chosen before with J_D = 0.7. Without J_D it needs feedback to the end
# (docs/results/training.md, ablations).
_DEFAULT: Candidate = {
    "rate_couplings": 0.025,
    "rate_input": 0.18,
    "rate_readout": 0.3,
    "margin": 0.6,
    "readout_margin": 3.0,
    "input_strength": 5.0,
    "feedback_strength": 1.5,
    "annealing": "step",
    "warmup": 1,
    "feedback": 5,
    "free": 5,
    "decay": {"decay_couplings": 0.0, "decay_readout": 0.0},
}
#: The default groups: the two that are compared, and the floor, whose hidden neurons do not learn.
GROUPS: dict[str, Group] = {
    "J_D = 0": Group(
        BOX, {**_SHARED, "self_coupling": 0.0}, known=[{**_DEFAULT, "annealing": "none"}]
    ),
    "J_D > 0": Group(
        {**BOX, "self_coupling": ("loguniform", 0.02, 1.5)},
        _SHARED,
        known=[{**_DEFAULT, "self_coupling": 0.7}],
    ),
    "reservoir": Group(
        {name: BOX[name] for name in _READOUT} | {"self_coupling": ("uniform", 0.0, 1.5)},
        {**_SHARED, "rate_couplings": 0.0, "rate_input": 0.0, "feedback_strength": 0.0},
        known=[{name: _DEFAULT[name] for name in _READOUT} | {"self_coupling": 0.7}],
    ),
}
# Half of the edge of the first smaller box, as a fraction of that of the whole one; that of the
# k-th is a k-th of it.
_WIDTH = 0.15


def train_candidate(
    group: str,
    candidate: int,
    seed: int,
    *,
    groups: Mapping[str, Mapping[str, Any]],
    candidates: Mapping[str, Sequence[Candidate]],
    n_hidden: int,
    epochs: int,
    samples: int,
    validation: int,
) -> dict[str, Any]:
    """Train one candidate of a group.

    Parameters
    ----------
    group : str
        Name of the group.
    candidate : int
        Which of its candidates.
    seed : int
        Of the training.
    groups : mapping
        All groups, as plain values (`Group.to_dict`).
    candidates : mapping
        The candidates of each group: a value for each entry of its box.
    n_hidden, epochs : int
        H, and the length of the training.
    samples, validation : int
        Training samples, and how many of them, the last, are held out and measured on; 0: all are
        trained on, and the test set is measured.

    Returns
    -------
    dict
        "accuracy" (epoch,) on what is held out.
    """
    configuration = _configure(group, candidate, seed, groups, candidates, n_hidden, epochs)
    history = train_whole(configuration, samples, validation=validation).history
    name = "validation" if validation else "test"
    return {"accuracy": ("epoch", [metrics.accuracy[name] for metrics in history])}


def _configure(
    group: str,
    candidate: int,
    seed: int,
    groups: Mapping[str, Mapping[str, Any]],
    candidates: Mapping[str, Sequence[Candidate]],
    n_hidden: int,
    epochs: int,
) -> Configuration:
    drawn = candidates[group][candidate]
    return Group(**groups[group]).configure(drawn, n_hidden=n_hidden, epochs=epochs, seed=seed)


def _check(samples: int, validation: int, **parameters: Any) -> None:
    """Refuse a cell before any is measured."""
    check_training(_configure(**parameters), samples - validation)


@dataclass(eq=False)
class _Search:
    """The search at one number of hidden neurons: its stages, each a sweep, and their scores."""

    output: Path
    plan: TuningPlan
    groups: Mapping[str, Group]
    n_hidden: int
    options: Mapping[str, Any]  # of `sweeps.run`
    # Of each group: a record of each candidate, with its scores.
    records: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))

    def check(self) -> None:
        """Refuse now what a search in the whole box would refuse before its first cell."""
        drawn = {
            name: [{"parameters": candidate} for candidate in group.draw(self.plan.candidates, 0)]
            for name, group in self.groups.items()
        }
        sweeps.check(**self.describe_stage("box-short", drawn, [0]))

    def describe_stage(
        self, stage: str, entries: Mapping[str, Sequence[dict[str, Any]]], seeds: Sequence[int]
    ) -> dict[str, Any]:
        """Return the sweep of a stage: every group's candidates, equally many, with each seed."""
        plan, n_candidates = self.plan, len(next(iter(entries.values())))
        fixed = {
            "groups": {
                name: {"box": group.box, "fixed": group.fixed, "preset": group.preset}
                for name, group in self.groups.items()
            },
            "candidates": {
                name: [entry["parameters"] for entry in entries[name]] for name in self.groups
            },
            "n_hidden": self.n_hidden,
            "epochs": plan.short if stage.endswith("short") else plan.epochs,
            "samples": plan.samples,
            "validation": 0 if stage == "test" else plan.validation,
        }
        return {
            "grid": {"group": list(self.groups), "candidate": range(n_candidates), "seed": seeds},
            "observable": Observable(
                train_candidate,
                check=_check,
                settings={g.preset: preset(g.preset).to_dict() for g in self.groups.values()},
            ),
            "fixed": fixed,
            "path": self.output.with_suffix(f".{self.n_hidden}.{stage}.nc"),
        }

    def score(
        self,
        stage: str,
        entries: Mapping[str, Sequence[dict[str, Any]]],
        key: str,
        seeds: Sequence[int],
    ) -> None:
        """Train the candidates of a stage; note in each under `key` its accuracies over seeds."""
        sweep = self.describe_stage(stage, entries, seeds)
        last = sweeps.run(**sweep, **self.options)["accuracy"].isel(epoch=-1)
        for name, of_group in entries.items():
            for k, entry in enumerate(of_group):
                values = last.sel(group=name, candidate=k).values
                entry[key] = [float(value) for value in values]

    def try_known(self) -> None:
        """Train what was known before of each group as long as the best candidates."""
        known = {
            name: [{"box": "known", "parameters": dict(c)} for c in group.known]
            for name, group in self.groups.items()
        }
        if any(known.values()):
            self.score("known", known, "validation", [0])
            self.records.update(known)

    def search(self, stage: str, boxes: Mapping[str, Group], n: int, seed: int,
               first: Mapping[str, Candidate]) -> None:  # fmt: skip
        """Train `n` candidates of each group shortly, and the best quarter of them longer."""
        entries: dict[str, list[dict[str, Any]]] = {}
        for name, group in boxes.items():
            drawn = [*([first[name]] if first else []), *group.draw(n, seed)][:n]
            entries[name] = [{"box": stage, "parameters": c} for c in drawn]
        self.score(f"{stage}-short", entries, "short", [0])
        best = {
            name: _sort(of_group, "short")[: count_best(n)] for name, of_group in entries.items()
        }
        self.score(f"{stage}-long", best, "validation", [0])
        for name, of_group in entries.items():
            self.records[name] += of_group

    def refine(self, centres: Mapping[str, Candidate], n: int, k: int, *, tried: bool) -> None:
        """Search the k-th smaller box, around a candidate of each group: with it, unless tried."""
        width = _WIDTH / k
        boxes = {name: group.narrow(centres[name], width) for name, group in self.groups.items()}
        self.search(f"refined-{k}", boxes, n, k, {} if tried else centres)

    def choose(self) -> None:
        """Train the best few with further seeds; measure the best by the mean on the test set."""
        plan = self.plan
        n = plan.finalists
        finalists = {name: _sort(found, "validation")[:n] for name, found in self.records.items()}
        if plan.finalist_seeds > 1:
            self.score("finalists", finalists, "further", range(1, plan.finalist_seeds))
            for of_group in finalists.values():
                for entry in of_group:
                    entry["validation"] += entry.pop("further")
        # With as many seeds each: another candidate's one seed is no rival.
        chosen = {name: _sort(found, "validation")[:1] for name, found in finalists.items()}
        n_seeds = plan.seeds if self.n_hidden in plan.sizes else plan.follower_seeds
        seeds = range(FIRST_TEST_SEED, FIRST_TEST_SEED + n_seeds)
        self.score("test", chosen, "test", seeds)

    def find_best(self) -> dict[str, Candidate]:
        """Return the best candidate of each group so far."""
        return {
            name: _sort(entries, "validation")[0]["parameters"]
            for name, entries in self.records.items()
        }


def _sort(entries: Sequence[dict[str, Any]], key: str) -> list[dict[str, Any]]:
    """Return those that have scores, the best mean first; of equals, the earlier."""
    scored = [entry for entry in entries if key in entry]
    return sorted(scored, key=lambda entry: -fmean(entry[key]))


def run_tuning(
    output: Path,
    plan: TuningPlan | None = None,
    groups: Mapping[str, Group] = GROUPS,
    *,
    workers: int = 1,
    progress: bool = True,
) -> list[dict[str, Any]]:
    """Tune each group at each number of hidden neurons, and test; a stopped study goes on.

    Parameters
    ----------
    output : path
        Results go beside it: its name with .H.STAGE.nc, a file for each stage at each H.
    plan : TuningPlan, optional
        Sizes and budget. Default: ``TuningPlan()``.
    groups : mapping of str to Group
        What is compared. Default: J_D = 0, J_D > 0 (searched, too), and as the floor a reservoir.
    workers, progress : optional
        As of `binnet.sweeps.run`.

    Returns
    -------
    list of dict
        One record for each H and group: "n_hidden", "group", "candidates" (of each: the "box" that
        it is from, "parameters", and accuracies over seeds, "short" and, if trained longer,
        "validation"), "chosen" (its number among them), "parameters" (of the chosen one, all that
        are not the preset's), "validation" and "test" (over seeds).

    Raises
    ------
    TypeError, ValueError
        If a candidate of a group is no valid configuration, or a file there holds something else.
    """
    plan = plan or TuningPlan()
    if len({len(group.known) for group in groups.values()}) > 1:
        counts = {name: len(group.known) for name, group in groups.items()}
        raise ValueError(f"groups must have as many known candidates each, got {counts}")
    options = {"workers": workers, "progress": progress}
    searches = [_Search(output, plan, groups, n, options) for n in (*plan.sizes, *plan.followers)]
    for search in searches:
        search.check()
    best: dict[str, Candidate] = {}
    for search in searches:
        search.try_known()
        if search.n_hidden in plan.sizes:
            search.search("box", groups, plan.candidates, 0, {})
            for k in range(1, plan.rounds + 1):
                search.refine(search.find_best(), plan.refined, k, tried=True)
        else:
            search.refine(best, plan.following, 1, tried=False)
        search.choose()
        chosen = {name: _find_chosen(entries) for name, entries in search.records.items()}
        best = {name: entry["parameters"] for name, entry in chosen.items()}
    return [
        _describe(search.n_hidden, name, groups[name], entries)
        for search in searches
        for name, entries in search.records.items()
    ]


def _find_chosen(entries: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return next(entry for entry in entries if "test" in entry)


def _describe(
    n_hidden: int, name: str, group: Group, entries: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    chosen = _find_chosen(entries)
    return {
        "n_hidden": n_hidden,
        "group": name,
        "chosen": entries.index(chosen),
        "parameters": group.settle(chosen["parameters"]),
        "validation": chosen["validation"],
        "test": chosen["test"],
        "candidates": [{k: v for k, v in entry.items() if k != "test"} for entry in entries],
    }


def compare_groups(records: Sequence[Mapping[str, Any]], against: str) -> list[dict[str, Any]]:
    """Return by how much each group's test accuracy is above that of one of them, at each H.

    Parameters
    ----------
    records : sequence of dict
        From `run_tuning`.
    against : str
        Name of the group to compare with.

    Returns
    -------
    list of dict
        "n_hidden", "group", "against", "difference" (the mean over seeds) and "standard_error",
        of differences seed by seed: a seed is the same order of samples in every group; None with
        one seed.

    Raises
    ------
    ValueError
        If there is no such group.
    """
    check_choice("against", against, sorted({record["group"] for record in records}))
    reference = {r["n_hidden"]: r["test"] for r in records if r["group"] == against}
    compared = []
    for record in (r for r in records if r["group"] != against):
        pairs = zip(record["test"], reference[record["n_hidden"]], strict=True)
        gains = [mine - other for mine, other in pairs]
        error = stdev(gains) / len(gains) ** 0.5 if len(gains) > 1 else None
        compared.append(
            {
                "n_hidden": record["n_hidden"],
                "group": record["group"],
                "against": against,
                "difference": fmean(gains),
                "standard_error": error,
            }
        )
    return compared
