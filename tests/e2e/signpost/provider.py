"""The company's identity provider: OpenID Connect as far as a code flow with PKCE needs it.

Who signs in is said by the test, in the parameter `person` that no real provider has: nobody types
a password here. The provider itself is proven against a certified one by `scripts/sign-in`.
"""

import base64
import hashlib
import json
import secrets
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

CLIENT = "signpost-at-work"


def text(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value):
    return text(value.to_bytes((value.bit_length() + 7) // 8, "big"))


class Provider:
    """Listens on a free port of this machine until it is closed."""

    def __init__(self):
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.secret = secrets.token_urlsafe(24)
        self.codes = {}
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Else the answer's body waits for the acknowledgement of its head.
            disable_nagle_algorithm = True

            def do_GET(self):
                url = urllib.parse.urlsplit(self.path)
                query = dict(urllib.parse.parse_qsl(url.query))
                provider.get(self, url.path, query)

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                provider.token(self, dict(urllib.parse.parse_qsl(body)))

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def answer(self, handler, status, body=None, headers=()):
        body = json.dumps(body).encode() if body is not None else b""
        handler.send_response(status)
        for name, value in headers:
            handler.send_header(name, value)
        handler.send_header("content-type", "application/json")
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def get(self, handler, path, query):
        if path == "/.well-known/openid-configuration":
            self.answer(handler, 200, {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/jwks",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
                "code_challenge_methods_supported": ["S256"],
            })
        elif path == "/jwks":
            public = self.key.public_key().public_numbers()
            self.answer(handler, 200, {"keys": [{
                "kty": "RSA", "use": "sig", "alg": "RS256", "kid": "1",
                "n": number(public.n), "e": number(public.e),
            }]})
        elif path == "/authorize":
            code = secrets.token_urlsafe(16)
            self.codes[code] = query
            back = urllib.parse.urlencode({"code": code, "state": query["state"], "iss": self.issuer})
            self.answer(handler, 302, headers=[("location", f"{query['redirect_uri']}?{back}")])
        else:
            self.answer(handler, 404, {})

    def token(self, handler, form):
        asked = self.codes.pop(form.get("code"), None)
        proof = text(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if asked is None or proof != asked["code_challenge"]:
            self.answer(handler, 400, {"error": "invalid_grant"})
            return
        now = int(time.time())
        claims = {
            "iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": asked["nonce"],
            "sub": "sub-" + asked["person"], "email": asked["person"], "email_verified": True,
            "name": "Somebody at work",
        }
        self.answer(handler, 200, {
            "access_token": secrets.token_urlsafe(16), "token_type": "Bearer", "expires_in": 300,
            "id_token": self.sign(claims),
        })

    def sign(self, claims):
        head = {"alg": "RS256", "kid": "1", "typ": "JWT"}
        parts = ".".join(text(json.dumps(it).encode()) for it in (head, claims))
        signature = self.key.sign(parts.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{parts}.{text(signature)}"
