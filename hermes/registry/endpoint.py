"""One registry over HTTP: who asks, what may be asked again, and where an answer may lead.

It knows addresses, statuses and credentials; it does not know what a blob or a manifest is. A credential and a
client certificate are shown to their own host only, whatever redirects and locations say.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urljoin, urlsplit

from hermes.errors import BuildInterrupted, RegistryError
from hermes.image.reference import DOCKER_HUB
from hermes.outbound import is_loopback
from hermes.registry.addresses import joined
from hermes.registry.answers import (
    LARGEST_ANSWER,
    SHOWN,
    STALLS,
    Cut,
    NotThere,
    Refused,
    Stalled,
    body_of,
    drain,
    reason_in,
    reason_of,
    said_in,
    seconds_to_wait,
)
from hermes.registry.auth import Challenge, Token, parse_challenges, parse_token, token_request
from hermes.registry.credential import Credential
from hermes.registry.settings import Registries, RegistrySettings
from hermes.version import __version__

if TYPE_CHECKING:
    import requests

ATTEMPTS: Final = 5

_FIRST_WAIT: Final = 0.5
_LONGEST_WAIT: Final = 60.0
_WRITTEN: Final = 60
"""How many seconds a registry may take to answer to what was written to it: it may have to read all of it again."""
_MOST_REDIRECTS: Final = 5
_TRANSIENT: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_LARGEST_TOKEN: Final = 1 << 18


@dataclass(frozen=True, slots=True)
class Ask:
    """A request. ``where`` is a path of the registry or an address that it named.

    ``scopes`` are what a token is asked for; ``body`` opens what is sent, again for each attempt; ``accepted``
    are the statuses that are an answer. ``again``: may be sent twice without harm.
    """

    method: str
    where: str
    scopes: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Callable[[], Any] | None = None
    accepted: Collection[int] = (200,)
    again: bool = True


class Endpoint:
    """The registry at ``host``, as one user. Safe to use from several threads.

    ``registries`` are the settings of other hosts, to which answers may lead. Once ``cancelled`` is set, what
    waits gives up. A server other than a registry has a ``base``, its scheme and host, and is not asked whether it is
    one. ``no_credential`` says why there is no credential, where that could not be found out.
    """

    def __init__(
        self,
        host: str,
        settings: RegistrySettings,
        registries: Registries,
        credential: Credential | None,
        cancelled: threading.Event,
        base: str = "",
        *,
        no_credential: str = "",
    ) -> None:
        self.host = host
        self._no_credential = no_credential
        self._settings = settings
        self._registries = registries
        self._credential = credential
        self._cancelled = cancelled
        self._local = threading.local()
        self._sessions: list[requests.Session] = []
        self._guard = threading.Lock()
        self._base = base
        self._lost = ""
        self._challenges: list[Challenge] = []
        self._tokens: dict[tuple[str, ...], Token] = {}

    @contextmanager
    def send(self, ask: Ask) -> Iterator[requests.Response]:
        """Give the answer to a request, its body unread.

        Raises `NotThere` and `Refused` for other statuses, `Cut` when the connection failed (after several
        attempts, where the request may be repeated), `RegistryError` when nobody may ask or answers.
        """
        self.check_cancelled()
        self._find()
        self._authorization(ask.scopes)  # these two make their own attempts
        statuses = _TRANSIENT if ask.again else (429,)
        with self._tried(lambda: self._once(ask), statuses, cut=ask.again) as answer:
            if answer.status_code in ask.accepted:
                yield answer
                drain(answer)
                return
            error = self._refusal(ask, answer)
            if answer.status_code == 404:
                raise NotThere(error.message)
            raise Refused(answer.status_code, error)

    def _tried(
        self,
        ask: Callable[[], requests.Response],
        statuses: Collection[int] = _TRANSIENT,
        *,
        cut: bool = True,
        stalls: int = STALLS,
    ) -> requests.Response:
        """Return the answer that ``ask`` gives, called again after one of ``statuses`` and, with ``cut``, after a `Cut`.

        It may stall ``stalls`` times.
        """
        for attempt in range(ATTEMPTS):
            is_last = attempt == ATTEMPTS - 1
            try:
                answer = ask()
            except Cut as error:
                stalls -= isinstance(error, Stalled)
                if is_last or not cut or stalls <= 0:
                    raise
                self.wait(attempt)
                continue
            if is_last or answer.status_code not in statuses:
                break
            asked = answer.headers.get("Retry-After", "")
            answer.close()
            self.wait(attempt, asked)
        return answer

    def wait(self, attempt: int, asked: str = "") -> None:
        """Wait before another attempt (they count from 0), as long as the registry ``asked`` to."""
        delay = _FIRST_WAIT * 2**attempt
        if (wanted := seconds_to_wait(asked)) is not None:
            if wanted > _LONGEST_WAIT:
                raise RegistryError(
                    f"{self.host} asks to wait {wanted:.0f} seconds", hint="try again later, or use a mirror"
                )
            delay = wanted
        if self._cancelled.wait(delay):
            raise BuildInterrupted

    def close(self) -> None:
        """Close the connections; what is asked afterwards opens new ones."""
        for session in self._sessions:
            session.close()

    def check_cancelled(self) -> None:
        if self._cancelled.is_set():
            raise BuildInterrupted

    # Who asks.

    def _once(self, ask: Ask) -> requests.Response:
        self.check_cancelled()
        used = self._authorization(ask.scopes)
        answer = self._exchange(ask, used)
        if answer.status_code != 401 or _origin(answer.url) != _origin(self._base):
            return answer
        if challenges := parse_challenges(answer.headers.get("WWW-Authenticate", "")):
            self._challenges = challenges
        with self._guard:
            token = self._tokens.get(ask.scopes)
            if token is not None and token.header == used:  # or another thread has got a new one meanwhile
                del self._tokens[ask.scopes]
        try:
            now = self._authorization(ask.scopes)
        except BaseException:
            answer.close()
            raise
        if not now or (now == used and not now.startswith("Bearer")):
            return answer
        answer.close()
        return self._exchange(ask, now)

    def _find(self) -> None:
        """Find out, once, by which protocol the registry speaks and how it wants to be asked.

        Where nobody answered, nobody is asked again: a mirror that is down costs its waits once.
        """
        with self._guard:
            if self._base:
                return
            if self._lost:
                raise Cut(self._lost)
            host = "registry-1.docker.io" if self.host == DOCKER_HUB else self.host
            bases = [f"https://{host}"]
            if (
                is_loopback(host) and not self._settings.tls_only
            ):  # what has no credential can be asked of this machine without TLS
                bases.insert(0, f"http://{host}")
            elif self._settings.insecure:
                bases.append(f"http://{host}")
            for base in bases:
                is_last = base is bases[-1]
                try:
                    answer = self._ping(base, last=is_last)
                except Cut as error:
                    if is_last:
                        self._lost = str(error)
                        raise
                    continue
                with answer:
                    if answer.status_code in (200, 401):
                        self._challenges = parse_challenges(answer.headers.get("WWW-Authenticate", ""))
                        self._base = base
                        return
                    if is_last:
                        raise self._refusal(Ask("GET", "/v2/"), answer)

    def _ping(self, base: str, *, last: bool) -> requests.Response:
        """Ask whether a registry is there; one that has not answered yet may not stall twice."""
        return self._tried(lambda: self._follow("GET", f"{base}/v2/", {}, None, "", base), cut=last, stalls=1)

    def _authorization(self, scopes: tuple[str, ...]) -> str:
        challenge = next((one for one in self._challenges if one.scheme == "bearer"), None)
        if challenge is not None:
            with self._guard:
                token = self._tokens.get(scopes)
                if token is None or not token.is_fresh:
                    token = self._tokens[scopes] = self._token(challenge, scopes)
                return token.header
        if self._credential is None or not self._credential.password:
            return ""
        return self._credential.basic if any(one.scheme == "basic" for one in self._challenges) else ""

    def _token(self, challenge: Challenge, scopes: tuple[str, ...]) -> Token:
        plain = self._settings.insecure or self._base.startswith("http://")
        named = challenge.get("scope")
        wanted = scopes or ((named,) if named else ())
        ask = token_request(challenge, wanted, self._credential, plain=plain, of=self.host)
        data: bytes | None = None

        def once() -> requests.Response:
            nonlocal data
            with self._plain(ask.url, ask.headers, ask.form) as answer:
                data = body_of(answer, _LARGEST_TOKEN)
                return answer

        answer = self._tried(once)
        if answer.status_code != 200:
            what = ", ".join(one.split(":")[1] for one in scopes if one.count(":") > 1) or self.host
            raise self._denied(what, f"the token server answered {answer.status_code}{said_in(answer, data)}")
        if data is None:
            raise RegistryError(f"the token server of {self.host} gave no token")
        return parse_token(data, of=self.host)

    def _plain(
        self, url: str, headers: Mapping[str, str], form: Mapping[str, str] | None
    ) -> requests.Response:
        """Ask a token server, which is often another host; its redirects are not followed."""
        settings = self._settings_of(url)
        return self._raw("POST" if form else "GET", url, headers, form, settings)

    # Where it goes.

    def _exchange(self, ask: Ask, authorization: str) -> requests.Response:
        url = joined(self._base, ask.where, self.host)
        return self._follow(ask.method, url, ask.headers, ask.body, authorization, self._base)

    def _follow(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: Callable[[], Any] | None,
        authorization: str,
        base: str,
    ) -> requests.Response:
        for _ in range(_MOST_REDIRECTS + 1):
            self._check_protocol(url, base)
            own = _origin(url) == _origin(base)
            shown = {**headers, "Authorization": authorization} if own and authorization else headers
            settings = self._settings if own else self._settings_of(url)
            answer = self._raw(method, url, shown, body() if body else None, settings)
            target = answer.headers.get("Location", "")
            if answer.status_code not in _REDIRECTS or not target:
                return answer
            answer.close()
            url = joined(url, target, self.host)
            if method not in ("GET", "HEAD") and _origin(url) != _origin(base):
                raise RegistryError(
                    f"{self.host} redirects what is written to another host, {urlsplit(url).netloc}",
                    hint="name that registry itself",
                )
        raise RegistryError(f"{self.host} redirects in a circle", hint="ask who runs the registry")

    def _check_protocol(self, url: str, base: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc or "@" in parts.netloc:
            raise RegistryError(
                f"{self.host} redirects to {url[:SHOWN]!r}, which is not the URL of a registry"
            )
        if parts.scheme == "http" and base.startswith("https") and not self._settings.insecure:
            raise RegistryError(
                f"{self.host} leads to {parts.netloc} without TLS",
                hint="if that is meant, configure the registry as insecure in hermes.yaml",
            )

    def _settings_of(self, url: str) -> RegistrySettings:
        """Return the settings for an address of another host: its own, without a client certificate of ours."""
        host = urlsplit(url).netloc
        return self._settings if host == self.host else self._registries.of(host)[1]

    def _raw(
        self, method: str, url: str, headers: Mapping[str, str], body: Any, settings: RegistrySettings
    ) -> requests.Response:
        import requests

        from hermes.registry import pace

        session = self._session(loopback=is_loopback(urlsplit(url).netloc))
        patience = pace.SECONDS if method in ("GET", "HEAD") else _WRITTEN
        try:
            answer = session.request(
                method,
                url,
                headers={"Accept-Encoding": "identity", "User-Agent": f"hermes/{__version__}", **headers},
                data=body,
                stream=True,
                allow_redirects=False,
                timeout=(pace.CONNECTING, patience),
                verify=False if settings.insecure else settings.ca or True,
                cert=(settings.cert, settings.key or settings.cert) if settings.cert else None,
            )
        except requests.exceptions.SSLError as error:
            raise self._tls(url, error) from None
        except requests.Timeout as error:
            host = urlsplit(url).netloc
            reason = reason_of(error, patience)
            raise Stalled(reason if host == self.host else f"{host}: {reason}") from None
        except (
            requests.ConnectionError,
            requests.exceptions.ChunkedEncodingError,
            requests.exceptions.ContentDecodingError,
        ) as error:
            host = urlsplit(url).netloc
            reason = reason_in(error)
            kind = (
                Stalled if "timed out" in reason else Cut
            )  # while writing: `requests.Timeout` does not cover that
            raise kind(reason if host == self.host else f"{host}: {reason}") from None
        except requests.RequestException as error:
            raise RegistryError(f"{urlsplit(url).netloc}: {reason_in(error)}") from None
        except ValueError as error:  # urllib3's, of a name that has no form of names
            raise RegistryError(f"{urlsplit(url).netloc}: {error}", hint="check its name") from None
        except OSError as error:
            raise RegistryError(
                f"{urlsplit(url).netloc}: {error}", hint="check its settings in hermes.yaml"
            ) from None
        declared = answer.headers.get("Content-Length", "0")
        if not all(one.strip().isdecimal() for one in declared.split(",")):
            answer.close()
            raise RegistryError(
                f"{urlsplit(url).netloc} answered with an invalid Content-Length: {declared!r}"
            )
        return answer

    def _session(self, *, loopback: bool) -> requests.Session:
        """Return the calling thread's session; proxies are not asked for what is on this machine."""
        name = "direct" if loopback else "session"
        found: requests.Session | None = getattr(self._local, name, None)
        if found is None:
            import urllib3

            from hermes.registry import pace

            if self._settings.insecure:  # as hermes.yaml says, so nobody needs to be told
                urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
            found = pace.session()
            found.trust_env = not loopback
            found.auth = lambda request: request  # or requests shows what is in ~/.netrc
            setattr(found, "get_redirect_target", lambda _: None)  # noqa: B010 - redirects are followed here
            setattr(self._local, name, found)
            self._sessions.append(found)
        return found

    # What went wrong.

    def _tls(self, url: str, error: Exception) -> Exception:
        """Return what to raise for a failed handshake: where plain HTTP is allowed, the other side may speak that."""
        host = urlsplit(url).netloc
        reason = reason_in(error)
        speaks_plain = (
            is_loopback(host) and not self._settings.tls_only and "wrong version number" in reason.lower()
        )
        if self._settings.insecure or speaks_plain or "EOF" in reason:
            return Cut(reason)
        if "wrong version number" in reason.lower() or "record layer" in reason.lower():
            return RegistryError(
                f"{host} does not speak TLS",
                hint=f"if that is meant, say so in hermes.yaml: registries: {{{host}: {{insecure: true}}}}; "
                "commands about images take --tls-verify=false",
            )
        return RegistryError(
            f"{host}: {reason}",
            hint=f"name its authority in hermes.yaml: registries: {{{host}: {{ca: FILE}}}}; "
            "commands about images take --cert-dir DIR",
        )

    def _refusal(self, ask: Ask, answer: requests.Response) -> RegistryError:
        data = body_of(answer, LARGEST_ANSWER)
        said = said_in(answer, data)
        if answer.status_code in (401, 403) and _origin(answer.url) == _origin(self._base or answer.url):
            return self._denied(_repository_of(ask.where), f"it answered {answer.status_code}{said}")
        what = f"{ask.method} {urlsplit(urljoin(self._base, ask.where)).path}"
        problem = f"{self.host} answered {answer.status_code} to {what}{said}"
        if answer.status_code == 429:
            return RegistryError(
                problem, hint="the registry limits how often it is asked; log in, or try again later"
            )
        if answer.status_code in _TRANSIENT:
            return RegistryError(problem, hint="the registry has a problem of its own; try again later")
        return RegistryError(problem)

    def _denied(self, what: str, problem: str) -> RegistryError:
        if self._no_credential:
            hint = f"{self._no_credential}; mend that, or log in with another tool"
        elif self._credential is None:
            hint = f"log in first, as with `podman login {self.host}`; registries say the same of what is not there"
        else:
            hint = f"the credential for {self.host} may have expired, or not be enough for this; log in again"
        return RegistryError(f"{self.host} denies access to {what}: {problem}", hint=hint)


def _repository_of(where: str) -> str:
    """Return the path of the repository that an address of the registry is about."""
    path = urlsplit(where).path.removeprefix("/v2/")
    for part in ("/manifests/", "/blobs/", "/tags/", "/referrers/"):
        path = path.partition(part)[0]
    return path.strip("/") or "it"


def _origin(url: str) -> tuple[str, str, int]:
    parts = urlsplit(url)
    return (
        parts.scheme,
        (parts.hostname or "").lower(),
        parts.port or (443 if parts.scheme == "https" else 80),
    )
