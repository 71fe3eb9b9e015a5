"""The AWS that is measured against: passes calls on to a simulator and records them, or plays what it recorded.

A record is of one call of a function. Its replay answers each request as the record did the same one (service, action
and body), the second such as the second; where a body differs, as one with a time or a random owner does, as the
next request of the action.
"""

import asyncio
import hashlib
import http.client
import json
import re
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlsplit

import http1

CREDENTIAL = re.compile(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/")
JSON = [("content-type", "application/x-amz-json-1.1")]
# The simulator knows no pipelines: this is the approval of one that somebody rejected.
REJECTED = {"actionExecutionId": "keep-r2", "actionName": "KeepIt", "status": "Failed", "updatedBy": "arn:aws:iam::123456789012:user/bob"}
KEPT_HEADERS = ("content-type", "x-amzn-errortype", "x-amzn-requestid")


@dataclass(slots=True)
class Call:
    """One call of AWS, seen from here."""

    service: str
    action: str
    body: bytes
    began: float
    ended: float = 0.0
    status: int = 0
    answer: bytes = b""  # the whole response

    @property
    def changes(self):
        """Whether it may change something."""
        return not self.action.startswith(("Describe", "Get", "List"))

    def __str__(self):
        return f"{self.service} {self.action}"


def named(request):
    """The service and the action of a request, in AWS's words."""
    credential = CREDENTIAL.search(request.headers.get("authorization", ""))
    service = credential.group(1) if credential else "unknown"
    if target := request.headers.get("x-amz-target"):
        return service, target.rpartition(".")[2]
    if service == "route53":
        of_records = urlsplit(request.path).path.endswith(("/rrset", "/rrset/"))
        verb = "List" if request.method == "GET" else "Change"
        return service, verb + "ResourceRecordSets" if of_records else f"{request.method} {request.path}"
    _, _, action = request.body.partition(b"Action=")
    return service, action.partition(b"&")[0].decode() or request.path


class Answers:
    """The endpoint that functions are pointed at (AWS_ENDPOINT_URL)."""

    @classmethod
    async def start(cls):
        self = cls()
        self.server, address = await http1.serve(self.handle)
        self.url = f"http://{address}"
        self.threads = ThreadPoolExecutor(32)
        self.upstream = None  # host:port of the simulator, while recording
        self.latency_seconds = 0.0
        self.calls, self.unknown = [], Counter()
        self.job = None
        self.by_request, self.by_action = {}, {}
        return self

    def record(self, upstream):
        """From now on calls go to the simulator."""
        self.upstream = upstream

    def replay(self, record, latency_seconds):
        """From now on calls get the answers of the record, each after the latency."""
        self.upstream, self.latency_seconds = None, latency_seconds
        self.by_request, self.by_action = defaultdict(list), defaultdict(list)
        for call in record:
            self.by_request[key(call.service, call.action, call.body)].append(call.answer)
            self.by_action[call.service, call.action].append(call.answer)
        self.begin()

    def begin(self):
        """A call of a function begins: its first request gets the record's first answer again."""
        self.calls, self.seen, self.job = [], Counter(), None

    def handle(self, request, reply):
        began = time.perf_counter()
        call = Call(*named(request), request.body + request.path.encode(), began)
        self.calls.append(call)
        if call.action.startswith("PutJob"):
            self.job = call  # the simulator knows no jobs
            self.finish(call, http1.response(200, b"{}", JSON), 200, reply)
        elif self.upstream and call.action == "ListActionExecutions":
            body = json.dumps({"actionExecutionDetails": [REJECTED]}).encode()
            self.finish(call, http1.response(200, body, JSON), 200, reply)
        elif self.upstream:
            asyncio.ensure_future(self.pass_on(call, request, reply))
        else:
            answer = self.recorded(call)
            status = int(answer[9:12])
            if self.latency_seconds:
                loop = asyncio.get_running_loop()
                loop.call_later(self.latency_seconds, self.finish, call, answer, status, reply)
            else:
                self.finish(call, answer, status, reply)

    def finish(self, call, answer, status, reply):
        call.answer, call.status, call.ended = answer, status, time.perf_counter()
        reply(answer)

    def recorded(self, call):
        """The record's answer to this request."""
        same = key(call.service, call.action, call.body)
        answers = self.by_request.get(same) or self.by_action.get((call.service, call.action))
        if not answers:
            self.unknown[str(call)] += 1
            return http1.response(501, b"no such call in the record")
        of = same if same in self.by_request else (call.service, call.action)
        turn = min(self.seen[of], len(answers) - 1)
        self.seen[of] += 1
        return answers[turn]

    async def pass_on(self, call, request, reply):
        def exchange():
            connection = http.client.HTTPConnection(self.upstream, timeout=30)
            headers = {k: v for k, v in request.headers.items() if k not in ("connection", "expect", "transfer-encoding")}
            connection.request(request.method, request.path, request.body, headers)
            got = connection.getresponse()
            body = got.read()
            connection.close()
            kept = [(name, value) for name in KEPT_HEADERS if (value := got.getheader(name))]
            return got.status, http1.response(got.status, body, kept)

        status, answer = await asyncio.get_running_loop().run_in_executor(self.threads, exchange)
        self.finish(call, answer, status, reply)

    def stop(self):
        self.server.close()
        self.threads.shutdown(wait=False)


def key(service, action, body):
    """What makes two requests the same."""
    return service, action, hashlib.sha256(body).digest()


def rounds(calls):
    """The calls with the round trip that each belongs to: one more than the last that had ended when it began."""
    numbered = []
    for call in sorted(calls, key=lambda call: call.began):
        before = [number for earlier, number in numbered if earlier.ended and earlier.ended <= call.began]
        numbered.append((call, max(before, default=0) + 1))
    return numbered
