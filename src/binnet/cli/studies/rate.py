"""`binnet study rate`: studies of rate networks, their tables and their figures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from binnet._files import check_file
from binnet.cli._common import clear_errors
from binnet.cli._figures import force_option
from binnet.cli._folders import make_study_folder
from binnet.cli.studies._rate_studies import STUDIES, find_default_folder, tabulate
from binnet.cli.studies._shared import MOST_SEEDS, Findings, run_study, whole_option, workers_option

_LIST = "; ".join(f"{name}: {study.about}" for name, study in STUDIES.items())


@click.command()
@click.option(
    "--study",
    "name",
    type=click.Choice(list(STUDIES)),
    default="gains",
    show_default=True,
    help=_LIST,
)
@click.option("--quick", is_flag=True, help="a small form of the study, about a minute or two")
@whole_option("--seeds", 5, "runs per condition", high=MOST_SEEDS)
@workers_option
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="folder of results and figures; what is finished in it is not run again  "
    "[default: rnn-study; rnn-study-NAME of the other studies]",
)
@force_option
@click.option(
    "--draw-only", is_flag=True, help="run nothing: tables and figures of what is in the folder"
)
def rate(name: str, out: Path | None, draw_only: bool, workers: int, **options: Any) -> None:
    """Train rate networks on a grid of parameters, as initial gain, rule, learning rate and seed.

    The best learning rate of each condition is chosen. The study can be stopped at any time; the
    same command goes on with it.
    """
    from binnet.studies.rate import load_plan, run_plan

    study, folder = STUDIES[name], find_default_folder(name, out)
    plan = study.find(study.plan)(**options)

    def work() -> Findings:
        results = load_plan(plan, folder) if draw_only else run_plan(plan, folder, workers=workers)
        tables = {grid: study.find("summarise")(result) for grid, result in results.items()}
        drawn = study.find("list_figures")(results)
        figures = {folder / f"{figure}.png": draw for figure, draw in drawn.items()}
        lines = [line for grid, table in tables.items() for line in ("", grid, *tabulate(table))]
        return Findings({"tables": _plain(tables)}, figures, lines)

    if not draw_only:
        with clear_errors():
            make_study_folder(folder, {grid.name for grid in plan})
            for path in (folder / "summary.json", *folder.glob("*.png")):
                if path.exists():
                    check_file(path)
    record = options if name == "gains" else {"study": name, **options}
    record = record if draw_only else {**record, "workers": workers}
    run_study(folder / "summary.json", record, work)


def _plain(tables: Mapping[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Return tables as JSON takes them, which has no NaN."""
    return {
        name: [{k: None if v != v else v for k, v in row.items()} for row in table]
        for name, table in tables.items()
    }
