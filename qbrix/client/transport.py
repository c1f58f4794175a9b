"""HTTP under the client: headers, retries, and errors as the library names them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from qbrix.client.errors import error_of
from qbrix.errors import InvalidParameter, QbrixError, Unavailable

if TYPE_CHECKING:
    import httpx

__all__ = ["Transport"]

_ATTEMPTS = 6
_FIRST_WAIT_S = 0.1
_LONGEST_WAIT_S = 5.0


class Transport:
    """One connection pool to one server.

    Parameters
    ----------
    url : str
        Origin, e.g. ``http://127.0.0.1:8080``.
    api_key : str
    timeout_s : float
        For each attempt.
    wire : httpx.BaseTransport, optional
        What carries the requests; the network by default.
    sleep : callable
        Waits between attempts.
    """

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        timeout_s: float,
        wire: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        import httpx

        _check_credentials(url, api_key)
        self.url = url.rstrip("/")
        self._sleep = sleep
        headers = {
            "Accept": "application/json",
            "Content-Type": "application/json",
            "X-API-Key": api_key,
        }
        self._http = httpx.Client(
            base_url=f"{self.url}/api/v1", headers=headers, timeout=timeout_s, transport=wire
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        """JSON from a GET, tried again while the server is unavailable."""
        return self._patiently("GET", path, params=params).json()

    def get_bytes(self, path: str) -> bytes:
        """The raw body of a GET, tried again while the server is unavailable."""
        return self._patiently("GET", path).content

    def post(self, path: str, body: Mapping[str, Any], **more: float) -> Any:
        """JSON from a POST that is sent once; ``timeout`` in place of the usual one."""
        return self._once("POST", path, json=body, **more).json()

    def post_repeatedly(self, path: str, body: Mapping[str, Any]) -> Any:
        """JSON from a POST that does no harm twice, tried again while unavailable."""
        return self._patiently("POST", path, json=body).json()

    def post_bytes(self, path: str, data: bytes, *, media_type: str, timeout_s: float) -> Any:
        """JSON from a POST of raw bytes, sent once."""
        headers = {"Content-Type": media_type}
        return self._once("POST", path, content=data, headers=headers, timeout=timeout_s).json()

    def _patiently(self, method: str, path: str, **parts: Any) -> httpx.Response:
        for attempt in range(_ATTEMPTS - 1):
            try:
                return self._once(method, path, **parts)
            except Unavailable as error:
                wait_s = max(error.retry_after_s, _FIRST_WAIT_S * 2.0**attempt)
                self._sleep(min(wait_s, _LONGEST_WAIT_S))
        return self._once(method, path, **parts)

    def _once(self, method: str, path: str, **parts: Any) -> httpx.Response:
        import httpx

        try:
            response = self._http.request(method, path, **parts)
        except httpx.TransportError as error:
            raise self._unreachable(error) from error
        if response.is_success:
            return response
        raise error_of(response.status_code, response.content, response.headers, path=path)

    def _unreachable(self, error: Exception) -> QbrixError:
        return Unavailable(
            f"no answer from {self.url} ({type(error).__name__}: {error}); "
            "is the server up, and is this its address?",
            retry_after_s=0.0,
        )


def _check_credentials(url: object, api_key: object) -> None:
    if not isinstance(url, str) or not url.startswith(("http://", "https://")):
        raise InvalidParameter(f"url = {url!r}, expected e.g. http://127.0.0.1:8080")
    if not isinstance(api_key, str) or not (api_key.isascii() and api_key.isprintable()):
        raise InvalidParameter(
            "api_key is not a text of plain characters; expected the one that `qbrix up` prints "
            "or `qbrix key create` makes, optiq_…"
        )
