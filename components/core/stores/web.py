"""Files on web servers: a range of one and no more of it, from the host that was named."""

import functools
from typing import Any

from idxpipe.components.core.errors import DataError, without_secrets

_NOT_FOUND, _PARTIAL, _BEYOND_THE_END = 404, 206, 416
_BLOCK_BYTES = 1 << 16


@functools.cache
def session_options() -> dict[str, Any]:
    """Return the arguments of an aiohttp.ClientSession that is not led to another host.

    A server could have a stage read what only its own network reaches, as a cloud's metadata.
    """
    import aiohttp

    async def look(session: Any, context: Any, params: Any) -> None:
        place = params.response.headers.get("Location") or params.response.headers.get("URI", "")
        target = params.url.join(type(params.url)(place))
        same = (target.host, target.port) == (params.url.host, params.url.port)
        # From http to https of the same host is no other place.
        if same or (target.scheme, target.host) == ("https", params.url.host):
            return
        raise DataError(
            "server leads to another host",
            where=str(params.url),
            expected=f"the file itself, or an address of {params.url.host}",
            found=without_secrets(str(target)),
            remedy="name that address, if you trust it, or fetch the file first",
        )

    trace = aiohttp.TraceConfig()
    trace.on_request_redirect.append(look)
    return {"trace_configs": [trace]}


async def fetch_range(session: Any, url: str, start: int, length: int) -> bytes:
    """Return up to `length` bytes of a file from `start`, holding no more than these.

    Not every server answers ranges: one that does not sends the file from its first byte, which is
    read past, and left where the range ends.

    Args:
        session: An aiohttp.ClientSession.
        url: The file.
        start: Its first byte.
        length: How many, at least 1.

    Raises:
        FileNotFoundError: If there is no such file.
        DataError: If the server sends more than the range that it says it sends.
        aiohttp.ClientError: If it cannot be reached, or refuses.
    """
    headers = {"Range": f"bytes={start}-{start + length - 1}", "Accept-Encoding": "identity"}
    async with session.get(url, headers=headers) as answer:
        if answer.status == _NOT_FOUND:
            raise FileNotFoundError(url)
        if answer.status == _BEYOND_THE_END:
            return b""
        answer.raise_for_status()
        partial = answer.status == _PARTIAL
        skip, found = 0 if partial else start, bytearray()
        # One byte more of a range than it has: the server must not send it.
        while len(found) < length + partial:
            block = await answer.content.read(_BLOCK_BYTES)
            if not block:
                break
            passed = min(skip, len(block))
            skip -= passed
            found += block[passed : passed + length + partial - len(found)]
        if len(found) > length:
            raise DataError(
                "server sends more than it was asked for",
                where=url,
                expected=f"{length} bytes from byte {start}",
                found="more, as the answer to a range",
                remedy="fetch the file by other means, and give the copy",
            )
        return bytes(found)
