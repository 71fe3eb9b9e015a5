"""tls FOLDER: an endpoint over TLS, with a certificate by an authority of this run's own, whose certificate is FOLDER/ca.pem.

Says its port, and answers every call that there is no such function.
"""

import datetime
import http.server
import pathlib
import ssl
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def certificate(subject, key, signer, extension):
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = x509.CertificateBuilder(
        issuer_name=name("ca"),
        subject_name=name(subject),
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=now - DAY,
        not_valid_after=now + DAY,
    )
    signed = builder.add_extension(extension, critical=True).sign(signer, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM)


class NoSuchFunction(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = b'{"Message": "no such function"}'
        self.send_response(404)
        self.send_header("x-amzn-errortype", "ResourceNotFoundException")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def main(folder):
    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca = certificate("ca", authority, authority, x509.BasicConstraints(ca=True, path_length=None))
    own = certificate("localhost", key, authority, x509.SubjectAlternativeName([x509.DNSName("localhost")]))
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "ca.pem").write_bytes(ca)
    (folder / "own.pem").write_bytes(own + secret)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "own.pem")
    server = http.server.HTTPServer(("127.0.0.1", 0), NoSuchFunction)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    print(server.server_port, flush=True)
    server.serve_forever()


main(pathlib.Path(sys.argv[1]))
