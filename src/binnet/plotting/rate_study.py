"""The figures of the study of initial connectivity: which curves of its grids go into which."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from binnet.plotting.rate import draw_curves_by_rule, draw_exponents_by_rule, draw_flossing
from binnet.studies.rate import BLOCK, FLOSSED_GAIN, select_best

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

_RULES = {"bptt": "BPTT", "eprop": "e-prop"}
_TASKS = ("romo", "two-alternative", "delayed-match")


def draw_study(results: Mapping[str, xr.Dataset]) -> dict[str, Figure]:
    """Draw the figures for which there are results, each at its best learning rate.

    Parameters
    ----------
    results : mapping of str to xarray.Dataset
        From `binnet.studies.rate.run_rate`.

    Returns
    -------
    dict
        The figures by name.
    """
    return {name: draw() for name, draw in list_figures(results).items()}


def list_figures(results: Mapping[str, xr.Dataset]) -> dict[str, Callable[[], Figure]]:
    """Say which figures there are results for, and how each is drawn.

    Parameters
    ----------
    results : mapping of str to xarray.Dataset
        From `binnet.studies.rate.run_rate`.

    Returns
    -------
    dict
        Functions that draw, by the name of the figure.
    """
    best = {name: _measured(select_best(result)) for name, result in results.items()}
    figures: dict[str, Callable[[], Figure]] = {}
    for task in _TASKS:
        rules = _by_rule(best, task)
        if rules:
            curves = {label: _curves(result) for label, result in rules.items()}
            title = f"{task}: best learning rate of each initial gain"
            figures[f"curves-{task}"] = partial(draw_curves_by_rule, curves, BLOCK, task, title)
    rules = _by_rule(best, "romo")
    more = _by_rule(best, "romo", "-more-gains")
    both = {name: _curves(rules[name]) | _curves(more[name]) for name in rules if name in more}
    if both:
        ordered = {label: dict(sorted(panel.items())) for label, panel in both.items()}
        figures["more-gains"] = partial(
            draw_curves_by_rule, ordered, BLOCK, "romo", "romo: more gains"
        )
    if rules:
        panels = {label: (result["gain"], _exponents(result)) for label, result in rules.items()}
        figures["exponents"] = partial(draw_exponents_by_rule, panels, "romo: Lyapunov exponents")
    if {"romo-bptt", "romo-eprop", "romo-eprop-flossed"} <= best.keys():
        figures["flossing"] = partial(_draw_flossed, best)
    return figures


def _draw_flossed(best: Mapping[str, xr.Dataset]) -> Figure:
    """Draw the curves and spectra of flossed networks beside those of the same gain without."""
    gain, flossed = FLOSSED_GAIN, best["romo-eprop-flossed"]
    # Those of BPTT begin as those of e-prop do, and more of their exponents are known.
    loss = best["romo-eprop"]["loss"].sel(gain=gain)
    spectrum = best["romo-bptt"]["exponents_before"].sel(gain=gain)
    curves, spectra = {}, {}
    for version in flossed["floss_version"].values:
        here = flossed.sel(floss_version=version)
        named = {f"k = {k}": here.sel(floss_exponents=k) for k in here["floss_exponents"].values}
        curves[f"{version} flossing"] = {"not flossed": loss} | {
            name: part["loss"] for name, part in named.items()
        }
        spectra[f"{version} flossing"] = {"not flossed": spectrum} | {
            name: part["exponents_before"] for name, part in named.items()
        }
    title = f"romo, e-prop, gain {gain}: flossing k exponents"
    return draw_flossing(curves, spectra, BLOCK, title)


def _by_rule(best: Mapping[str, xr.Dataset], task: str, more: str = "") -> dict[str, xr.Dataset]:
    """Return the results of a task that there are, by the label of their rule."""
    names = {label: f"{task}-{rule}{more}" for rule, label in _RULES.items()}
    return {label: best[name] for label, name in names.items() if name in best}


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
