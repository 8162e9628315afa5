"""Modules that have moved are still found by their old names, with a warning that says where."""

import importlib
import subprocess
import sys

import pytest

import binnet

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
