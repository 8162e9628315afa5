"""What is promised on every CPU is the same where Numba compiles for one without any extension."""

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest

from binnet import RandomNetwork, fixed_points, relax, train
from library_cases import TINY, draw_spins, make_task

DIGEST = f"""
import sys; sys.path[:] = {sys.path!r}
from test_same_bits import digest_results
print(digest_results())
"""


def digest_results() -> str:
    """Return a hash: learning and relaxation in integers, relaxation without input, counts."""
    learned = train(*make_task(30), TINY.replace(arithmetic="int8"), threads=1)
    integers = learned.run.relaxable()
    driven = relax(integers, draw_spins(20, integers.n_inputs, seed=3))
    arrays = [integers.couplings, driven.states, driven.stabilities, driven.readout_fields]
    for dtype, order in (("int16", "sync"), ("float32", "async")):
        network = RandomNetwork.draw(60, self_coupling=0.5, dtype=dtype, seed=1)
        free = relax(network, update_order=order, replicas=5)
        arrays += [free.states, free.flips, free.stabilities]
    arrays.append(fixed_points.enumerate(RandomNetwork.draw(14, 1.0, seed=1)).states)
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


@pytest.mark.long
def test_integers_relaxation_and_counts_are_the_same_on_a_plain_cpu() -> None:
    done = subprocess.run(
        [sys.executable, "-c", DIGEST],
        env=os.environ | {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == digest_results()
