"""What is said of the machine: read from folders like those of other ones, and never private."""

from __future__ import annotations

import getpass
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from binnet.benchmarks import describe_host
from binnet.benchmarks._host import _cpu, _software, _system
from binnet.benchmarks._host._readings import Readings, parse_list

X86 = """processor\t: 0
vendor_id\t: GenuineIntel
cpu family\t: 6
model\t\t: 143
model name\t: Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz
stepping\t: 8
microcode\t: 0xffffffff
flags\t\t: fpu sse2 avx2 fma {hypervisor}

processor\t: 1
model name\t: another
"""
# Graviton 3: no name, and an empty line before the next CPU.
ARM = """processor\t: 0
BogoMIPS\t: 2100.00
Features\t: fp asimd evtstrm aes sve
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x1
CPU part\t: 0xd40
CPU revision\t: 1
"""


def write(root: Path, files: dict[str, str]) -> Readings:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text + "\n")
    return Readings(root)


def test_lists_of_the_kernel() -> None:
    assert parse_list("0-3,8,10-11") == [0, 1, 2, 3, 8, 10, 11]
    assert parse_list("") == []
    with pytest.raises(ValueError, match="x"):
        parse_list("x")


@pytest.mark.parametrize(("flag", "virtual"), [("hypervisor", True), ("", False)])
def test_an_x86(flag: str, virtual: bool, tmp_path: Path) -> None:
    readings = write(tmp_path, {"proc/cpuinfo": X86.format(hypervisor=flag)})
    found = _cpu.describe_cpu(readings)
    assert found["model"] == "Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz"
    assert (found["vendor"], found["family"], found["model_number"]) == ("GenuineIntel", "6", "143")
    assert (found["stepping"], found["microcode"]) == ("8", "0xffffffff")
    assert found["is_virtual"] is virtual


def test_an_arm_without_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"name": "neoverse_v1", "vendor": "ARM", "features": ["asimd", "sve"]}
    monkeypatch.setattr(_cpu, "_ask_archspec", lambda readings: known)
    readings = write(tmp_path, {"proc/cpuinfo": ARM})
    found = _cpu.describe_cpu(readings)
    assert found["model"] is None
    assert found["vendor"] == "ARM"
    assert (found["family"], found["model_number"], found["stepping"]) == ("8", "0xd40", "r1p1")
    assert found["microarchitecture"] == "neoverse_v1"
    assert found["is_virtual"] is None
    assert {"cpu.model", "cpu.is_virtual", "cpu.microcode"} == set(readings.unknown)


def test_archspec_may_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise RuntimeError("/home/someone")

    monkeypatch.setattr("archspec.cpu.host", fail)
    readings = write(tmp_path, {"proc/cpuinfo": X86})
    assert _cpu.describe_cpu(readings)["features"] is None
    assert readings.unknown["cpu.features"] == "archspec cannot tell: RuntimeError"


def test_macos_has_no_proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = {
        "machdep.cpu.brand_string": "Apple M2",
        "hw.physicalcpu": "8",
        "hw.memsize": "17179869184",
    }
    monkeypatch.setattr(_cpu, "read_sysctl", told.get)
    monkeypatch.setattr(_system, "read_sysctl", told.get)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    found = describe_host(tmp_path, {})
    assert found["cpu"]["model"] == "Apple M2"
    assert found["caches"] is None
    assert found["cores"]["physical"] == 8
    assert found["cores"]["online"] == os.cpu_count()
    assert found["memory"] == {"bytes": 17179869184, "huge_pages": None}
    missing = {"caches", "cores.affinity", "cores.quota", "cores.sockets", "memory.huge_pages"}
    assert missing <= set(found["unknown"])
    assert "cores.physical" not in found["unknown"]
    json.dumps(found, allow_nan=False)


def test_sysctl_is_asked_on_macos_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(command: list[str], **options: Any) -> Any:
        if command[-1] == "hw.nothing":
            raise subprocess.CalledProcessError(1, command)
        return subprocess.CompletedProcess(command, 0, "8\n")

    monkeypatch.setattr(subprocess, "run", answer)
    monkeypatch.setattr(sys, "platform", "linux")
    assert _cpu.read_sysctl("hw.physicalcpu") is None
    monkeypatch.setattr(sys, "platform", "darwin")
    assert _cpu.read_sysctl("hw.physicalcpu") == "8"
    assert _cpu.read_sysctl("hw.nothing") is None


def test_caches(tmp_path: Path) -> None:
    cache = "sys/devices/system/cpu/cpu0/cache"
    files = {}
    for index, level, kind, size, shared in (
        (0, 1, "Data", "48K", "0,48"),
        (1, 1, "Instruction", "32K", "0,48"),
        (2, 2, "Unified", "2048K", "0,48"),
        (10, 3, "Unified", "105M", "0-95"),
    ):
        files[f"{cache}/index{index}/level"] = str(level)
        files[f"{cache}/index{index}/type"] = kind
        files[f"{cache}/index{index}/size"] = size
        files[f"{cache}/index{index}/shared_cpu_list"] = shared
    readings = write(tmp_path, files)
    assert _cpu.describe_caches(readings) == [
        {"level": 1, "kind": "data", "bytes": 48 * 2**10, "shared_by": 2},
        {"level": 1, "kind": "instruction", "bytes": 32 * 2**10, "shared_by": 2},
        {"level": 2, "kind": "unified", "bytes": 2 * 2**20, "shared_by": 2},
        {"level": 3, "kind": "unified", "bytes": 105 * 2**20, "shared_by": 96},
    ]
    assert readings.unknown == {}
    (tmp_path / cache / "index10" / "size").write_text("much\n")
    caches = _cpu.describe_caches(readings)
    assert caches is not None
    assert caches[3]["bytes"] is None
    assert "not understood" in readings.unknown["caches.index10.bytes"]


def test_cores_with_smt(tmp_path: Path) -> None:
    cpus = "sys/devices/system/cpu"
    files = {f"{cpus}/online": "0-7", f"{cpus}/smt/active": "1"}
    for cpu in range(8):
        files[f"{cpus}/cpu{cpu}/topology/core_cpus_list"] = f"{cpu % 4},{cpu % 4 + 4}"
        files[f"{cpus}/cpu{cpu}/topology/physical_package_id"] = str(cpu % 4 // 2)
    found = _cpu.describe_cores(write(tmp_path, files))
    assert (found["online"], found["physical"], found["sockets"]) == (8, 4, 2)
    assert found["has_smt"] is True


def test_frequency(tmp_path: Path) -> None:
    cpus = "sys/devices/system/cpu"
    files = {f"{cpus}/intel_pstate/no_turbo": "1"}
    for cpu, highest in enumerate((3_500_000, 4_800_000)):
        files[f"{cpus}/cpu{cpu}/cpufreq/scaling_governor"] = ("performance", "powersave")[cpu]
        files[f"{cpus}/cpu{cpu}/cpufreq/scaling_driver"] = "intel_pstate"
        files[f"{cpus}/cpu{cpu}/cpufreq/scaling_min_freq"] = "800000"
        files[f"{cpus}/cpu{cpu}/cpufreq/scaling_max_freq"] = str(highest)
    assert _cpu.describe_frequency(write(tmp_path, files)) == {
        "governor": "performance, powersave", "driver": "intel_pstate",
        "lowest_hz": 800_000_000, "highest_hz": 4_800_000_000, "has_turbo": False,
    }  # fmt: skip
    (tmp_path / cpus / "intel_pstate/no_turbo").unlink()
    readings = write(tmp_path, {f"{cpus}/cpufreq/boost": "1"})
    assert _cpu.describe_frequency(readings)["has_turbo"] is True
    (tmp_path / cpus / "cpufreq/boost").unlink()
    assert _cpu.describe_frequency(readings)["has_turbo"] is None
    assert "frequency.has_turbo" in readings.unknown


V2 = {"proc/self/cgroup": "0::/user.slice/job.scope"}


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({**V2, "sys/fs/cgroup/user.slice/job.scope/cpu.max": "150000 100000"}, (1.5, "v2")),
        ({**V2, "sys/fs/cgroup/user.slice/job.scope/cpu.max": "max 100000"}, (None, "none")),
        (
            {  # the least on the way counts
                **V2,
                "sys/fs/cgroup/user.slice/cpu.max": "50000 100000",
                "sys/fs/cgroup/user.slice/job.scope/cpu.max": "200000 100000",
            },
            (0.5, "v2"),
        ),
        # In a container the own group is the root, whatever it is called outside.
        ({**V2, "sys/fs/cgroup/cpu.max": "400000 200000"}, (2.0, "v2")),
        (
            {
                "proc/self/cgroup": "5:cpu,cpuacct:/docker/0123\n1:name=systemd:/docker/0123",
                "sys/fs/cgroup/cpu,cpuacct/docker/0123/cpu.cfs_quota_us": "250000",
                "sys/fs/cgroup/cpu,cpuacct/docker/0123/cpu.cfs_period_us": "100000",
            },
            (2.5, "v1"),
        ),
        (
            {
                "proc/self/cgroup": "4:cpu:/",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
            },
            (None, "none"),
        ),
        ({"proc/version": ""}, (None, "unknown")),
    ],
)
def test_quota(files: dict[str, str], quota: tuple[float | None, str], tmp_path: Path) -> None:
    assert _system.find_quota(write(tmp_path, files)) == quota


@pytest.mark.parametrize(
    ("files", "granted"),
    [
        (
            {
                **V2,
                "sys/fs/cgroup/cpuset.cpus.effective": "0-7",
                "sys/fs/cgroup/user.slice/job.scope/cpuset.cpus.effective": "2-3",
            },
            [2, 3],
        ),
        ({"proc/self/cgroup": "3:cpuset:/", "sys/fs/cgroup/cpuset/cpuset.cpus": "0-1"}, [0, 1]),
        (V2, None),
    ],
)
def test_granted(files: dict[str, str], granted: list[int] | None, tmp_path: Path) -> None:
    readings = write(tmp_path, files)
    assert _system.describe_quota(readings)["granted"] == granted
    assert ("cores.granted" in readings.unknown) == (granted is None)


def test_memory_and_system(tmp_path: Path) -> None:
    files = {
        "proc/meminfo": "MemTotal:       24684096 kB\nMemFree: 1 kB",
        "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never",
        "etc/os-release": 'ID=debian\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"',
    }
    readings = write(tmp_path, files)
    found = _system.describe_memory(readings)
    assert found == {"bytes": 24684096 * 1024, "huge_pages": "madvise"}
    assert _system.describe_system(readings)["name"] == "Debian GNU/Linux 12 (bookworm)"
    write(tmp_path, {"proc/meminfo": "Nothing: 1 kB", "etc/os-release": "ID=x"})
    assert _system.describe_memory(readings)["bytes"] is None
    assert _system.describe_system(readings)["name"] is None
    assert {"memory.bytes", "system.name"} <= set(readings.unknown)


def test_environment() -> None:
    told = {
        "NUMBA_CACHE_DIR": "/home/ada/cache", "OMP_NUM_THREADS": "2", "OMP_PLACES": "{0},{1}",
        "OPENBLAS_CORETYPE": "Haswell", "PYTHONUSERBASE": "C:\\Users\\ada", "MKL_X": "by ada",
        "NUMBA_Y": "on lovelace", "LD_PRELOAD": "libjemalloc.so", "MALLOC_ARENA_MAX": "1",
        "HOME": "/home/ada", "USER": "ada", "HOSTNAME": "lovelace", "PATH": "/bin", "TOKEN": "x",
    }  # fmt: skip
    assert _software.describe_environment(told) == {
        "LD_PRELOAD": "libjemalloc.so", "MALLOC_ARENA_MAX": "1", "MKL_X": "(not shown)",
        "NUMBA_CACHE_DIR": "(not shown)", "NUMBA_Y": "(not shown)", "OMP_NUM_THREADS": "2",
        "OMP_PLACES": "{0},{1}", "OPENBLAS_CORETYPE": "Haswell", "PYTHONUSERBASE": "(not shown)",
    }  # fmt: skip


def find_words(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from find_words(item)
    elif isinstance(value, list):
        for item in value:
            yield from find_words(item)
    elif isinstance(value, str):
        yield value
    else:
        assert value is None or isinstance(value, bool | int | float)


def test_nothing_private_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "node", lambda: "machine-of-ada")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(Path.home() / "cache"))
    monkeypatch.setenv("OMP_WHO", getpass.getuser())
    monkeypatch.setenv("OMP_WHERE", "machine-of-ada")
    monkeypatch.setenv("PYTHONPATH", os.getcwd())
    monkeypatch.setenv("USER", getpass.getuser())
    texts = list(find_words(describe_host()))
    assert len(texts) > 100
    private = {str(Path.home()), os.getcwd(), sys.prefix, "machine-of-ada"}
    for text in texts:
        assert not any(name in text for name in private)
        assert getpass.getuser() not in re.split(r"\W+", text)
        assert not re.search(r"(^|[\s'\"=:])(/\w|[A-Z]:\\)", text)  # nothing like a path


def test_this_machine() -> None:
    found = describe_host()
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["python"]["version"] == platform.python_version()
    assert found["packages"]["numba"]
    assert isinstance(found["kernels"]["has_byte_dot"], bool)
    assert found["blas"][0]["name"]

    def find_missing(prefix: str, value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            for key, item in value.items():
                yield from find_missing(f"{prefix}.{key}" if prefix else key, item)
        elif value is None:
            yield prefix

    # What is null has a reason, but for a quota that does not exist.
    facts = {key: value for key, value in found.items() if key != "unknown"}
    missing = {name for name in find_missing("", facts) if name != "cores.quota"}
    assert missing <= set(found["unknown"])


def test_the_kernels_level_is_that_of_the_chosen_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    import numba

    for features, level in (
        ("+avx512f,+avx512vnni,+avx2", "AVX-512 VNNI"), ("+avx512f,-avx512vnni", "AVX-512"),
        ("+avx2,+fma", "AVX2"), ("+avx2", "none"), ("+neon", "NEON"),
    ):  # fmt: skip
        monkeypatch.setattr(numba.config, "CPU_FEATURES", features)
        monkeypatch.setattr(numba.config, "CPU_NAME", "generic")
        found = _software.describe_kernels()
        assert (found["simd"], found["compiled_for"], found["is_host"]) == (level, "generic", False)
        assert "avx512vnni" not in found["features"] or level == "AVX-512 VNNI"


def test_a_blas_that_nobody_knows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import numpy as np

    monkeypatch.setattr("threadpoolctl.threadpool_info", lambda: [])
    build = {"Build Dependencies": {"blas": {"name": "accelerate", "version": "unknown"}}}
    monkeypatch.setattr(np, "show_config", lambda mode: build)
    readings = Readings(tmp_path)
    (found,) = _software.describe_blas(readings) or [{}]
    assert (found["name"], found["architecture"], found["threads"]) == ("accelerate", None, None)
    assert "blas.threads" in readings.unknown
    monkeypatch.setattr(np, "show_config", lambda mode: {})
    assert _software.describe_blas(readings) is None
    assert "blas" in readings.unknown


def run_git(folder: Path, *arguments: str) -> None:
    who = ("-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", folder, *who, *arguments], check=True, capture_output=True)


def test_commit_of_a_checkout(tmp_path: Path) -> None:
    source = tmp_path / "src" / "binnet" / "a.py"
    write(tmp_path, {"src/binnet/a.py": "1", "kernels/b.py": "2", "README.md": "3"})
    run_git(tmp_path, "init", "--quiet")
    run_git(tmp_path, "add", ".")
    run_git(tmp_path, "commit", "--quiet", "-m", "x")
    found = _software.describe_code(Readings(), tmp_path)
    assert re.fullmatch("[0-9a-f]{40}", found["commit"])
    assert (found["from"], found["is_dirty"]) == ("checkout", False)
    (tmp_path / "README.md").write_text("changed")
    assert not _software.describe_code(Readings(), tmp_path)["is_dirty"]
    source.write_text("changed")
    assert _software.describe_code(Readings(), tmp_path)["is_dirty"]


def test_a_package_has_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_software, "_find_installed_commit", lambda: None)
    readings = Readings()
    found = _software.describe_code(readings, tmp_path)
    assert (found["from"], found["commit"], found["is_dirty"]) == ("package", None, None)
    assert {"binnet.commit", "binnet.is_dirty"} <= set(readings.unknown)


def test_the_commit_that_pip_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    class Distribution:
        def __init__(self, text: str | None) -> None:
            self.read_text = lambda name: text

    for text, commit in (
        ('{"url": "x", "vcs_info": {"vcs": "git", "commit_id": "abc"}}', "abc"),
        ('{"url": "x", "dir_info": {}}', None), (None, None), ("{", None),
    ):  # fmt: skip
        found = Distribution(text)
        monkeypatch.setattr(_software.metadata, "distribution", lambda name, found=found: found)
        assert _software._find_installed_commit() == commit


def test_git_may_be_missing_or_refuse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, {"src/binnet/a.py": "1", ".git": "gitdir: nowhere"})
    readings = Readings()
    assert _software.describe_code(readings, tmp_path)["commit"] is None
    assert readings.unknown["binnet.commit"] == "git refused to tell"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert _software.describe_code(readings, tmp_path)["is_dirty"] is None
    assert readings.unknown["binnet.is_dirty"] == "git is not installed"
