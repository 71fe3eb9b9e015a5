#!/usr/bin/env -S python3 -S -E
"""ValidateService: succeeds when the server is healthy and runs the image of this revision."""

import http.client
import os
import pathlib
import sys
import time

ROOT = os.environ.get("INSTANCE_ROOT", "")  # Empty on a real machine; see start.sh.
ADDRESS = os.environ.get("BIND_ADDRESS", "127.0.0.1")
PORT = int(os.environ.get("PORT", "8080"))
SECONDS = 45
IMAGE = pathlib.Path(ROOT + "/opt/shop/image.env").read_text().strip().removeprefix("IMAGE=")


def get(path):
    connection = http.client.HTTPConnection(ADDRESS, PORT, timeout=2)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode().strip()
    except (OSError, http.client.HTTPException) as error:
        return None, str(error)
    finally:
        connection.close()


end = time.monotonic() + SECONDS
while (health := get("/health"))[0] != 200:
    if time.monotonic() > end:
        sys.exit(f"http://{ADDRESS}:{PORT}/health did not answer 200 within {SECONDS} seconds: {health[1]}")
    time.sleep(0.05)
if (runs := get("/image")[1]) != IMAGE:
    sys.exit(f"the server runs {runs}, and this revision is {IMAGE}")
