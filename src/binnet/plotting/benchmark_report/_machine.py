"""What a page says of the machine and its software, and how to do the same again.

The facts may come from any file: what is not there, or is of another kind, is "unknown".
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any
from xml.etree.ElementTree import Element

from binnet.benchmarks._division import changes_speed, load_pins
from binnet.benchmarks._plan import make_command
from binnet.benchmarks._result import BenchmarkResult
from binnet.plotting.benchmark_report._html import element, facts, section

_UNKNOWN = "unknown"
_NAMES = {"numba": "Numba", "llvmlite": "llvmlite", "llvm": "LLVM", "numpy": "NumPy",
          "scipy": "SciPy"}  # fmt: skip


class Machine:
    """The facts of `describe_host`, asked for by topic and name."""

    def __init__(self, facts: Mapping[str, Any]) -> None:
        self.facts = facts

    def get(self, *names: str) -> Any:
        """Return a fact, None where it is not known."""
        found: Any = self.facts
        for name in names:
            found = found.get(name) if isinstance(found, Mapping) else None
        return found

    def say(self, *names: str, unit: str = "") -> str:
        """Return a fact as text; where it is not known, why."""
        value = self.get(*names)
        if value is None:
            reason = self.get("unknown", ".".join(names))
            return f"{_UNKNOWN} ({reason})" if isinstance(reason, str) else _UNKNOWN
        if isinstance(value, bool):
            return "yes" if value else "no"
        return f"{_to_text(value)}{unit}"

    @property
    def title(self) -> str:
        """What to call it."""
        model = self.get("cpu", "model")
        if model is not None:
            return _to_text(model)
        names = (self.get("cpu", "vendor"), self.get("cpu", "microarchitecture"))
        return " ".join(map(_to_text, filter(None, names))) or "a CPU without a name"


def _to_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def describe_machine(machine: Machine) -> Element:
    """Return the section on the machine."""
    return section("Machine", facts(_main_facts(machine)), id_="machine")


def list_facts(machine: Machine) -> Element:
    """Return the section with all facts, folded up."""
    title = "All that is known of the machine, and why the rest is not"
    return section(
        "Facts",
        element("details", element("summary", title), facts(_all_facts(machine.facts))),
        id_="facts",
    )


def _main_facts(machine: Machine) -> Iterator[tuple[str, str]]:
    say = machine.say
    yield "CPU", machine.title
    yield (
        "Microarchitecture",
        f"{say('cpu', 'microarchitecture')} by the features shown; LLVM compiles for "
        f"{say('kernels', 'compiled_for')}",
    )
    yield "SIMD of the kernels", say("kernels", "simd")
    yield (
        "Family, model, stepping",
        ", ".join(say("cpu", name) for name in ("family", "model_number", "stepping")),
    )
    yield "Microcode", say("cpu", "microcode")
    yield "Cores", _describe_cores(machine)
    yield "Caches", "; ".join(_describe_caches(machine)) or say("caches")
    yield "Memory", _describe_memory(machine)
    yield "Clock", _describe_clock(machine)
    yield "Virtual machine", say("cpu", "is_virtual")
    yield "System", f"{say('system', 'name')}; {say('system', 'kernel')}; {say('system', 'libc')}"
    yield "BLAS of NumPy", "; ".join(_describe_blas(machine)) or say("blas")


def _describe_cores(machine: Machine) -> str:
    bound, quota = machine.get("cores", "affinity"), machine.get("cores", "quota")
    is_part = isinstance(bound, list) and len(bound) != machine.get("cores", "online")
    used = f"; this run may use {len(bound)} of the threads" if is_part else ""
    limit = f"; a quota of {_to_text(quota)} cores" if quota is not None else ""
    return (
        f"{machine.say('cores', 'physical')} cores, {machine.say('cores', 'online')} threads, "
        f"SMT: {machine.say('cores', 'has_smt')}{used}{limit}"
    )


def _describe_caches(machine: Machine) -> Iterator[str]:
    caches = machine.get("caches")
    for cache in caches if isinstance(caches, list) else []:
        one = Machine(cache if isinstance(cache, Mapping) else {})
        shared = one.get("shared_by")
        n_bytes = one.get("bytes")
        size = format_bytes(n_bytes) if isinstance(n_bytes, int) else _UNKNOWN
        by = f" for {shared} threads" if isinstance(shared, int) and shared > 1 else ""
        yield f"L{one.say('level')} {one.say('kind')} {size}{by}"


def _describe_memory(machine: Machine) -> str:
    n_bytes = machine.get("memory", "bytes")
    size = format_bytes(n_bytes) if isinstance(n_bytes, int) else machine.say("memory", "bytes")
    return f"{size}; large pages: {machine.say('memory', 'huge_pages')}"


def _describe_clock(machine: Machine) -> str:
    highest = machine.get("frequency", "highest_hz")
    limit = f"; at most {highest / 1e9:.2f} GHz" if isinstance(highest, int) else ""
    known = {"governor": "governor", "has_turbo": "turbo"}
    said = [
        f"{title}: {machine.say('frequency', name)}"
        for name, title in known.items()
        if machine.get("frequency", name) is not None
    ]
    return "; ".join(said) + limit or f"{_UNKNOWN}: the system tells neither governor nor turbo"


def _describe_blas(machine: Machine) -> Iterator[str]:
    found = machine.get("blas")
    for blas in found if isinstance(found, list) else []:
        one = Machine(blas if isinstance(blas, Mapping) else {})
        yield (
            f"{one.say('name')} {one.say('version')}, code for {one.say('architecture')}, "
            f"{one.say('threads')} threads"
        )


def format_bytes(n_bytes: int) -> str:
    """Return a size in the units of memory: 32 KB is 32768 bytes."""
    for power, unit in ((30, "GB"), (20, "MB"), (10, "KB")):
        if n_bytes >= 2**power:
            return f"{n_bytes / 2**power:.3g} {unit}"
    return f"{n_bytes} bytes"


def _all_facts(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield all facts under names like "cpu.model"."""
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _all_facts(item, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list) and all(isinstance(item, str) for item in value):
        yield name, " ".join(value)
    else:
        yield name, _to_text(value)


def describe_reproduction(result: BenchmarkResult, machine: Machine) -> Element:
    """Return the section that says how to do the same again."""
    pins = load_pins()
    needed = {name: machine.get("packages", name) for name in pins["packages"]}
    install = " ".join(f"{name}=={_to_text(v)}" for name, v in needed.items() if v is not None)
    version = _to_text(result.provenance.get("binnet", _UNKNOWN))
    commands = [f"pip install binnet=={version} {install}".rstrip()]
    if machine.get("binnet", "from") == "checkout":
        commands = [f"git checkout {machine.say('binnet', 'commit')}", f"pip install . {install}"]
    commands.append(" ".join(make_command(result.settings)))
    variables = machine.get("environment")
    changing = [
        f"{name}={_to_text(value)}"
        for name, value in (variables.items() if isinstance(variables, Mapping) else ())
        if changes_speed(str(name))
    ]
    return section(
        "Do the same",
        element("pre", element("code", "\n".join(commands))),
        facts([
            ("binnet", f"{version}, commit {machine.say('binnet', 'commit')}, "
                       f"changed since: {machine.say('binnet', 'is_dirty')}"),
            ("Python", f"{machine.say('python', 'implementation')} "
                       f"{machine.say('python', 'version')}"),
            ("Packages", ", ".join(f"{title} {machine.say('packages', name)}"
                                   for name, title in _NAMES.items())),
            ("Variables that change speed", ", ".join(changing) or "none set"),
            ("Date", _to_text(result.provenance.get("started", _UNKNOWN))),
        ]),
        id_="reproduce",
    )  # fmt: skip
