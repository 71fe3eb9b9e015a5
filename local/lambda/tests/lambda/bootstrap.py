#!/usr/bin/env python3
"""A small Lambda function over the Runtime API: it does what its event says."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from urllib.parse import urlsplit

if os.environ.get("BROKEN"):
    sys.exit("broken from the start")

api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
calls = 0


def ask(method, path, body=None):
    api.request(method, "/2018-06-01/runtime/" + path, body)
    response = api.getresponse()
    return response, response.read()


def tell_the_test():
    """Connects to the test and stays so until this process, and each it started, has ended."""
    url = urlsplit(os.environ["AWS_ENDPOINT_URL"])
    connection = socket.create_connection((url.hostname, url.port))
    os.set_inheritable(connection.fileno(), True)
    subprocess.Popen(["sleep", "1000"], close_fds=False)
    connection.sendall(b"x")
    return connection


if os.environ.get("INIT_ERROR"):
    ask("POST", "init/error", json.dumps({"errorType": "Bad", "errorMessage": "no config"}))
    sys.exit(1)

while True:
    response, body = ask("GET", "invocation/next")
    headers = response.headers
    request_id = headers["Lambda-Runtime-Aws-Request-Id"]
    event = json.loads(body)
    calls += 1
    answer = {"event": event, "calls": calls, "pid": os.getpid(), "request_id": request_id}
    match event.get("do"):
        case "log":
            print(json.dumps({"timestamp": "2026-01-02T03:04:05.678Z", "level": "INFO", "n": event["n"]}), flush=True)
            print("to standard error", file=sys.stderr, flush=True)
        case "environment":
            answer = dict(os.environ, CWD=os.getcwd())
        case "headers":
            answer = dict(headers)
        case "fail":
            error = {"errorType": "Refused", "errorMessage": f"no, {calls}"}
            ask("POST", f"invocation/{request_id}/error", json.dumps(error))
            continue
        case "exit":
            print("about to exit", flush=True)
            sys.exit(event["status"])
        case "hang":
            connection = tell_the_test()
            signal.pause()
        case "wait":
            connection = tell_the_test()
            connection.recv(1)
        case "large":
            ask("POST", f"invocation/{request_id}/response", b"1" * 7_000_000)
            api.close()
            continue
        case "answer twice":
            ask("POST", f"invocation/{request_id}/response", b'"first"')
            second, _ = ask("POST", f"invocation/{request_id}/response", b'"second"')
            print("the second answer gets", second.status, flush=True)
            continue
        case "strange":
            status = [ask(*call)[0].status for call in [("GET", "nothing"), ("POST", "invocation/x/response", b"1")]]
            answer = status
    ask("POST", f"invocation/{request_id}/response", json.dumps(answer))
