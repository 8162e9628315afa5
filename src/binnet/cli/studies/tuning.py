"""`binnet study tuning`: groups of configurations, each tuned with the same budget, then tested."""

from __future__ import annotations

import tomllib
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import click

from binnet.cli.studies._shared import (
    MOST_SEEDS,
    Findings,
    describe_seeds,
    numbers_option,
    output_option,
    run_study,
    whole_option,
    workers_option,
)

if TYPE_CHECKING:
    from binnet.studies.tuning import Group


@click.command()
@numbers_option("--hidden", "sizes", (100, 400), "H, each searched in the whole box", ">= 1")
@click.option(
    "--follower",
    "followers",
    type=click.IntRange(1),
    multiple=True,
    help="further H, searched around the best of the H before only; repeatable",
)
@click.option(
    "--groups",
    "groups_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="what is compared (.toml): a table for each group, with its box, and optionally fixed, "
    'preset and known: box.margin = ["uniform", 0.0, 1.5]; also "loguniform" and "choice".  '
    "[default: J_D = 0, J_D > 0, reservoir]",
)
@whole_option("--candidates", 48, "drawn in the box of each group")
@whole_option("--refined", 24, "drawn in each smaller box around the best as yet")
@whole_option("--rounds", 2, "smaller boxes, one after the other")
@whole_option("--following", 8, "candidates of each follower")
@whole_option("--short", 3, "epochs of all candidates")
@whole_option("--epochs", 10, "epochs of the best quarter, and of the test")
@whole_option("--finalists", 3, "candidates that are trained with more seeds")
@whole_option("--finalist-seeds", 3, high=100)
@whole_option("--seeds", 5, "trainings of the chosen candidate that are tested", high=MOST_SEEDS)
@whole_option("--follower-seeds", 3, "the same at a follower", high=MOST_SEEDS)
@whole_option("--samples", 60000, "training samples", low=2, high=60000)
@whole_option("--validation", 10000, "of them, the last, held out until the test")
@workers_option
@output_option("tuning.png", data=".H.STAGE.nc and .json")
def tuning(
    output: Path, groups_file: Path | None, workers: int, sizes: tuple[int, ...], **budget: Any
) -> None:
    """Tune each group of configurations with the same budget, and compare test accuracies.

    Candidates are drawn at random and scored on the last training samples, which are held out; the
    test set is measured with the chosen ones only. The same command takes up a study that was
    stopped.
    """
    from binnet.plotting.tuning import draw_tuning
    from binnet.studies.tuning import GROUPS, TuningPlan, compare_groups, run_tuning

    asked = {"sizes": sizes, **budget}

    def work() -> Findings:
        groups = GROUPS if groups_file is None else _read_groups(groups_file)
        records = run_tuning(output, TuningPlan(**asked), groups, workers=workers)
        compared = compare_groups(records, next(iter(groups)))
        results = {
            "groups": {name: group.to_dict() for name, group in groups.items()},
            "tuned": records,
            "compared": compared,
        }
        figures = {output: lambda: draw_tuning(records, compared, "entangled MNIST")}
        return Findings(results, figures, _tabulate(records, compared))

    names = {"sizes": "--hidden", "followers": "--follower", "finalist_seeds": "--finalist-seeds"}
    run_study(output.with_suffix(".json"), asked, work, names)


def _read_groups(path: Path) -> dict[str, Group]:
    from binnet.studies.tuning import Group

    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not a TOML file: {error}") from None
    groups = {}
    for name, table in tables.items():
        parts = {"box", "fixed", "preset", "known"}
        if not isinstance(table, dict) or "box" not in table or set(table) - parts:
            raise ValueError(
                f"{path}: each group must be a table with box, and optionally fixed, preset and "
                f"known; [{name}] is {table!r}"
            )
        groups[name] = Group(**table)
    if not groups:
        raise ValueError(f"{path} must hold at least one group, got none")
    return groups


def _tabulate(records: list[dict[str, Any]], compared: list[dict[str, Any]]) -> list[str]:
    lines = ["     H  group            validation      test accuracy      above the first group"]
    gains = {(c["n_hidden"], c["group"]): c for c in compared}
    for r in records:
        gain = gains.get((r["n_hidden"], r["group"]))
        line = (
            f"{r['n_hidden']:>6}  {r['group']:<14}{fmean(r['validation']):>13.4f}"
            f"{describe_seeds(r['test']):>19}"
        )
        if gain is not None:
            error = gain["standard_error"]
            line += f"{gain['difference']:>+17.4f}" + ("" if error is None else f" ± {error:.4f}")
        lines.append(line)
    return lines
