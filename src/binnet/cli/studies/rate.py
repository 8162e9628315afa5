"""`binnet study rate`: the grids of initial connectivity, their tables and their figures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from binnet._files import check_file
from binnet.cli._common import clear_errors
from binnet.cli._figures import force_option
from binnet.cli._folders import make_study_folder
from binnet.cli.studies._shared import MOST_SEEDS, Findings, run_study, whole_option, workers_option

_WRITTEN = ("summary.json", "curves-*.png", "exponents.png", "flossing.png",
            "more-gains.png")  # fmt: skip


@click.command()
@click.option("--quick", is_flag=True, help="about two minutes: two gains, 2000 updates, 2 seeds")
@whole_option("--seeds", 5, "runs per condition", high=MOST_SEEDS)
@workers_option
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("rnn-study"),
    show_default=True,
    help="folder of results and figures; what is finished in it is not run again",
)
@force_option
@click.option(
    "--draw-only", is_flag=True, help="run nothing: tables and figures of what is in the folder"
)
def rate(out: Path, draw_only: bool, workers: int, **options: Any) -> None:
    """Train rate networks on a grid of initial gain, rule, learning rate and seed.

    The best learning rate of each condition is chosen. The study can be stopped at any time; the
    same command goes on with it.
    """
    from binnet.plotting.rate_study import list_figures
    from binnet.studies.rate import load_study, plan_study, run_rate, summarise

    def work() -> Findings:
        if draw_only:
            results = load_study(out, **options)
        else:
            results = run_rate(out, workers=workers, **options)
        tables = {name: summarise(result) for name, result in results.items()}
        figures = {out / f"{name}.png": draw for name, draw in list_figures(results).items()}
        lines = [line for name, table in tables.items() for line in ("", name, *_tabulate(table))]
        return Findings({"tables": _plain(tables)}, figures, lines)

    if not draw_only:
        with clear_errors():
            make_study_folder(out, {grid.name for grid in plan_study(**options)})
            for pattern in _WRITTEN:
                for path in out.glob(pattern):
                    check_file(path)
    run_study(out / "summary.json", options if draw_only else {**options, "workers": workers}, work)


def _tabulate(table: list[dict[str, Any]]) -> list[str]:
    condition = list(table[0])[: list(table[0]).index("learning_rate")]
    head = "".join(f"{name.removeprefix('floss_'):>10}" for name in condition)
    lines = [f"{head}    rate runs      final loss         lowest loss    max LE before    after"]
    for row in table:
        cells = "".join(f"{row[name]:>10}" for name in condition)
        losses = "  ".join(
            f"{row[key]:8.5f} ± {row[f'{key}_std']:7.5f}" for key in ("final_loss", "lowest_loss")
        )
        exponents = "  ".join(
            f"{row[key]:6.3f} ± {row[f'{key}_std']:5.3f}"
            for key in ("exponent_before", "exponent_after")
        )
        lines.append(f"{cells} {row['learning_rate']:7g} {row['runs']:4d} {losses} {exponents}")
    return lines


def _plain(tables: Mapping[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Return tables as JSON takes them, which has no NaN."""
    return {
        name: [{k: None if v != v else v for k, v in row.items()} for row in table]
        for name, table in tables.items()
    }
