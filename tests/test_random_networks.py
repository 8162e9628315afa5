"""Random networks: statistics of the draws, the integer format, and what is refused."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from binnet import RandomNetwork, pack_states, unpack_states

N = 400


def pair_correlation(J: np.ndarray) -> float:
    """N <J_ij J_ji> over the pairs: the correlation, as the variance is 1/N."""
    upper = np.triu_indices(len(J), 1)
    return float(len(J) * (J[upper] * J.T[upper]).mean())


@pytest.mark.parametrize("distribution", ["gaussian", "sign"])
@pytest.mark.parametrize("density", [1.0, 0.3])
@pytest.mark.parametrize("symmetry", [-1.0, -0.5, 0.0, 0.3, 1.0])
def test_variance_density_and_symmetry(distribution: str, density: float, symmetry: float) -> None:
    network = RandomNetwork.draw(
        N, distribution=distribution, density=density, symmetry=symmetry, dtype="float64", seed=3
    )
    J = network.to_float()
    off = J[~np.eye(N, dtype=bool)]
    # Five standard errors; that of the variance is sqrt(kurtosis / number of independent pairs).
    few = 5 * np.sqrt(3 / density / (N * (N - 1) / 2))
    assert abs(N * off.var() - 1) < few
    assert abs(np.sqrt(N) * off.mean()) < few
    assert abs((off != 0).mean() - density) < few
    assert abs(pair_correlation(J) - symmetry) < few
    if abs(symmetry) == 1.0:
        assert np.array_equal(J, symmetry * J.T)
    if distribution == "sign":
        np.testing.assert_allclose(np.abs(off[off != 0]), 1 / np.sqrt(density * N), rtol=1e-12)


def test_dilution_of_asymmetric_pairs_is_independent() -> None:
    """At eta = 0 rows must be independent (docs/model/theory.md, section 2), the zeros too."""
    there = RandomNetwork.draw(N, density=0.3, seed=1).couplings != 0
    upper = np.triu_indices(N, 1)
    both = (there[upper] & there.T[upper]).mean()
    assert abs(both - 0.09) < 5 * np.sqrt(0.09 * 0.91 / len(upper[0]))


def test_dtypes_get_the_same_draw_rounded() -> None:
    exact, single, integer = (
        RandomNetwork.draw(N, field_std=0.5, dtype=dtype, seed=2)
        for dtype in ("float64", "float32", "int16")
    )
    assert np.array_equal(exact.couplings.astype(np.float32), single.couplings)
    # 8 standard deviations fit into 16 bits, and not into a scale half as large.
    assert integer.scale * 32767 >= 8 / np.sqrt(N) > integer.scale / 2 * 32767
    assert np.abs(integer.to_float() - exact.couplings).max() <= integer.scale / 2 * (1 + 1e-3)
    assert np.array_equal(exact.fields, integer.fields)
    other = RandomNetwork.draw(N, dtype="int16", seed=3)
    assert other.scale == integer.scale  # of the distribution, not of the draw
    assert (other.couplings != integer.couplings).any()
    J_D, b = integer.in_field_units()
    assert b.dtype == J_D.dtype == np.int32
    assert J_D * integer.scale == 0.5
    assert np.abs(b * integer.scale - exact.fields).max() <= integer.scale / 2


@pytest.mark.parametrize("dtype", ["float32", "int16"])
def test_sign_couplings_have_one_strength(dtype: str) -> None:
    couplings = RandomNetwork.draw(50, distribution="sign", dtype=dtype).couplings
    strengths = np.unique(np.abs(couplings[~np.eye(50, dtype=bool)]))
    assert len(strengths) == 1
    if dtype == "int16":
        assert 16384 <= strengths[0] <= 32767


def test_chain_of_modules() -> None:
    network = RandomNetwork.draw(60, n_modules=3, excitation=0.7, dtype="float64", seed=1)
    J = network.to_float()
    for k in range(60):
        for m in range(60):
            if k // 20 != m // 20:
                neighbours = abs(k // 20 - m // 20) == 1 and k % 20 == m % 20
                assert J[k, m] == (0.7 if neighbours else 0.0)
    blocks = np.array([J[k : k + 20, k : k + 20] for k in (0, 20, 40)])
    assert abs(20 * blocks.var() - 1) < 0.3
    assert (blocks[0] != blocks[1]).any()
    integer = RandomNetwork.draw(60, n_modules=3, excitation=4.0, dtype="int16", seed=1)
    assert integer.to_float()[0, 20] == 4.0


@settings(deadline=None, max_examples=30, derandomize=True)
@given(n_states=st.integers(0, 4), n_neurons=st.integers(1, 200), seed=st.integers(0, 2**32))
def test_packing(n_states: int, n_neurons: int, seed: int) -> None:
    states = np.random.default_rng(seed).choice(np.array([-1, 1], np.int8), (n_states, n_neurons))
    words = pack_states(states)
    assert words.shape == (n_states, -(-n_neurons // 64))
    for state, packed in zip(states, words, strict=True):
        for i in range(64 * len(packed)):
            bit = int(packed[i // 64]) >> (i % 64) & 1
            assert bit == (i < n_neurons and state[i] == 1)
    assert np.array_equal(unpack_states(words, n_neurons), states)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"n_neurons": 0}, ValueError, "n_neurons must be an integer >= 1, got 0"),
        ({"n_neurons": 7, "n_modules": 2}, ValueError, "multiple of n_modules = 2, got 7"),
        ({"self_coupling": -0.5}, ValueError, "self_coupling must be .* >= 0, got -0.5"),
        ({"self_coupling": float("nan")}, ValueError, "self_coupling must be .* got nan"),
        ({"symmetry": 1.5}, ValueError, "symmetry must be .* >= -1 and <= 1, got 1.5"),
        ({"density": 0.0}, ValueError, "density must be .* > 0 and <= 1, got 0"),
        ({"distribution": "cauchy"}, ValueError, "one of gaussian, sign, got 'cauchy'"),
        ({"dtype": "int8"}, ValueError, "one of float32, float64, int16, got 'int8'"),
        ({"field_std": -1.0}, ValueError, "field_std must be .* >= 0, got -1"),
        ({"seed": -1}, ValueError, "seed must be an integer >= 0, got -1"),
        ({"excitation": float("inf")}, ValueError, "excitation must be .* got inf"),
        ({"dtype": "int16", "self_coupling": 1e9}, ValueError, "32-bit accumulator; use a larger"),
    ],
)
def test_draw_errors(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        RandomNetwork.draw(**({"n_neurons": 10} | arguments))


def make_couplings(**entries: float) -> np.ndarray:
    couplings = np.zeros((3, 3), np.float32)
    for where, value in entries.items():
        couplings[int(where[1]), int(where[2])] = value
    return couplings


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"couplings": np.zeros((3, 4))}, ValueError, r"square matrix .* got shape \(3, 4\)"),
        ({"couplings": np.zeros((0, 0))}, ValueError, r"N >= 1, got shape \(0, 0\)"),
        ({"couplings": [[0.0]]}, TypeError, "couplings must be a NumPy array, got list"),
        ({"couplings": np.zeros((3, 3), int)}, TypeError, "float32, float64 or int16, got int64"),
        ({"couplings": make_couplings(_12=np.nan)}, ValueError, r"finite, got nan at \[1, 2\]"),
        ({"couplings": make_couplings(_22=1)}, ValueError, r"must be 0, got 1.0 at \[2, 2\]"),
        ({"self_coupling": -1.0}, ValueError, "self_coupling must be .* >= 0, got -1"),
        ({"scale": 0.5}, ValueError, "scale must be 1 for float32 couplings, got 0.5"),
        (
            {"couplings": np.zeros((3, 3), np.int16), "scale": 0.3},
            ValueError,
            "scale must be a power of two for int16 couplings, got 0.3",
        ),
        ({"external_field": np.zeros(4)}, ValueError, r"shape \(3,\), .* got \(4,\)"),
        ({"external_field": np.array([0, 0, np.inf])}, ValueError, r"finite, got inf at \[2\]"),
        ({"external_field": np.array(["0"] * 3)}, TypeError, "real numbers, got an array of <U1"),
    ],
)
def test_construction_errors(
    arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        RandomNetwork(**({"couplings": make_couplings()} | arguments))


def test_packing_errors() -> None:
    with pytest.raises(ValueError, match=r"-1 or \+1, got 0"):
        pack_states([[0, 1]])
    with pytest.raises(ValueError, match=r"states must have shape"):
        pack_states([1, 1])
    with pytest.raises(ValueError, match=r"n_neurons = 65 must have shape \(n_states, 2\)"):
        unpack_states(np.zeros((3, 1), np.uint64), 65)
    with pytest.raises(TypeError, match="words must be uint64"):
        unpack_states(np.zeros((3, 1)), 10)
