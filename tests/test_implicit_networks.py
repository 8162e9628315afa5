"""Implicit networks relax like the same network stored, under every update order; bad input."""

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import naive
import naive_implicit
from binnet import ImplicitNetwork, RandomNetwork, relax
from binnet.cli import main
from binnet.dynamics import stream_key
from binnet.update_orders import list_orders
from kernel_cases import draw_spins

# On the lattice of the fields, where they tie with J_D and sign(0) = +1 counts, and off it.
SELF_COUPLINGS = {"none": 0.0, "tie": 0.25, "weak": 0.1, "strong": 1.0, "frozen": 1e9}


def on_lattice(n_neurons: int, self_coupling: float, distribution: str) -> ImplicitNetwork:
    """A network whose J_D is a multiple of its strength if it is "tie"."""
    network = ImplicitNetwork(n_neurons, self_coupling, distribution, seed=3)
    if self_coupling != SELF_COUPLINGS["tie"]:
        return network
    largest = network.n_signs * (n_neurons - 1)
    steps = round(self_coupling / network.strength / 2) * 2 + largest % 2
    return ImplicitNetwork(n_neurons, steps * network.strength, distribution, seed=3)


@pytest.mark.parametrize("name", SELF_COUPLINGS)
@pytest.mark.parametrize("distribution", ["gaussian", "sign"])
def test_equals_stored_couplings(distribution: str, name: str) -> None:
    for n_neurons in (1, 12, 130):
        network = on_lattice(n_neurons, SELF_COUPLINGS[name], distribution)
        stored = network.materialise()
        for update_order in list_orders("free"):
            options = {"update_order": update_order, "replicas": 3, "max_sweeps": 60, "seed": 1}
            ours, theirs = relax(network, **options), relax(stored, **options)
            for field in (
                "states", "status", "cycle_length", "sweeps", "flips", "unstable_fraction",
                "overlap", "stabilities",
            ):  # fmt: skip
                np.testing.assert_array_equal(
                    getattr(ours, field),
                    getattr(theirs, field),
                    f"{field} {update_order} {n_neurons}",
                )


def test_cycles_are_met() -> None:
    """The equality above covers long cycles, fixed points, and neither."""
    lengths = set()
    for n_neurons, self_coupling in ((12, 0.1), (12, 1.0), (130, 0.0)):
        network = ImplicitNetwork(n_neurons, self_coupling, seed=3)
        lengths |= set(relax(network, replicas=3, max_sweeps=60, seed=1).cycle_length.tolist())
    assert {0, 1, 2} < lengths
    assert max(lengths) > 2


@pytest.mark.parametrize("update_order", ["sync", "async", "random-subset"])
@pytest.mark.parametrize("distribution", ["gaussian", "sign"])
def test_equals_the_reference(distribution: str, update_order: str) -> None:
    network = ImplicitNetwork(70, 0.6, distribution, seed=5)
    n = naive_implicit.couplings(int(network.key), 70, network.n_signs)
    theta = Fraction(network.self_coupling) / Fraction(network.strength)
    start = draw_spins(np.random.default_rng(0), (3, 70))
    result = relax(network, update_order=update_order, initial_states=start, max_sweeps=40, seed=2)
    for r in range(3):
        key = naive.derive_key(int(stream_key(2, 0)), r)
        expected = naive_implicit.relax(
            n, start[r].tolist(), theta, key, 40, update_order=update_order
        )
        flips = result.flips[r, : len(expected.flips)].tolist()
        assert flips == expected.flips
        if expected.status == naive.FIXED_POINT:
            assert result.status[r] == naive.FIXED_POINT
            assert result.states[r].tolist() == expected.s
            fields = n @ result.states[r].astype(int) * network.strength
            stabilities = result.states[r] * fields + network.self_coupling
            np.testing.assert_array_equal(result.stabilities[r], stabilities)


@pytest.mark.parametrize("update_order", ["sync", "async"])
def test_threads_and_company_change_nothing(update_order: str) -> None:
    # More than 10^8 signs at a time in the first product: two threads share it.
    network = ImplicitNetwork(3500, 1.0, seed=1)
    start = draw_spins(np.random.default_rng(0), (2, 3500))
    one, two = (
        relax(network, update_order=update_order, initial_states=start, threads=threads)
        for threads in (1, 2)
    )
    alone = relax(network, update_order=update_order, initial_states=start[:1])
    for other in (two, alone):
        k = len(other.states)
        assert (one.states[:k] == other.states).all()
        assert (one.sweeps[:k] == other.sweeps).all()
    assert one.converged.all()
    assert (one.stabilities > 0).all()
    fields = network.materialise().couplings @ one.states.T + network.self_coupling * one.states.T
    assert (np.where(fields >= 0, 1, -1) == one.states.T).all()


def test_integer_self_coupling_compares_as_the_real_one() -> None:
    for distribution, n_neurons in (("sign", 9), ("sign", 10), ("gaussian", 3)):
        for self_coupling in [*np.arange(0, 4, 0.05), 0.5, 1e-12, 100.0]:
            network = ImplicitNetwork(n_neurons, float(self_coupling), distribution)
            largest = network.n_signs * (n_neurons - 1)
            theta = Fraction(float(self_coupling)) / Fraction(network.strength)
            for total in range(-largest, largest + 1, 2):
                for s in (-1, 1):
                    is_up = total + network.integer_self_coupling * s >= 0
                    assert is_up == (total + theta * s >= 0)


def test_materialise() -> None:
    network = ImplicitNetwork(30, 0.4, "sign", seed=2)
    stored = network.materialise()
    assert isinstance(stored, RandomNetwork)
    assert stored.self_coupling == 0.4
    assert stored.parameters["distribution"] == "sign"
    off_diagonal = stored.couplings[~np.eye(30, dtype=bool)]
    assert set(np.abs(off_diagonal)) == {network.strength}
    assert network.strength == pytest.approx(30**-0.5, rel=1e-7)
    other = ImplicitNetwork(30, 0.4, "sign", seed=3).materialise()
    assert (other.couplings != stored.couplings).any()


def test_result_says_where_it_comes_from() -> None:
    result = relax(ImplicitNetwork(40, 1.0, "sign", seed=7), packed=True)
    assert result.states.dtype == np.uint64
    described = json.loads(json.dumps(result.provenance))["network"]
    assert described == {
        "couplings": "implicit", "n_neurons": 40, "self_coupling": 1.0, "distribution": "sign",
        "seed": 7,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_neurons": 0}, r"n_neurons must be an integer in 1\.\.67108864, got 0"),
        ({"n_neurons": 10**8}, r"n_neurons must be an integer in 1\.\.67108864, got 100000000"),
        ({"n_neurons": 2.5}, r"n_neurons must be an integer"),
        ({"n_neurons": 5, "self_coupling": -0.1}, r"self_coupling must be .* >= 0, got -0\.1"),
        ({"n_neurons": 5, "self_coupling": float("nan")}, r"self_coupling must be .*, got nan"),
        ({"n_neurons": 5, "distribution": "cauchy"}, r"one of gaussian, sign, got 'cauchy'"),
        ({"n_neurons": 5, "seed": -1}, r"seed must be an integer >= 0, got -1"),
    ],
)
def test_bad_parameters(arguments: dict, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        ImplicitNetwork(**arguments)


def test_too_large_to_store() -> None:
    with pytest.raises(ValueError, match=r"must be <= 16384 .* got 100000, .* 74\.51 GiB; relax"):
        ImplicitNetwork(100_000).materialise()


def test_other_networks_are_refused() -> None:
    with pytest.raises(TypeError, match=r"RandomNetwork or ImplicitNetwork, got ndarray"):
        relax(np.eye(3))


def test_command(tmp_path: Path) -> None:
    pytest.importorskip("h5netcdf")
    output = tmp_path / "implicit.nc"
    arguments = ["relax", "--implicit", "--neurons", "300", "--self-coupling", "1", "--seed", "4"]
    done = CliRunner().invoke(main, [*arguments, "--replicas", "2", "--output", str(output)])
    assert done.exit_code == 0, done.output
    expected = relax(ImplicitNetwork(300, 1.0, seed=4), replicas=2, seed=4)
    assert "couplings implicit, n_neurons 300" in done.output
    assert f"longest {expected.sweeps.max()}" in done.output
    assert output.exists()

    refused = CliRunner().invoke(main, [*arguments, "--symmetry", "0.5"])
    assert refused.exit_code == 2
    assert "--symmetry must stay at 0.0" in refused.output
    refused = CliRunner().invoke(main, ["relax", "--implicit", "--neurons", "0"])
    assert refused.exit_code == 1
    assert "--neurons must be an integer in 1..67108864, got 0" in refused.output
