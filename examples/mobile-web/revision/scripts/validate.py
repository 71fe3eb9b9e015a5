#!/usr/bin/env -S python3 -S -E
"""ValidateService: succeeds when /health answers 200, fails when the server is gone or takes too long."""

import http.client
import os
import pathlib
import sys
import time

ROOT = os.environ.get("INSTANCE_ROOT", "")  # Empty on a real machine; see start.sh.
ADDRESS = os.environ.get("BIND_ADDRESS", "127.0.0.1")
PORT = int(os.environ.get("PORT", "8080"))
SECONDS = 20


def healthy():
    connection = http.client.HTTPConnection(ADDRESS, PORT, timeout=2)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # What has exited and was not waited for yet still has its process id.
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


pid = int(pathlib.Path(ROOT + "/var/run/mobile-web.pid").read_text())
end = time.monotonic() + SECONDS
while not healthy():
    if not running(pid):
        log = pathlib.Path(ROOT + "/var/log/mobile-web.log").read_text().splitlines()
        sys.exit("\n".join(["the server has exited; the end of its log:", *log[-5:]]))
    if time.monotonic() > end:
        sys.exit(f"http://{ADDRESS}:{PORT}/health did not answer 200 within {SECONDS} seconds")
    time.sleep(0.05)
