"""How long `pointsman status` takes to its first line, against the whole system on this machine.

first_line.py LOCAL TOOL [RUNS]: LOCAL is the binary of `local/`, TOOL is `pointsman`. Each run is a fresh process.
"""

import math
import os
import statistics
import subprocess
import sys
import tempfile
import time

from system import started

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


def shown(times):
    """Minimum, median and 95th percentile."""
    high = sorted(times)[math.ceil(len(times) * 0.95) - 1]
    return f"{min(times):.1f} / {statistics.median(times):.1f} / {high:.1f}"


def main(local, tool, runs="20"):
    with tempfile.TemporaryDirectory() as folder:
        process, variables = started(local, folder)
        try:
            environment = {**os.environ, **variables}
            run(tool, environment)
            times = [run(tool, environment) for _ in range(int(runs))]
        finally:
            process.terminate()
            process.wait()
    print(f"pointsman status, {len(times)} runs, ms, minimum / median / 95th percentile")
    print(f"  to its first line   {shown([first for first, _ in times])}   goal: below {GOAL_MS}")
    print(f"  to its end          {shown([end for _, end in times])}")


if __name__ == "__main__":
    main(*(os.path.abspath(argument) for argument in sys.argv[1:3]), *sys.argv[3:])
