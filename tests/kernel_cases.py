"""Networks for the kernel tests, in the layout of the equations and in that of the kernels.

"dyadic" weights are small multiples of a power of two: sums of them are exact, in any order and in
float32 too, and fields of exactly 0 are common, so that sign(0) = +1 and the edges of margins are
tested.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

import naive
from binnet._threads import run_in_step
from binnet_kernels import structs
from binnet_kernels.lowlevel.calls import find_address
from binnet_kernels.lowlevel.team import make_team
from binnet_kernels.relaxation import orders
from binnet_kernels.relaxation.fields import find_product
from binnet_kernels.training.batches import RuleKernels, find_steps, train_batches
from binnet_kernels.training.records import Batches, Counts, Model, Workspace, make_workspace

# Float64 sums of a few hundred terms of order one, which the kernels add in another order than the
# references: each addition rounds by at most eps/2 = 1.1e-16 of a sum that stays below about 10.
ROUND_OFF = 1e-12

# True weights are scale * weights: powers of two, so that dividing by them is exact.
SCALES = (0.5, 2.0, 0.25)


def make_network(
    kind: str, n_hidden: int, n_inputs: int, n_classes: int, seed: int, self_coupling: float = 0.5
) -> naive.Network:
    """Draw a network of order-one fields; its J has a diagonal that must never be read."""
    rng = np.random.default_rng(seed)

    def draw(shape: tuple[int, int], std: float) -> np.ndarray:
        if kind == "dyadic":
            return rng.integers(-3, 4, shape) / 8
        return rng.normal(0, std, shape)

    return naive.Network(
        J=draw((n_hidden, n_hidden), n_hidden**-0.5),
        J_D=self_coupling,
        W_in=draw((n_hidden, n_inputs), 2 * n_inputs**-0.5),
        W_out=draw((n_classes, n_hidden), n_hidden**-0.5),
        W_back=draw((n_hidden, n_classes), n_classes**-0.5),
    )


def make_modules(
    kind: str, sizes: tuple[int, ...], n_inputs: int, n_classes: int, seed: int
) -> naive.Network:
    """Draw a chain of modules: the first diluted, the second without couplings of its own.

    Its ends have learned couplings to their neighbours; self-couplings, excitation and rates differ
    from module to module; the last has no input, the first is not read.
    """
    net = make_network(kind, sum(sizes), n_inputs, n_classes, seed)
    rng = np.random.default_rng(seed + 100)
    module = np.repeat(np.arange(len(sizes)), sizes)
    index = np.concatenate([np.arange(size) for size in sizes])
    to, source = module[:, None], module[None, :]
    connectivity = (to == source) & (to != 1)
    connectivity &= (to != 0) | (rng.random(net.J.shape) < 0.5)
    connectivity |= (abs(to - source) == 1) & ((to == 0) | (to == len(sizes) - 1))
    np.fill_diagonal(connectivity, False)

    def find(step: int) -> list[int]:
        where = {(m, k): i for i, (m, k) in enumerate(zip(module, index, strict=True))}
        return [where.get((m + step, k), -1) for m, k in zip(module, index, strict=True)]

    gains = np.ones((3, len(module)))
    gains[0, module == 0] = 2.0
    gains[1, module == len(sizes) - 1] = 0.0
    gains[2, module == 0] = 0.0
    W_in, W_out = net.W_in.copy(), net.W_out.copy()
    W_in[module == len(sizes) - 1] = 0.0
    W_out[:, module == 0] = 0.0
    return net._replace(
        J=net.J * connectivity,
        J_D=np.array([0.5, 0.0, 0.25])[module % 3],
        W_in=W_in,
        W_out=W_out,
        connectivity=connectivity,
        partners=[find(-1), find(+1)],
        excitation=np.array([0.5, 0.75, 0.25])[module % 3],
        gains=gains,
    )


def draw_spins(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.choice(np.array([-1, 1], np.int8), shape)


def feedback_table(net: naive.Network) -> np.ndarray:
    """Field of the feedback for each label while the clamp wins, (C, H)."""
    n_hidden, n_classes = net.W_back.shape
    table = np.zeros((n_classes, n_hidden))
    for label in range(n_classes):
        for c, y in enumerate(naive.target(label, n_classes)):
            table[label] += net.W_back[:, c] * naive.g(y, n_classes)
    return table


def to_rows(values: np.ndarray, n_banks: int, dtype: type) -> np.ndarray:
    rows = structs.allocate_rows(values.shape[0], values.shape[1], n_banks, dtype)
    rows[:, : values.shape[1]] = values
    return rows


def to_model(net: naive.Network, n_banks: int, dtype: type) -> Model:
    """Lay a network out for the kernels, with scales that are not 1."""
    couplings = net.J / SCALES[0]
    np.fill_diagonal(couplings, 0)
    n_hidden = len(couplings)
    structure = to_structure(net, n_banks, dtype)
    connectivity = np.zeros((0, 0, 0), np.uint8)
    if net.connectivity is not None:
        connectivity = structs.to_windows(net.connectivity.T.astype(np.uint8), structure.windows)
    gains = np.ones((3, n_hidden)) if net.gains is None else net.gains
    return Model(
        couplings=structs.to_windows(couplings.T.astype(dtype), structure.windows),
        input_weights=structs.to_banks((net.W_in / SCALES[1]).T.astype(dtype), n_banks),
        readout=to_rows(net.W_out / SCALES[2], n_banks, dtype),
        scales=np.array(SCALES),
        **structure._asdict(),
        feedback=to_rows(feedback_table(net), n_banks, dtype),
        gains=to_rows(gains, n_banks, dtype),
        connectivity=connectivity,
        ties=np.zeros(0, dtype),
    )


def to_structure(net: naive.Network, n_banks: int, dtype: type) -> structs.Structure:
    n_hidden = len(net.J)
    windows = structs.find_windows(net.connectivity, n_hidden, n_banks)
    J_D = np.broadcast_to(net.J_D, n_hidden)
    if net.partners is None:
        return structs.make_structure(windows, J_D, n_banks, dtype)
    partners = [[max(j, 0) for j in row] for row in net.partners]
    excitations = np.array(
        [[net.excitation[i] * (j >= 0) for i, j in enumerate(row)] for row in net.partners]
    )
    return structs.make_structure(
        windows, J_D, n_banks, dtype, np.array(partners, np.int64), excitations
    )


def to_recurrence(model: Model, scale: float) -> structs.Recurrence:
    return structs.Recurrence(
        model.couplings, scale, *(getattr(model, name) for name in structs.Structure._fields),
        find_product(model.couplings, model.feedback, np.zeros(1, np.int64), model.feedback),
    )  # fmt: skip


def from_model(model: Model, net: naive.Network) -> naive.Network:
    """Return the network that a model holds, in float64; what is not learned is that of `net`."""
    n_hidden = len(net.J)
    scales = model.scales
    return net._replace(
        J=scales[0]
        * structs.from_windows(model.couplings, model.windows, n_hidden).T.astype(float),
        W_in=scales[1] * structs.from_banks(model.input_weights, n_hidden).T.astype(float),
        W_out=scales[2] * model.readout[:, :n_hidden].astype(float),
    )


def learn(
    kernels: RuleKernels,
    model: Model,
    rule: Any,
    memory: Any,
    batches: Batches,
    amplitudes: Sequence[float],
    counts: Counts,
    *,
    threads: int = 1,
    asynchronous: bool = False,
    probability: float = 1.0,
    stop_at_cycle: bool = True,
) -> Workspace:
    """Learn the batches, in place, on as many threads in step; return the work of the last one."""
    n_banks, n_inputs, _ = model.input_weights.shape
    dtype = model.feedback.dtype
    work = make_workspace(
        batches.batch_size, model.partners.shape[1], n_inputs, len(model.readout), len(amplitudes),
        n_banks, dtype,
    )  # fmt: skip
    a = np.array(amplitudes, dtype)
    order = orders.ASYNC if asynchronous else orders.SYNC
    update = structs.Update(order, probability, 5, stop_at_cycle, work.keys)
    arguments = (
        find_steps(kernels, model, rule, memory, a, update, work, batches),
        model, rule, memory, batches, a, update, work, counts, make_team(threads),
    )  # fmt: skip
    find_address(train_batches, *arguments, 0)  # compiled before the threads begin
    run_in_step(threads, lambda rank: train_batches(*arguments, rank))
    return work


def assert_padding_is_zero(array: np.ndarray, n_hidden: int) -> None:
    """`array` is rows (B, S * W) or banks (S, K, W)."""
    rows = np.concatenate(list(array), axis=1) if array.ndim == 3 else array
    assert not rows[:, n_hidden:].any()
