"""An OAuth2 server as Microsoft 365 has one: device codes, tokens, refreshing; and for Dovecot, what a token is worth.

`msal` talks to it with `authority=server.authority`, `instance_discovery=False` (else it asks Microsoft whether the
authority is a known one) and `verify=` the certificate authority's file, which `requests` passes over when the
environment has REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE. The person at the browser is the test: it
calls `approve` or `decline` with the code that the program showed.
"""

from __future__ import annotations

import base64
import json
import secrets
import ssl
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

TENANT = "organizations"
DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"

Form = dict[str, str]
Reply = tuple[int, dict[str, Any]]


@dataclass
class _Request:
    """A device that waits for its person."""

    client: str
    scope: str
    user_code: str
    ends: float
    address: str | None = None
    declined: bool = False


@dataclass
class _Token:
    address: str
    ends: float


@dataclass
class TokenServer:
    """Listens on a port of localhost with the certificate `chain` and `key`. `seconds` is a token's life."""

    chain: Path
    key: Path
    seconds: int = 3600
    interval: int = 1
    """Seconds that a device is told to wait between two questions."""
    forms: list[tuple[str, Form]] = field(default_factory=list)
    """All that was asked, as the last word of the path and the form."""

    def __post_init__(self) -> None:
        self._devices: dict[str, _Request] = {}
        self._access: dict[str, _Token] = {}
        self._refresh: dict[str, str] = {}
        self._lock = threading.Lock()
        self._http = _listen(self)
        self.port: int = self._http.server_address[1]
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    @property
    def authority(self) -> str:
        return f"{self.url}/{TENANT}"

    @property
    def introspection_url(self) -> str:
        return f"{self.url}/introspect"

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    # --- what a person or an administrator does -----------------------------------------------------------------

    def issue(self, address: str, *, seconds: int | None = None) -> str:
        """An access token for `address`, without any ado; `seconds` below zero for one that has ended."""
        token = f"access-{secrets.token_urlsafe(24)}"
        with self._lock:
            self._access[token] = _Token(address, time.time() + (self.seconds if seconds is None else seconds))
        return token

    def waiting(self) -> list[str]:
        """Codes that programs have shown and nobody has answered."""
        with self._lock:
            return [each.user_code for each in self._devices.values() if each.address is None and not each.declined]

    def approve(self, user_code: str, address: str) -> None:
        """The person enters the code and logs in as `address`."""
        self._device(user_code).address = address

    def decline(self, user_code: str) -> None:
        self._device(user_code).declined = True

    def expire(self, user_code: str) -> None:
        """The person came too late."""
        self._device(user_code).ends = 0

    def revoke_all(self) -> None:
        """The administrator ends all sessions: no token is worth anything any more."""
        with self._lock:
            self._access.clear()
            self._refresh.clear()

    def end_access(self) -> None:
        """An hour goes by: access tokens are over, refresh tokens are not."""
        with self._lock:
            self._access.clear()

    def _device(self, user_code: str) -> _Request:
        with self._lock:
            return next(each for each in self._devices.values() if each.user_code == user_code)

    # --- what programs ask --------------------------------------------------------------------------------------

    def discovery(self) -> Reply:
        base = f"{self.authority}/oauth2/v2.0"
        return 200, {
            "issuer": f"{self.authority}/v2.0",
            "authorization_endpoint": f"{base}/authorize",
            "token_endpoint": f"{base}/token",
            "device_authorization_endpoint": f"{base}/devicecode",
        }

    def post(self, path: str, form: Form) -> Reply:
        word = path.rsplit("/", 1)[-1]
        with self._lock:
            self.forms.append((word, form))
            if word == "introspect":
                return self._introspect(form)
            if word == "devicecode":
                return self._device_code(form)
            if word == "token" and form.get("grant_type") == DEVICE_CODE:
                return self._of_device(form)
            if word == "token" and form.get("grant_type") == "refresh_token":
                return self._of_refresh(form)
        return _refusal("unsupported_grant_type")

    def _introspect(self, form: Form) -> Reply:
        """RFC 7662. A token that isn't good gives an answer, too: that it is not active, and nothing more."""
        token = self._access.get(form.get("token", ""))
        if token is None or token.ends <= time.time():
            return 200, {"active": False}
        return 200, {"active": True, "username": token.address, "exp": int(token.ends)}

    def _device_code(self, form: Form) -> Reply:
        code, shown = secrets.token_urlsafe(24), secrets.token_hex(4).upper()
        self._devices[code] = _Request(form["client_id"], form.get("scope", ""), shown, time.time() + 900)
        page = f"{self.url}/device"
        return 200, {
            "device_code": code,
            "user_code": shown,
            "verification_uri": page,
            "expires_in": 900,
            "interval": self.interval,
            "message": f"To sign in, open the page {page} in a browser and enter the code {shown}.",
        }

    def _of_device(self, form: Form) -> Reply:
        request = self._devices.get(form.get("device_code", ""))
        if request is None or request.client != form.get("client_id"):
            return _refusal("invalid_grant")
        if request.declined:
            return _refusal("authorization_declined")
        if request.ends <= time.time():
            return _refusal("expired_token")
        if request.address is None:
            return _refusal("authorization_pending")
        del self._devices[form["device_code"]]
        return self._tokens(request.address, request.client, request.scope)

    def _of_refresh(self, form: Form) -> Reply:
        address = self._refresh.get(form.get("refresh_token", ""))
        if address is None:
            return _refusal("invalid_grant")
        return self._tokens(address, form["client_id"], form.get("scope", ""))

    def _tokens(self, address: str, client: str, scope: str) -> Reply:
        access, refresh = f"access-{secrets.token_urlsafe(24)}", f"refresh-{secrets.token_urlsafe(24)}"
        now = int(time.time())
        self._access[access] = _Token(address, now + self.seconds)
        self._refresh[refresh] = address
        claims = {
            "aud": client,
            "iss": f"{self.authority}/v2.0",
            "iat": now,
            "nbf": now,
            "exp": now + self.seconds,
            "name": address,
            "preferred_username": address,
            "oid": address,
            "sub": address,
            "tid": TENANT,
            "ver": "2.0",
        }
        return 200, {
            "token_type": "Bearer",
            # As Microsoft does: what only asks for further tokens is not among what the token is good for.
            "scope": " ".join(word for word in scope.split() if word not in ("openid", "profile", "offline_access")),
            "expires_in": self.seconds,
            "ext_expires_in": self.seconds,
            "access_token": access,
            "refresh_token": refresh,
            "id_token": f"{_encoded({'alg': 'none'})}.{_encoded(claims)}.",
            "client_info": _encoded({"uid": address, "utid": TENANT}),
        }


def _refusal(error: str) -> Reply:
    return 400, {"error": error, "error_description": f"AADSTS70000: {error}", "error_codes": [70000]}


def _encoded(content: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


def _listen(tokens: TokenServer) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            known = self.path.split("?")[0].endswith("/.well-known/openid-configuration")
            self._reply(tokens.discovery() if known else (404, {"error": "not_found"}))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            self._reply(tokens.post(self.path.split("?")[0], form))

        def _reply(self, reply: Reply) -> None:
            body = json.dumps(reply[1]).encode()
            self.send_response(reply[0])
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_request(self, code: object = "-", size: object = "-") -> None:
            """Nothing goes to the tests' standard error."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, request: object, client_address: object) -> None:
            """A client that does not trust us ends the handshake: that is what some tests are about."""

    http = Server(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tokens.chain, tokens.key)
    # The handshake is left to the connection's own thread: a client that is slow must not keep others waiting.
    http.socket = context.wrap_socket(http.socket, server_side=True, do_handshake_on_connect=False)
    return http
