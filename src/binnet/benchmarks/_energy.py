"""Energy of the CPU's packages, by the counters of Linux's powercap (RAPL of Intel and AMD).

A counter is a number of microjoules that begins again at 0 beyond its range, which takes minutes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

_FOLDER = "class/powercap"


class EnergyMeter:
    """What the packages of this machine have used, where the system lets it be read.

    Parameters
    ----------
    root : Path, default /sys
        Where the system's files are.
    """

    def __init__(self, root: Path = Path("/sys")) -> None:
        self.reason: str | None = None  # why nothing can be read
        self._zones: dict[Path, int] = {}  # counter: its range
        folder = root / _FOLDER
        # Zones below a package are parts of it; "psys" holds the packages and more.
        for zone in sorted(folder.glob("intel-rapl:*")):
            if zone.name.count(":") > 1 or not _read_text(zone / "name").startswith("package"):
                continue
            try:
                int((zone / "energy_uj").read_text())
                self._zones[zone / "energy_uj"] = int((zone / "max_energy_range_uj").read_text())
            except PermissionError:
                self.reason = f"needs root: permission denied for {zone / 'energy_uj'}"
            except (OSError, ValueError) as error:
                self.reason = f"{zone / 'energy_uj'} cannot be read: {error}"
        if self.reason is not None:
            self._zones = {}  # some packages are not all of them
        elif not self._zones:
            self.reason = f"no powercap here: {folder} has no counter of a package"

    def read(self) -> tuple[int, ...] | None:
        """Return the counters, or None where there are none."""
        try:
            return tuple(int(path.read_text()) for path in self._zones) or None
        except (OSError, ValueError):
            return None

    def joules_since(self, before: tuple[int, ...] | None) -> float | None:
        """Return the joules that all packages have used since they were read."""
        after = self.read()
        if before is None or after is None:
            return None
        ranges = self._zones.values()
        used = (
            (new - old) % (top + 1) for old, new, top in zip(before, after, ranges, strict=True)
        )
        return 1e-6 * sum(used)

    def describe(self) -> dict[str, Any]:
        """Return whether there is anything to be read, and why not, as plain values."""
        return {
            "available": self.reason is None,
            "reason": self.reason,
            "packages": len(self._zones),
            "source": None if self.reason is not None else "powercap",
        }


def _read_text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
