"""The whole system on this machine, as `make local` starts it."""

import shlex
import subprocess
import sys
import time
from pathlib import Path

PATIENCE = 180


def until(what, look):
    """Looks until there is something."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.5)
    sys.exit(f"{what}: not within {PATIENCE} s")


def started(local, folder):
    """Starts the system; answers the process and the variables that it wants to be sourced."""
    process = subprocess.Popen([local, "up", folder], stdout=subprocess.DEVNULL)
    until("the local system", (Path(folder) / "env").exists)
    lines = [shlex.split(line)[1] for line in (Path(folder) / "env").read_text().splitlines() if line.startswith("export ")]
    return process, dict(line.split("=", 1) for line in lines)
