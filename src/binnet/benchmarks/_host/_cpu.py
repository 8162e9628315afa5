"""What the system tells of the CPU: its name, caches, cores and clock."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from typing import Any

from binnet.benchmarks._host._readings import Readings, find_one, parse_list, parse_size

_CPUS = "sys/devices/system/cpu"
_BRAND = "machdep.cpu.brand_string"


def describe_cpu(readings: Readings) -> dict[str, Any]:
    """Return the name of the CPU, and whether a hypervisor lends it.

    On ARM the family is that of the architecture, the model its part, and the stepping its variant
    and revision, as in lscpu: its kernel knows no names.
    """
    info = _read_cpuinfo(readings)
    flags = info.get("flags", info.get("Features", "")).split()
    vendor = info.get("vendor_id")
    family, model = info.get("cpu family"), info.get("model")
    stepping = info.get("stepping")
    if "CPU part" in info:
        vendor, family, model = None, info.get("CPU architecture"), info["CPU part"]
        variant = info.get("CPU variant", "0x0")
        stepping = f"r{int(variant, 0)}p{info.get('CPU revision', '0')}"
    facts: dict[str, Any] = {
        "model": info.get("model name") or info.get("Model") or read_sysctl(_BRAND),
        "vendor": vendor,
        "family": family,
        "model_number": model,
        "stepping": stepping,
        "microcode": info.get("microcode") or readings.read(f"{_CPUS}/cpu0/microcode/version"),
        "is_virtual": "hypervisor" in flags if "flags" in info else None,
    }
    names = _ask_archspec(readings)
    facts["vendor"] = facts["vendor"] or names["vendor"]
    facts |= {"microarchitecture": names["name"], "features": names["features"]}
    for name, value in facts.items():
        if value is None and f"cpu.{name}" not in readings.unknown:
            readings.miss(f"cpu.{name}", "the system does not tell it (proc/cpuinfo)")
    return facts


def _read_cpuinfo(readings: Readings) -> dict[str, str]:
    """Return what is said of the first CPU, and of the whole machine (ARM: behind the CPUs)."""
    info: dict[str, str] = {}
    for line in (readings.read("proc/cpuinfo") or "").splitlines():
        name, colon, value = line.partition(":")
        if colon and value.strip():
            info.setdefault(name.strip(), value.strip())
    return info


def _ask_archspec(readings: Readings) -> dict[str, Any]:
    """Return the microarchitecture that has all the features which the system shows."""
    try:
        from archspec.cpu import host

        found = host()
        vendor = None if found.vendor == "generic" else found.vendor
        return {"name": found.name, "vendor": vendor, "features": sorted(found.features)}
    except Exception as error:  # whatever it meets on a machine that nobody has tried
        reason = f"archspec cannot tell: {type(error).__name__}"
        readings.miss("cpu.microarchitecture", reason)
        readings.miss("cpu.features", reason)
        return {"name": None, "vendor": None, "features": None}


def read_sysctl(name: str) -> str | None:
    """Return what macOS says under a name; None elsewhere."""
    if sys.platform != "darwin":
        return None
    try:
        done = subprocess.run(
            ["/usr/sbin/sysctl", "-n", name], capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None


def describe_caches(readings: Readings) -> list[dict[str, Any]] | None:
    """Return the caches that CPU 0 has: level, kind, bytes, and how many threads share it."""
    caches = []
    for folder in readings.list_folders(f"{_CPUS}/cpu0/cache", "index[0-9]*"):
        key = f"caches.{folder.rpartition('/')[2]}"
        shared = readings.find(f"{key}.shared_by", f"{folder}/shared_cpu_list", parse_list)
        caches.append({
            "level": readings.find(f"{key}.level", f"{folder}/level", int),
            "kind": readings.find(f"{key}.kind", f"{folder}/type", str.lower),
            "bytes": readings.find(f"{key}.bytes", f"{folder}/size", parse_size),
            "shared_by": None if shared is None else len(shared),
        })  # fmt: skip
    if not caches:
        readings.miss("caches", f"{_CPUS}/cpu0/cache is not there")
    return caches or None


def describe_cores(readings: Readings) -> dict[str, Any]:
    """Return how many threads and cores there are, and which of them this process may run on."""
    online = readings.find("cores.online", f"{_CPUS}/online", parse_list)
    siblings, packages = set(), set()
    for folder in readings.list_folders(_CPUS, "cpu[0-9]*"):
        siblings.add(
            readings.read(f"{folder}/topology/core_cpus_list")
            or readings.read(f"{folder}/topology/thread_siblings_list")
        )
        packages.add(readings.read(f"{folder}/topology/physical_package_id"))
    told = read_sysctl("hw.physicalcpu")
    physical = len(siblings - {None}) or (int(told) if told else None)
    sockets = len(packages - {None}) or None
    for name, value in (("physical", physical), ("sockets", sockets)):
        if value is None:
            readings.miss(f"cores.{name}", f"{_CPUS}/cpu0/topology is not there")
    affinity = _find_affinity()
    if affinity is None:
        readings.miss("cores.affinity", f"{platform.system()} does not tell it")
    return {
        "online": len(online) if online is not None else os.cpu_count(),
        "physical": physical,
        "sockets": sockets,
        "has_smt": readings.find("cores.has_smt", f"{_CPUS}/smt/active", _parse_flag),
        "affinity": affinity,
    }


def _find_affinity() -> list[int] | None:
    try:
        return sorted(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        return None


def _parse_flag(text: str) -> bool:
    return bool(int(text))


def describe_frequency(readings: Readings) -> dict[str, Any]:
    """Return who chooses the clock, between which limits, and whether it may go beyond."""
    folders = [f"{cpu}/cpufreq" for cpu in readings.list_folders(_CPUS, "cpu[0-9]*")]
    facts: dict[str, Any] = {}
    for name, file in (("governor", "scaling_governor"), ("driver", "scaling_driver")):
        facts[name] = find_one(filter(None, (readings.read(f"{f}/{file}") for f in folders)))
    for name, file, choose in (
        ("lowest_hz", "scaling_min_freq", min), ("highest_hz", "scaling_max_freq", max)
    ):  # fmt: skip
        told = [text for f in folders if (text := readings.read(f"{f}/{file}")) is not None]
        khz = [int(text) for text in told if text.isdecimal()]
        facts[name] = 1000 * choose(khz) if khz else None
    for name, value in facts.items():
        if value is None:
            readings.miss(f"frequency.{name}", f"{_CPUS}/cpu0/cpufreq does not tell it")
    return {**facts, "has_turbo": _find_turbo(readings)}


def _find_turbo(readings: Readings) -> bool | None:
    no_turbo = readings.read(f"{_CPUS}/intel_pstate/no_turbo")
    if no_turbo in ("0", "1"):
        return no_turbo == "0"
    boost = readings.read(f"{_CPUS}/cpufreq/boost")
    if boost in ("0", "1"):
        return boost == "1"
    readings.miss(
        "frequency.has_turbo", f"neither {_CPUS}/intel_pstate/no_turbo nor cpufreq/boost tells it"
    )
    return None
