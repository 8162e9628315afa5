"""One batch of learning after another: relax the samples, then let every bank of weights learn.

The local rules that say what is learned are in :mod:`binnet_kernels.rules`.
"""
