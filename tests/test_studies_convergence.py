"""The convergence study: its observable, its thresholds and its pictures."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from binnet import ImplicitNetwork, RandomNetwork, relax, sweeps
from binnet.plotting.sweeps import draw_convergence, plot_convergence
from binnet.studies import RELAXATION, convergence_thresholds, relaxation

GRID = {"n_neurons": [30, 60], "self_coupling": [0.0, 0.5, 2.0], "seed": [0, 1, 2]}
FIXED = {"replicas": 8, "max_sweeps": 60}


@pytest.fixture(scope="module")
def result() -> xr.Dataset:
    grid = {**GRID, "update_order": ["sync", "async"]}
    return sweeps.run(grid, RELAXATION, fixed=FIXED, progress=False)


def test_the_observable_is_what_relax_says() -> None:
    options: dict[str, Any] = {"update_order": "sync", "replicas": 6, "max_sweeps": 200}
    measured = relaxation(50, 0.3, 4, **options)
    network = RandomNetwork.draw(50, 0.3, dtype="int16", seed=4)
    direct = relax(network, seed=4, **options)
    assert measured["n_converged"] == direct.converged.sum()
    assert measured["n_cycles"] == (direct.status == 2).sum()
    times = measured["relaxation_time"][1]
    assert np.isnan(times).tolist() == (~direct.converged).tolist()
    assert times[direct.converged].tolist() == direct.sweeps[direct.converged].tolist()
    flips = measured["flip_fraction"][1]
    assert flips.shape == (200,)
    assert flips[0] == pytest.approx(direct.flips[:, 0].mean() / 50)
    for t in range(200):  # a replica that was stopped in a cycle counts no longer
        runs = [r for r in range(6) if direct.converged[r] or t < direct.sweeps[r]]
        seen = [direct.flips[r, t] if t < direct.flips.shape[1] else 0 for r in runs]
        np.testing.assert_allclose(flips[t], np.mean(seen) / 50 if seen else np.nan)


def test_couplings_may_be_drawn_again() -> None:
    options: dict[str, Any] = {"update_order": "async", "replicas": 4, "max_sweeps": 100}
    measured = relaxation(70, 0.5, 2, dtype="implicit", **options)
    direct = relax(ImplicitNetwork(70, 0.5, seed=2), seed=2, **options)
    assert measured["n_converged"] == direct.converged.sum() > 0
    np.testing.assert_array_equal(
        measured["relaxation_time"][1], np.where(direct.converged, direct.sweeps, np.nan)
    )


def test_thresholds_within_fewer_sweeps_count_fewer_runs() -> None:
    couplings = np.linspace(0.3, 0.7, 9)
    data = draw_counts(couplings, 0.5, 0.05, 3)
    late = np.arange(40) < 0.75 * data["n_converged"].values[..., None]
    early = np.arange(40) < data["n_converged"].values[..., None]
    data["relaxation_time"][:] = np.where(late, 90.0, np.where(early, 10.0, np.nan))
    both = convergence_thresholds(data, max_sweeps=[50, 100])["threshold"]
    whole = convergence_thresholds(data)["threshold"].item()
    assert both.sel(max_sweeps=100).item() == whole
    assert convergence_thresholds(data, max_sweeps=50)["threshold"].isnull()  # a quarter at most


def test_many_more_converge_with_self_coupling(result: xr.Dataset) -> None:
    runs = 3 * 8
    for n in GRID["n_neurons"]:
        for update_order in ("sync", "async"):
            counts = (
                result["n_converged"].sel(n_neurons=n, update_order=update_order).sum("seed").values
            )
            assert counts[0] < counts[2] == runs


def draw_counts(couplings: np.ndarray, centre: float, width: float, seed: int) -> xr.Dataset:
    """Runs that converge with the probability of a logistic curve, independently."""
    p = 1 / (1 + np.exp(-(couplings - centre) / width))
    counts = np.random.default_rng(seed).binomial(40, p[:, None], (len(couplings), 12))
    return xr.Dataset(
        {
            "n_converged": (("self_coupling", "seed"), counts),
            "relaxation_time": (("self_coupling", "seed", "replica"), np.ones((*counts.shape, 40))),
        },
        {"self_coupling": couplings, "seed": np.arange(12)},
    )


@pytest.mark.long
def test_thresholds_are_found_within_their_errors() -> None:
    """Over repeated draws the pulls have mean 0 and variance 1."""
    couplings = np.linspace(0.3, 0.7, 9)
    pulls = []
    for seed in range(30):
        found = convergence_thresholds(draw_counts(couplings, 0.512, 0.04, seed), seed=seed)
        pulls.append(float((found["threshold"] - 0.512) / found["threshold_error"]))
        assert float(found["width"]) == pytest.approx(0.04, rel=0.3)
    assert abs(np.mean(pulls)) < 4 / np.sqrt(30)
    assert 0.6 < np.std(pulls) < 1.6


@pytest.mark.parametrize("counts", [0, 40])
def test_no_threshold_where_nothing_changes(counts: int) -> None:
    data = draw_counts(np.linspace(0.3, 0.7, 5), 0.5, 0.1, 0)
    data["n_converged"][:] = counts
    assert np.isnan(convergence_thresholds(data)["threshold"])


def test_cells_that_are_missing_do_not_matter() -> None:
    whole = draw_counts(np.linspace(0.3, 0.7, 9), 0.5, 0.05, 1)
    wider = whole.reindex(self_coupling=[*whole.self_coupling.values, 0.9])
    expected, found = convergence_thresholds(whole), convergence_thresholds(wider)
    assert float(found["threshold"]) == pytest.approx(float(expected["threshold"]), abs=1e-6)


def test_thresholds_need_their_axes(result: xr.Dataset) -> None:
    with pytest.raises(ValueError, match="the result lacks seed"):
        convergence_thresholds(result.isel(seed=0))
    with pytest.raises(ValueError, match="at least two self-couplings"):
        convergence_thresholds(result.isel(self_coupling=[0]))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"n_neurons": [0, 10]}, "n_neurons must be an integer >= 1, got 0"),
        ({"self_coupling": [-0.1, 0.5]}, "self_coupling must be a finite number >= 0, got -0.1"),
        ({"update_order": ["sync", "parallel"]}, "update_order must be one of sync, async"),
        ({"symmetry": [0.0, 1.5]}, "symmetry"),
        ({"temperature": [0.0, 1.5]}, "unknown parameter 'temperature'"),
        ({"n_modules": [1, 7]}, "multiple of n_modules = 7"),
        ({"update_probability": [0.0, 1.0]}, "update_probability"),
        ({"dtype": ["implicit"], "field_std": [0.0, 1.0]}, "field_std must be 0, got 1.0"),
        ({"dtype": ["implicit"], "n_neurons": [2**27]}, "n_neurons"),
    ],
    ids=str,
)
def test_a_cell_out_of_range_is_refused_before_any_work(change: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        sweeps.run({**GRID, **change}, RELAXATION, fixed=FIXED, progress=False)


def test_pictures_show_a_curve_for_each_size_and_dynamics(
    result: xr.Dataset, tmp_path: Path
) -> None:
    thresholds = convergence_thresholds(result)
    figure = draw_convergence(result, thresholds, "title")
    assert len(figure.axes) == 4
    labels, orders = (
        [text.get_text() for text in ax.get_legend().get_texts()] for ax in figure.axes[:2]
    )
    assert labels[:-1] == ["N = 30, sync", "N = 30, async", "N = 60, sync", "N = 60, async"]
    assert labels[-1] == "bars: 68 % Wilson interval"
    assert orders == [
        "sync", "async", "bars: standard error, bootstrap over networks",
        "bands: width of the transition",
    ]  # fmt: skip
    figure.savefig(tmp_path / "picture.png")
    one_size = (data.isel(n_neurons=0, drop=True) for data in (result, thresholds))
    assert len(draw_convergence(*one_size).axes) == 3


def test_error_bars_are_binomial(result: xr.Dataset) -> None:
    from matplotlib.figure import Figure
    from scipy.stats import binomtest

    one = result.sel(n_neurons=[30], update_order=["async"])
    ax = plot_convergence(one, Figure().subplots())
    fraction, bars = ax.containers[0].lines[0].get_ydata(), ax.containers[0].lines[2][0]
    for k, segment in enumerate(bars.get_segments()):
        n = int(one["n_converged"].isel(self_coupling=k).sum())
        interval = binomtest(n, 24).proportion_ci(0.6827, method="wilson")
        assert fraction[k] == n / 24
        np.testing.assert_allclose(segment[:, 1], [interval.low, interval.high], atol=1e-12)
