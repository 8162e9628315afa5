"""`binnet bench`: binnet's own work as a benchmark of CPUs, with answers that are checked.

A workload is a piece of work of fixed size (`workloads`), a run measures them in processes of their
own beside the limits of the machine, and a file holds what it found.
"""

from binnet.benchmarks._division import find_division
from binnet.benchmarks._host import describe_host

__all__ = ["describe_host", "find_division"]
