"""OAuth2 for mail servers that take no password any more, as Microsoft 365: the device flow of `msal`, and its tokens.

A person signs in once, in any browser, by a code that the program shows (RFC 8628). What comes of it is a token that
lives long and fetches access tokens, which live for an hour and log in by XOAUTH2. Both are kept in a `TokenStore`.
Errors are told by the error codes of RFC 6749 and RFC 8628; no sentence quotes what a server wrote.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from replicator.errors import ConfigurationError, LoginRefused, MailboxTrouble, NotTrusted, TryLater, Unreachable
from replicator.transport import tls

if TYPE_CHECKING:
    import msal

SCOPES = (
    "https://outlook.office.com/IMAP.AccessAsUser.All",
    "https://outlook.office.com/POP.AccessAsUser.All",
    "https://outlook.office.com/SMTP.Send",
)
"""What we ask leave for. msal adds offline_access (the token that lives long), openid and profile by itself."""

TIMEOUT = 30
"""Seconds that a token server may take for an answer."""

SIGN_IN = "'replicator account set --auth oauth2'"

_MICROSOFT = ".microsoftonline.com"
_SIGN_IN_AGAIN = ("invalid_grant", "interaction_required", "login_required", "consent_required")
_NOT_OUR_CLIENT = ("invalid_client", "unauthorized_client", "invalid_scope", "invalid_resource")
_LATER = ("temporarily_unavailable", "server_error", "slow_down")
_TOO_LATE = ("expired_token", "code_expired", "authorization_pending")
_DECLINED = ("access_denied", "authorization_declined")


class TokenStore(Protocol):
    """Keeps the tokens between runs, as a text that only its owner may read."""

    def load(self) -> str | None: ...

    def save(self, text: str) -> None: ...


@dataclass(frozen=True, slots=True)
class OAuthSettings:
    """How to come to tokens; all from replicator.toml."""

    client_id: str
    authority: str
    ca: str | None = None


@dataclass(frozen=True, slots=True)
class DeviceCode:
    """What a person is told: open the page, enter the code, within so many seconds."""

    page: str
    code: str
    seconds: int


@dataclass(slots=True)
class OAuthLogin:
    """A `Login` by access token. Printed, it shows no token; the token server is asked when a token is first needed."""

    user: str
    settings: OAuthSettings
    tokens: TokenStore = field(repr=False)
    _application: _Application | None = field(default=None, init=False, repr=False)
    _refused: bool = field(default=False, init=False, repr=False)

    def password(self) -> str:
        raise LoginRefused(f"The user {self.user} logs in by OAuth2 and has no password here.")

    def token(self) -> str:
        """An access token that is good now: the kept one, or a new one by the token that lives long.

        Raises LoginRefused (nobody has signed in, or it is over) and all else that `sign_in` raises.
        """
        if self._application is None:
            self._application = _Application(self.settings, self.tokens)
        found = self._application.renewed_token(self.user, force=self._refused)
        self._refused = False
        return found

    def renew(self) -> None:
        """The mail server refused the token: the next one comes fresh from the token server."""
        self._refused = True


def sign_in(settings: OAuthSettings, tokens: TokenStore, show: Callable[[DeviceCode], None]) -> str:
    """Let a person sign in, and keep the tokens. Waits until it is done or the code has run out; gives who signed in.

    Raises LoginRefused (declined, too late), NotTrusted, Unreachable, TryLater, ConfigurationError.
    """
    return _Application(settings, tokens).sign_in(show)


class _Application:
    """msal's application with our TLS, our store and our errors."""

    def __init__(self, settings: OAuthSettings, tokens: TokenStore) -> None:
        import msal

        self._settings = settings
        self._tokens = tokens
        self._cache = msal.SerializableTokenCache()
        try:
            self._cache.deserialize(tokens.load())
        except ValueError:
            raise LoginRefused(f"The file with the OAuth2 tokens is damaged: sign in again with {SIGN_IN}.") from None
        self._msal = self._start()

    def _start(self) -> msal.PublicClientApplication:
        import msal

        try:
            with _server_troubles(self._settings.authority):
                return msal.PublicClientApplication(
                    self._settings.client_id,
                    authority=self._settings.authority,
                    token_cache=self._cache,
                    http_client=_http_client(self._settings.ca),
                    # Whether an authority is known to Microsoft is for Microsoft's own only.
                    instance_discovery=None if _host(self._settings.authority).endswith(_MICROSOFT) else False,
                )
        except (ValueError, KeyError):
            raise ConfigurationError(
                f"The address {self._settings.authority} gives no tokens: correct oauth_authority in replicator.toml; "
                "for Microsoft 365 it is https://login.microsoftonline.com/TENANT."
            ) from None

    def sign_in(self, show: Callable[[DeviceCode], None]) -> str:
        with self._asking():
            flow = self._msal.initiate_device_flow(list(SCOPES))
            if "user_code" not in flow:
                raise self._refusal(flow)
            shown = DeviceCode(flow["verification_uri"], flow["user_code"], int(flow.get("expires_in", 900)))
        show(shown)
        with self._asking():
            result = self._msal.acquire_token_by_device_flow(flow)
        if "access_token" not in result:
            raise self._refusal(result)
        self._keep()
        return str(result.get("id_token_claims", {}).get("preferred_username", ""))

    def renewed_token(self, user: str, *, force: bool) -> str:
        with self._asking():
            accounts = self._msal.get_accounts(user) or self._msal.get_accounts()
        if not accounts:
            raise LoginRefused(f"Nobody has signed in for {user} yet: do so with {SIGN_IN}.")
        with self._asking():
            result = self._msal.acquire_token_silent_with_error(list(SCOPES), accounts[0], force_refresh=force)
        self._keep()
        if not result or "access_token" not in result:
            raise self._refusal(result or {"error": "login_required"})
        return str(result["access_token"])

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Around whatever asks the token server."""
        try:
            with _server_troubles(self._settings.authority):
                yield
        except (ValueError, LookupError, TypeError, AttributeError):
            # msal takes for granted what an answer looks like; a hotel's log-in page looks otherwise.
            raise Unreachable(
                f"What answers in place of the token server {_host(self._settings.authority)} is none: log in to this "
                "network in a browser if it wants that, or try again later."
            ) from None

    def _keep(self) -> None:
        if self._cache.has_state_changed:
            self._tokens.save(self._cache.serialize())

    def _refusal(self, result: dict[str, Any]) -> MailboxTrouble | ConfigurationError:
        """The sentence for an error code. The server's own description may name people and is left out."""
        code, where = str(result.get("error", "")), _host(self._settings.authority)
        if code in _SIGN_IN_AGAIN:
            return LoginRefused(f"The token server {where} gives no token any more: sign in again with {SIGN_IN}.")
        if code in _NOT_OUR_CLIENT:
            return ConfigurationError(
                f"The token server {where} does not know the application {self._settings.client_id} or what it may do: "
                "correct oauth_client_id, and see docs/mail.md for how it is registered."
            )
        if code in _TOO_LATE:
            return LoginRefused(f"The code was not entered in time: start again with {SIGN_IN}.")
        if code in _DECLINED:
            return LoginRefused(f"The sign-in was declined in the browser: start again with {SIGN_IN}.")
        if code in _LATER:
            return TryLater(f"The token server {where} gives no tokens right now: try again later.")
        shown = code if re.fullmatch(r"[a-z_]{1,40}", code) else "without a reason"
        return LoginRefused(
            f"The token server {where} refuses a token ({shown}): ask the administrator of the mail accounts."
        )


def _http_client(ca: str | None) -> Any:
    """What msal sends its requests with: TLS as to mail servers, and an end to waiting."""
    import requests
    from requests.adapters import HTTPAdapter

    context = tls.context(ca)

    class Adapter(HTTPAdapter):
        def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
            super().init_poolmanager(*arguments, **options, ssl_context=context)

    class Session(requests.Session):
        def request(self, *arguments: Any, **options: Any) -> requests.Response:
            return super().request(*arguments, **{"timeout": TIMEOUT, **options})

        def merge_environment_settings(self, *arguments: Any) -> Any:
            # REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE are for other programs: --ca and SSL_CERT_FILE say whom we trust.
            return {**super().merge_environment_settings(*arguments), "verify": self.verify}

    session = Session()
    session.mount("https://", Adapter())
    return session


@contextmanager
def _server_troubles(authority: str) -> Iterator[None]:
    """What the connection to the token server may raise, as ours. Without the cause: it knows what was sent."""
    from msal.exceptions import MsalError
    from requests.exceptions import HTTPError, JSONDecodeError, RequestException, SSLError

    where = _host(authority)
    try:
        yield
    except SSLError:
        raise NotTrusted(
            f"The certificate of the token server {where} is not trusted: name your own authority's file with --ca."
        ) from None
    except (HTTPError, JSONDecodeError, MsalError):
        raise TryLater(f"The token server {where} has trouble of its own: try again later.") from None
    except RequestException:
        raise Unreachable(
            f"The token server {where} can't be reached: check the network, and oauth_authority in replicator.toml."
        ) from None


def _host(authority: str) -> str:
    return urlsplit(authority).hostname or authority
