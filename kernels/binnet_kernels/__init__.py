"""Compute kernels of binnet: arrays and scalars in, arrays out.

The kernels are compiled with Numba and validate nothing; :mod:`binnet` checks its input once,
before it calls them. Every kernel has a plain loop-by-loop twin in ``tests/naive.py`` that it must
equal.

Where to look
-------------
training
    Batches of learning in one compiled call, in floating point and in integers.
rules
    The local learning rules: perceptron, third factor, integers.
relaxation
    Fields, and the dynamics of samples under an input and of replicas without one.
enumeration
    Every fixed point of a small network, and the overlaps of those found.
integer
    Relaxation of packed spins with weights of few bits.
rate
    Trajectories and gradients of rate networks.
lowlevel
    Bits, random numbers, vector instructions and tiles.
structs, _jit
    The tuples of arrays that the kernels pass around; how all of it is compiled and cached.

Conventions, defined here and nowhere else
------------------------------------------
Spins
    A state holds +1, -1, or 0 for a neuron that is *silent*, i.e. has not been updated yet.
    ``sign(0) = +1`` everywhere. A bit 1 codes +1.
Axes
    (sample, time, neuron), in this order, whichever of them are present.
Weights
    Presynaptic-major: row j holds the couplings *from* j, ``couplings[j, i]`` = J_ij, because a
    flip of j needs them all. The diagonal is 0: the self-coupling J_D is a scalar beside it.
    ``input_weights[n, i]`` is W_in[i, n] and ``readout[c, i]`` is W_out[c, i].
Banks
    A matrix of weights (K, H) is cut by columns into S banks, an array (S, K, W); bank s holds all
    weights of neurons s*W..(s+1)*W-1, zeros where there are no such neurons. A thread that owns a
    bank keeps it in its cache. Rows of neurons, such as states, have S*W columns; those beyond H
    are padding and stay 0.
Scales
    A block's true weights are ``scale * weights``; the scale carries the weight decay (lazily
    applied).
"""
