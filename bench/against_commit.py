"""Time of training against an earlier commit, in turns: `python bench/against_commit.py COMMIT`.

Both trees are used through the public API, each by processes of its own on one interpreter. What is
timed is learning alone, without compilation, loading or evaluation: the seconds of an epoch as
`train` counts them. A round is one process of each tree, in an order that alternates; the ratio is
that of the best epochs of all rounds. Both must reach the same accuracy to the last digit: else
they did not do the same work, and the ratio is refused. Uncommitted changes are part of this tree.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import click

ROOT = Path(__file__).resolve().parents[1]
# Runs in either tree. The first epoch compiles, or loads what is compiled.
WORK = """
import json, sys
from binnet import load_entangled_mnist, preset, train
n_hidden, n_samples, epochs, threads = map(int, sys.argv[1:])
data = load_entangled_mnist()
configuration = preset("source").replace(n_hidden=n_hidden, epochs=epochs)
X, y = data.X_train[:n_samples], data.y_train[:n_samples]
history = train(X, y, configuration, threads=threads).history
print(json.dumps([[m.seconds for m in history[1:]], history[-1].accuracy["train"]]))
"""


def run(tree: Path, *arguments: int) -> tuple[list[float], float]:
    """Return the seconds of each epoch after the first, and the last accuracy."""
    paths = os.pathsep.join(str(tree / part) for part in ("src", "kernels"))
    process = subprocess.run(
        [sys.executable, "-c", WORK, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    seconds, accuracy = json.loads(process.stdout)
    return seconds, accuracy


def compare(earlier: Path, rounds: int, *arguments: int) -> dict[str, Any]:
    """Return the seconds of each round's best epoch in both trees, and the ratio of the best."""
    best: dict[Path, list[float]] = {earlier: [], ROOT: []}
    accuracies = set()
    for k in range(rounds):
        for tree in (earlier, ROOT) if k % 2 == 0 else (ROOT, earlier):
            seconds, accuracy = run(tree, *arguments)
            best[tree].append(min(seconds))
            accuracies.add(accuracy)
    if len(accuracies) > 1:
        raise click.ClickException(
            f"the trees reach {sorted(accuracies)}: not the same work; compare with a commit that "
            "gives the same bits"
        )
    ratio = min(best[ROOT]) / min(best[earlier])
    return {"earlier": best[earlier], "this": best[ROOT], "ratio": ratio}


@click.command()
@click.argument("commit")
@click.option("--hidden", type=int, multiple=True, default=(400, 1600), show_default=True)
@click.option(
    "--samples", type=click.IntRange(1), default=4800, show_default=True, help="of an epoch"
)
@click.option(
    "--epochs",
    type=click.IntRange(2),
    default=6,
    show_default=True,
    help="of a process; the first is not timed",
)
@click.option("--rounds", type=click.IntRange(1), default=4, show_default=True)
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True)
def main(
    commit: str, hidden: tuple[int, ...], samples: int, epochs: int, rounds: int, threads: int
) -> None:
    """Compare the time that one module takes to learn with that of the tree of COMMIT."""
    with tempfile.TemporaryDirectory() as folder:
        earlier = Path(folder) / "tree"
        git = ["git", "-C", str(ROOT), "worktree"]
        added = subprocess.run(
            [*git, "add", "--quiet", "--detach", str(earlier), commit], check=False
        )
        if added.returncode:
            raise click.BadParameter(f"git has no tree of {commit}; name one of its commits")
        try:
            for n_hidden in hidden:
                result = compare(earlier, rounds, n_hidden, samples, epochs, threads)
                shown = {
                    side: ", ".join(f"{1e3 * seconds:.1f}" for seconds in result[side])
                    for side in ("earlier", "this")
                }
                click.echo(
                    f"H = {n_hidden}: best epoch of each round, ms: {commit} {shown['earlier']}; "
                    f"this tree {shown['this']}; ratio of the best {result['ratio']:.3f}"
                )
        finally:
            subprocess.run([*git, "remove", "--force", str(earlier)], check=True)


if __name__ == "__main__":
    main()
