"""Records the terminal session of the README: the real tool at a real terminal, against the whole system on this machine.

recording.py LOCAL TOOL CAST: starts LOCAL (the binary of `local/`), brings one release to product and the next before QA, then
types the commands below. TOOL is `pointsman`. What comes out is an asciinema cast; `make recording` makes the picture of it.
"""

import fcntl
import json
import os
import pty
import select
import shlex
import struct
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path

import boto3

from system import PATIENCE, system, until

WIDTH, HEIGHT = 122, 34
SERVICE = "mobile-web"
PROMPT = "\x1b[1;36m$\x1b[0m "
# Each with the seconds that a reader wants for what it said.
COMMANDS = [
    ("pointsman status", 4),
    (f"pointsman promote {SERVICE}", 3),
    (f"pointsman status {SERVICE}", 4),
    (f"pointsman rollback {SERVICE}", 4),
    (f"pointsman history {SERVICE} --since 1h", 6),
]
QUESTION = b"[y/N] "
# Nobody watches a wait of more than this.
LONGEST_PAUSE = 1.5


class Cast:
    """An asciinema cast, version 2: https://docs.asciinema.org/manual/asciicast/v2/"""

    def __init__(self):
        self.events, self.at = [], 0.0

    def say(self, text, after=0.0):
        self.at += after
        self.events.append([round(self.at, 3), "o", text])

    def type(self, text):
        for character in text:
            self.say(character, 0.045)

    def write(self, path):
        header = {"version": 2, "width": WIDTH, "height": HEIGHT, "title": "pointsman"}
        Path(path).write_text("".join(json.dumps(line) + "\n" for line in [header, *self.events]))


def run(cast, tool, command, environment):
    """Types a command, runs it at a terminal of its own, and answers its question with yes."""
    cast.say(PROMPT)
    cast.type(command)
    cast.say("\r\n", 0.3)
    child, terminal = pty.fork()
    if child == 0:
        os.execve(tool, shlex.split(command), environment)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", HEIGHT, WIDTH, 0, 0))
    said, last = b"", time.monotonic()
    while True:
        if not select.select([terminal], [], [], PATIENCE)[0]:
            sys.exit(f"{command} says nothing for {PATIENCE} s")
        try:
            more = os.read(terminal, 4096)
        except OSError:
            break  # The terminal is closed: the command has ended.
        if not more:
            break
        now = time.monotonic()
        cast.say(more.decode(), min(now - last, LONGEST_PAUSE))
        last, said = now, said + more
        if said.endswith(QUESTION):
            cast.say("", 2)
            os.write(terminal, b"y\n")
            said = b""
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code != 0:
        sys.exit(f"{command} ended with {code}: {said.decode()}")


def waiting(codepipeline, name):
    """The stage and the token of an approval that waits."""
    for stage in codepipeline.get_pipeline_state(name=SERVICE)["stageStates"]:
        for action in stage["actionStates"]:
            token = action.get("latestExecution", {}).get("token")
            if action["actionName"] == name and token:
                return stage["stageName"], token
    return None


def approve(codepipeline, name):
    stage, token = until(f"somebody asked to approve {name}", lambda: waiting(codepipeline, name))
    result = {"summary": "tried", "status": "Approved"}
    codepipeline.put_approval_result(pipelineName=SERVICE, stageName=stage, actionName=name, result=result, token=token)


def main(local, tool, path):
    with system(local) as variables, tempfile.TemporaryDirectory() as home:
        os.environ.update(variables)
        s3, codepipeline = boto3.client("s3"), boto3.client("codepipeline")
        environment = {**variables, "TERM": "xterm-256color", "HOME": home, "PATH": "/usr/bin:/bin"}
        upload = variables["BUILD_ZIP"], variables["SOURCE_BUCKET"], variables["SOURCE_KEY"]
        s3.upload_file(*upload)
        approve(codepipeline, "ShipIt")
        approve(codepipeline, "KeepIt")
        s3.upload_file(*upload)
        until("the second release before QA", lambda: waiting(codepipeline, "ShipIt"))
        cast = Cast()
        for command, seconds in COMMANDS:
            run(cast, tool, command, environment)
            cast.say("", seconds)
        cast.write(path)


if __name__ == "__main__":
    main(*(str(Path(argument).absolute()) for argument in sys.argv[1:4]))
