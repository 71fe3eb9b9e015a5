"""How long `pointsman status` takes to its first line, against the whole system on this machine.

first_line.py LOCAL TOOL [RUNS]: LOCAL is the binary of `local/`, TOOL is `pointsman`. Each run is a fresh process. It fails where
the median misses the goal.
"""

import os
import statistics
import subprocess
import sys
import time

from spread import spread
from system import system

GOAL_MS = 100


def run(tool, environment):
    """Milliseconds to the first line, and to the end."""
    began = time.perf_counter()
    with subprocess.Popen([tool, "status"], env=environment, stdout=subprocess.PIPE) as process:
        first = process.stdout.readline()
        to_first = time.perf_counter() - began
        process.stdout.read()
    if process.returncode != 0 or not first:
        sys.exit(f"pointsman status ended with {process.returncode}")
    return to_first * 1000, (time.perf_counter() - began) * 1000


def main(local, tool, runs="20"):
    with system(local) as variables:
        environment = {**os.environ, **variables}
        run(tool, environment)
        times = [run(tool, environment) for _ in range(int(runs))]
    firsts = [first for first, _ in times]
    print(f"pointsman status, {len(times)} runs, ms, min / median / p95")
    print(f"  to its first line   {spread(firsts, 1)}   goal: a median below {GOAL_MS}")
    print(f"  to its end          {spread([end for _, end in times], 1)}")
    if (median := statistics.median(firsts)) >= GOAL_MS:
        sys.exit(f"pointsman status missed its goal: its first line came after {median:.1f} ms, and not within {GOAL_MS}")


if __name__ == "__main__":
    main(*(os.path.abspath(argument) for argument in sys.argv[1:3]), *sys.argv[3:])
