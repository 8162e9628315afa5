"""Speed against an earlier commit, in turns: `python bench/against_commit.py COMMIT`.

Both trees run the same workloads, those of `binnet bench` in this tree, each in processes of its
own on one interpreter: the earlier one with its own binnet and kernels, in turns with this one (A B
B A ...). Only calls are timed, after a first one that compiled. After each round both must have
found the same, bit by bit (learning: all weights, hence all accuracies): else they did not do the
same work, and the ratio is refused. A workload that the earlier tree cannot run is named with its
error. Uncommitted changes are part of this tree. The table is Markdown.

The interval is that of the median ratio, from a bootstrap over rounds; these are shared among
several processes of each tree, since a process may be fast or slow by where its data happen to lie.
Rounds of one process share that luck and are drawn as if they did not, so a small difference is to
be believed only if it comes back with more `--processes`.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from scipy.stats import bootstrap

from binnet._progress import progress_bar
from binnet.benchmarks.workloads import all_workloads, choose_workloads

ROOT = Path(__file__).resolve().parents[1]
WORKER = Path(__file__).with_name("commit_worker.py")
# What the earlier tree is lent, in place of its own if it has any: the workloads, and the loops
# around kernels that are theirs alone.
WORKLOADS = Path("src", "binnet", "benchmarks")
REPEATS = Path("kernels", "binnet_kernels", "repeats.py")
_SECONDS = 0.1  # of a value, at least


class Tree:
    """A process that runs workloads with the code of one tree; begun when it is first asked."""

    def __init__(self, tree: Path, cache: Path | None = None) -> None:
        self._tree = tree
        self._environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(str(tree / part) for part in ("src", "kernels"))
        }
        if cache is not None:
            self._environment.pop("NUMBA_CACHE_DIR", None)
            self._environment |= {"XDG_CACHE_HOME": str(cache), "HOME": str(cache)}  # HOME: macOS
        self._process: subprocess.Popen[str] | None = None

    def ask(self, do: str, **request: Any) -> dict[str, Any]:
        """Send a request and return the reply: {"error": why} where it could not be answered."""
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-P", str(WORKER)],
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            self._check_files()
        reply = self._exchange({"do": do, **request})
        if reply is None:
            self.close()
            return {"error": "its process died, with what is above"}
        return reply

    def close(self) -> None:
        """End the process; another one is begun when it is asked again."""
        if self._process is None:
            return
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait(timeout=60)
        self._process.stdout.close()
        self._process = None

    def _exchange(self, request: dict[str, Any]) -> dict[str, Any] | None:
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        line = self._process.stdout.readline()
        return json.loads(line) if line else None

    def _check_files(self) -> None:
        """Refuse a tree whose packages come from somewhere else."""
        reply = self._exchange({"do": "say_files"})
        problem = "its process died" if reply is None else reply.get("error", "")
        for file in () if reply is None else reply.get("files", ()):
            if not Path(file).is_relative_to(self._tree):
                problem = f"{file} would be used"
        if problem:
            self.close()
            raise click.ClickException(f"{self._tree} has no binnet of its own: {problem}")


@dataclass
class Row:
    """What was measured of a workload: seconds a call of the earlier tree and of this, by round."""

    workload: str
    threads: int
    rounds: list[tuple[float, float]] = field(default_factory=list)
    problem: str = ""  # why there is no ratio
    is_failure: bool = False  # whether that is this tree's fault

    def has_problem(self, before: dict[str, Any], after: dict[str, Any]) -> bool:
        """Return whether the replies of both trees forbid to compare them, and note why."""
        if "error" in after:
            self.problem, self.is_failure = f"this tree fails: {after['error']}", True
        elif "error" in before:
            self.problem = f"the earlier tree cannot run it: {before['error']}"
        elif before["checksum"] != after["checksum"]:
            answers = f"{before['checksum']} and {after['checksum']}"
            self.problem, self.is_failure = f"answers differ, {answers}: not the same work", True
        return bool(self.problem)

    def measure(self, earlier: Tree, now: Tree, rounds: int) -> None:
        """Add rounds of both trees, in turns."""
        if self.problem:
            return
        request = {"workload": self.workload, "threads": self.threads}
        before, after = (side.ask("prepare", **request) for side in (earlier, now))
        if self.has_problem(before, after):
            return
        loops = math.ceil(_SECONDS / min(before["seconds"], after["seconds"]))
        for k in range(rounds):
            if k % 2 == 0:
                before, after = earlier.ask("time", loops=loops), now.ask("time", loops=loops)
            else:
                after, before = now.ask("time", loops=loops), earlier.ask("time", loops=loops)
            if self.has_problem(before, after):
                return
            self.rounds.append((before["seconds"], after["seconds"]))

    def show(self) -> str:
        """Return the row as Markdown."""
        begin = f"| {self.workload} | {self.threads} "
        if self.problem:
            return f"{begin}| | | none | | | {self.problem.replace('|', '/')} |"
        before, after = zip(*self.rounds, strict=True)
        median, low, high = ratio_with_interval(before, after)
        times = (f"{1e3 * min(one):.4g} / {1e3 * np.median(one):.4g}" for one in (before, after))
        return (
            f"{begin}| {' | '.join(times)} | {min(after) / min(before):.3f} "
            f"| {median:.3f} | {low:.3f} to {high:.3f} | the same |"
        )


def ratio_with_interval(
    before: Sequence[float], after: Sequence[float]
) -> tuple[float, float, float]:
    """Return the ratio of the medians, and its 95 % interval from a bootstrap over rounds."""

    def ratio(before: NDArray[Any], after: NDArray[Any], axis: int = -1) -> NDArray[Any]:
        quotient: NDArray[Any] = np.median(after, axis) / np.median(before, axis)
        return quotient

    found = bootstrap(
        (before, after),
        ratio,
        paired=True,  # both sides of a round have the machine in one state
        vectorized=True,
        method="percentile",
        random_state=np.random.default_rng(0),  # SciPy 1.14 knows it by this name
    )
    low, high = found.confidence_interval
    return float(ratio(np.array(before), np.array(after))), float(low), float(high)


def compare(earlier: Tree, now: Tree, rows: list[Row], rounds: int, processes: int) -> None:
    """Measure the rows and print each when it is complete, or what there is where one stops it."""
    shares = np.diff(np.linspace(0, rounds, processes + 1).astype(int)).tolist()
    left = list(rows)
    bar = progress_bar(total=processes * len(rows), disable=None, leave=False)
    try:
        for k, share in enumerate(shares):
            for row in rows:
                bar.set_postfix_str(f"{row.workload}, {row.threads} threads")
                row.measure(earlier, now, share)
                bar.update()
                if k == processes - 1:
                    bar.clear()
                    click.echo(left.pop(0).show())
            earlier.close()
            now.close()
    except (KeyboardInterrupt, SystemExit):
        for row in left:
            row.problem = row.problem or ("" if len(row.rounds) > 2 else "not measured")
            click.echo(row.show())
        raise
    finally:
        bar.close()
        earlier.close()
        now.close()


def lend_workloads(tree: Path) -> None:
    """Give a tree this one's workloads.

    Not their package's `__init__`: what it offers a user needs more of binnet than they do.
    """
    shutil.rmtree(tree / WORKLOADS, ignore_errors=True)
    shutil.copytree(ROOT / WORKLOADS, tree / WORKLOADS, ignore=shutil.ignore_patterns("*.pyc"))
    (tree / WORKLOADS / "__init__.py").write_text("")
    if (tree / REPEATS).parent.is_dir():
        shutil.copy(ROOT / REPEATS, tree / REPEATS)


@contextmanager
def checked_out(commit: str) -> Iterator[tuple[Path, Path]]:
    """Yield a folder with the commit's files and this tree's workloads, and one for kernels."""
    with tempfile.TemporaryDirectory() as folder:
        tree, cache = Path(folder).resolve() / "tree", Path(folder).resolve() / "cache"
        git = ["git", "-C", str(ROOT), "worktree"]
        added = subprocess.run([*git, "add", "--quiet", "--detach", str(tree), commit], check=False)
        if added.returncode:
            raise click.BadParameter(f"git has no tree of {commit}; name one of its commits")
        try:
            lend_workloads(tree)
            yield tree, cache
        finally:
            subprocess.run([*git, "remove", "--force", str(tree)], check=True)


def choose(suite: str | None, names: tuple[str, ...]) -> list[str]:
    """Return the names of the workloads of a suite, or those that are named."""
    if suite is not None and names:
        raise click.UsageError("give --suite or --workload, not both")
    unknown = ", ".join(name for name in names if name not in all_workloads())
    if unknown:
        raise click.BadParameter(f"no such workload: {unknown}; `binnet bench list` names them")
    try:
        return list(names) or [w.name for w in choose_workloads(suite or "all")]
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@click.command()
@click.argument("commit")
@click.option("--suite", help="workloads of one suite  [default: all]")
@click.option("--workload", multiple=True, help="this workload; may be given several times")
@click.option("--threads", type=click.IntRange(1), multiple=True, default=(1,), show_default=True)
@click.option("--rounds", type=click.IntRange(3), default=21, show_default=True, help="in all")
@click.option(
    "--processes",
    type=click.IntRange(1),
    default=3,
    show_default=True,
    help="of each tree, one after the other, which share the rounds",
)
def main(
    commit: str,
    suite: str | None,
    workload: tuple[str, ...],
    threads: tuple[int, ...],
    rounds: int,
    processes: int,
) -> None:
    """Compare the time that workloads take with that in the tree of COMMIT.

    Status 1 where answers differ, or this tree cannot run a workload.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # or the tree stays with git
    rows = [Row(name, n) for name in choose(suite, workload) for n in threads]
    now = subprocess.run(
        ["git", "-C", str(ROOT), "describe", "--always", "--dirty"],
        stdout=subprocess.PIPE, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    with checked_out(commit) as (tree, cache):
        click.echo(
            f"Calls in turns, {rounds} rounds, processes of each tree: {min(processes, rounds)}; "
            f"ms, minimum / median.\n\n"
            f"| workload | threads | {commit} | {now} | ratio of minima | of medians | 95 % "
            "| answer |\n|---|---|---|---|---|---|---|---|"
        )
        compare(Tree(tree, cache), Tree(ROOT), rows, rounds, min(processes, rounds))
    if any(row.is_failure for row in rows):
        raise click.exceptions.Exit(1)


if __name__ == "__main__":
    main()
