"""`binnet bench`: binnet's own work as a benchmark of CPUs, with answers that are checked.

A workload is a piece of work of fixed size (`workloads`), a run measures them in processes of their
own beside the limits of the machine, and a file holds what it found. What is listed here is loaded
when it is first used.
"""

from typing import TYPE_CHECKING

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "_comparison": ["Comparison", "compare"],
        "_division": ["find_division"],
        "_export": ["export_result"],
        "_files": ["load_result", "save_result"],
        "_host": ["describe_host"],
        "_limits": ["Fraction", "fraction_of_limit", "measure_limits"],
        "_result": ["BenchmarkResult", "Limits", "Measurement", "Stability"],
        "_running": ["run"],
        "_scores": ["Score", "Scores", "score"],
        "_statistics": ["Summary", "rate_interval", "ratio_interval", "summarize"],
        "_workload": ["Answer", "Task", "Work", "Workload"],
        "workloads": ["all_workloads"],
    },
)

if TYPE_CHECKING:
    from binnet.benchmarks._comparison import Comparison as Comparison
    from binnet.benchmarks._comparison import compare as compare
    from binnet.benchmarks._division import find_division as find_division
    from binnet.benchmarks._export import export_result as export_result
    from binnet.benchmarks._files import load_result as load_result
    from binnet.benchmarks._files import save_result as save_result
    from binnet.benchmarks._host import describe_host as describe_host
    from binnet.benchmarks._limits import Fraction as Fraction
    from binnet.benchmarks._limits import fraction_of_limit as fraction_of_limit
    from binnet.benchmarks._limits import measure_limits as measure_limits
    from binnet.benchmarks._result import BenchmarkResult as BenchmarkResult
    from binnet.benchmarks._result import Limits as Limits
    from binnet.benchmarks._result import Measurement as Measurement
    from binnet.benchmarks._result import Stability as Stability
    from binnet.benchmarks._running import run as run
    from binnet.benchmarks._scores import Score as Score
    from binnet.benchmarks._scores import Scores as Scores
    from binnet.benchmarks._scores import score as score
    from binnet.benchmarks._statistics import Summary as Summary
    from binnet.benchmarks._statistics import rate_interval as rate_interval
    from binnet.benchmarks._statistics import ratio_interval as ratio_interval
    from binnet.benchmarks._statistics import summarize as summarize
    from binnet.benchmarks._workload import Answer as Answer
    from binnet.benchmarks._workload import Task as Task
    from binnet.benchmarks._workload import Work as Work
    from binnet.benchmarks._workload import Workload as Workload
    from binnet.benchmarks.workloads import all_workloads as all_workloads
