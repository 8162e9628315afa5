"""Capacity against depth, settings searched for at each depth (docs/results/capacity.md).

    python bench/capacity.py [--folder FOLDER] [--hidden H] [--seeds N] [--candidates N] ...

Networks have N_in = H inputs, at the first module only; the last one is read. Settings are drawn at
random, the same ones for every network, and chosen with seeds of their own. Resumable; with
the defaults about 20 minutes of one core.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from binnet import relax, sweeps
from binnet.datasets import draw_associations
from binnet.learning import Run, train
from binnet.plotting import finish, make_panels, plot_bars, save_figure
from binnet.plotting._style import curve_style, dash
from binnet.plotting.capacity import BOUNDS, plot_success
from binnet.studies.capacity import CAPACITY, RECALL, bound_capacity, configure_depth
from binnet.studies.representations import overlap_matrix
from binnet.sweeps.scaling import extrapolate

DEPTHS = (1, 2, 3, 4)
#: Seeds that settings are chosen with; the results have 0, 1, 2...
SEARCHED = (1000, 1001)
SEARCH_ACCURACY = 0.1
#: The control whose hidden neurons are those of the draw.
FIXED_STATES = {"rate_couplings": 0.0, "rate_input": 0.0, "feedback_strength": 0.0}
Record = dict[str, Any]
Mean = tuple[float, float, int]  # with its standard error and the number of networks


def draw_settings(candidate: int) -> dict[str, Any]:
    """Return the settings of a candidate, for any depth; of candidate 0, those of "first"."""
    if candidate == 0:
        return {}
    rng = np.random.default_rng((20, candidate))

    def between(low: float, high: float) -> float:
        """Draw evenly on a logarithmic scale."""
        return float(np.round(low * (high / low) ** rng.random(), 3))

    return {
        "rate_couplings": between(0.02, 0.6),
        "rate_input": between(0.04, 1.0),
        "rate_readout": between(0.02, 0.5),
        "margin": round(1.5 * rng.random(), 3),
        "readout_margin": between(1.0, 10.0),
        "rate_schedule": str(rng.choice(["constant", "linear"])),
        "input_strength": between(1.0, 6.0),
        "self_coupling": round(rng.random(), 3),
        "neighbour_strength": between(0.5, 2.0),
        "feedback_strength": (between(1.0, 5.0), between(0.5, 3.0)),  # of the first and the last
    }


def fit_to_depth(settings: Mapping[str, Any], n_modules: int) -> dict[str, Any]:
    """Return the parameters of L modules: input and self-coupling at the first one only."""
    if not settings:
        return {}
    none = [0.0] * (n_modules - 1)
    first, last = settings["feedback_strength"]
    return {
        **settings,
        "input_strength": [settings["input_strength"], *none],
        "self_coupling": [settings["self_coupling"], *none],
        "neighbour_strength": [0.0, *[settings["neighbour_strength"]] * (n_modules - 1)],
        "feedback_strength": [float(f) for f in np.linspace(first, last, n_modules)],
    }


class Bench:
    """Where results are, and what all trainings share."""

    def __init__(self, folder: Path, n_hidden: int, epochs: int, workers: int) -> None:
        self.folder, self.n_hidden, self.epochs, self.workers = folder, n_hidden, epochs, workers

    def measure(
        self,
        name: str,
        settings: Mapping[str, Any],
        seeds: Sequence[int],
        *,
        depth: int = 1,
        width: int = 1,
        accuracy: float = 0.05,
        levels: Sequence[float] = (0.95,),
        **changes: Any,
    ) -> xr.Dataset:
        """Return the capacities of `depth` modules of `width` H neurons, over seed and level."""
        fixed = {
            "n_modules": depth, "n_hidden": width * self.n_hidden, "n_inputs": self.n_hidden,
            "epochs": self.epochs, "attachment": "first", "accuracy": accuracy,
            "changes": {**fit_to_depth(settings, depth), **changes},
        }  # fmt: skip
        path = self.folder / f"{name}_{depth}_{width}.nc"
        grid = {"seed": seeds, "level": levels}
        return sweeps.run(grid, CAPACITY, fixed=fixed, path=path, workers=self.workers)

    def recall(
        self, name: str, settings: Mapping[str, Any], loads: Sequence[float], seeds: int, size: int
    ) -> xr.Dataset:
        """Return which of many networks of one module of `size` neurons reach 95 % at each load."""
        fixed = {
            "n_modules": 1, "n_hidden": size, "n_inputs": size, "epochs": self.epochs,
            "attachment": "first", "level": 0.95, "changes": fit_to_depth(settings, 1),
        }  # fmt: skip
        grid = {"load": loads, "seed": range(seeds)}
        path = self.folder / f"{name}_{size}.nc"
        return sweeps.run(grid, RECALL, fixed=fixed, path=path, workers=self.workers)


def search(bench: Bench, candidates: int) -> NDArray[np.float64]:
    """Return the mean logarithm of P / H of each depth and candidate, on the seeds of the search.

    A network that holds nothing counts with the smallest load, 1/16.
    """
    scores = np.empty((len(DEPTHS), candidates))
    for k, depth in enumerate(DEPTHS):
        for c in range(candidates):
            found = bench.measure(
                f"search{c}", draw_settings(c), SEARCHED, depth=depth, accuracy=SEARCH_ACCURACY
            )
            scores[k, c] = np.log(found["capacity"].fillna(1 / 16)).mean()
    return scores


def tabulate(kind: str, depth: int, width: int, found: xr.Dataset, scale: float) -> list[Record]:
    """Return one record for each network and level; P / H is multiplied by `scale`."""
    columns = {
        "capacity": scale,
        "upper": scale,
        "n_epochs": 1,
        "row_norm": 1,
        "n_presentations": 1,
    }
    records = []
    for seed in found["seed"].values.tolist():
        for level in found["level"].values.tolist():
            here = found.sel(seed=seed, level=level)
            values = {name: float(here[name]) * factor for name, factor in columns.items()}
            rounded = {name: None if math.isnan(v) else round(v, 4) for name, v in values.items()}
            names = {"kind": kind, "depth": depth, "width": width, "seed": seed, "level": level}
            records.append({**names, **rounded})
    return records


def gather(records: Sequence[Record], kind: str) -> dict[tuple[int, int], NDArray[np.float64]]:
    """Return the brackets of P / H (network, 2) by depth and width."""
    found: dict[tuple[int, int], list[tuple[float, float]]] = {}
    for r in records:
        if r["kind"] == kind and r["capacity"] is not None:
            found.setdefault((r["depth"], r["width"]), []).append((r["capacity"], r["upper"]))
    return {network: np.array(brackets) for network, brackets in found.items()}


def average(records: Sequence[Record], kind: str) -> dict[tuple[int, int], Mean]:
    """Return mean and standard error of P / H over seeds, by depth and width."""
    return {network: average_brackets(v) for network, v in gather(records, kind).items()}


def average_brackets(brackets: NDArray[np.float64]) -> Mean:
    """Return the mean of the middles and its standard error, that within brackets included."""
    middle, n = np.sqrt(brackets.prod(axis=1)), len(brackets)
    variance = middle.var(ddof=1) if n > 1 else np.nan
    variance += (np.diff(brackets) ** 2).mean() / 12.0
    return float(middle.mean()), float(np.sqrt(variance / n)), n


def measure_all(
    bench: Bench, tuned: Mapping[int, int], one: int, seeds: int
) -> Iterator[list[Record]]:
    """Yield the records of each kind of network, the most important ones first."""

    def run(kind: str, candidate: int, n: int = seeds, **options: Any) -> list[Record]:
        found = bench.measure(kind, draw_settings(candidate), range(n), **options)
        width = options.get("width", 1)  # P is counted per H, not per neuron of a wide module
        return tabulate(kind, options.get("depth", 1), width, found, width)

    few = max(2, seeds // 2 + 1)
    for depth in DEPTHS:
        yield run("tuned", tuned[depth], depth=depth)
    for depth in DEPTHS:
        yield run("one", one, depth=depth)
    yield run("wide", tuned[1], few, width=2)
    for depth in DEPTHS[1:]:
        yield run("all_read", tuned[depth], few, depth=depth, readout_strength=1.0)
    for depth in DEPTHS:
        yield run("readout_only", tuned[depth], few, depth=depth, **FIXED_STATES)
    for depth in DEPTHS:
        yield run("all_recalled", tuned[depth], depth=depth, levels=(1.0,))
    yield run("wide", tuned[1], few, width=4)
    for factor, n in ((2, seeds), (4, few)):
        size = factor * bench.n_hidden
        larger = Bench(bench.folder, size, bench.epochs, bench.workers)
        found = larger.measure(f"size{size}", draw_settings(tuned[1]), range(n))
        yield tabulate("size", 1, factor, found, 1.0)


def measure_overlaps(
    bench: Bench, settings: Mapping[str, Any], depth: int, load: float, seeds: int
) -> dict[str, Any]:
    """Return mean overlaps of states in the last module, of equal and of different labels.

    Before learning and after all epochs, without feedback; means over networks.
    """
    n, rows = bench.n_hidden, []
    changes = _to_tuples(fit_to_depth(settings, depth))
    for seed in range(seeds):
        known = draw_associations(round(load * n), n, 10, seed)
        configuration = configure_depth(
            depth, "first", n_hidden=n, n_inputs=n, epochs=bench.epochs, seed=seed, **changes
        )
        untrained = Run.start(configuration, len(known.X)).network()
        trained = train(known.X, known.y, configuration)
        row = [trained.history[-1].accuracy["train"]]
        for network in (untrained, trained.network):
            overlaps = overlap_matrix(relax(network, known.X).states[:, -n:])
            np.fill_diagonal(overlaps, np.nan)
            same = known.y[:, None] == known.y
            row += [float(np.nanmean(overlaps[same])), float(overlaps[~same].mean())]
        rows.append(row)
    names = ("recalled", "same_before", "different_before", "same", "different")
    means = dict(zip(names, np.mean(rows, axis=0).round(4).tolist(), strict=True))
    return {"depth": depth, "load": load, "networks": seeds, **means}


def _to_tuples(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in settings.items()}


def extrapolate_sizes(records: Sequence[Record], n_hidden: int) -> xr.Dataset:
    """Return the limit of large H of one module, with a correction of order 1/H."""
    rng = np.random.default_rng(0)
    values = [gather(records, "tuned")[1, 1], *gather(records, "size").values()]
    sizes = [n_hidden, *(n_hidden * width for _, width in gather(records, "size"))]
    means = [average_brackets(v) for v in values]
    samples = [np.sqrt(rng.choice(v, (500, len(v))).prod(axis=2)).mean(axis=1) for v in values]
    table = {
        "threshold": ("n_hidden", [mean for mean, _, _ in means]),
        "threshold_error": ("n_hidden", [error for _, error, _ in means]),
        "threshold_samples": (("n_hidden", "resample"), np.array(samples)),
    }
    return extrapolate(xr.Dataset(table, {"n_hidden": sizes}), size="n_hidden", exponent=1.0)


def measure_success(
    bench: Bench, settings: Mapping[str, Any], around: float, seeds: int
) -> xr.Dataset:
    """Return which networks of one module of H and of 2 H neurons reach 95 % near the threshold."""
    loads = [round(around * f, 2) for f in (0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3)]
    sizes = {bench.n_hidden: 4 * seeds, 2 * bench.n_hidden: 2 * seeds}
    parts = [bench.recall("success", settings, loads, n, size) for size, n in sizes.items()]
    axis = xr.Variable("n_hidden", list(sizes))
    return xr.concat([part[["reached"]] for part in parts], axis, join="outer")


def plot_depths(records: Sequence[Record], n_hidden: int, ax: Axes) -> None:
    """Plot P / H against depth, chosen at each depth or for all, beside the bounds."""
    kinds = {
        "tuned": "settings chosen at each L",
        "one": "one setting for all",
        "readout_only": "readout alone learns",
    }
    for k, (kind, label) in enumerate(kinds.items()):
        found = average(records, kind)
        plot_means(ax, [d for d, _ in found], list(found.values()), k, label)
    loads = [
        bound_capacity(configure_depth(d, "first", n_hidden=n_hidden, n_inputs=n_hidden))
        for d in DEPTHS
    ]
    for k, (name, label) in enumerate(BOUNDS.items()):
        ax.plot(
            DEPTHS, [b[name] for b in loads], color="0.45", lw=1, linestyle=dash(k), label=label
        )
    ax.set(xlabel="modules L", ylabel="P / H of which 95 % are recalled")
    ax.set_ylim(0, 1.8 * ax.get_ylim()[1])  # the legend has its place
    ax.set_xticks(DEPTHS)


def plot_controls(records: Sequence[Record], ax: Axes) -> None:
    """Plot P / H against the neurons of all modules: depth, width, and what is read."""
    kinds = {
        "tuned": "L modules, the last is read",
        "all_read": "L modules, all are read",
        "wide": "one module",
    }
    for k, (kind, label) in enumerate(kinds.items()):
        found = average(records, kind)
        if kind != "tuned":
            found |= {(1, 1): average(records, "tuned")[1, 1]}
        places = sorted(found, key=lambda network: network[0] * network[1])
        plot_means(ax, [d * w for d, w in places], [found[p] for p in places], k, label)
    ax.set(
        xlabel="neurons of all modules over H",
        ylabel="P / H of which 95 % are recalled",
        ylim=(0, None),
    )
    ax.set_xticks(DEPTHS)


def plot_means(ax: Axes, x: Sequence[int], means: Sequence[Mean], k: int, label: str) -> None:
    """Plot means with standard errors."""
    values, errors = [m[0] for m in means], [m[1] for m in means]
    note = "standard error over networks, with the bracket"
    plot_bars(ax, x, values, errors, note, label=label, **curve_style(k))


def draw(records: Sequence[Record], curves: xr.Dataset, n_hidden: int) -> Figure:
    """Draw capacity against depth, its controls, and who reaches 95 % near the threshold."""
    figure, (left, centre, right) = make_panels(3, size=(16, 4.8))
    plot_depths(records, n_hidden, left)
    plot_controls(records, centre)
    plot_success(curves, right, along="n_hidden", label="L = 1, H")
    finish(left, loc="upper right")
    finish(centre, loc="lower left")
    return figure


@click.command()
@click.option("--folder", type=click.Path(path_type=Path), default=Path("capacity"))
@click.option("--hidden", default=50, show_default=True, help="H, and N_in")
@click.option("--seeds", default=5, show_default=True)
@click.option("--candidates", default=20, show_default=True)
@click.option("--epochs", default=60, show_default=True)
@click.option("--workers", default=1, show_default=True)
def main(folder: Path, hidden: int, seeds: int, candidates: int, epochs: int, workers: int) -> None:
    """Choose settings, measure capacities and controls, print, draw and keep them."""
    folder.mkdir(parents=True, exist_ok=True)
    bench = Bench(folder, hidden, epochs, workers)
    scores = search(bench, candidates)
    tuned = {d: int(c) for d, c in zip(DEPTHS, scores.argmax(axis=1), strict=True)}
    one = int(scores.mean(axis=0).argmax())
    click.echo(f"candidates: {tuned}, for all {one}")
    for depth, row in zip(DEPTHS, np.exp(scores), strict=True):
        click.echo(f"L = {depth}: " + " ".join(f"{value:.2f}" for value in row))
    records: list[Record] = []
    for part in measure_all(bench, tuned, one, seeds):
        records += part
        kind, network = part[0]["kind"], (part[0]["depth"], part[0]["width"])
        mean, error, n = average(records, kind).get(network, (math.nan, math.nan, 0))
        click.echo(f"{kind:<12} L, width = {network}: {mean:.2f} +- {error:.2f} ({n} networks)")
    overlaps = [
        measure_overlaps(bench, draw_settings(tuned[depth]), depth, round(0.9 * mean, 1), 3)
        for depth, mean in ((d, average(records, "tuned")[d, 1][0]) for d in DEPTHS[:2])
    ]
    for row in overlaps:
        click.echo(f"overlaps in the last module: {row}")
    limit = extrapolate_sizes(records, hidden)
    click.echo(
        f"limit of large H: {float(limit['limit']):.2f} +- {float(limit['limit_error']):.2f}, "
        f"chi2 {float(limit['chi2']):.1f} / {int(limit['dof'])}"
    )
    around = average(records, "tuned")[1, 1][0]
    curves = measure_success(bench, draw_settings(tuned[1]), around, seeds)
    save_figure(draw(records, curves, hidden), folder / "capacity.png", overwrite=True)
    reached = curves["reached"].mean("seed").transpose("n_hidden", "load")
    table = {
        "settings": {str(c): draw_settings(c) for c in sorted({*tuned.values(), one})},
        "chosen": {**{f"L = {depth}": c for depth, c in tuned.items()}, "all": one},
        "searched": np.exp(scores).round(3).tolist(),
        "success": {
            "load": curves["load"].values.tolist(),
            "n_hidden": curves["n_hidden"].values.tolist(),
            "fraction": reached.values.round(4).tolist(),
        },
        "overlaps": overlaps,
        "records": records,
    }
    (folder / "capacity.json").write_text(json.dumps(table, indent=1, allow_nan=False))


if __name__ == "__main__":
    main()
