"""Modules and names that have changed are still found by the old ones, with a warning."""

import importlib
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import binnet
from binnet import BinaryNetwork, NetworkParameters, RandomNetwork, preset, studies, sweeps
from binnet.hardware import report_cost
from binnet.learning import Arithmetic, Configuration
from binnet.networks import quantize
from binnet.rate import RateRNN
from binnet.studies import weight_bits

MOVED = {
    "binnet.random_networks": ("binnet.networks.random", ["RandomNetwork", "DISTRIBUTIONS"]),
    "binnet.implicit_networks": ("binnet.networks.implicit", ["ImplicitNetwork"]),
    "binnet.modules": ("binnet.networks.modules", ["NetworkParameters", "PerModule", "spread"]),
    "binnet.dynamics.layout": ("binnet.networks.layout", ["AnyNetwork", "LaidOut", "lay_out"]),
    "binnet.hardware.formats": ("binnet.networks.formats", ["QFormat", "BITS", "check_bits"]),
    "binnet.hardware.network": (
        "binnet.networks.quantised",
        ["QuantizedNetwork", "NetworkFormats", "ACCUMULATOR_BITS", "refuse_overflow"],
    ),
    "binnet.hardware.quantisation": (
        "binnet.networks.quantisation",
        ["quantize", "dequantize", "QuantizationReport", "OVERFLOWS"],
    ),
}


@pytest.mark.parametrize("old", MOVED)
def test_old_module_leads_to_the_new_one(old: str) -> None:
    new, names = MOVED[old]
    module = importlib.import_module(old)  # by itself no warning
    for name in names:
        with pytest.warns(DeprecationWarning, match=rf"import {name} from {new} ") as caught:
            found = getattr(module, name)
        assert found is getattr(importlib.import_module(new), name)
        assert [record.filename for record in caught] == [__file__]
    with pytest.raises(AttributeError, match=rf"{old}.*nonsense"):
        _ = module.nonsense
    with pytest.raises(AttributeError):
        _ = module.__wrapped__


def test_import_statement_warns_where_it_stands() -> None:
    code = "from binnet.random_networks import RandomNetwork; print(RandomNetwork.__module__)"
    command = [
        sys.executable,
        "-W",
        "always",
        "-c",
        f"import sys; sys.path[:] = {sys.path!r}\n" + code,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["binnet.networks.random"]
    assert done.stderr.count("DeprecationWarning") == 1
    assert "<string>:2" in done.stderr


def test_public_names_stay_where_they_are_without_a_warning() -> None:
    for package in (binnet.hardware, binnet.dynamics):
        for name in package.__all__:
            assert getattr(package, name) is not None
    assert binnet.hardware.QuantizedNetwork is binnet.networks.QuantizedNetwork
    assert binnet.dynamics.lay_out is binnet.networks.lay_out
    assert binnet.NetworkParameters is binnet.networks.NetworkParameters


CHAIN = BinaryNetwork.random(NetworkParameters(n_modules=2, n_hidden=5, excitation=0.5), seed=1)
SINGLE = BinaryNetwork.random(NetworkParameters(n_hidden=5, n_inputs=4), seed=1)
ARITHMETIC = Arithmetic("int4", latent_bits=8)
REPORT = report_cost(SINGLE, np.ones((2, 4)), latent_bits=64)


@pytest.mark.parametrize(
    ("owner", "old", "new"),
    [
        (CHAIN, "n_hidden", "n_neurons"),
        (CHAIN, "links", "partners"),
        (quantize(CHAIN, 8)[0], "n_hidden", "n_neurons"),
        (quantize(CHAIN, 8)[0], "links", "partners"),
        (RateRNN.initialise(1, 2, 7), "n_hidden", "n_neurons"),
        (ARITHMETIC, "synapse_bits", "latent_bits"),
        (ARITHMETIC, "hidden_bits", "unseen_bits"),
        (REPORT.blocks["readout"], "synapse_bits", "latent_bits"),
        (weight_bits, "SYNAPSE_BITS", "LATENT_BITS"),
        (weight_bits, "train_wide_synapses", "train_latent_weights"),
    ],
)
def test_old_attribute_leads_to_the_new_one(owner: object, old: str, new: str) -> None:
    with pytest.warns(DeprecationWarning, match=f"{old} is now called {new}") as caught:
        found = getattr(owner, old)
    np.testing.assert_equal(found, getattr(owner, new))
    assert [record.filename for record in caught] == [__file__]


def draw_couplings(**options: float) -> np.ndarray:
    return RandomNetwork.draw(6, n_modules=2, **options).couplings


@pytest.mark.parametrize(
    ("call", "old", "new", "value"),
    [
        (Arithmetic, "synapse_bits", "latent_bits", 0),
        (preset().replace, "synapse_bits", "latent_bits", 0),
        (lambda **bits: report_cost(SINGLE, np.ones((2, 4)), **bits).memory_bits,
         "synapse_bits", "latent_bits", 64),
        (lambda **options: draw_couplings(**options).tolist(),
         "module_coupling", "excitation", 0.25),
        (lambda **options: studies.relaxation(6, 0.5, 1, n_modules=2, **options)["n_converged"],
         "module_coupling", "excitation", 0.25),
    ],
)  # fmt: skip
def test_old_parameter_is_the_new_one(call, old: str, new: str, value: float) -> None:
    expected = call(**{new: value})
    with pytest.warns(DeprecationWarning, match=f"{old} is now called {new}"):
        assert call(**{old: value}) == expected
    with pytest.raises(TypeError, match=f"{old} is the old name of {new}"):
        call(**{old: value, new: value})


def test_unknown_member_is_still_an_error() -> None:
    with pytest.raises(AttributeError, match="weight_bits' has no attribute 'nonsense'"):
        _ = weight_bits.nonsense


def test_configurations_with_synapse_bits_are_read_without_a_word() -> None:
    settings = preset().replace(arithmetic="int4", latent_bits=8)
    tables = settings.to_dict()
    tables["arithmetic"]["synapse_bits"] = tables["arithmetic"].pop("latent_bits")
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        assert Configuration.from_dict(tables) == settings


@pytest.mark.filterwarnings("ignore::binnet._records.UncheckedFileWarning")
def test_sweeps_with_a_fixed_module_coupling_are_read(tmp_path: Path) -> None:
    pytest.importorskip("h5netcdf")
    fixed = {"n_neurons": 6, "self_coupling": 0.5, "n_modules": 2, "excitation": 0.25}
    options = {"fixed": {**fixed, "replicas": 2}, "progress": False}
    grid = {"seed": [0, 1]}
    result = sweeps.run(grid, studies.RELAXATION, path=tmp_path / "new.nc", **options)
    old = result.copy()
    old.attrs["sweep"] = old.attrs["sweep"].replace('"excitation"', '"module_coupling"')
    assert old.attrs["sweep"] != result.attrs["sweep"]
    old.to_netcdf(tmp_path / "old.nc", engine="h5netcdf")
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        again = sweeps.run(grid, studies.RELAXATION, path=tmp_path / "old.nc", **options)
    assert again.identical(result)


def test_a_cost_report_holds_the_old_key_too() -> None:
    blocks = REPORT.to_dict()["blocks"]
    for name, bits in (("readout", 64), ("feedback", 32)):
        assert blocks[name]["synapse_bits"] == blocks[name]["latent_bits"] == bits


def test_old_options(tmp_path: Path) -> None:
    from binnet.cli import main

    for arguments, old, new in (
        (["train", "--out", str(tmp_path / "run")], "--synapse-bits", "--latent-bits"),
        (["relax", "--neurons", "6", "--output", "x.nc"], "--module-coupling", "--excitation"),
    ):
        found = CliRunner().invoke(main, [*arguments, old, "nan" if old[2] == "m" else "3"])
        assert f"DeprecationWarning: {old} is now called {new}" in found.output
        assert f"Error: {new} must be" in found.output
        assert found.exit_code == 1
