"""Time of training against an earlier commit, in turns: `python bench/against_commit.py COMMIT`.

Both trees are used through the public API (`preset`, `train`), each in a process of its own on one
interpreter, and learn one epoch each in turn (A B B A ...). What is timed is learning alone,
without compilation, loading or evaluation: the seconds of an epoch as `train` counts them. After
every epoch both must have the same accuracy to the last digit: else they did not do the same work,
and the ratio is refused. Uncommitted changes are part of this tree. The table is Markdown.
"""

from __future__ import annotations

import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parents[1]
# Runs in either tree: learns an epoch whenever a line comes in, and replies with its seconds and
# the accuracy.
WORK = """
import json, sys
from binnet import load_entangled_mnist, preset, train
arithmetic = sys.argv[1]
n_hidden, n_samples, epochs, threads = map(int, sys.argv[2:])
data = load_entangled_mnist()
configuration = preset("source").replace(n_hidden=n_hidden, epochs=epochs, arithmetic=arithmetic)
X, y = data.X_train[:n_samples], data.y_train[:n_samples]
def reply(result):
    last = result.history[-1]
    print(json.dumps([last.seconds, last.accuracy["train"]]), flush=True)
    sys.stdin.readline()
sys.stdin.readline()
train(X, y, configuration, threads=threads, on_epoch=reply)
"""
# Samples of an epoch times H: a call of the kernels is then as long as in whole epochs.
_SAMPLES_TIMES_NEURONS = 7_680_000


class Tree:
    """A process that trains with the code of one tree, epoch by epoch."""

    def __init__(self, tree: Path, cache: Path, arguments: list[str]) -> None:
        environment = {k: v for k, v in os.environ.items() if k != "NUMBA_CACHE_DIR"}
        environment["XDG_CACHE_HOME"] = str(cache)
        environment["PYTHONPATH"] = os.pathsep.join(str(tree / part) for part in ("src", "kernels"))
        self._process = subprocess.Popen(
            [sys.executable, "-c", WORK, *arguments],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.seconds: list[float] = []
        self.accuracies: list[float] = []

    def learn_epoch(self) -> None:
        """Let the process learn an epoch, and note its seconds and the accuracy."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write("\n")
            self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise click.ClickException("a tree cannot train like this; its error is above")
        seconds, accuracy = json.loads(line)
        self.seconds.append(seconds)
        self.accuracies.append(accuracy)

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait(timeout=60)
        self._process.stdout.close()


def compare(earlier: Path, cache: Path, epochs: int, arguments: list[str]) -> tuple[Tree, Tree]:
    """Return the earlier tree and this one after so many epochs, learned in turns."""
    sides: list[Tree] = []
    try:
        sides += [Tree(tree, cache, arguments) for tree in (earlier, ROOT)]
        for k in range(epochs):
            for side in sides if k % 2 == 0 else sides[::-1]:
                side.learn_epoch()
    finally:
        for side in sides:
            side.close()
    before, now = sides
    if before.accuracies != now.accuracies:
        raise click.ClickException(
            f"accuracies differ, {before.accuracies} and {now.accuracies}: not the same work; "
            "compare with a commit that gives the same bits"
        )
    return before, now


@contextmanager
def checked_out(commit: str) -> Iterator[tuple[Path, Path]]:
    """Yield a folder with the files of the commit, and one for compiled kernels."""
    with tempfile.TemporaryDirectory() as folder:
        tree, cache = Path(folder) / "tree", Path(folder) / "cache"
        git = ["git", "-C", str(ROOT), "worktree"]
        added = subprocess.run([*git, "add", "--quiet", "--detach", str(tree), commit], check=False)
        if added.returncode:
            raise click.BadParameter(f"git has no tree of {commit}; name one of its commits")
        try:
            yield tree, cache
        finally:
            subprocess.run([*git, "remove", "--force", str(tree)], check=True)


def show(seconds: list[float]) -> str:
    """Return the best and the median of an epoch's seconds, in ms; the first one compiles."""
    return f"{1e3 * min(seconds[1:]):.1f} / {1e3 * statistics.median(seconds[1:]):.1f}"


@click.command()
@click.argument("commit")
@click.option("--hidden", type=int, multiple=True, default=(400, 1600), show_default=True)
@click.option("--threads", type=click.IntRange(1), multiple=True, default=(1, 2), show_default=True)
@click.option("--arithmetic", multiple=True, default=("float", "int8"), show_default=True)
@click.option(
    "--samples",
    type=click.IntRange(1, 60000),
    help="of an epoch  [default: 19200 at H = 400, fewer the more neurons]",
)
@click.option(
    "--epochs",
    type=click.IntRange(3),
    default=21,
    show_default=True,
    help="of each tree; the first is not timed",
)
def main(
    commit: str,
    hidden: tuple[int, ...],
    threads: tuple[int, ...],
    arithmetic: tuple[str, ...],
    samples: int | None,
    epochs: int,
) -> None:
    """Compare the time that one module takes to learn with that of the tree of COMMIT."""
    now = subprocess.run(
        ["git", "-C", str(ROOT), "describe", "--always", "--dirty"],
        stdout=subprocess.PIPE, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    click.echo(
        f"Epochs in turns, best / median of {epochs - 1}, in ms; accuracy after the last.\n\n"
        f"| | H | threads | samples | {commit} | {now} | ratio of best | of median | accuracy |\n"
        "|---|---|---|---|---|---|---|---|---|"
    )
    with checked_out(commit) as (tree, cache):
        for kind, n_hidden, n_threads in itertools.product(arithmetic, hidden, threads):
            n = samples or min(60000, max(16, _SAMPLES_TIMES_NEURONS // n_hidden))
            numbers = [str(number) for number in (n_hidden, n, epochs, n_threads)]
            before, after = compare(tree, cache, epochs, [kind, *numbers])
            best, median = (
                take(after.seconds[1:]) / take(before.seconds[1:])
                for take in (min, statistics.median)
            )
            click.echo(
                f"| {kind} | {n_hidden} | {n_threads} | {n} | {show(before.seconds)} "
                f"| {show(after.seconds)} | {best:.3f} | {median:.3f} "
                f"| {after.accuracies[-1]!r}, the same |"
            )


if __name__ == "__main__":
    main()
