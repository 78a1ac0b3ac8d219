"""Configuration files in QEMU's form: the same options as on a command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colo_twisted.failover.guest_watch import FarEnd, Pidfile
from colo_twisted.failover.properties import ColoPeerProperties
from colo_twisted.options.errors import OptionError
from colo_twisted.options.keyval import Pairs
from colo_twisted.options.readconfig import read_sections
from tests.options.lines import PRIMARY, error_of, gist, options_of, parse, parse_words

ETC = Path(__file__).parents[2] / "etc"
TYPE_KEYS = {"-chardev": "backend", "-netdev": "type", "-device": "driver", "-object": "qom-type"}


def example(name: str, folder: Path) -> str:
    """An example's text, with its scripts where this test has some."""
    text = (ETC / name).read_text()
    for script in ("qemu-ifup", "qemu-ifdown"):
        (folder / script).write_text("#!/bin/sh\n")
        (folder / script).chmod(0o755)
        assert f'"/etc/{script}"' in text
        text = text.replace(f'"/etc/{script}"', f'"{folder / script}"')
    (folder / "fence").write_text("#!/bin/sh\n")
    (folder / "fence").chmod(0o755)
    for there in ("/run/colo/", "/var/lib/colo/", "/etc/colo/"):
        text = text.replace(there, f"{folder}/")
    return text


_PRIMARY = ["filter-mirror", "filter-redirector", "filter-redirector"]
_SECONDARY = ["filter-drop", "filter-redirector", "filter-redirector", "filter-rewriter"]
EXAMPLES = {
    "primary.conf": [*_PRIMARY, "colo-compare", "colo-peer"],
    "secondary.conf": [*_SECONDARY, "colo-peer"],
    "qemu/primary.conf": [*_PRIMARY, "colo-qemu", "colo-peer", "colo-compare"],
    "qemu/secondary.conf": [*_SECONDARY, "colo-qemu", "colo-peer"],
}
"""An example's objects, in the order of a packet's way."""


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_file_is_one_side_of_the_pair(name: str, tmp_path: Path) -> None:
    config = tmp_path / "colo.conf"
    config.write_text(example(name, tmp_path))
    parsed = parse_words("-readconfig", str(config))
    assert [definition.type.name for definition in parsed.of("object")] == EXAMPLES[name]


def without_hashes(text: str, heading: str) -> str:
    """The same with the lines of one section that are ready to be used."""
    before, found, rest = text.partition(f"{heading}\n")
    section, end, after = rest.partition("\n\n")
    assert found
    assert "\n#  " in section
    return before + found + section.replace("\n#  ", "\n  ") + end + after


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_file_goes_on_by_itself_at_the_latest_without_its_hashes(name: str, tmp_path: Path) -> None:
    text = example(name, tmp_path)
    config = tmp_path / "colo.conf"
    config.write_text(text if name.startswith("qemu/") else without_hashes(text, '[object "cp0"]'))
    (peer,) = [each for each in parse_words("-readconfig", str(config)).of("object") if each.type.name == "colo-peer"]
    properties = peer.properties
    assert isinstance(properties, ColoPeerProperties)
    assert (properties.takeover, properties.alone) == ("auto", "auto")
    assert properties.state_file == f"{tmp_path}/state"
    assert properties.fence == (f"{tmp_path}/fence",)
    guest = FarEnd("g0") if name.startswith("qemu/") else Pidfile(f"{tmp_path}/guest.pid")
    assert properties.guest_watch == guest


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_file_explains_itself(name: str) -> None:
    lines = (ETC / name).read_text().splitlines()
    assert lines[0].startswith("# ")
    assert any("-readconfig" in line for line in lines if line.startswith("#"))
    explained = ""  # the kind of section that a comment was about: it may be about several
    for above, line in zip(["", *lines], lines):
        if line.startswith("["):
            kind = line.split()[0]
            assert above.startswith("#") or kind == explained, f"nothing said about {line}"
            explained = kind


def as_file(line: str) -> str:
    """The options of a command line as a file: ids in the headings, short forms written out."""
    sections = []
    for option, value in options_of(line):
        first, *rest = value.split(",")
        pairs = [element.split("=", 1) for element in rest]
        id = next((value for key, value in pairs if key == "id"), None)
        heading = f'[{option[1:]} "{id}"]' if id else f"[{option[1:]}]"
        lines = [f'  {key} = "{value}"' for key, value in [(TYPE_KEYS[option], first), *pairs] if key != "id"]
        sections.append("\n".join((heading, *lines, "")))
    return "\n".join(sections)


LONG_FORM = PRIMARY.replace(",server,nowait", ",server=on,wait=off")


def test_a_file_and_a_command_line_say_the_same(tmp_path: Path) -> None:
    config = tmp_path / "colo.conf"
    config.write_text(as_file(LONG_FORM))
    assert gist(parse_words("-readconfig", str(config))) == gist(parse(PRIMARY))
    assert gist(parse_words(f"--readconfig={config}")) == gist(parse(PRIMARY))


def test_files_and_options_add_up_in_order(tmp_path: Path) -> None:
    netdev, rest = tmp_path / "netdev.conf", tmp_path / "rest.conf"
    lines = LONG_FORM.strip().splitlines()
    netdev.write_text(as_file(lines[0]))
    rest.write_text(as_file("\n".join(lines[2:])))
    option, value = options_of(lines[1])[0]
    mixed = parse_words("-readconfig", str(netdev), option, value, "-readconfig", str(rest))
    assert gist(mixed) == gist(parse(PRIMARY))


texts = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "Zs"], exclude_characters='"'), max_size=12)
sections = st.lists(
    st.tuples(
        st.sampled_from(("chardev", "object", "no-such-group")),
        st.none() | texts,
        st.lists(st.tuples(st.from_regex(r"[A-Za-z0-9_.-]{1,8}", fullmatch=True), texts), max_size=4),
    ),
    max_size=4,
)


@given(sections, st.sampled_from(("", "  ", "\t")), st.sampled_from(("", "\n", "# comment\n", '   #[chardev "x"]\n')))
def test_what_is_written_is_read(
    written: list[tuple[str, str | None, list[tuple[str, str]]]], indent: str, between: str
) -> None:
    text = between
    expected: list[tuple[str, Pairs]] = []
    for group, id, pairs in written:
        text += f"{indent}[{group}]\n" if id is None else f'{indent}[{group} "{id}"]{indent}\n'
        text += between + "".join(f'{indent}{key}{indent}={indent}"{value}"\n{between}' for key, value in pairs)
        expected.append((group, [*([] if id is None else [("id", id)]), *pairs]))
    assert [(section.option, section.pairs) for section in read_sections(text, "f")] == expected


def test_sections_know_their_lines() -> None:
    text = '# one\n\n[chardev "a"]\n  backend = "null"\n\n[chardev "b"]\n'
    assert [section.line for section in read_sections(text, "f")] == [3, 6]


def test_a_hash_and_commas_in_a_value_are_part_of_it() -> None:
    (section,) = read_sections('[chardev "a"]\npath = "/tmp/#1,2=3"\n', "f")
    assert section.pairs == [("id", "a"), ("path", "/tmp/#1,2=3")]


def test_windows_line_ends_are_taken() -> None:
    (section,) = read_sections('[chardev "a"]\r\nbackend = "null"\r\n', "f")
    assert section.pairs == [("id", "a"), ("backend", "null")]


EXPECTED = 'expected [group "id"], or key = "value"; got '


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("port = 9003", f"f:3: {EXPECTED}'port = 9003'"),
        ("port = '9003'", f"""f:3: {EXPECTED}"port = '9003'\""""),
        ('port = "9003', f"f:3: {EXPECTED}'port = \"9003'"),
        ('port "9003"', f"f:3: {EXPECTED}'port \"9003\"'"),
        ('port = "9003" # the port', f"f:3: {EXPECTED}'port = \"9003\" # the port'"),
        ('= "9003"', f"f:3: {EXPECTED}'= \"9003\"'"),
        ('po rt = "9003"', f"f:3: {EXPECTED}'po rt = \"9003\"'"),
        ("server", f"f:3: {EXPECTED}'server'"),
        ("[chardev mirror0]", f"f:3: {EXPECTED}'[chardev mirror0]'"),
        ('[chardev "mirror0"', f"f:3: {EXPECTED}'[chardev \"mirror0\"'"),
        ('[chardev "mirror0]', f"f:3: {EXPECTED}'[chardev \"mirror0]'"),
        ("[]", f"f:3: {EXPECTED}'[]'"),
        ("; a comment of another kind", f"f:3: {EXPECTED}'; a comment of another kind'"),
    ],
)
def test_what_is_neither_a_group_nor_a_value_is_named_with_its_line(text: str, message: str) -> None:
    with pytest.raises(OptionError) as raised:
        read_sections(f'# first\n[chardev "a"]\n{text}\n', "f")
    assert str(raised.value) == message


def test_a_value_before_the_first_group_is_named_with_its_line() -> None:
    with pytest.raises(OptionError) as raised:
        read_sections('\nport = "9003"\n[chardev "a"]\n', "f")
    assert str(raised.value) == "f:2: 'port' stands before the first [group]"


@given(st.text(max_size=60) | st.text(st.sampled_from('[]"=#ab \n'), max_size=40))
def test_any_text_is_read_or_refused_in_one_line(text: str) -> None:
    refusal = ""
    try:
        read_sections(text, "f")
    except OptionError as error:
        refusal = str(error)
    assert refusal == "" or (refusal.startswith("f:") and refusal.isprintable())


def config_error(folder: Path, text: str | bytes) -> str:
    """The error of a file of that text, which must name the file; the rest of the error."""
    config = folder / "colo.conf"
    config.write_bytes(text if isinstance(text, bytes) else text.encode())
    error = error_of("-readconfig", str(config))
    begin = f"-readconfig {config}:"
    assert error.startswith(begin)
    return error.removeprefix(begin)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '[chardev "c0"]\n  backend = "socket"\n  host = "h"\n',
            "1: [chardev] id=c0,backend=socket,host=h: property 'port' is missing (or 'path', or 'fd')",
        ),
        (
            '# one\n[chardev "c0"]\n  backend = "socket"\n  path = "/tmp/a,b"\n  mux = "on"\n',
            "2: [chardev] id=c0,backend=socket,path=/tmp/a,,b,mux=on:"
            " property 'mux' takes off only: a chardev serves one front end; got 'on'",
        ),
        (
            '[machine]\n  type = "q35"\n',
            "1: [machine] type=q35: there is no such group (there are: chardev, netdev, device, object, mon, name)",
        ),
        (
            '[chardev "c0"]\n  host = "h"\n',
            "1: [chardev] id=c0,host=h: the type is missing: -chardev TYPE,... (-chardev help lists them)",
        ),
        (
            '[netdev "hn0"]\n  type = "user"\n',
            "1: [netdev] id=hn0,type=user: there is no type 'user' (there are: socket, stream, tap)",
        ),
        (
            '\n[object "d0"]\n  qom-type = "filter-drop"\n  netdev = "hn0"\n',
            "2: [object] id=d0,qom-type=filter-drop,netdev=hn0: property 'netdev': there is no netdev 'hn0'"
            " (there are: none)",
        ),
        ("[chardev c0]\n", f"1: {EXPECTED}'[chardev c0]'"),
        (b"# \xff\n", " 'utf-8' codec can't decode byte 0xff in position 2: invalid start byte"),
    ],
)
def test_errors_name_file_and_line(text: str | bytes, message: str, tmp_path: Path) -> None:
    assert config_error(tmp_path, text) == message


def test_an_id_that_is_taken_names_both_places(tmp_path: Path) -> None:
    error = config_error(tmp_path, '[chardev "c0"]\nbackend = "null"\n\n[chardev "c0"]\nbackend = "null"\n')
    other = f"-readconfig {tmp_path / 'colo.conf'}:1: [chardev] id=c0,backend=null"
    assert error == f"4: [chardev] id=c0,backend=null: the id 'c0' is taken by {other}"


@pytest.mark.parametrize(("name", "why"), [("none", "No such file or directory"), (".", "Is a directory")])
def test_a_file_that_cannot_be_read_is_named(name: str, why: str, tmp_path: Path) -> None:
    path = f"{tmp_path}/{name}"
    assert error_of("-readconfig", path) == f"-readconfig {path}: {why}"
