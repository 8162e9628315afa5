"""The answers that workloads must have, and the kind of CPU that decides how floats are rounded.

Integers are the same everywhere. Floats depend on fused multiply-adds and on the width of vectors,
which the order of sums follows: within a class of CPUs, as `cpu_class` tells them apart, they are
the same bit by bit; beyond it few sums that stand for them, the probes, are the same to a
tolerance. `bench/expected_answers.py` writes the file.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from binnet.benchmarks._result import Verdict
from binnet.benchmarks._workload import Answer, Workload

# A product and a sum that may be fused, in vectors of 512 bits; told that it need not take any as
# wide, LLVM takes those that it takes for loops.
_PROBE = """
define <16 x float> @multiply_and_add(<16 x float> %a, <16 x float> %b, <16 x float> %c) {attribute}
{{
  %product = fmul contract <16 x float> %a, %b
  %sum = fadd contract <16 x float> %product, %c
  ret <16 x float> %sum
}}
"""
_AS_FOR_LOOPS = '"min-legal-vector-width"="0"'


@cache
def cpu_class() -> str:
    """Return the class of the CPU that kernels are compiled for, in this process.

    By the code that LLVM makes, not by the name of the CPU: NUMBA_CPU_NAME and NUMBA_CPU_FEATURES
    change it. Of x86-64: "x86-avx512" (vectors of 512 bits), "x86-avx512-ymm" (those of 256, as for
    Intel's, whose other instructions are there, too), "x86-avx2-fma", "x86-avx" (256 bits without
    fused multiply-adds) and "x86-generic" (128 bits); "arm-neon"; else the architecture's name.
    """
    from llvmlite import binding
    from numba.core.registry import cpu_target

    triple, name, features = cpu_target.target_context.codegen().magic_tuple()
    return classify(triple, name, features, binding)


def classify(triple: str, name: str, features: str, binding: Any) -> str:
    """Return the class of a CPU as LLVM knows it, which need not be there."""
    architecture = triple.partition("-")[0]
    if architecture in ("aarch64", "arm64"):
        return "arm-neon"
    if architecture != "x86_64":
        return architecture
    machine = binding.Target.from_triple(triple).create_target_machine(
        cpu=name, features=features, opt=3
    )

    def compile_probe(attribute: str) -> str:
        module = binding.parse_assembly(_PROBE.format(attribute=attribute))
        module.triple = triple
        return str(machine.emit_assembly(module))

    code = compile_probe(_AS_FOR_LOOPS)
    if "zmm" in code:
        return "x86-avx512"
    if "zmm" in compile_probe(""):
        return "x86-avx512-ymm"
    if "ymm" in code:
        return "x86-avx2-fma" if "vfmadd" in code else "x86-avx"
    return "x86-generic"


@cache
def load_answers() -> dict[str, dict[str, Any]]:
    """Return the stored answers by the workloads' names.

    Each has the "sizes" of its workload, "checksums" by class ("any": of integers), "probes" and
    their "tolerance".
    """
    file = resources.files(__package__) / "data" / "answers.json"
    answers: dict[str, dict[str, Any]] = json.loads(file.read_text("utf-8"))["answers"]
    return answers


def check_answer(workload: Workload, answer: Answer, cpu_class: str) -> Verdict:
    """Return whether an answer is the one that a workload must have.

    Parameters
    ----------
    workload : Workload
        The workload.
    answer : Answer
        What it, or a peer, has found.
    cpu_class : str
        Of what computed it, from the function of this name; of a peer, which rounds otherwise, any
        other word.

    Returns
    -------
    Verdict
        "unknown" where no answer is stored of this name and these sizes. "exact": bit by bit.
        Integers are "wrong" if they are not, as are floats of a class that is stored; those of
        another one are "within tolerance" or "wrong" by their probes.
    """
    stored = load_answers().get(workload.name)
    if stored is None or stored["sizes"] != dict(workload.sizes):
        return "unknown"
    checksums = stored["checksums"]
    if answer.checksum in checksums.values():
        own = checksums.get(cpu_class, answer.checksum)
        return "exact" if own == answer.checksum else "wrong"
    if "any" in checksums or cpu_class in checksums:
        return "wrong"
    close = are_close(answer.probes, stored["probes"], stored["tolerance"])
    return "within tolerance" if close else "wrong"


def are_close(found: Mapping[str, float], expected: Mapping[str, float], tolerance: float) -> bool:
    """Return whether probes are the expected ones to a relative tolerance; none are not."""
    return (
        bool(expected)
        and found.keys() == expected.keys()
        and all(math.isclose(found[k], expected[k], rel_tol=tolerance) for k in expected)
    )
