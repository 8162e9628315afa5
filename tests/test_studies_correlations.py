"""What accuracy follows over maps: known answers, intervals that know of rows, and the command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner
from scipy.stats import rankdata, spearmanr

from binnet import sweeps
from binnet.cli import main
from binnet.studies.correlations import (
    ALL_MAPS,
    average_cells,
    correlate_maps,
    summarise_correlations,
)

MARGINS, SELF_COUPLINGS = np.linspace(0.0, 1.5, 6), np.linspace(0.0, 0.7, 8)
SHAPE = (len(MARGINS), len(SELF_COUPLINGS))


def make_map(seed: int = 0, **variables: Any) -> xr.Dataset:
    """Return a map of these cells (margin, self_coupling), three seeds that scatter around them."""
    rng = np.random.default_rng(seed)
    dims = ("seed", "margin", "self_coupling")
    scatter = np.array([-1.0, 0.0, 1.0])[:, None, None] * rng.random(SHAPE)
    data = {
        name: (dims, cells + 1e-3 * scatter * (name == "accuracy"))
        for name, cells in variables.items()
    }
    axes = {"seed": range(3), "margin": MARGINS, "self_coupling": SELF_COUPLINGS}
    return xr.Dataset(data, axes)


def draw(seed: int) -> Any:
    return np.random.default_rng(seed).standard_normal(SHAPE)


def quick(maps: dict[str, xr.Dataset], *predictors: str) -> xr.Dataset:
    return correlate_maps(maps, predictors or None, resamples=300)


def test_rho_is_spearmans_and_all_maps_are_ranks_within_each() -> None:
    first, second = (
        make_map(accuracy=(noise := draw(k)), flips=np.round(noise + draw(k + 5))) for k in (0, 1)
    )
    second["flips"] += 100.0  # ranks within a map do not see it
    result = quick({"a": first, "b": second})
    ranks = []
    for k, one in enumerate((first, second)):
        cells = [one[name].mean("seed").values.ravel() for name in ("accuracy", "flips")]
        rho = spearmanr(*cells).statistic
        assert float(result["rho"][k, 0]) == pytest.approx(rho, abs=1e-12)
        assert float(result["rho_low"][k, 0]) < rho < float(result["rho_high"][k, 0])
        ranks.append([rankdata(values) for values in cells])
    together = np.corrcoef(*np.concatenate(ranks, axis=1))[0, 1]
    assert float(result["rho"].sel(map=ALL_MAPS)[0]) == pytest.approx(together, abs=1e-12)
    assert result["n_cells"].values.tolist() == [48, 48, 96]


def test_the_best_is_told_apart_where_it_is_and_not_where_it_is_not() -> None:
    accuracy = draw(0)
    clear = make_map(accuracy=accuracy, margin_q05=np.exp(-accuracy), flips=accuracy + 2 * draw(1))
    (record,) = summarise_correlations(quick({"a": clear}))
    assert record["predictors"]["margin_q05"]["rho"] == pytest.approx(-1.0)
    assert (record["best"], record["undecided"]) == ("margin_q05", [])
    close = make_map(
        accuracy=accuracy, margin_q05=accuracy + 0.5 * draw(2), flips=accuracy + 0.5 * draw(3)
    )
    result = quick({"a": close})
    (record,) = summarise_correlations(result)
    assert {record["best"], *record["undecided"]} == {"margin_q05", "flips"}
    difference = result["difference"].isel(map=0)
    modulus = np.abs(result["rho"].values[0])
    np.testing.assert_allclose(difference.values, modulus[:, None] - modulus)
    assert (difference.values == -difference.values.T).all()


def test_what_only_depends_on_the_same_axis_has_no_partial_correlation() -> None:
    kappa, j = np.meshgrid(MARGINS, SELF_COUPLINGS, indexing="ij")
    hidden = draw(0)
    accuracy = -3 * kappa**2 + j + 0.3 * hidden
    one = make_map(
        accuracy=accuracy,
        flips=-(kappa**3) + 0.01 * draw(1),
        unstable=kappa,
        margin_q05=hidden,
    )
    (record,) = summarise_correlations(quick({"a": one}))
    found = record["predictors"]
    assert found["flips"]["rho"] > 0.8
    assert abs(found["flips"]["partial"]) < 0.35
    assert found["flips"]["partial_blocks_low"] < 0 < found["flips"]["partial_blocks_high"]
    assert found["unstable"]["rho"] < -0.8
    assert found["unstable"]["partial"] is None  # nothing is left of it
    assert found["margin_q05"]["partial"] > 0.6
    assert found["margin_q05"]["partial_blocks_low"] > 0.0
    json.dumps(record, allow_nan=False)


def test_intervals_over_rows_are_wide_where_cells_of_a_row_are_alike() -> None:
    rows = np.random.default_rng(3).standard_normal((2, SHAPE[0], 1))
    alike = make_map(accuracy=rows[0] + 0.1 * draw(0), flips=rows[1] + 0.1 * draw(1))
    free = make_map(accuracy=draw(0), flips=draw(1))
    widths = []
    for one in (alike, free):
        result = quick({"a": one}).isel(map=0, predictor=0)
        widths.append(
            [float(result[f"rho{of}_high"] - result[f"rho{of}_low"]) for of in ("", "_blocks")]
        )
    (cells, blocks), (_, free_blocks) = widths
    assert blocks > 1.5 * cells
    assert blocks > 1.2 * free_blocks


def test_the_last_epoch_counts_and_cells_that_lack_something_do_not() -> None:
    one = make_map(accuracy=draw(0), flips=draw(1))
    by_epoch = xr.concat([one * 0.0, one], "epoch")
    expected, found = quick({"a": one}), quick({"a": by_epoch})
    xr.testing.assert_equal(expected, found)
    lacking = one.copy(deep=True)
    lacking["flips"][0, 2, 3] = np.nan
    assert int(quick({"a": lacking})["n_cells"][0]) == 47


def test_each_distance_is_a_predictor() -> None:
    plain = make_map(accuracy=draw(0), flips=draw(1))
    dims = (*plain["accuracy"].dims, "distance")
    shape = (*plain["accuracy"].shape, 2)
    entropy = np.broadcast_to(np.stack([draw(2), draw(3)], axis=-1), shape).copy()
    entropy[0, 0, 1, 1] = np.nan  # of one seed, at one distance
    one = plain.assign(local_entropy=(dims, entropy), settled=(dims, 0.0 * entropy))
    fixed = json.dumps({"fixed": {"distances": [0.02, 0.01]}})  # as in a file
    found = average_cells(one.assign_attrs(sweep=fixed))
    np.testing.assert_allclose(found["local_entropy_at_0.02"], draw(2))
    assert np.isnan(found["local_entropy_at_0.01"][0, 1])
    xr.testing.assert_equal(found, average_cells(one.assign_coords(distance=[0.02, 0.01])))
    result = quick({"a": one.assign_attrs(sweep=fixed)}, "local_entropy", "flips")
    names = ["local_entropy_at_0.02", "local_entropy_at_0.01", "flips"]
    assert result["predictor"].values.tolist() == names
    assert (int(result["n_cells"][0]), int(result["n_left_out"][0])) == (47, 1)
    rho = spearmanr(draw(0).ravel()[np.arange(48) != 1], draw(2).ravel()[np.arange(48) != 1])
    assert float(result["rho"][0, 0]) == pytest.approx(rho.statistic, abs=1e-12)


def test_seeds_that_are_still_to_be_measured_are_not_waited_for() -> None:
    one = make_map(accuracy=draw(0), flips=draw(1))
    xr.testing.assert_allclose(
        average_cells(one.where(one["seed"] < 1)), average_cells(one.isel(seed=[0]))
    )


def test_what_does_not_vary_is_never_the_best() -> None:
    one = make_map(accuracy=draw(0), unstable=np.ones(SHAPE), flips=draw(0) + draw(1))
    (record,) = summarise_correlations(quick({"a": one}))
    assert (record["best"], record["undecided"]) == ("flips", [])
    assert record["predictors"]["unstable"]["rho"] is None
    (record,) = summarise_correlations(quick({"a": one}, "unstable"))
    assert (record["best"], record["undecided"]) == (None, [])


def test_bad_maps_are_refused() -> None:
    one = make_map(accuracy=draw(0), flips=draw(1))
    for maps, predictors, words in (
        ({}, None, "at least one map"),
        ({"a": one.drop_vars("flips")}, None, "in common"),
        ({"a": one}, ["margin_q05"], "margin_q05 must be a variable of every map"),
        ({"a": one.drop_vars("accuracy")}, ["flips"], "accuracy must be"),
        ({"a": one}, ["accuracy"], "other variables than accuracy"),
        ({"a": one.isel(margin=[0])}, None, "two axes"),
        ({"a": one.isel(margin=[0, 1], self_coupling=[0, 1])}, None, "6 cells"),
        ({"a": one.assign(flips=one["flips"].isel(margin=0))}, None, "must have the axes"),
    ):
        with pytest.raises(ValueError, match=words):
            correlate_maps(maps, predictors)
    with pytest.raises(ValueError, match="confidence"):
        correlate_maps({"a": one}, confidence=1.0)


def measure_cell(margin: float, self_coupling: float, seed: int) -> dict[str, Any]:
    """Return a map made by hand: accuracy is a function of "margin_q05", of nothing else."""
    depth = float(np.exp(-((margin - 2 * self_coupling) ** 2)))
    return {
        "accuracy": ("epoch", [0.1, depth + 1e-4 * seed]),
        "margin_q05": ("epoch", [0.0, depth**2]),
        "inference_convergence": ("epoch", [0.0, float(np.sin(17 * margin + 5 * self_coupling))]),
    }


def test_the_command(tmp_path: Path) -> None:
    axes = {"margin": MARGINS[:4].tolist(), "self_coupling": SELF_COUPLINGS.tolist()}
    for name in ("one", "two"):
        path = tmp_path / f"{name}.nc"
        sweeps.run({**axes, "seed": [0, 1]}, measure_cell, path=path, progress=False)
    output = tmp_path / "found.png"
    words = ["study", "correlations", str(tmp_path / "one.nc"), str(tmp_path / "two.nc")]
    run = CliRunner().invoke(main, [*words, "--resamples", "100", "--output", str(output)])
    assert run.exit_code == 0, run.output
    assert run.output.count("the best is margin_q05 (rho = +1.00), ahead of all others") == 3
    assert run.output.endswith(f"data:   {output.with_suffix('.json')}\n")
    record = json.loads(output.with_suffix(".json").read_text())
    assert [one["map"] for one in record["correlations"]] == ["one", "two", ALL_MAPS]
    assert record["parameters"]["resamples"] == 100
    assert output.stat().st_size > 20_000
    refused = CliRunner().invoke(main, [*words, "--predictor", "depth", "--output", str(output)])
    assert refused.exit_code == 1
    assert "depth must be a variable of every map" in refused.output
