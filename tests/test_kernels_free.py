"""Relaxation kernels without input against plain loops: every update order, exact in integers.

In float32 and float64 the couplings of the exact cases are small multiples of a power of two: sums
are exact in any order there too, and fields of exactly 0 are common.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import naive
import naive_free
from binnet._threads import run_in_step, share_out
from binnet.update_orders import UPDATE_ORDERS, find_order
from binnet_kernels.lowlevel.rng import derive_keys
from binnet_kernels.lowlevel.team import make_team
from binnet_kernels.relaxation import replicas as kernels
from binnet_kernels.relaxation.free_async import find_worst
from binnet_kernels.relaxation.relax_free import find_steps, relax_replicas
from binnet_kernels.structs import FIXED_POINT
from kernel_cases import ROUND_OFF, draw_spins

ORDERS = [order.name for order in UPDATE_ORDERS if order.free]
DETERMINISTIC = [order.name for order in UPDATE_ORDERS if order.free and not order.is_random]
FIELDS = {np.int16: np.int32, np.float32: np.float32, np.float64: np.float64}
KEY = np.uint64(11)
PROBABILITY = 0.4


class Case:
    """A network, where its replicas start, and both ways to relax them."""

    def __init__(
        self, n: int, n_replicas: int, J_D: float, seed: int, *, symmetry: int = 0,
        dtype: type = np.int16, gaussian: bool = False, field: bool = True,
    ) -> None:  # fmt: skip
        rng = np.random.default_rng(seed)
        J = rng.normal(0, n**-0.5, (n, n)) if gaussian else rng.integers(-9, 10, (n, n))
        J = J + symmetry * J.T
        np.fill_diagonal(J, 0)
        self.J, self.J_D, self.dtype = J, J_D, dtype
        self.b = rng.integers(-4, 5, n) * field
        self.start = draw_spins(rng, (n_replicas, n))

    def run_naive(
        self, update_order: str, n_sweeps: int, **options: Any
    ) -> list[naive_free.Relaxed]:
        net = naive_free.FreeNetwork(self.J.tolist(), self.J_D, self.b.tolist())
        return [
            naive_free.relax_free(
                net, start, update_order, n_sweeps, naive.derive_key(int(KEY), r),
                probability=PROBABILITY, **options,
            )
            for r, start in enumerate(self.start.tolist())
        ]  # fmt: skip

    def run_kernel(
        self, update_order: str, n_sweeps: int, *, dense_above: int = 5, turns_above: int = 2,
        window: int = 7,
        refresh_every: int = 0, stop_at_cycle: bool = True, block: int = 3, collide: bool = False,
        threads: int = 1, sweeps_per_call: int = 1000, is_far: bool = True, pieces: int = 1,
        team: int = 1,
    ) -> tuple[kernels.Replicas, kernels.Records]:  # fmt: skip
        n_replicas, n = self.start.shape
        kind = FIELDS[self.dtype]
        network = kernels.FreeNetwork(
            np.ascontiguousarray(self.J.T.astype(self.dtype))[None],
            self.b.astype(kind),
            kind(self.J_D),
        )
        probability = PROBABILITY if update_order == "random-subset" else 1.0
        order = find_order(update_order, "free")
        update = kernels.FreeUpdate(
            order.number or 0, probability, dense_above, turns_above, window, is_far,
            refresh_every,
            stop_at_cycle, derive_keys(KEY, 0, n_replicas),
        )  # fmt: skip
        replicas = kernels.make_replicas(self.start, self.dtype, kind)
        records = kernels.make_records(n_replicas, n_sweeps)
        site_keys = derive_keys(np.uint64(3), 0, n) * np.uint64(not collide)
        search = kernels.make_search(self.start, site_keys)
        workspace = kernels.make_workspace(n_replicas, n, self.dtype, kind, pieces)
        groups = (network, update, replicas, records, search, workspace)
        steps = find_steps(order.code, *groups)

        def relax_some(first: int) -> None:
            stop, round_ = min(first + block, n_replicas), np.full(2, -1)
            while round_[0] != 0:
                here = make_team(team)

                def relax_in_step(rank: int, here: Any = here) -> None:
                    relax_replicas(steps, *groups, first, stop, sweeps_per_call, round_, here, rank)

                run_in_step(team, relax_in_step)

        share_out(threads, relax_some, range(0, n_replicas, block))
        return replicas, records

    def assert_agree(
        self, found: tuple[kernels.Replicas, kernels.Records], expected: list[naive_free.Relaxed],
        tolerance: float = 0.0,
    ) -> None:  # fmt: skip
        replicas, records = found
        assert replicas.state.tolist() == [one.s for one in expected]
        for name in kernels.Records._fields:
            assert getattr(records, name).tolist() == [getattr(one, name) for one in expected], name
        fields = replicas.state.astype(np.float64) @ self.J.T
        np.testing.assert_allclose(replicas.field, fields, rtol=0, atol=tolerance)


@pytest.mark.parametrize("update_order", ORDERS)
@pytest.mark.parametrize("dtype", FIELDS)
@pytest.mark.parametrize("J_D", [0, 12, 60])
def test_equals_the_reference(update_order: str, dtype: type, J_D: int) -> None:
    case = Case(41, 5, J_D, seed=J_D, dtype=dtype)
    expected = case.run_naive(update_order, 20)
    for refresh_every in (0, 3) if dtype != np.int16 else (0,):
        found = case.run_kernel(update_order, 20, refresh_every=refresh_every)
        case.assert_agree(found, expected)


@pytest.mark.parametrize("update_order", ORDERS)
def test_gaussian_couplings(update_order: str) -> None:
    case = Case(60, 4, 0.8, seed=2, dtype=np.float64, gaussian=True)
    found = case.run_kernel(update_order, 40, refresh_every=6)
    case.assert_agree(found, case.run_naive(update_order, 40), ROUND_OFF)


@pytest.mark.parametrize("update_order", ["sync", "random-subset"])
@pytest.mark.parametrize("dtype", [np.int16, np.float64])
def test_dense_or_not_changes_no_bit(update_order: str, dtype: type) -> None:
    """Dense or event-driven, in windows of any size, in any blocks."""
    case = Case(70, 19, 25, seed=4, dtype=dtype)
    expected = case.run_naive(update_order, 15)
    for dense_above in (-1, 8, 70):
        for window in (1, 16, 100):
            for block in (1, 16, 19):
                found = case.run_kernel(
                    update_order, 15, dense_above=dense_above, window=window, block=block,
                    threads=2,
                )  # fmt: skip
                case.assert_agree(found, expected)


@pytest.mark.parametrize("update_order", ["sync", "random-subset"])
@pytest.mark.parametrize("n", [90, 301])
def test_threads_in_step_change_no_bit(update_order: str, n: int) -> None:
    """Whichever thread looks after which neurons, and however their events are added."""
    case = Case(n, 3, 40, seed=5)
    expected = case.run_naive(update_order, 12)
    for pieces, team in ((1, 1), (2, 1), (2, 2), (3, 2), (7, 3)):
        for is_far, turns_above in ((False, n), (True, n), (True, 2)):
            found = case.run_kernel(
                update_order, 12, dense_above=n // 3, turns_above=turns_above, is_far=is_far,
                pieces=pieces, team=team, sweeps_per_call=5,
            )  # fmt: skip
            case.assert_agree(found, expected)


@pytest.mark.parametrize("update_order", [*DETERMINISTIC, "async"])
@pytest.mark.parametrize("is_far", [False, True])
def test_one_after_the_other(update_order: str, is_far: bool) -> None:
    """Whole words of neurons, whole vectors of couplings, and what is left of them."""
    case = Case(165, 2, 60, seed=6)
    found = case.run_kernel(update_order, 6, is_far=is_far)
    case.assert_agree(found, case.run_naive(update_order, 6))


@settings(deadline=None, max_examples=60, derandomize=True)
@given(
    n=st.integers(1, 40),
    n_replicas=st.integers(1, 18),
    J_D=st.integers(0, 60),
    symmetry=st.sampled_from([-1, 0, 1]),
    update_order=st.sampled_from(sorted(ORDERS)),
    dense_above=st.integers(-1, 40),
    turns_above=st.integers(-1, 40),
    window=st.integers(1, 50),
    block=st.integers(1, 20),
    stop_at_cycle=st.booleans(),
    seed=st.integers(0, 2**32),
)
def test_any_size(
    n: int, n_replicas: int, J_D: int, symmetry: int, update_order: str, dense_above: int,
    turns_above: int, window: int, block: int, stop_at_cycle: bool, seed: int,
) -> None:  # fmt: skip
    case = Case(n, n_replicas, J_D, seed, symmetry=symmetry)
    found = case.run_kernel(
        update_order, 8, dense_above=dense_above, turns_above=turns_above, window=window,
        block=block, stop_at_cycle=stop_at_cycle,
    )  # fmt: skip
    case.assert_agree(found, case.run_naive(update_order, 8, stop_at_cycle=stop_at_cycle))


@pytest.mark.parametrize("dtype", [np.int16, np.float32])
@pytest.mark.parametrize("update_order", ORDERS)
def test_sweeps_of_a_call_change_no_bit(update_order: str, dtype: type) -> None:
    case = Case(40, 7, 0.5, seed=4, dtype=dtype, gaussian=dtype != np.int16)
    found = set()
    for sweeps_per_call in (1, 3, 100):
        replicas, records = case.run_kernel(
            update_order, 30, refresh_every=0 if dtype == np.int16 else 4,
            sweeps_per_call=sweeps_per_call,
        )  # fmt: skip
        found.add(tuple(array.tobytes() for array in (*replicas, *records)))
    assert len(found) == 1


# ---- cycles


def test_antisymmetric_couplings_have_cycles_of_four() -> None:
    """Without self-coupling and field every synchronous trajectory ends in one (Goles, 1986)."""
    case = Case(30, 8, 0, seed=1, symmetry=-1, field=False)
    found = case.run_kernel("sync", 400)
    case.assert_agree(found, case.run_naive("sync", 400))
    # A field of exactly 0 breaks the antisymmetry; without one the length is 4.
    assert 4 in found[1].cycle_length
    assert (found[1].status == kernels.CYCLE).all()


def test_symmetric_couplings_have_cycles_of_two() -> None:
    case = Case(40, 12, 0, seed=2, symmetry=1)
    found = case.run_kernel("sync", 200)
    case.assert_agree(found, case.run_naive("sync", 200))
    assert set(found[1].cycle_length) == {1, 2} or set(found[1].cycle_length) == {2}


@pytest.mark.parametrize("update_order", DETERMINISTIC)
def test_colliding_hashes_report_no_cycle_that_is_none(update_order: str) -> None:
    """With keys of 0 all states have one hash: every comparison is left to the states."""
    case = Case(12, 12, 2, seed=3)
    expected = case.run_naive(update_order, 300)
    assert max(one.cycle_length for one in expected) > 2
    for collide in (False, True):
        case.assert_agree(case.run_kernel(update_order, 300, collide=collide), expected)


def test_goes_through_cycles_where_asked() -> None:
    case = Case(12, 12, 2, seed=3)
    for update_order in DETERMINISTIC:
        found = case.run_kernel(update_order, 50, stop_at_cycle=False)
        case.assert_agree(found, case.run_naive(update_order, 50, stop_at_cycle=False))
        assert kernels.CYCLE not in found[1].status


# ---- floating-point fields drift


@pytest.mark.parametrize("update_order", ["sync", "async-fixed"])
def test_a_fixed_point_is_declared_on_fresh_fields_only(update_order: str) -> None:
    """Neuron 2 hears two shouters, who cancel when they agree, and a whisper: h_2 = -0.3.

    As the shouters flip one after the other, the whisper is rounded away from a field that follows
    the flips; it is there in a field from scratch.
    """
    case = Case(8, 1, 0.0, seed=0, dtype=np.float32, gaussian=True, field=False)
    case.J = np.zeros((8, 8))
    case.J[2, 0], case.J[2, 1], case.J[2, 3] = 2.0**28, -(2.0**28), -0.3
    case.J[1, 0] = 4.0  # neuron 1 follows neuron 0
    if update_order == "async-fixed":  # who is first in the order must follow
        case.J[[2, 2, 1, 0], [0, 1, 0, 1]] = -(2.0**28), 2.0**28, 0.0, 4.0
    case.b = np.array([1.0, 0, 0, 1, 1, 1, 1, 1])
    if update_order == "async-fixed":
        case.b[:2] = 0.0, 1.0
    case.start = np.array([[-1, -1, -1, 1, 1, 1, 1, 1]], np.int8)
    misled, _ = case.run_kernel(update_order, 100, refresh_every=0)
    assert misled.state[0, 2] == 1
    replicas, records = case.run_kernel(update_order, 100, refresh_every=50)
    assert records.status[0] == FIXED_POINT
    assert replicas.state[0].tolist() == [1, 1, -1, 1, 1, 1, 1, 1]
    # The flip back was in a sweep of its own, after the fields had been recomputed.
    assert records.flips[0].tolist()[: records.sweeps[0]][-2:] == [1, 0]


# ---- the worst neuron


def find_worst_naively(values: Sequence[float], spins: Sequence[int], largest: bool) -> int:
    unstable = [i for i, h in enumerate(values) if naive.sign(h) != spins[i]]
    sizes = [abs(values[i]) for i in unstable]
    if not unstable:
        return -1
    return unstable[sizes.index(max(sizes) if largest else min(sizes))]


@settings(deadline=None, max_examples=60, derandomize=True)
@given(
    dtype=st.sampled_from(sorted(FIELDS, key=str)),
    n=st.integers(1, 150),
    spread=st.sampled_from([0, 1, 2**20]),
    largest=st.booleans(),
    seed=st.integers(0, 2**32),
)
def test_find_worst(dtype: type, n: int, spread: int, largest: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    kind = FIELDS[dtype]
    values = rng.integers(-spread, spread + 1, n).astype(kind)
    spins = draw_spins(rng, (n,)).astype(dtype)
    network = kernels.FreeNetwork(np.zeros((1, n, n), dtype), np.zeros(n, kind), kind(0))
    workspace = kernels.make_workspace(1, n, dtype, kind)
    found = find_worst(network, values, spins, workspace.sizes[0], workspace.ranks[0], largest)
    assert found == find_worst_naively(values.tolist(), spins.tolist(), largest)
