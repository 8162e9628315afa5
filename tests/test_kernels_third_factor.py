"""The third-factor rule against its plain reference, and that only the data decide its bits."""

import numpy as np
import pytest

import naive
import naive_third_factor
from binnet_kernels import structs
from binnet_kernels.rules import third_factor
from kernel_cases import (
    ROUND_OFF,
    SCALES,
    assert_padding_is_zero,
    draw_spins,
    from_model,
    make_network,
    to_model,
)
from test_kernels_training import DYNAMICS, FIRST, KEY, Run, Third

# The softmax in float32: three roundings of numbers below 1, of which exp has up to an ulp or two.
SINGLE_ROUND_OFF = 1e-6
KINDS = ("fixed", "learned")
TEMPERATURE, THETA, RATE = 0.7, 0.2, 0.15


def lay_out(
    net: naive.Network,
    kind: str,
    n_banks: int = 2,
    dtype: type = np.float64,
    *,
    batch_size: int = 16,
    theta: float = THETA,
) -> Third:
    memory = third_factor.make_memory(
        np.array(SCALES), net.W_back.astype(dtype), n_banks, batch_size
    )
    return Third(RATE * (kind == "learned"), TEMPERATURE, theta, memory)


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(np.float64, ROUND_OFF), (np.float32, SINGLE_ROUND_OFF)]
)
def test_errors_of_the_readout(dtype: type, tolerance: float) -> None:
    fields = np.array([0.5, -1.0, 2.25, 0.0, 900.0, 899.5], dtype)  # exp(900) overflows
    for label in (2, 4):
        for shown in (fields, fields[:4]):
            errors = np.zeros(len(shown), dtype)
            third_factor.find_errors(shown, label, TEMPERATURE, errors)
            expected = naive_third_factor.readout_errors(shown.tolist(), label, TEMPERATURE)
            np.testing.assert_allclose(errors, expected, rtol=0, atol=tolerance)
            if label < len(shown):
                assert abs(errors.sum()) < tolerance


def test_broadcast_is_the_sum_over_the_readouts() -> None:
    """Exactly, with dyadic numbers; neurons of other banks are not touched."""
    net = make_network("dyadic", 70, 5, 3, seed=1)
    rng = np.random.default_rng(1)
    errors = rng.integers(-8, 9, (4, 3)) / 8
    for dtype in (np.float32, np.float64):
        third = lay_out(net, "fixed", n_banks=2, dtype=dtype)
        deltas = structs.allocate_rows(4, 70, 2, dtype)
        deltas[:] = 5
        width = structs.bank_width(70, 2)
        third_factor.broadcast_errors(
            third.memory.weights[1], errors.astype(dtype), 3, width, deltas
        )
        for b in range(3):
            expected = naive_third_factor.broadcast(net.W_back, errors[b].tolist())
            assert deltas[b, width:70].tolist() == expected[width:]
        assert (deltas[:, :width] == 5).all()
        assert (deltas[3] == 5).all()


def test_gate_passes_unstable_neurons_with_a_large_error() -> None:
    rng = np.random.default_rng(2)
    unstable = draw_spins(rng, (5, 40)) * rng.integers(0, 2, (5, 40))
    deltas = rng.integers(-4, 5, (5, 40)) / 4  # the edge |delta| = theta is common
    for dtype in (np.float32, np.float64):
        gated = unstable.astype(dtype)
        count = third_factor.gate_neurons(deltas.astype(dtype), 0.5, 4, 10, 35, gated)
        expected = unstable.copy()
        for b in range(4):
            for i in range(10, 35):
                expected[b, i] = naive_third_factor.gate(unstable[b, i], deltas[b, i], 0.5)
        assert gated.tolist() == expected.tolist()
        assert count == np.count_nonzero(expected[:4, 10:35])
        assert 0 < count < np.count_nonzero(unstable[:4, 10:35])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dynamics", DYNAMICS)
@pytest.mark.parametrize(("n", "batch_size"), [(40, 16), (75, 70)], ids=lambda size: str(size))
def test_equals_the_reference(kind: str, dynamics: str, n: int, batch_size: int) -> None:
    """The last batch is shorter; 70 samples need three words of bits."""
    net = make_network("gaussian", 33, 11, 3, seed=1)
    # Learned weights carry no feedback: the kernel's table of it is made before they learn.
    amplitudes = naive.anneal(1, 4, 4) if kind == "fixed" else [0.0] * 4
    run = Run(net, n, batch_size, amplitudes=amplitudes, dynamics=DYNAMICS[dynamics])
    third = lay_out(net, kind, batch_size=batch_size)
    model, counts, _ = run.run_kernel(third=third)
    parameters = naive_third_factor.ThirdFactor(TEMPERATURE, THETA, RATE * (kind == "learned"))
    expected, n_learning, n_readouts = naive_third_factor.train_batches(
        net, run.rule, parameters, run.inputs, run.labels,
        [run.order[k : k + batch_size].tolist() for k in range(0, n, batch_size)],
        run.rate_factors, amplitudes,
        [naive.derive_key(int(KEY), FIRST + k) for k in range(n)], **run.dynamics,
    )  # fmt: skip
    learned = from_model(model, net)._replace(
        W_back=structs.from_banks(third.memory.weights, len(net.J)).T
    )
    for name in ("J", "W_in", "W_out", "W_back"):
        np.testing.assert_allclose(
            getattr(learned, name), getattr(expected, name), rtol=0, atol=ROUND_OFF, err_msg=name
        )
    assert counts.totals[2:].tolist() == [n_learning, n_readouts]
    assert n_learning > 0
    assert np.array_equal(learned.W_back, net.W_back) == (kind == "fixed")
    assert_padding_is_zero(third.memory.weights, len(net.J))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", KINDS)
def test_banks_threads_and_calls_change_no_bit(kind: str, dtype: type) -> None:
    n_hidden = 70
    run = Run(make_network("gaussian", n_hidden, 12, 5, 4), 41, 16, amplitudes=[0.0] * 3)
    results = []
    for threads in (1, 2):
        for n_banks in (1, 2, 3):
            for pieces in (1, 2):
                third = lay_out(run.net, kind, n_banks, dtype)
                model, counts, _ = run.run_kernel(dtype, n_banks, threads, pieces, third)
                results.append(
                    (
                        *(
                            structs.from_banks(banks, n_hidden).tobytes()
                            for banks in (
                                model.couplings,
                                model.input_weights,
                                third.memory.weights,
                            )
                        ),
                        model.readout[:, :n_hidden].tobytes(),
                        counts.totals.tobytes(),
                    )
                )
    assert len(set(results)) == 1


def test_a_threshold_above_all_errors_leaves_the_hidden_weights() -> None:
    """And the readout learns as ever: the rule of its synapses is the source's."""
    run = Run(make_network("gaussian", 33, 11, 3, seed=1), 40, 16)
    before = to_model(run.net, 2, np.float64)
    model, counts, _ = run.run_kernel(third=lay_out(run.net, "fixed", theta=1e3))
    assert counts.totals[2] == 0
    assert model.couplings.tobytes() == before.couplings.tobytes()
    assert model.input_weights.tobytes() == before.input_weights.tobytes()
    assert model.readout.tobytes() != before.readout.tobytes()
