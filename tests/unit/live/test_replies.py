"""A gateway's lines, as they are and as the official client reads them."""

import pytest
from databento.live import gateway as official

from depthcast.errors import ProtocolError
from depthcast.live.lines import parse_line
from depthcast.live.replies import AuthenticationReply, Challenge, Greeting


def test_the_official_client_reads_every_line() -> None:
    decoder = official.GatewayDecoder()
    decoder.write(Greeting().to_line() + Challenge("abc").to_line())
    decoder.write(AuthenticationReply(session_id="7").to_line())
    decoder.write(AuthenticationReply(error="User authentication failed.").to_line())
    assert decoder.decode() == [
        official.Greeting("0.9.4"),
        official.ChallengeRequest("abc"),
        official.AuthenticationResponse("1", session_id="7"),
        official.AuthenticationResponse("0", error="User authentication failed."),
    ]


@pytest.mark.parametrize("line", [Greeting(), Challenge("abc"), AuthenticationReply(session_id="7")])
def test_what_is_written_is_read(line: Greeting | Challenge | AuthenticationReply) -> None:
    assert type(line).from_fields(parse_line(line.to_line())) == line


def test_a_refusal_keeps_its_words_but_not_its_separators() -> None:
    reply = AuthenticationReply(error="no|such\ndataset")
    read = AuthenticationReply.from_fields(parse_line(reply.to_line()))
    assert not read.success
    assert read.error == "no/such dataset"


def test_anything_but_1_is_a_refusal() -> None:
    reply = AuthenticationReply.from_fields({"success": "2"})
    assert not reply.success
    assert reply.error == "the gateway gave no reason"


def test_another_servers_line_is_no_greeting() -> None:
    fields = parse_line(b"SSH-2.0-OpenSSH_9.2\r\n")
    with pytest.raises(ProtocolError, match=r"expected a greeting \(lsg_version=...\), got 'SSH-2.0-Open"):
        Greeting.from_fields(fields)
    with pytest.raises(ProtocolError, match="expected a challenge"):
        Challenge.from_fields({"cram": ""})
    with pytest.raises(ProtocolError, match="expected an answer to the authentication"):
        AuthenticationReply.from_fields({"cram": "x"})


def test_a_session_id_that_is_no_number_is_not_sent() -> None:
    with pytest.raises(ProtocolError, match="session_id: expected decimal digits"):
        AuthenticationReply(session_id="a7").to_line()
