"""The shop: a small HTTP server that says which image it is, in which stage, and where it runs.

/health     200 as long as it serves
/version    what the VERSION file beside it says
/image      the image it was started from, by its digest
/…          a page that names all of it

STAGE and IMAGE say what it is, PORT and BIND_ADDRESS where it listens; without them it is port 8080 of every address.
"""

import os
import pathlib
import signal
import socket
import socketserver
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ADDRESS = os.environ.get("BIND_ADDRESS", "0.0.0.0")
PORT = int(os.environ.get("PORT", "8080"))
STAGE = os.environ.get("STAGE", "no stage")
IMAGE = os.environ.get("IMAGE", "no image")
VERSION = (pathlib.Path(__file__).parent / "VERSION").read_text().strip()

PAGES = {"/health": "ok", "/version": VERSION, "/image": IMAGE}


class Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # Head and body of an answer leave as one packet.
    # The load balancer may keep a connection open; an idle one ends after it would have ended it.
    timeout = 75

    def do_GET(self):
        page = f"shop {VERSION} in {STAGE}, {IMAGE} on {socket.gethostname()}"
        body = (PAGES.get(self.path.partition("?")[0], page) + "\n").encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, *_):
        """Access logs are the load balancer's."""


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def server_bind(self):
        # HTTPServer's own would look up the name of its address, which can take seconds.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address


# `docker stop` sends it.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print(f"shop {VERSION} in {STAGE} listens on {ADDRESS}:{PORT}", flush=True)
Server((ADDRESS, PORT), Handler).serve_forever()
