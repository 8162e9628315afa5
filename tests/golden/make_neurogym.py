"""Write neurogym_VERSION.npz: trials of neurogym's own environments, to compare ours with.

neurogym needs PyTorch and one version of NumPy, so run this in an environment of its own::

    python -m venv env && env/bin/pip install neurogym==2.3.1 torch
    env/bin/python make_neurogym.py 2.3.1

and likewise for 2.0.0, whose fixation input is another.
"""

import sys
from pathlib import Path

import neurogym
import numpy as np

ENVIRONMENTS = {
    "two-alternative": "PerceptualDecisionMaking-v0",
    "delayed-match": "DelayMatchSample-v0",
}
N_TRIALS = 100


def draw(name: str, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    env = neurogym.make(name, sigma=sigma).unwrapped
    env.seed(0)
    trials = []
    for _ in range(N_TRIALS):
        env.new_trial()
        trials.append((np.array(env.ob, np.float32), np.array(env.gt, np.int64)))
    return np.stack([ob for ob, _ in trials]), np.stack([gt for _, gt in trials])


if __name__ == "__main__":
    arrays = {}
    for task, name in ENVIRONMENTS.items():
        for kind, sigma in (("noiseless", 0.0), ("noisy", 1.0)):
            ob, gt = draw(name, sigma)
            if kind == "noiseless":  # every distinct trial once
                rows = np.concatenate([ob.reshape(N_TRIALS, -1), gt], axis=1)
                _, first = np.unique(rows.round(6), axis=0, return_index=True)
                ob, gt = ob[first], gt[first]
            arrays[f"{task}.{kind}.ob"], arrays[f"{task}.{kind}.gt"] = ob, gt
            print(task, kind, ob.shape, gt.shape)
    np.savez_compressed(Path(__file__).with_name(f"neurogym_{sys.argv[1]}.npz"), **arrays)
