"""A small HTTP/1.1 server on asyncio: it spends some 40 microseconds on a request, so it hides no difference."""

import asyncio
import socket
from dataclasses import dataclass


@dataclass(slots=True)
class Request:
    """One request, read to its end."""

    method: str
    path: str
    headers: dict  # names in lower case
    body: bytes


def response(status, body=b"", headers=()):
    """The bytes of a response."""
    lines = [f"HTTP/1.1 {status} Any", f"content-length: {len(body)}", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Connection(asyncio.Protocol):
    """Reads requests and hands each to `handle(request, reply)`; `reply` takes the response's bytes, now or later."""

    def __init__(self, handle):
        self.handle = handle
        self.unread = b""

    def connection_made(self, transport):
        # Without this an answer may wait 40 ms for the acknowledgement of what was sent before.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.transport = transport

    def data_received(self, data):
        self.unread += data
        while (request := self.next_request()) is not None:
            self.handle(request, self.reply)

    def reply(self, data):
        if not self.transport.is_closing():
            self.transport.write(data)

    def next_request(self):
        head, end, rest = self.unread.partition(b"\r\n\r\n")
        if not end:
            return None
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if headers.get("transfer-encoding", "").lower() == "chunked":
            body, rest = unchunked(rest)
        else:
            length = int(headers.get("content-length", 0))
            body, rest = (rest[:length], rest[length:]) if len(rest) >= length else (None, rest)
        if body is None:
            if headers.get("expect", "").lower() == "100-continue" and not rest:
                self.reply(b"HTTP/1.1 100 Continue\r\n\r\n")
            return None
        self.unread = rest
        method, path, _ = first.split(" ", 2)
        return Request(method, path, headers, body)


def unchunked(data):
    """The body that the chunks make up, and what follows it; no body if the last chunk is not there yet."""
    body = b""
    while True:
        size, end, rest = data.partition(b"\r\n")
        if not end:
            return None, data
        length = int(size.split(b";")[0], 16)
        if len(rest) < length + 2:
            return None, data
        if length == 0:
            return body, rest[2:]
        body, data = body + rest[:length], rest[length + 2 :]


async def serve(handle):
    """Starts a server on a free port of the loopback address; returns it and its `host:port`."""
    server = await asyncio.get_running_loop().create_server(lambda: Connection(handle), "127.0.0.1", 0)
    return server, "127.0.0.1:%d" % server.sockets[0].getsockname()[1]
