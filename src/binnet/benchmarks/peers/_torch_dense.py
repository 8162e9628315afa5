"""Dense arithmetic in PyTorch: sweeps, fields, plasticity, columns of couplings that are stored."""

from __future__ import annotations

from typing import Any

import numpy as np

from binnet.benchmarks._workload import Task, Workload
from binnet.benchmarks.peers import _fields, _implicit, _plasticity, _sweeps
from binnet.benchmarks.peers._threads import limit_torch

try:
    import torch
except ModuleNotFoundError:  # the module can be imported; what needs PyTorch is not offered then
    torch = None

Tensor = Any


def sweep_rows(workload: Workload, threads: int) -> Task:
    """Products of all states with the couplings, in float32."""
    limit_torch(threads)
    case = _sweeps.draw_case(workload)
    matrix = torch.from_numpy(case.to_float())
    external = torch.from_numpy(case.external).to(torch.float32)
    start = torch.from_numpy(case.start).to(torch.float32)
    fields, plus = torch.empty_like(start), torch.ones(1)

    def sweep() -> Tensor:
        states = start
        for _ in range(case.n_sweeps):
            torch.addmm(external, states, matrix, out=fields)
            states = torch.where(fields >= 0, plus, -plus)
        return states

    return _sweeps.make_task(case, sweep)


def sweep_columns(workload: Workload, threads: int) -> Task:
    """The same with a state in each column."""
    limit_torch(threads)
    case = _sweeps.draw_case(workload)
    matrix = torch.from_numpy(case.to_float()).T.contiguous()
    external = torch.from_numpy(case.external).to(torch.float32)[:, None]
    start = torch.from_numpy(case.start).to(torch.float32).T.contiguous()
    fields, plus = torch.empty_like(start), torch.ones(1)

    def sweep() -> Tensor:
        states = start
        for _ in range(case.n_sweeps):
            torch.addmm(external, matrix, states, out=fields)
            states = torch.where(fields >= 0, plus, -plus)
        return states.T

    return _sweeps.make_task(case, sweep)


def sweep_int8(workload: Workload, threads: int) -> Task:
    """Products of bytes, `torch._int_mm`, which has no documentation, and wants 17 states."""
    limit_torch(threads)
    if not torch.cpu._is_vnni_supported():
        raise ValueError("left out: without dot products of bytes (VNNI) it is a plain loop")
    case = _sweeps.draw_case(workload)
    matrix = torch.from_numpy(case.couplings)
    external, own = torch.from_numpy(case.external), case.self_coupling
    start, plus = torch.from_numpy(case.start), torch.ones(1, dtype=torch.int8)

    def sweep() -> Tensor:
        states = start
        for _ in range(case.n_sweeps):
            fields = torch._int_mm(states, matrix).add_(external)
            fields.add_(states, alpha=own)
            states = torch.where(fields >= 0, plus, -plus)
        return states

    return _sweeps.make_task(case, sweep)


def compute_fields(workload: Workload, threads: int) -> Task:
    """One product for all states."""
    limit_torch(threads)
    case = _fields.draw_case(workload)
    weights, states = torch.from_numpy(case.weights), torch.from_numpy(case.states)
    out = torch.empty_like(states)

    def compute() -> Tensor:
        for _ in range(case.n_times):
            torch.mm(states, weights, out=out)
        return out

    return _fields.make_task(case, compute)


def update_weights(workload: Workload, threads: int) -> Task:
    """`addmm_`, in place."""
    limit_torch(threads)
    case = _plasticity.draw_case(workload, np.float32)
    weights = torch.from_numpy(case.weights)
    left, post = torch.from_numpy(case.pre).T.contiguous(), torch.from_numpy(case.post)
    diagonals = weights.diagonal(dim1=1, dim2=2)
    kept = diagonals.clone()

    def update(sign: int) -> None:
        for matrix in weights:
            matrix.addmm_(left, post, alpha=sign * case.rate)
        if case.keeps_diagonal:
            diagonals.copy_(kept)

    return _plasticity.make_task(case, update, lambda: weights)


def add_columns(workload: Workload, threads: int) -> Task:
    """A stored matrix times a vector: couplings are read, not drawn."""
    limit_torch(threads)
    case = _implicit.draw_case(workload)
    columns, spins = torch.from_numpy(case.columns).T, torch.from_numpy(case.spins)
    return _implicit.make_task(case, lambda: torch.mv(columns, spins))
