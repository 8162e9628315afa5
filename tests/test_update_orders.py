"""The table of update orders: what is derived from it agrees with it, and old names still work."""

import re
import warnings
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import binnet
from binnet import BinaryNetwork, NetworkParameters, RandomNetwork, fixed_points, preset, sweeps
from binnet.cli import main
from binnet.learning import Configuration, TrainingParameters
from binnet.studies import RELAXATION
from binnet.update_orders import UPDATE_ORDERS, describe_orders, find_order, list_orders
from binnet_kernels.relaxation import orders as kernels

ROOT = Path(__file__).resolve().parents[1]


def test_codes_are_those_of_the_kernels() -> None:
    """By name: async-fixed is ASYNC_FIXED; and the kernels know no other."""
    codes = {name: code for name, code in vars(kernels).items() if isinstance(code, int)}
    assert codes == {order.name.upper().replace("-", "_"): order.code for order in UPDATE_ORDERS}
    assert len(set(codes.values())) == len(codes)
    assert set(kernels.FREE_SWEEPS) <= {order.code for order in UPDATE_ORDERS if order.free}
    assert set(kernels.DRIVEN_SWEEPS) == {order.code for order in UPDATE_ORDERS if order.driven}


def test_the_model_defines_each_order() -> None:
    text = (ROOT / "docs" / "model" / "network.md").read_text(encoding="utf-8")
    for heading, use in (("### 2.1", "driven"), ("### 9.2", "free")):
        section = text.split(heading)[1].split("\n#")[0]
        assert tuple(re.findall(r"^\| `([a-z-]+)", section, re.MULTILINE)) == list_orders(use)


def test_help_says_what_each_does() -> None:
    text = " ".join(CliRunner().invoke(main, ["relax", "--help"]).output.split())
    assert "--dynamics" not in text
    for order in UPDATE_ORDERS:
        assert f"{order.name}: {order.meaning}" in describe_orders("free")
        assert order.name in text


def test_refuses_what_is_none() -> None:
    message = "update_order must be one of sync, async, random-subset.*, got 'greedy'"
    with pytest.raises(ValueError, match=message):
        find_order("greedy", "driven")
    with pytest.raises(
        ValueError, match=r"update_order must be one of sync, async, got 'sequential'"
    ):
        find_order("sequential", "packed")
    with pytest.raises(ValueError, match=r"async has no number of its own, got 'async:2'"):
        find_order("async:2", "free")
    with pytest.raises(ValueError, match=r"integer >= 1 after the colon, got '.*:x'; write .*:2"):
        find_order("block-sequential:x", "free")
    with pytest.raises(
        ValueError, match=r"number of update_order block-sequential must be .*, got 0"
    ):
        find_order("block-sequential:0", "free")


def test_a_number_comes_after_the_name() -> None:
    order = find_order("block-sequential:12", "free")
    assert (order.number, order.text) == (12, "block-sequential:12")
    assert find_order("block-sequential", "free").text == "block-sequential:2"


def test_a_number_in_commands(tmp_path: Path) -> None:
    pytest.importorskip("h5netcdf")
    arguments = ["relax", "--neurons", "12", "--replicas", "2", "--output", str(tmp_path / "r.nc")]
    for number, code, words in (
        ("3", 0, "fixed point"),
        ("0", 2, "must be an integer >= 1, got 0"),
        ("x", 2, "takes an integer >= 1 after the colon"),
    ):
        found = CliRunner().invoke(
            main, [*arguments, "--update-order", f"block-sequential:{number}"]
        )
        assert found.exit_code == code
        assert words in found.output


# ---- names of before


NETWORK = RandomNetwork.draw(12, 1.0, dtype="int16", seed=1)
DRIVEN = BinaryNetwork.random(NetworkParameters(n_hidden=8, n_inputs=5))
INPUTS = np.ones((2, 5))


@pytest.mark.parametrize(
    "call",
    [
        lambda **options: binnet.relax(NETWORK, **options).states,
        lambda **options: binnet.relax(DRIVEN, INPUTS, **options).states,
        lambda **options: binnet.predict(DRIVEN, INPUTS, **options),
        lambda **options: binnet.dynamics.relax_free(NETWORK, **options).states,
        lambda **options: fixed_points.enumerate(NETWORK).basins(**options).sizes,
        lambda **options: binnet.studies.relaxation(12, 0.5, 1, **options)["n_converged"],
    ],
)
def test_dynamics_is_the_update_order(call) -> None:
    expected = call(update_order="async")
    with pytest.warns(DeprecationWarning, match="dynamics is now called update_order") as caught:
        found = call(dynamics="async")
    assert np.array_equal(found, expected)
    assert [record.filename for record in caught] == [__file__]
    with pytest.raises(TypeError, match="dynamics is the old name of update_order"):
        call(dynamics="async", update_order="async")


def test_margins_are_stabilities() -> None:
    result = binnet.relax(NETWORK, replicas=2)
    found = fixed_points.enumerate(NETWORK)
    with pytest.warns(DeprecationWarning, match="FreeRelaxation.margins is now called stabilities"):
        assert result.margins is result.stabilities
    with pytest.warns(DeprecationWarning, match="stability_histogram"):
        density, _ = result.margin_histogram(5)
    assert np.array_equal(density, result.stability_histogram(5)[0])
    with pytest.warns(DeprecationWarning, match="FixedPoints.margins is now called stabilities"):
        margins = found.margins()
    assert np.array_equal(margins, found.stabilities())
    basins = found.basins("async")
    with pytest.warns(DeprecationWarning, match="Basins.dynamics is now called update_order"):
        assert basins.dynamics == "async"


def test_option_dynamics(tmp_path: Path) -> None:
    pytest.importorskip("h5netcdf")
    arguments = ["relax", "--neurons", "12", "--replicas", "2", "--output", str(tmp_path / "r.nc")]
    new = CliRunner().invoke(main, [*arguments, "--update-order", "greedy"])
    old = CliRunner().invoke(main, [*arguments, "--dynamics", "greedy"])
    assert "--dynamics is now called --update-order" in old.output
    assert new.exit_code == old.exit_code == 0

    def summary(text: str) -> list[str]:
        return [line for line in text.splitlines() if line.startswith(("fixed", "sweeps", "flips"))]

    assert summary(new.output) == summary(old.output) != []
    both = CliRunner().invoke(main, [*arguments, "--dynamics", "sync", "--update-order", "sync"])
    assert both.exit_code == 2
    assert "give --update-order alone" in both.output


@pytest.mark.filterwarnings("ignore::binnet._records.UncheckedFileWarning")
def test_axis_dynamics_of_a_sweep(tmp_path: Path) -> None:
    """It is written by its new name; results that have the old one are read as if they had it."""
    pytest.importorskip("h5netcdf")
    grid = {"dynamics": ["sync", "async"], "seed": [0, 1]}
    fixed = {"n_neurons": 12, "self_coupling": 0.5, "replicas": 2, "max_sweeps": 5}
    path = tmp_path / "new.nc"
    with pytest.warns(
        DeprecationWarning, match="dynamics of .*relaxation is now called update_ord"
    ):
        result = sweeps.run(grid, RELAXATION, fixed=fixed, path=path, progress=False)
    assert result["n_converged"].dims == ("update_order", "seed")
    old = result.rename(update_order="dynamics")
    old.attrs["sweep"] = old.attrs["sweep"].replace('"update_order"', '"dynamics"')
    old.to_netcdf(tmp_path / "old.nc", engine="h5netcdf")
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        loaded = sweeps.load(tmp_path / "old.nc")
        grid = {"update_order": ["sync", "async"], "seed": [0, 1]}
        same = sweeps.run(grid, RELAXATION, fixed=fixed, path=tmp_path / "old.nc", progress=False)
    assert loaded.identical(result)
    assert same.identical(result)


@pytest.mark.filterwarnings("ignore::binnet._records.UncheckedFileWarning")
@pytest.mark.parametrize("name", ["chains.singles.nc", "self_coupling.convergence.nc"])
def test_results_of_before_are_read(name: str) -> None:
    pytest.importorskip("h5netcdf")
    result = sweeps.load(ROOT / "docs" / "results" / name)
    assert result["update_order"].values.tolist() == ["sync", "async"]


def test_training_dynamics_is_the_update_order() -> None:
    expected = preset().replace(update_order="async")
    with pytest.warns(DeprecationWarning, match="dynamics is now called update_order") as caught:
        assert preset().replace(dynamics="async") == expected
    with pytest.warns(DeprecationWarning, match="dynamics is now called update_order") as also:
        assert TrainingParameters(dynamics="async") == TrainingParameters(update_order="async")
    with pytest.warns(DeprecationWarning, match=r"TrainingParameters\.dynamics is now called"):
        assert expected.training.dynamics == "async"
    assert {record.filename for record in (*caught, *also)} == {__file__}
    assert "dynamics" not in expected.to_dict()["training"]


def test_configurations_of_before_are_read_without_a_word() -> None:
    tables = preset("chain").to_dict()
    tables["training"]["dynamics"] = tables["training"].pop("update_order")
    assert Configuration.from_dict(tables) == preset("chain")


def test_lists_of_before() -> None:
    for name, use in (("DYNAMICS", "driven"), ("FREE_DYNAMICS", "free")):
        with pytest.warns(
            DeprecationWarning, match=rf'{name} is now called .*list_orders\("{use}"\)'
        ):
            assert getattr(binnet.dynamics, name) == list_orders(use)


def test_classifier_takes_the_old_name() -> None:
    pytest.importorskip("sklearn")
    from binnet.estimators import BinaryRecurrentClassifier

    with pytest.warns(DeprecationWarning, match="dynamics is now called update_order"):
        model = BinaryRecurrentClassifier(dynamics="async")
    assert model.get_params()["update_order"] == "async"
