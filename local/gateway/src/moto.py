"""Serves moto as `moto_server` does, but keeps connections, sends at once, and ends with whoever started it."""

import os
import socketserver
import sys
import threading

from moto.elbv2.exceptions import TooManyTagsError
from moto.elbv2.models import ELBv2Backend
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server


class Handler(MotoRequestHandler):
    protocol_version = "HTTP/1.1"  # Keeps connections; the default closes each.
    disable_nagle_algorithm = True
    wbufsize = -1  # An answer's head and body leave together.

    def log(self, *_):
        pass

    def run_wsgi(self):
        super().run_wsgi()
        self.wfile.flush()


def add_tags(backend, resource_arns, tags):
    """Takes as many tags as AWS does, which is 50; moto stops at 10."""
    for arn in resource_arns:
        backend._get_resource_by_arn(arn)
        keys = set(backend.tagging_service.get_tag_dict_for_resource(arn)) | {tag["Key"] for tag in tags}
        if len(keys) > 50:
            raise TooManyTagsError()
        backend.tagging_service.tag_resource(arn, tags)


def until_abandoned():
    sys.stdin.buffer.read()  # Ends when the starter closes its side, or dies.
    os._exit(0)


ELBv2Backend.add_tags = add_tags
socketserver.TCPServer.request_queue_size = 512
application = DomainDispatcherApplication(create_backend_app)
application.debug = True
server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=Handler)
os.environ["MOTO_PORT"] = str(server.port)
threading.Thread(target=until_abandoned, daemon=True).start()
print(server.port, flush=True)
server.serve_forever()
