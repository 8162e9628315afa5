"""Runs that an earlier commit stopped end in the bytes that it ended in.

golden/training/ holds them, written by golden/make_training.py at the commit that its manifest
names. Nothing here depends on the names of parameters or tensors: they may change, results may not.

Integers are the same on every CPU. What floating-point weights become depends on fused
multiply-adds (a rate times a count is added to a weight with one rounding or two), and the readout
fields on the width of vectors. Measured by compiling for other CPUs than the one that wrote the
files (Intel's with AVX-512, for which LLVM takes 256 bits), by NUMBA_CPU_NAME and
NUMBA_CPU_FEATURES: haswell with AVX2 and FMA ends every floating-point case in the same bytes,
haswell with AVX2 alone one of twelve, "generic" (SSE2) none, but all integers. On AMD's Zen 4, with
512 bits, the readout fields of twelve of fourteen are rounded otherwise; as skylake-avx512 none.
Hence the cases in floating point are skipped where Numba compiles to other dot products, or for
another family than x86-64, which nobody has measured.
"""

from __future__ import annotations

import functools
import hashlib
import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
from safetensors import safe_open

from binnet import load_checkpoint, resume
from binnet.learning import save_checkpoint
from binnet_kernels._jit import REASSOCIATE
from golden.make_training import FOLDER, INTEGERS, STOP, make_samples, make_test_set

# They are older than digests, of which their readers take note.
pytestmark = pytest.mark.filterwarnings("ignore::binnet._records.UncheckedFileWarning")
MANIFEST = json.loads((FOLDER / "manifest.json").read_text())
CASES = sorted({name.split(".")[0] for name in MANIFEST["sha256"]})
ON_TWO_THREADS = ("chain", "float", "int4-wide")
COMPILE = ("int16-events", "int4-wide-decay")  # kernels that hardly any other test needs


@functools.cache
def sums_like_the_golden_files() -> bool:
    """Whether Numba compiles a dot product to fused multiply-adds of 256 bits, as it was for them.

    Where LLVM takes vectors of 512 bits (AMD's Zen 4), sums are rounded in another order.
    """

    @numba.njit(fastmath=REASSOCIATE, error_model="numpy")
    def dot(x, y):
        total = x.dtype.type(0)
        for k in range(x.shape[0]):
            total += x[k] * y[k]
        return total

    dot(np.ones(9, np.float32), np.ones(9, np.float32))
    (code,) = dot.inspect_asm().values()
    return "vfmadd" in code and "ymm" in code and "zmm" not in code


def read(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the tensors and the plain values of a checkpoint."""
    with safe_open(path, "np") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return tensors, json.loads(file.metadata()["binnet"])


def describe(tensors: dict[str, Any]) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    return {name: (t.dtype.str, t.shape, t.tobytes()) for name, t in tensors.items()}


def timeless(value: Any) -> Any:
    """Leave out times, the version that wrote a file, and the digest, which is also theirs."""
    if isinstance(value, dict):
        ignored = {"binnet", "sha256"}
        return {k: timeless(v) for k, v in value.items() if "second" not in k and k not in ignored}
    return [timeless(v) for v in value] if isinstance(value, list) else value


def count_values(value: Any) -> Counter[Any]:
    """Count the numbers and strings of nested tables and lists, whatever their keys."""
    if not isinstance(value, dict | list):
        return Counter([value])
    parts = value.values() if isinstance(value, dict) else value
    return sum(map(count_values, parts), Counter())


def assert_same_checkpoints(found: Path, expected: Path, scratch: Path) -> None:
    """Compare all values and bytes but the times, in today's form and as they were written."""
    save_checkpoint(scratch, load_checkpoint(expected))
    (tensors, values), (expected_tensors, expected_values) = read(found), read(scratch)
    assert timeless(values) == timeless(expected_values)
    described = describe(tensors)
    for name, tensor in describe(expected_tensors).items():
        assert described.pop(name) == tensor, name
    assert not described
    # What was read from the expected file is all that it holds.
    written, written_values = read(expected)
    assert not Counter(describe(written).values()) - Counter(describe(tensors).values())
    for name in ("format", "configuration"):  # the latter is compared above
        written_values.pop(name)
    assert not count_values(timeless(written_values)) - count_values(timeless(values))


@pytest.mark.parametrize("case", CASES)
def test_files_are_the_ones_that_were_written(case: str, tmp_path: Path) -> None:
    for part in ("midway", "end"):
        path = FOLDER / f"{case}.{part}.safetensors"
        assert hashlib.sha256(path.read_bytes()).hexdigest() == MANIFEST["sha256"][path.name]
        state = load_checkpoint(path)
        assert state.finished == (part == "end")
        assert len(state.history) == state.epoch == (3 if state.finished else STOP["epoch"])
        again = tmp_path / path.name
        save_checkpoint(again, state)
        assert_same_checkpoints(again, path, tmp_path / "x.safetensors")


@pytest.mark.parametrize(
    ("case", "threads"),
    [
        *(pytest.param(c, 1, marks=[pytest.mark.long] * (c in COMPILE)) for c in CASES),
        *((c, 2) for c in ON_TWO_THREADS),
    ],
)
def test_stopped_runs_end_in_the_same_bytes(case: str, threads: int, tmp_path: Path) -> None:
    if case not in INTEGERS and not sums_like_the_golden_files():
        pytest.skip(
            "floating-point golden files are of another kind of CPU; where there is AVX-512, "
            "NUMBA_CPU_NAME=skylake-avx512 compiles as for theirs"
        )
    path, end = tmp_path / "run.safetensors", FOLDER / f"{case}.end.safetensors"
    shutil.copy(FOLDER / f"{case}.midway.safetensors", path)
    result = resume(path, *make_samples(), evaluate_on=make_test_set(), threads=threads)
    assert result.completed
    assert_same_checkpoints(path, end, tmp_path / "expected.safetensors")
