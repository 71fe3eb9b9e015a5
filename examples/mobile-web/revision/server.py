"""The mobile site: a small HTTP server that says which version it is, and where it runs.

/health     200 as long as it serves
/version    what the VERSION file beside it says
/…          a page that names the version and the instance

PORT and BIND_ADDRESS say where it listens; without them it is port 8080 of every address.
"""

import os
import pathlib
import socket
import socketserver
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ADDRESS = os.environ.get("BIND_ADDRESS", "0.0.0.0")
PORT = int(os.environ.get("PORT", "8080"))
INSTANCE = os.environ.get("INSTANCE_ID") or socket.gethostname()
VERSION = (pathlib.Path(__file__).parent / "VERSION").read_text().strip()


class Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # Head and body of an answer leave as one packet.
    # The load balancer may keep a connection open; an idle one ends after it would have ended it.
    timeout = 75

    def do_GET(self):
        path = self.path.partition("?")[0]
        if path == "/health":
            self.answer("text/plain", "ok\n")
        elif path == "/version":
            self.answer("text/plain", VERSION + "\n")
        else:
            self.answer("text/html", f"<!doctype html><title>mobile-web</title><p>mobile-web {VERSION} on {INSTANCE}\n")

    do_HEAD = do_GET

    def answer(self, content_type, text):
        body = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", content_type + "; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_):
        """Access logs are the load balancer's."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    # The default of 5 waiting connections would make clients of a busy moment wait for a second.
    request_queue_size = 1024

    def server_bind(self):
        # HTTPServer's own would look up the name of its address, which can take seconds.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address


if not VERSION:
    sys.exit("VERSION is empty: this build says nothing of what it is")

print(f"mobile-web {VERSION} listens on {ADDRESS}:{PORT}", flush=True)
Server((ADDRESS, PORT), Handler).serve_forever()
