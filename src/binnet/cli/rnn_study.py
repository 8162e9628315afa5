"""`binnet rnn study`: the grids of initial connectivity, their tables and their figures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from binnet._files import write_json
from binnet._provenance import describe_run
from binnet._validation import check_integer
from binnet.cli._common import clear_errors

if TYPE_CHECKING:
    import xarray as xr

_RULES = {"bptt": "BPTT", "eprop": "e-prop"}
_TASKS = ("romo", "two-alternative", "delayed-match")


@click.command()
@click.option("--quick", is_flag=True, help="about two minutes: two gains, 2000 updates, 2 seeds")
@click.option("--seeds", type=int, default=5, show_default=True, help="runs per condition")
@click.option("--workers", type=int, default=1, show_default=True, help="processes")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("rnn-study"),
    show_default=True,
    help="folder of results and figures; what is finished in it is not run again",
)
@click.option(
    "--draw-only", is_flag=True, help="run nothing: tables and figures of what is in the folder"
)
def study(quick: bool, seeds: int, workers: int, out: Path, draw_only: bool) -> None:
    """Train rate networks on a grid of initial gain, rule, learning rate and seed.

    The best learning rate of each condition is chosen. The study can be stopped at any time; the
    same command goes on with it.
    """
    from binnet import sweeps
    from binnet.studies.rate import plan_study, summarise

    with clear_errors():
        check_integer("workers", workers, 1)
        plan = plan_study(quick=quick, seeds=seeds)
        results: dict[str, xr.Dataset] = {}
        if not draw_only:
            out.mkdir(parents=True, exist_ok=True)
        for experiment in plan:
            if draw_only:
                try:
                    results[experiment.name] = sweeps.load(out / f"{experiment.name}.nc")
                except FileNotFoundError:
                    continue
            else:
                try:
                    results[experiment.name] = experiment.run(out, workers=workers)
                except KeyboardInterrupt:
                    click.echo("stopped; the same command goes on with the study")
                    raise SystemExit(130) from None
                except sweeps.SweepError as error:
                    raise click.ClickException(str(error)) from error
        if not results:
            raise FileNotFoundError(f"{out} holds no results; run the study without --draw-only")
        tables = {name: summarise(result) for name, result in results.items()}
        for name, table in tables.items():
            click.echo(f"\n{name}")
            click.echo("\n".join(_format(table)))
        write_json(out / "summary.json", {"run": describe_run(0, 1), "tables": _plain(tables)})
        for path in _draw(results, out):
            click.echo(f"figure: {path}")


def _format(table: list[dict[str, Any]]) -> list[str]:
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


def _draw(results: Mapping[str, xr.Dataset], out: Path) -> list[Path]:
    """Draw the figures for which there are results."""
    from binnet.plotting import save_figure
    from binnet.plotting.rate import (
        draw_curves_by_rule,
        draw_exponents_by_rule,
        draw_flossing,
    )
    from binnet.studies.rate import BLOCK, select_best

    best = {name: _measured(select_best(result)) for name, result in results.items()}
    figures = {}
    for task in _TASKS:
        rules = {label: best[f"{task}-{r}"] for r, label in _RULES.items() if f"{task}-{r}" in best}
        if rules:
            curves = {label: _curves(result) for label, result in rules.items()}
            figures[f"curves-{task}"] = draw_curves_by_rule(
                curves, BLOCK, task, f"{task}: best learning rate of each initial gain"
            )
    more = {
        label: _curves(best[f"romo-{r}"]) | _curves(best[f"romo-{r}-more-gains"])
        for r, label in _RULES.items()
        if {f"romo-{r}", f"romo-{r}-more-gains"} <= best.keys()
    }
    if more:
        ordered = {label: dict(sorted(panel.items())) for label, panel in more.items()}
        figures["more-gains"] = draw_curves_by_rule(ordered, BLOCK, "romo", "romo: more gains")
    rules = {label: best[f"romo-{r}"] for r, label in _RULES.items() if f"romo-{r}" in best}
    if rules:
        panels = {label: (result["gain"], _exponents(result)) for label, result in rules.items()}
        figures["exponents"] = draw_exponents_by_rule(panels, "romo: Lyapunov exponents")
    if {"romo-bptt", "romo-eprop", "romo-eprop-flossed"} <= best.keys():
        plain, flossed = best["romo-eprop"], best["romo-eprop-flossed"]
        curves, spectra = {}, {}
        gain = 0.2
        for version in flossed["floss_version"].values:
            here = flossed.sel(floss_version=version)
            named = {
                f"k = {k}": here.sel(floss_exponents=k) for k in here["floss_exponents"].values
            }
            curves[f"{version} flossing"] = {"not flossed": plain["loss"].sel(gain=gain)} | {
                name: part["loss"] for name, part in named.items()
            }
            # Those of BPTT begin as those of e-prop do, and more of their exponents are known.
            spectra[f"{version} flossing"] = {
                "not flossed": best["romo-bptt"]["exponents_before"].sel(gain=gain)
            } | {name: part["exponents_before"] for name, part in named.items()}
        figures["flossing"] = draw_flossing(
            curves, spectra, BLOCK, f"romo, e-prop, gain {gain}: flossing k exponents"
        )
    paths = []
    for name, figure in figures.items():
        paths.append(out / f"{name}.png")
        save_figure(figure, paths[-1])
    return paths


def _measured(result: xr.Dataset) -> xr.Dataset:
    """Leave out gains that no network has been trained with yet."""
    if "gain" not in result.dims:
        return result
    others = [name for name in result["final_loss"].dims if name != "gain"]
    return result.isel(gain=result["final_loss"].notnull().any(others).values)


def _curves(result: xr.Dataset) -> dict[str, Any]:
    loss = result["loss"].transpose("gain", "seed", "block")
    return {f"gain {gain:g}": loss.sel(gain=gain).values for gain in result["gain"].values}


def _exponents(result: xr.Dataset) -> dict[str, Any]:
    return {
        f"{when} training": result[f"exponents_{when}"].isel(exponent=0).transpose("gain", "seed")
        for when in ("before", "after")
    }
