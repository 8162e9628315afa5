"""Write the expected answers of all workloads: ``python bench/expected_answers.py``.

Each kind of CPU that is named answers in a process of its own, compiled by NUMBA_CPU_NAME (after a
colon: NUMBA_CPU_FEATURES), with a cache of its own below --cache: for the next time, as compiling
all of it takes minutes. Kinds of one class must answer alike, as must one and two threads, and
floats of other classes within the workload's tolerance: else nothing is written. Classes that this
machine cannot execute stay in the file as they were, but where the answer is a new one.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from binnet.benchmarks import _expected
from binnet.benchmarks._expected import are_close, cpu_class
from binnet.benchmarks.workloads import all_workloads

FILE = Path(_expected.__file__).parent / "data" / "answers.json"
#: NUMBA_CPU_NAME and NUMBA_CPU_FEATURES of each kind; "host" is what Numba would choose.
KINDS = ("host", "haswell", "generic")


def answer_all(names: list[str]) -> None:
    """Write the class and the answers of workloads to standard output, a line of JSON each."""
    print(json.dumps(cpu_class()), flush=True)
    for name in names:
        workload, found = all_workloads()[name], []
        for threads in (1, 2):
            task = workload.prepare(threads)
            for _ in range(2):
                task.call()
                found.append(asdict(task.answer()))
            del task  # before the next one takes its memory
        if any(answer != found[0] for answer in found):
            raise SystemExit(f"{name}: calls, or numbers of threads, answer otherwise: {found}")
        print(json.dumps([name, found[0]]), flush=True)


def ask(kind: str, names: list[str], cache: Path) -> tuple[str, dict[str, Any]] | None:
    """Return the class of a kind of CPU and its answers; None where it cannot be executed."""
    name, _, features = kind.partition(":")
    env = dict(os.environ)
    if name != "host":
        env |= {"NUMBA_CPU_NAME": name, "NUMBA_CACHE_DIR": str(cache / name)}
        if features:
            env["NUMBA_CPU_FEATURES"] = features
    done = subprocess.run(
        [sys.executable, __file__, "--answer", *names], env=env, stdout=subprocess.PIPE, check=False
    )
    if done.returncode < 0:  # by a signal: an instruction that this CPU does not have
        print(f"{kind}: cannot be executed here")
        return None
    if done.returncode:
        raise SystemExit(f"{kind}: failed")
    first, *rest = done.stdout.decode().splitlines()
    return json.loads(first), dict(json.loads(line) for line in rest)


def merge(name: str, by_kind: dict[str, tuple[str, Any]], old: dict[str, Any]) -> dict[str, Any]:
    """Return the entry of a workload, by what each kind of CPU has answered: class and answer."""
    workload = all_workloads()[name]
    expected = next(iter(by_kind.values()))[1]
    checksums: dict[str, str] = {}
    for kind, (group, answer) in by_kind.items():
        key = "any" if workload.is_exact else group
        if checksums.setdefault(key, answer["checksum"]) != answer["checksum"]:
            raise SystemExit(f"{name}: {kind} answers otherwise than another kind of {key}")
        near = are_close(answer["probes"], expected["probes"], expected["tolerance"])
        if not workload.is_exact and not near:
            raise SystemExit(f"{name}: {kind} is not within tolerance: {answer} {expected}")
    kept = old.get("checksums", {})
    is_new = any(kept.get(key, checksum) != checksum for key, checksum in checksums.items())
    return {
        "sizes": dict(workload.sizes),
        "checksums": checksums if is_new else kept | checksums,
        "probes": expected["probes"],
        "tolerance": expected["tolerance"],
    }


def describe(name: str, by_kind: dict[str, tuple[str, Any]]) -> str:
    """Return a line on how the kinds of CPU agree."""
    expected, parts = next(iter(by_kind.values()))[1], []
    for kind, (_, answer) in by_kind.items():
        if answer["checksum"] == expected["checksum"]:
            parts.append(f"{kind} same bits")
        else:
            off = max(
                abs(answer["probes"][k] / value - 1) if value else abs(answer["probes"][k])
                for k, value in expected["probes"].items()
            )
            parts.append(f"{kind} off by {off:.1e} (tolerance {expected['tolerance']:g})")
    return f"{name}: {', '.join(parts)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="workloads; default: all")
    parser.add_argument("--answer", action="store_true", help="as a child: answer")
    parser.add_argument("--cpu", action="append", help=f"kinds; default: {', '.join(KINDS)}")
    parser.add_argument("--cache", type=Path, help="folder for compiled kernels; default: none")
    options = parser.parse_args()
    names = options.names or list(all_workloads())
    if options.answer:
        answer_all(names)
        return
    with tempfile.TemporaryDirectory() as scratch:
        cache = (options.cache or Path(scratch)).resolve()
        replies = {kind: ask(kind, names, cache) for kind in options.cpu or KINDS}
    old = json.loads(FILE.read_text())["answers"] if FILE.exists() else {}
    entries = {name: old[name] for name in all_workloads() if name in old}
    for name in names:
        by_kind = {kind: (r[0], r[1][name]) for kind, r in replies.items() if r is not None}
        print(describe(name, by_kind))
        entries[name] = merge(name, by_kind, old.get(name, {}))
    ordered = {name: entries[name] for name in all_workloads() if name in entries}
    FILE.write_text(json.dumps({"binnet": "expected answers", "answers": ordered}, indent=1) + "\n")


if __name__ == "__main__":
    main()
