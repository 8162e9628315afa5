"""Fields of a state and the dynamics that follow them: samples under an input, and free replicas.

What begins with ``free_`` is of networks without input; `implicit` draws their couplings anew.
"""
