"""colo-peer's messages: each survives the wire; what isn't one is refused in words, and nothing else happens."""

from __future__ import annotations

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colo_twisted.failover import messages
from colo_twisted.failover.messages import (
    HEADER_SIZE,
    MOST_REASON_BYTES,
    Message,
    MessageError,
    Reader,
    Type,
    VersionError,
    encode,
)
from colo_twisted.packets.batch import MAX_FRAME, MIN_PACKET
from colo_twisted.packets.sequence import Offsets

SECRET = bytes(range(16))
u32 = st.integers(0, 2**32 - 1)
u64 = st.integers(0, 2**64 - 1)
epochs = st.integers(0, 2**63 - 1)
secrets = st.binary(min_size=16, max_size=16)
keys = st.binary(max_size=255)
roles = st.sampled_from(("primary", "secondary"))
WORD: dict[str, st.SearchStrategy[object]] = {
    "role": roles,
    "was": roles | st.just(""),
    **{name: st.booleans() for name in ("solo", "takes_over", "unfenced", "keeps")},
    "headers": st.integers(0, 255),
    **dict.fromkeys(("timeout_ms", "interval_ms"), u32),
    **dict.fromkeys(("knows", "echo", "side", "given_up", "declined"), u64),
    "nonce": secrets,
}
fields: dict[Type, dict[str, st.SearchStrategy[object]]] = {
    Type.HELLO: WORD,
    Type.HEARTBEAT: WORD,
    Type.HAND_OVER: {"reason": st.text(max_size=200).filter(str.isprintable)},
    Type.GOODBYE: {},
    Type.BEGIN: {"nonce": secrets},
    Type.DONE: {"offsets": st.dictionaries(keys, st.builds(Offsets, u32, u32))},
    Type.ABORT: {"unchanged": st.booleans()},
    Type.UNPROTECTED: {"keys": st.none() | st.lists(keys).map(tuple)},
    Type.PROTECT_NEW: {},
    Type.INVALID: {"reason": st.text(max_size=200).filter(str.isprintable)},
    Type.ANSWER: {"answered": st.integers(0, 255)},
}


@st.composite
def some_message(draw: st.DrawFn) -> Message:
    kind = draw(st.sampled_from(Type))
    return Message(
        kind, draw(u64), draw(u64), draw(epochs), **{name: draw(value) for name, value in fields[kind].items()}
    )


def read(*packets: bytes) -> list[Message]:
    reader = Reader()
    return [message for packet in packets if (message := reader.read(packet)) is not None]


def of_wire(kind: int, body: bytes = b"", version: int = 1, number: int = 0) -> bytes:
    return struct.pack(">4sBBQQQ", b"COLO", version, kind, 7, 3, number) + body


@given(st.lists(some_message(), max_size=4))
def test_what_is_written_is_read(given_messages: list[Message]) -> None:
    packets = [packet for message in given_messages for packet in encode(message)]
    assert read(*packets) == given_messages
    assert all(MIN_PACKET <= len(packet) <= MAX_FRAME for packet in packets)


@pytest.mark.parametrize(
    ("message", "body"),
    [
        (
            Message(
                Type.HELLO,
                1,
                7,
                3,
                role="secondary",
                was="primary",
                takes_over=True,
                headers=6,
                timeout_ms=500,
                interval_ms=100,
                knows=9,
                echo=5,
                side=4,
                given_up=2,
                declined=3,
                nonce=SECRET,
            ),
            "02 01 02 06 000001f4 00000064" + "".join(f"{number:016x}" for number in (9, 5, 4, 2, 3)) + SECRET.hex(),
        ),
        (
            Message(Type.HEARTBEAT, 1, 7, 3, role="primary", solo=True, unfenced=True, nonce=SECRET),
            "01 00 05 00" + "00" * 48 + SECRET.hex(),
        ),
        (Message(Type.HAND_OVER, 0, 7, 3, reason="x"), "78"),
        (Message(Type.GOODBYE, 0, 7, 3), ""),
        (Message(Type.BEGIN, 0, 7, 3, nonce=bytes(range(16))), "000102030405060708090a0b0c0d0e0f"),
        (Message(Type.DONE, 0, 7, 3, offsets={b"k": Offsets(-1, 2)}), "00 01 6b ffffffff 00000002"),
        (Message(Type.ABORT, 0, 7, 3, unchanged=True), "01"),
        (Message(Type.UNPROTECTED, 0, 7, 3, keys=(b"k", b"")), "00 01 6b 00"),
        (Message(Type.UNPROTECTED, 0, 7, 3, keys=None), "02"),
        (Message(Type.PROTECT_NEW, 0, 7, 3), ""),
        (Message(Type.INVALID, 0, 7, 3, reason="é"), "c3a9"),
        (Message(Type.ANSWER, 0, 7, 3, answered=Type.BEGIN), "03"),
    ],
)
def test_the_bytes_are_those_that_the_module_describes(message: Message, body: str) -> None:
    assert encode(message) == [of_wire(message.type, bytes.fromhex(body), number=message.number)]


def test_a_million_keys_are_cut_over_frames_and_joined() -> None:
    named = tuple(number.to_bytes(13, "big") for number in range(1_000_000))
    packets = encode(Message(Type.UNPROTECTED, 5, keys=named))
    assert len(packets) == -(-len(named) // (messages.MOST_LIST_BYTES // 14))
    assert max(map(len, packets)) <= MAX_FRAME
    assert read(*packets) == [Message(Type.UNPROTECTED, 5, keys=named)]


def test_offsets_are_cut_too_and_no_entry_is() -> None:
    offsets = {number.to_bytes(255, "big"): Offsets(number, 2 * number) for number in range(1000)}
    packets = encode(Message(Type.DONE, 5, offsets=offsets))
    assert len(packets) == 4
    assert read(*packets) == [Message(Type.DONE, 5, offsets=offsets)]


def test_other_messages_can_come_between_a_lists_parts() -> None:
    parts = encode(Message(Type.UNPROTECTED, 5, keys=(b"k" * 255,) * 500))
    between = encode(Message(Type.ANSWER, 9, answered=3))
    assert [message.type for message in read(parts[0], *between, *parts[1:])] == [Type.ANSWER, Type.UNPROTECTED]


@pytest.mark.parametrize("kind", [0, 12, 255])
def test_an_unknown_type_is_skipped_by_its_number(kind: int) -> None:
    assert read(of_wire(kind, b"whatever")) == [Message(kind, 0, 7, 3)]


HEAD = of_wire(3)


@pytest.mark.parametrize(
    ("packet", "error"),
    [
        (b"", "it does not begin with 'COLO': the peer is no colo-peer"),
        (b"GET / HTTP/1.1\r\n\r\n", "it does not begin with 'COLO': the peer is no colo-peer"),
        (HEAD[:20], "a message of 20 bytes (allowed: at least 30)"),
        (of_wire(Type.HELLO), "HELLO of 0 bytes (allowed: 68)"),
        (of_wire(Type.HELLO, b"\3" + bytes(67)), "HELLO says 3 and 0 (allowed: 1 or 2, and 0 to 2)"),
        (of_wire(Type.GOODBYE, b"x"), "GOODBYE of 1 bytes (allowed: 0)"),
        (of_wire(Type.BEGIN, bytes(15)), "BEGIN of 15 bytes (allowed: 16)"),
        (of_wire(Type.ABORT, b"\2"), "ABORT says 2 (allowed: 0 or 1)"),
        (of_wire(Type.ANSWER, bytes(2)), "ANSWER of 2 bytes (allowed: 1)"),
        (of_wire(Type.INVALID, bytes(1025)), "INVALID of 1025 bytes (allowed: at most 1024)"),
        (of_wire(Type.DONE), "DONE of 0 bytes (allowed: at least 1)"),
        (of_wire(Type.DONE, b"\2"), "DONE begins with 2 (allowed: 0, 1, UNPROTECTED also 2)"),
        (of_wire(Type.DONE, b"\0\1k\0\0\0\0\0\0\0"), "DONE ends within an entry of its list"),
        (of_wire(Type.UNPROTECTED, b"\0\5key"), "UNPROTECTED ends within an entry of its list"),
        (of_wire(Type.UNPROTECTED, b"\2\1k"), "UNPROTECTED names single connections, and all"),
    ],
)
def test_what_is_no_message_is_refused_in_words(packet: bytes, error: str) -> None:
    with pytest.raises(MessageError) as caught:
        Reader().read(packet)
    assert str(caught.value) == error
    assert not isinstance(caught.value, VersionError)


@pytest.mark.parametrize("packet", [of_wire(Type.HELLO, b"\1", version=2), b"COLO\2", of_wire(99, version=2)])
def test_another_version_is_refused_as_such_whatever_follows(packet: bytes) -> None:
    with pytest.raises(VersionError, match=r"^the peer speaks version 2 of colo-peer's messages, this is 1$"):
        Reader().read(packet)


@pytest.mark.parametrize(
    ("second", "error"),
    [
        (of_wire(Type.DONE, b"\0", number=2), "DONE 2 while the list of DONE 1 is unfinished"),
        (of_wire(Type.UNPROTECTED, b"\2", number=1), "UNPROTECTED 1 while the list of DONE 1 is unfinished"),
    ],
)
def test_two_lists_at_a_time_are_refused(second: bytes, error: str) -> None:
    with pytest.raises(MessageError, match=f"^{error}$"):
        read(of_wire(Type.DONE, b"\1", number=1), second)


def test_a_list_that_does_not_end_is_refused_at_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "MOST_ENTRIES", 10)
    part = of_wire(Type.UNPROTECTED, b"\1" + b"\1k" * 6)
    with pytest.raises(MessageError, match=r"^a list of more than 10 entries in UNPROTECTED$"):
        read(part, part)
    with pytest.raises(ValueError, match=r"^a list of 11 entries \(allowed: at most 10\)$"):
        encode(Message(Type.UNPROTECTED, keys=(b"k",) * 11))


@pytest.mark.parametrize(
    ("message", "error"),
    [
        (Message(Type.UNPROTECTED, keys=(bytes(256),)), r"a key of 256 bytes \(allowed: at most 255\)"),
        (Message(Type.BEGIN, nonce=bytes(15)), "a nonce of 15 bytes"),
    ],
)
def test_what_the_wire_can_not_carry_is_an_error(message: Message, error: str) -> None:
    with pytest.raises(ValueError, match=f"^{error}$"):
        encode(message)


def test_a_reason_is_cut_and_made_printable() -> None:
    (packet,) = encode(Message(Type.INVALID, reason="é" * MOST_REASON_BYTES))
    assert len(packet) == HEADER_SIZE + MOST_REASON_BYTES
    (message,) = read(of_wire(Type.INVALID, b"two\nlines \x1b[2J\xff"))
    assert message.reason == "two?lines ?[2J\ufffd"


@given(st.binary(max_size=100))
def test_any_bytes_are_a_message_or_an_error(packet: bytes) -> None:
    with suppress(MessageError):
        read(packet)


@given(some_message(), st.data())
def test_any_damage_is_a_message_or_an_error(message: Message, data: st.DataObject) -> None:
    packet = bytearray(data.draw(st.sampled_from(encode(message))))
    for _ in range(data.draw(st.integers(1, 4))):
        packet[data.draw(st.integers(0, len(packet) - 1))] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(0, len(packet)))
    with suppress(MessageError):
        read(bytes(packet), bytes(packet[:end]))
