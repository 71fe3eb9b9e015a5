"""Serves moto as `moto_server` does, but keeps connections, sends at once, and ends with whoever started it."""

import ctypes
import gc
import json
import os
import signal
import socketserver
import sys
import threading

from moto.core.serialize import XFormedAttributePicker
from moto.core.utils import MISSING, get_value
from moto.ec2.models.core import TaggedEC2Resource
from moto.ec2.utils import EC2_PREFIX_TO_RESOURCE, get_prefix
from moto.elbv2.exceptions import TooManyTagsError
from moto.elbv2.models import ELBv2Backend
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from moto.sns.models import Subscription
from werkzeug.serving import make_server


gate = threading.Condition()
under_way = 0


class Handler(MotoRequestHandler):
    protocol_version = "HTTP/1.1"  # Keeps connections; the default closes each.
    disable_nagle_algorithm = True
    wbufsize = -1  # An answer's head and body leave together.

    def log(self, *_):
        pass

    def run_wsgi(self):
        global under_way
        with gate:
            under_way += 1
        try:
            super().run_wsgi()
            self.wfile.flush()
        finally:
            with gate:
                under_way -= 1
                gate.notify_all()


known_members = {}


def pick(picker, context):
    """Finds a member of an answer under the names that it may have; moto works these out anew for each member of each answer."""
    path = f"{context.key_path}.{context.key}"
    member = (context.service_model.service_name, context.operation_model.name, path, type(context.obj))
    if member not in known_members:
        change = next((change for end, change in picker.response_transformers.items() if path.endswith(end)), None)
        known_members[member] = (tuple(dict.fromkeys(picker.get_possible_keys(context))), change)
    keys, change = known_members[member]
    value = next((value for key in keys if (value := get_value(context.obj, key, MISSING)) is not MISSING), None)
    return change(value) if change else value


def get_tags(resource):
    """Looks a resource's tags up; moto compares its id with those of all resources, for each of all resources."""
    if not resource.id:
        return []
    of_type = EC2_PREFIX_TO_RESOURCE.get(get_prefix(resource.id), "")
    tags = resource.ec2_backend.tags.get(resource.id, {})
    return [
        {"resource_id": resource.id, "key": key, "value": value, "resource_type": of_type} for key, value in tags.items()
    ]


def add_tags(backend, resource_arns, tags):
    """Takes as many tags as AWS does, which is 50; moto stops at 10."""
    for arn in resource_arns:
        backend._get_resource_by_arn(arn)
        keys = set(backend.tagging_service.get_tag_dict_for_resource(arn)) | {tag["Key"] for tag in tags}
        if len(keys) > 50:
            raise TooManyTagsError()
        backend.tagging_service.tag_resource(arn, tags)


class Body(str):
    """What a subscription gets of a message that has a body for each protocol, and what mail gets."""

    mail = ""


def body_for_protocol(subscription, message, protocol):
    body = Body(parse_message_structure(subscription, message, protocol))
    body.mail = json.loads(message).get("email", "")
    return body


def envelope(subscription, message, *arguments, **options):
    """Gives a queue what mail gets beside its own: nobody reads mails here."""
    data = get_post_data(subscription, message, *arguments, **options)
    return {**data, "Mail": message.mail} if getattr(message, "mail", "") else data


def serve(socket_server):
    os.environ["MOTO_PORT"] = str(socket_server.port)
    print(socket_server.port, os.getpid(), flush=True)
    socket_server.serve_forever()


def new_server():
    return make_server("127.0.0.1", 0, application, threaded=True, request_handler=Handler)


def fork():
    with gate:
        # A copy never ends what another thread has begun, and never gets a lock that it holds.
        gate.wait_for(lambda: under_way == 0)
        gc.freeze()  # The collector leaves what both have alone, so that it stays shared memory.
        process = os.fork()
    if process != 0:
        return
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: it ends with this process.
    server.socket.close()
    serve(new_server())


def follow_orders():
    for _ in sys.stdin.buffer:
        fork()  # Each line asks for a copy of all that is here, on a port of its own.
    os._exit(0)  # The starter closed its side, or died.


TaggedEC2Resource.get_tags = get_tags
XFormedAttributePicker.__call__ = pick
ELBv2Backend.add_tags = add_tags
parse_message_structure, Subscription._parse_message_structure = Subscription._parse_message_structure, body_for_protocol
get_post_data, Subscription.get_post_data = Subscription.get_post_data, envelope
socketserver.TCPServer.request_queue_size = 512
application = DomainDispatcherApplication(create_backend_app)
application.debug = True
signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # Copies that were killed leave nothing to be waited for.
server = new_server()
threading.Thread(target=follow_orders, daemon=True).start()
serve(server)
