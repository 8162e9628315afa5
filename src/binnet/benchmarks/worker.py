"""A process that runs workloads as it is asked to: ``python -m binnet.benchmarks.worker``.

A request is a line of JSON on standard input, the reply a line on standard output. Times are taken
here, around the calls alone.
"""
