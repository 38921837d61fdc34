"""The gateway over TLS: the same lines and records."""

import contextlib
import socket
import ssl

import pytest

from depthcast.dbn.layout import RType
from depthcast.live.cram import response
from tests.support.certificates import make_certificate
from tests.support.gateways import LOOPS, run, serve
from tests.support.live_client import SECRET, Received, same, subscription
from tests.support.market import market, mbo_records, of, symbology
from tests.support.recorded_feed import DATASET, RecordedFeed, cut

DATA = mbo_records(20_000)


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """A server's context with a certificate made now."""
    files = make_certificate(tmp_path_factory.mktemp("tls"))
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(files.certificate, files.key)
    return made


def tls_client(address: tuple[str, int], *lines: str, fields: str = "") -> bytes:
    """All that a client over TLS receives after its start, up to an orderly end."""
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname = False
    trusting.verify_mode = ssl.CERT_NONE
    with socket.create_connection(address) as plain, trusting.wrap_socket(plain) as sock:
        reader = sock.makefile("rb")
        assert reader.readline().startswith(b"lsg_version=")
        challenge = reader.readline().decode().strip().removeprefix("cram=")
        sock.sendall(f"auth={response(challenge, SECRET)}|dataset={DATASET}{fields}\n".encode())
        assert reader.readline().startswith(b"success=1")
        sock.sendall("".join(f"{line}\n" for line in (*lines, "start_session")).encode())
        with reader:
            return reader.read()


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("ts_out", [False, True])
def test_the_stream_over_tls_is_the_feed(context: ssl.SSLContext, loop: str, ts_out: bool) -> None:
    async def main() -> None:
        feed = RecordedFeed(cut(DATA, records=5000), symbology=symbology(), schemas=["trades"])
        async with serve(feed, ssl_context=context) as served:
            ask = served.gateway.loop.run_in_executor
            fields = "|ts_out=1" if ts_out else ""
            got = ask(None, lambda: tls_client(served.address, subscription(), fields=fields))
            await served.started(1)
            feed.end()
            received = Received(await got, ts_out)
            assert same(received.data, DATA)
            assert received.said[-1] == (255, "The source has ended.")

    run(main(), loop)


def test_who_does_not_speak_tls_is_closed_and_others_go_on(context: ssl.SSLContext) -> None:
    async def main() -> None:
        data = market(60)
        feed = RecordedFeed(cut(data, records=9), symbology=symbology())
        async with serve(feed, ssl_context=context, auth_timeout_s=0.3) as served:
            loop = served.gateway.loop
            got = loop.run_in_executor(None, lambda: tls_client(served.address, subscription()))
            await served.started(1)
            plain, silent = await served.client(), await served.client()
            await plain.send("auth=what|dataset=ever")
            with contextlib.suppress(ConnectionResetError):  # TLS's own alert may come first
                while await plain.read():
                    pass
            with pytest.raises(OSError, match="reset"):
                await silent.read()
            feed.end()
            assert Received(await got).data == of(data, RType.MBO)

    run(main())
