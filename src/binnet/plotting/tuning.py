"""Pictures of a tuning study: test accuracies of groups over H, and scores of all candidates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

from binnet.plotting._style import (
    colour,
    curve_style,
    finish,
    label_values,
    make_panels,
    mark_level,
    marker,
    plot_bars,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Records = Sequence[Mapping[str, Any]]
_SCORED = (("self_coupling", r"self-coupling $J_D$"), ("margin", r"margin $\kappa$"))


def plot_tuned(records: Records, ax: Axes) -> Axes:
    """Plot the test accuracy of each group's chosen candidate against H.

    Parameters
    ----------
    records : sequence of dict
        From `binnet.studies.tuning.run_tuning`.
    ax : Axes
        Where to draw; bars are the standard deviation over seeds.

    Returns
    -------
    Axes
        The same Axes.
    """
    label_values(ax, sorted({r["n_hidden"] for r in records}))
    for k, group in enumerate(_list_groups(records)):
        own = [r for r in records if r["group"] == group]
        means = [fmean(r["test"]) for r in own]
        spread = [stdev(r["test"]) if len(r["test"]) > 1 else 0.0 for r in own]
        style = {"label": group, **curve_style(k)}
        sizes = [r["n_hidden"] for r in own]
        plot_bars(ax, sizes, means, spread, "standard deviation over seeds", **style)
    ax.set(xlabel="hidden neurons H", ylabel="test accuracy")
    return finish(ax, loc="best")


def plot_gains(compared: Records, ax: Axes) -> Axes:
    """Plot by how much groups are above the one that they are compared with, against H.

    Parameters
    ----------
    compared : sequence of dict
        From `binnet.studies.tuning.compare_groups`.
    ax : Axes
        Where to draw; bars are the standard error of the mean difference, seed by seed.

    Returns
    -------
    Axes
        The same Axes.
    """
    label_values(ax, sorted({c["n_hidden"] for c in compared}))
    mark_level(ax, 0.0)
    for k, group in enumerate(_list_groups(compared), 1):
        own = [c for c in compared if c["group"] == group]
        errors = [c["standard_error"] or 0.0 for c in own]
        style = {"label": f"{group}, above {own[0]['against']}", **curve_style(k)}
        sizes, gains = [c["n_hidden"] for c in own], [c["difference"] for c in own]
        plot_bars(ax, sizes, gains, errors, "standard error, paired over seeds", **style)
    ax.set(xlabel="hidden neurons H", ylabel="difference of test accuracies")
    return finish(ax, loc="best")


def plot_scores(records: Records, parameter: str, ax: Axes) -> Axes:
    """Plot the validation scores of all candidates at one H against one of their parameters.

    Parameters
    ----------
    records : sequence of dict
        From `binnet.studies.tuning.run_tuning`, of one H.
    parameter : str
        What the abscissa is. Of groups that have it not in their box, the best score is a line.
    ax : Axes
        Where to draw: small open markers after the short training, large ones after the long one.

    Returns
    -------
    Axes
        The same Axes.
    """
    for k, record in enumerate(records):
        drawn = [c for c in record["candidates"] if parameter in c["parameters"]]
        shared = {"color": colour(k), "marker": marker(k), "linestyle": ""}
        styles: tuple[tuple[str, dict[str, Any]], ...] = (
            ("short", {"markersize": 3, "fillstyle": "none", "alpha": 0.6}),
            ("validation", {"markersize": 6, "label": record["group"]}),
        )
        for key, style in styles:
            scored = [c for c in drawn if key in c]
            x = [c["parameters"][parameter] for c in scored]
            if x:
                ax.plot(x, [fmean(c[key]) for c in scored], **{**shared, **style})
        if not drawn:
            best = max(fmean(c["validation"]) for c in record["candidates"] if "validation" in c)
            name = f"{record['group']}, best"
            ax.axhline(best, **(curve_style(k) | {"marker": ""}), label=name)
    ax.plot([], [], "o", color="0.6", markersize=3, fillstyle="none", label="short training")
    ax.plot([], [], "o", color="0.6", markersize=6, label="long training")
    ax.set(ylabel=f"validation accuracy, H = {records[0]['n_hidden']}")
    return finish(ax, loc="best")


def draw_tuning(records: Records, compared: Records, title: str = "") -> Figure:
    """Draw test accuracies over H and the gain; below, for each H, the scores of candidates.

    Parameters
    ----------
    records : sequence of dict
        From `binnet.studies.tuning.run_tuning`.
    compared : sequence of dict
        From `binnet.studies.tuning.compare_groups`; the gain is that of the first group in it.
    title : str, default ""
        Of the figure.

    Returns
    -------
    Figure
        The figure, for `binnet.plotting.save_figure`.
    """
    sizes = sorted({r["n_hidden"] for r in records})
    figure, panels = make_panels(2, 1 + len(sizes), title=title)
    plot_tuned(records, panels[0])
    plot_gains([c for c in compared if c["group"] == compared[0]["group"]], panels[1])
    for n_hidden, *row in zip(sizes, panels[2::2], panels[3::2], strict=True):
        of_size = [r for r in records if r["n_hidden"] == n_hidden]
        for (parameter, name), ax in zip(_SCORED, row, strict=True):
            plot_scores(of_size, parameter, ax)
            ax.set(xlabel=name)
            if parameter == "self_coupling":
                ax.set_xscale("log")
    return figure


def _list_groups(records: Records) -> list[str]:
    """Return the groups in their order."""
    return list(dict.fromkeys(record["group"] for record in records))
