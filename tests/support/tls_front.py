"""TLS in front of a PostgreSQL whose build has none."""

import asyncio
import ssl
import threading
from contextlib import suppress
from typing import Final

from tests.support.certificates import CertificateFiles

__all__ = ["TlsFront"]

_ASKS: Final = (8).to_bytes(4, "big") + (80_877_103).to_bytes(4, "big")
"""PostgreSQL's SSLRequest."""


class TlsFront:
    """A port that speaks TLS to who asks for it as PostgreSQL's clients do, and passes all on in the clear.

    Attributes:
        port: its own.
        encrypted: connections that were.
        plain: those that did not ask.
    """

    def __init__(self, port: int, files: CertificateFiles) -> None:
        self._server = port
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(files.certificate, files.key)
        self.port = 0
        self.encrypted = self.plain = 0
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._ready.wait()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        server = await asyncio.start_server(self._pass, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        async with server:
            await self._stop.wait()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            first = await reader.readexactly(8)
            if first == _ASKS:
                writer.write(b"S")
                await writer.drain()
                await writer.start_tls(self._context)
                self.encrypted += 1
                first = b""
            else:
                self.plain += 1
            there, back = await asyncio.open_connection("127.0.0.1", self._server)
            back.write(first)
            await asyncio.gather(_copy(reader, back), _copy(there, writer))
        writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()
