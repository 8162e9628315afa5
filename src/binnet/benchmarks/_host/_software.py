"""The software that computes: Python, Numba and its target, NumPy's BLAS, binnet itself."""

from __future__ import annotations

import importlib
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from binnet._provenance import get_version
from binnet.benchmarks._host._readings import Readings

_PACKAGES = ("numba", "llvmlite", "numpy", "scipy")
# What speaks to those that compute: families by how their names begin, and single names.
_FAMILIES = (
    "NUMBA_", "OPENBLAS_", "GOTO_", "OMP_", "GOMP_", "KMP_", "MKL_", "BLIS_", "VECLIB_", "TBB_",
    "PYTHON", "MALLOC_", "TCMALLOC_", "NPY_", "LLVM_",
)  # fmt: skip
_NAMES = ("LD_PRELOAD", "GLIBC_TUNABLES", "DYLD_INSERT_LIBRARIES")
_PLAIN = re.compile(r"[\w .,:;=+\-{}()\"]{0,200}", re.ASCII)
# The widest vectors of a family first: LLVM's names of what is asked for, and how people say it.
_LEVELS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("AVX-512 VNNI", ("avx512f", "avx512vnni")),
    ("AVX-512", ("avx512f",)),
    ("AVX2", ("avx2", "fma")),
    ("AVX", ("avx",)),
    ("SSE4.2", ("sse4.2",)),
    ("SSE2", ("sse2",)),
    ("SVE", ("sve",)),
    ("NEON", ("neon",)),
)


def describe_python() -> dict[str, Any]:
    """Return which Python runs this, and whether it has one lock for all threads."""
    has_lock = getattr(sys, "_is_gil_enabled", lambda: True)()
    return {
        "version": platform.python_version(),
        "implementation": platform.python_implementation(),
        "compiler": platform.python_compiler(),
        "has_gil": bool(has_lock),
    }


def describe_packages(readings: Readings) -> dict[str, str | None]:
    """Return the versions of what computes, and of LLVM."""
    from llvmlite.binding import llvm_version_info

    versions: dict[str, str | None] = {}
    for name in _PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = None
            readings.miss(f"packages.{name}", "it was not installed as a package")
    return {**versions, "llvm": ".".join(map(str, llvm_version_info))}


def describe_kernels() -> dict[str, Any]:
    """Return the CPU that kernels are compiled for, and what they chose to use of it.

    LLVM asks the CPU itself. It may know another name than archspec, which goes by the features
    that the system shows.
    """
    import numba
    from llvmlite import binding

    from binnet_kernels.lowlevel.rounding import HAS_PERMUTE
    from binnet_kernels.lowlevel.sign_sums import HAS_WIDE_VECTORS
    from binnet_kernels.lowlevel.simd import HAS_BYTE_DOT, compiles_for

    is_own = numba.config.CPU_NAME in (None, "", "host") and numba.config.CPU_FEATURES is None
    levels = (level for level, needed in _LEVELS if compiles_for(*needed))
    features = [name for name, has in binding.get_host_cpu_features().items() if has]
    if numba.config.CPU_FEATURES is not None:
        told = numba.config.CPU_FEATURES.split(",")
        features = [name[1:] for name in told if name.startswith("+")]
    return {
        "simd": next(levels, "none"),
        "compiled_for": binding.get_host_cpu_name() if is_own else numba.config.CPU_NAME,
        "is_host": is_own,
        "features": sorted(features),
        "has_fma": compiles_for("fma"),
        "has_byte_dot": bool(HAS_BYTE_DOT),
        "has_wide_vectors": bool(HAS_WIDE_VECTORS),
        "has_permute": bool(HAS_PERMUTE),
    }


def describe_blas(readings: Readings) -> list[dict[str, Any]] | None:
    """Return the BLAS that NumPy has loaded, the CPU it chose its code for, and its threads."""
    from threadpoolctl import threadpool_info

    numpy = importlib.import_module("numpy")
    found = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    if found:
        return [
            {
                "name": pool["internal_api"],
                "version": pool.get("version"),
                "architecture": pool.get("architecture"),
                "threads": pool["num_threads"],
                "threading": pool.get("threading_layer"),
                "of": _name_owner(pool["filepath"]),
            }
            for pool in found
        ]
    built = numpy.show_config(mode="dicts").get("Build Dependencies", {}).get("blas", {})
    if not built.get("name"):
        readings.miss("blas", "neither threadpoolctl nor NumPy tells it")
        return None
    readings.miss("blas.threads", "threadpoolctl does not know this BLAS")
    unknown = dict.fromkeys(("architecture", "threads", "threading"))
    return [{"name": built["name"], "version": built.get("version"), **unknown, "of": "numpy"}]


def _name_owner(path: str) -> str | None:
    """Return the package in whose folder a library lies; None where it is the system's."""
    owners = (name for name in ("numpy", "scipy") if f"{name}.libs" in Path(path).parts)
    return next(owners, None)


def describe_code(readings: Readings, root: Path | None = None) -> dict[str, Any]:
    """Return binnet's version, whether it runs from a checkout, and the commit, if it can be told.

    A checkout is dirty where its sources are not those of the commit; other files do not matter.
    """
    root = root or Path(__file__).resolve().parents[4]
    facts: dict[str, Any] = {"version": get_version(), "commit": None, "is_dirty": None}
    if not ((root / ".git").exists() and (root / "src" / "binnet").is_dir()):
        commit = _find_installed_commit()
        if commit is None:
            readings.miss("binnet.commit", "binnet was installed as a package, which has none")
        readings.miss("binnet.is_dirty", "binnet was installed as a package")
        return {**facts, "commit": commit, "from": "package"}
    try:
        commit = _ask_git(root, "rev-parse", "HEAD")
        changed = _ask_git(root, "status", "--porcelain", "--", "src", "kernels")
        facts |= {"commit": commit, "is_dirty": bool(changed)}
    except (OSError, subprocess.SubprocessError) as error:
        reason = "git is not installed" if isinstance(error, OSError) else "git refused to tell"
        readings.miss("binnet.commit", reason)
        readings.miss("binnet.is_dirty", reason)
    return {**facts, "from": "checkout"}


def _ask_git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), "--no-optional-locks", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.strip()


def _find_installed_commit() -> str | None:
    """Return the commit that pip fetched, where it did (PEP 610)."""
    try:
        told = json.loads(metadata.distribution("binnet").read_text("direct_url.json") or "{}")
    except (metadata.PackageNotFoundError, ValueError):
        return None
    commit = told.get("vcs_info", {}).get("commit_id")
    return commit if isinstance(commit, str) else None


def describe_environment(variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the variables that those who compute look at; of private values, only that they are.

    A private one has a path in it, a name of the user's or of this machine, or unusual characters.
    """
    variables = os.environ if variables is None else variables
    own = {variables.get(name, "") for name in ("USER", "LOGNAME", "USERNAME", "HOSTNAME")}
    own |= {Path(variables.get("HOME", "")).name, platform.node(), platform.node().split(".")[0]}
    return {
        name: value if _is_public(value, own) else "(not shown)"
        for name, value in sorted(variables.items())
        if name.startswith(_FAMILIES) or name in _NAMES
    }


def _is_public(value: str, own: set[str]) -> bool:
    words = set(re.split(r"[^\w\-]+", value)) | set(re.split(r"\W+", value))
    return _PLAIN.fullmatch(value) is not None and not (words & (own - {""}))
