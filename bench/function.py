"""Runs one Lambda function, a `bootstrap` of any language, over the Lambda Runtime API, and takes its times."""

import asyncio
import json
import os
import subprocess
import tempfile
import time
import uuid

import http1

# Far more than any call here takes: a function that hangs is an error, not a figure.
CALL_LIMIT_SECONDS = 60


class FunctionFailed(Exception):
    """The function ended, hung or answered with an error."""


class Function:
    """A process of a function, from its start to its end."""

    @classmethod
    async def start(cls, command, environment):
        """Starts the process and waits until it asks for its first event; `init_seconds` is how long that took."""
        self = cls()
        self.server, address = await http1.serve(self.handle)
        self.asked, self.answered = asyncio.Event(), None
        self.output = tempfile.TemporaryFile()
        environment = {
            "PATH": os.environ["PATH"],
            "AWS_LAMBDA_RUNTIME_API": address,
            "AWS_LAMBDA_FUNCTION_NAME": "pointsman-promote",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/pointsman-promote",
            "AWS_LAMBDA_LOG_STREAM_NAME": "bench",
            **environment,
        }
        began = time.perf_counter()
        self.process = subprocess.Popen(command, env=environment, stdout=self.output, stderr=self.output)
        try:
            await self.within_limit(self.asked.wait())
        except BaseException:
            await self.stop()
            raise
        self.init_seconds = self.asked_at - began
        return self

    def handle(self, request, reply):
        """One request to the Runtime API."""
        now = time.perf_counter()
        if request.path.endswith("/invocation/next"):
            self.asked_at, self.give = now, reply
            self.asked.set()
            return
        reply(http1.response(202, b'{"status":"OK"}', [("content-type", "application/json")]))
        if request.path.endswith("/response") and self.answered:
            self.answered.set_result((now, json.loads(request.body or b"null")))
        elif self.answered:
            self.answered.set_exception(FunctionFailed(request.body.decode(errors="replace")))

    async def call(self, event):
        """Hands over one event; returns the seconds until its answer came, and the answer."""
        await self.within_limit(self.asked.wait())
        self.asked.clear()
        self.answered = asyncio.get_running_loop().create_future()
        self.given_at = time.perf_counter()
        self.give(
            http1.response(
                200,
                json.dumps(event).encode(),
                [
                    ("content-type", "application/json"),
                    ("lambda-runtime-aws-request-id", str(uuid.uuid4())),
                    ("lambda-runtime-deadline-ms", str(int((time.time() + CALL_LIMIT_SECONDS) * 1000))),
                    ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:123456789012:function:pointsman-promote"),
                    ("lambda-runtime-trace-id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0"),
                ],
            )
        )
        ended, answer = await self.within_limit(self.answered)
        return ended - self.given_at, answer

    async def within_limit(self, wait):
        """Waits, but not for a process that has ended, and not for ever."""
        task = asyncio.ensure_future(wait)
        deadline = time.monotonic() + CALL_LIMIT_SECONDS
        while not (await asyncio.wait([task], timeout=1))[0]:
            if self.process.poll() is not None or time.monotonic() > deadline:
                task.cancel()
                raise FunctionFailed(f"ended with {self.process.poll()}, or hung; it wrote:\n{self.written()}")
        return task.result()

    def written(self):
        """The end of what the process wrote to its standard output and error."""
        self.output.seek(0)
        return self.output.read().decode(errors="replace")[-4000:]

    def peak_rss_bytes(self):
        """The most memory that the process ever had."""
        with open(f"/proc/{self.process.pid}/status") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM:"))

    async def stop(self):
        """Ends the process, and what served it."""
        self.process.kill()
        self.process.wait()
        self.server.close()
        self.output.close()
