"""The whole system on this machine, as `make local` starts it."""

import contextlib
import shlex
import subprocess
import sys
import tempfile
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


@contextlib.contextmanager
def system(local):
    """The system while it is needed: the variables that it wants to be sourced."""
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen([local, "up", folder], stdout=subprocess.DEVNULL)
        try:
            until("the local system", (Path(folder) / "env").exists)
            lines = (Path(folder) / "env").read_text().splitlines()
            exports = [shlex.split(line)[1] for line in lines if line.startswith("export ")]
            yield dict(line.split("=", 1) for line in exports)
        finally:
            process.terminate()
            process.wait()
