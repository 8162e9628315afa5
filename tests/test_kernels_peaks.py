"""What the kernels that do as much as a core can compute: the same as plain loops, exactly."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from functools import cache

import numba
import numpy as np
import pytest

import naive_peaks
from binnet_kernels.lowlevel import peaks
from binnet_kernels.structs import allocate_aligned

RNG_SEED = 5
X86 = platform.machine().lower() in ("x86_64", "amd64")
AVX512 = "+avx2,+fma,+popcnt,+avx512f,+avx512bw,+avx512dq,+avx512vl"
# A CPU to compile for, and instructions of its kernels: reading, FMA, dot products, counts.
CPUS = {
    "sapphirerapids": (AVX512 + ",+avx512vnni,+avx512vpopcntdq",
        ("vpaddq.*zmm", "vfmadd.*ps.*zmm", "vpdpbusd.*zmm", "vpopcntq.*zmm")),
    "skylake-avx512": (AVX512,
        ("vpaddq.*zmm", "vfmadd.*ps.*zmm", "vpmaddubsw.*zmm", "vpshufb.*zmm")),
    "alderlake": ("+avx2,+fma,+popcnt,+avxvnni",
        ("vpaddq.*ymm", "vfmadd.*ps.*ymm", "vpdpbusd.*ymm", "vpshufb.*ymm")),
}  # fmt: skip
COMPILE = f"""
import sys; sys.path[:] = {sys.path!r}
import test_kernels_peaks as t
print("END".join(t.compile_afresh()))
"""
COMPARE = f"""
import sys; sys.path[:] = {sys.path!r}
import test_kernels_peaks as t
t.compare_all()
print(*t.peaks.name_instructions().values(), sep="; ")
"""


def aligned(array):
    out = allocate_aligned(array.shape, array.dtype)
    out[...] = array
    return out


def make_cases():
    rng = np.random.default_rng(RNG_SEED)
    lanes = peaks.BYTES // 8
    words = rng.integers(0, 2**64, 3 * peaks.READ_BLOCK // 8, dtype=np.uint64)
    numbers = rng.integers(-50, 50, peaks.FMA_SUMS * peaks.BYTES // 4).astype(np.float32)
    bits = rng.integers(0, 2, (5, peaks.DOT_STREAMS, peaks.BYTES), dtype=np.uint8)
    weights = rng.integers(-128, 128, (peaks.FIXED, peaks.BYTES), dtype=np.int8)
    sums = rng.integers(-9, 9, (peaks.DOT_STREAMS, peaks.FIXED, peaks.BYTES // 4), dtype=np.int32)
    stream = rng.integers(0, 2**64, (5, peaks.COUNT_STREAMS, lanes), dtype=np.uint64)
    masks = rng.integers(0, 2**64, (peaks.FIXED, lanes), dtype=np.uint64)
    counts = rng.integers(0, 9, (peaks.COUNT_STREAMS, peaks.FIXED, lanes), dtype=np.uint64)
    three = np.int64(3)
    return (
        (peaks.read_words, (aligned(words), three)),
        (peaks.iterate_products, (aligned(numbers), np.float32(-3), np.float32(0.5), three)),
        (peaks.dot_bytes, (*map(aligned, (bits, weights, sums)), three)),
        (peaks.count_bits, (*map(aligned, (stream, masks, counts)), three)),
    )


def compare_all():
    for compiled, arguments in make_cases():
        expected = getattr(naive_peaks, compiled.__name__)(*arguments)
        found = compiled(*arguments)
        if found is None:  # written where it began
            found = arguments[0] if compiled is peaks.iterate_products else arguments[2]
        np.testing.assert_array_equal(found, expected, err_msg=compiled.__name__)


@cache
def compile_afresh() -> list[str]:
    """Return the machine code of the kernels: Numba shows none that comes from a cache."""
    texts = []
    for compiled, arguments in make_cases():
        fresh = numba.njit(compiled.py_func)
        fresh.compile(tuple(map(numba.typeof, arguments)))
        texts.append(fresh.inspect_asm(fresh.signatures[0]))
    return texts


def start_for(cpu, features, code):
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env=os.environ | {"NUMBA_CPU_NAME": cpu, "NUMBA_CPU_FEATURES": features},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module", autouse=True)
def started():
    """Processes that compile for other CPUs: all at once, as each loads Numba for seconds."""
    processes = {"generic": start_for("generic", "", COMPARE)}
    if X86:
        processes |= {cpu: start_for(cpu, features, COMPILE) for cpu, (features, _) in CPUS.items()}
    yield processes
    for process in processes.values():
        process.kill()
        process.communicate()


def finish(process):
    said, errors = process.communicate()
    assert process.returncode == 0, errors
    return said


def test_the_kernels_compute_what_plain_loops_do() -> None:
    compare_all()


def test_no_work_is_none() -> None:
    for compiled, arguments in make_cases():
        before = [np.copy(a) for a in arguments]
        assert compiled(*arguments[:-1], np.int64(0)) in (None, 0)
        for array, copy in zip(arguments, before, strict=True):
            np.testing.assert_array_equal(array, copy)


@pytest.mark.long
def test_a_cpu_without_extensions_computes_the_same_by_other_means(started) -> None:
    said = finish(started["generic"])
    if X86:
        assert "multiply and add, 128" in said
        assert "and, counts by shifts and sums, 128" in said


@pytest.mark.long
@pytest.mark.skipif(not X86, reason="instructions of x86-64")
@pytest.mark.parametrize("cpu", CPUS)
def test_other_cpus_would_use_what_they_have(cpu: str, started) -> None:
    """Compiled, not run: this machine may lack the instructions."""
    kernels = finish(started[cpu]).split("END")
    for text, pattern in zip(kernels, CPUS[cpu][1], strict=True):
        assert len(re.findall(pattern, text)) >= 4, pattern


def test_each_pass_reads_anew() -> None:
    """So says the assembler code without instructions, which LLVM marks in what it compiles."""
    reads, _, dots, counts = compile_afresh()
    assert all("APP\n" in text for text in (reads, dots, counts))


def test_what_is_said_of_the_instructions_is_in_the_code() -> None:
    names = peaks.name_instructions()
    assert list(names) == ["read", "fma32", "dot8", "popcount"]
    _, products, dots, counts = compile_afresh()
    for named in ("vpdpbusd", "vpmaddubsw", "sdot"):
        assert (named in names["dot8"]) == (named in dots)
    if X86:
        assert ("fused" in names["fma32"]) == ("vfmadd" in products)
        assert ("looked up" in names["popcount"]) == ("vpopcntq" not in counts)
