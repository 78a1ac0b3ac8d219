from __future__ import annotations

import errno
import os
import pwd
import socket
from pathlib import Path

import pytest

from colo_twisted.ctl.address import Address, TCPAddress, UnixAddress
from colo_twisted.ctl.errors import Refused, cannot_reach

TCP = TCPAddress("10.22.1.2", 4444)
START = "start it with -qmp {},server=on,wait=off, or name its socket with -s or COLO_QMP"


def failed(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def connecting(address: Address) -> OSError:
    """How the kernel refuses it."""
    try:
        address.connect(1.0).close()
    except OSError as error:
        return error
    raise AssertionError(f"{address} was there")


def test_nothing_at_the_path(tmp_path: Path) -> None:
    address = UnixAddress(str(tmp_path / "qmp.sock"))
    said = str(cannot_reach(address, connecting(address)))
    assert said == f"no colo_twisted listens at {address} (there is no such file): {START.format(address)}"


def test_a_socket_that_was_left(tmp_path: Path) -> None:
    address = UnixAddress(str(tmp_path / "qmp.sock"))
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(address.path)
    said = str(cannot_reach(address, connecting(address)))
    assert said == f"no colo_twisted listens at {address} (what listened there has gone): {START.format(address)}"


def test_a_file_that_is_no_socket(tmp_path: Path) -> None:
    address = UnixAddress(str(tmp_path / "qmp.sock"))
    Path(address.path).touch()
    assert "(that is no socket): start it with" in str(cannot_reach(address, connecting(address)))


def test_a_socket_that_has_gone_meanwhile(tmp_path: Path) -> None:
    error = cannot_reach(UnixAddress(str(tmp_path / "qmp.sock")), failed(errno.ECONNREFUSED))
    assert "(what listened there has gone): start it with" in str(error)


def test_a_socket_whose_queue_is_full(tmp_path: Path) -> None:
    address = UnixAddress(str(tmp_path / "qmp.sock"))
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address.path)
        listening.listen(0)
        with address.connect(1.0):
            said = str(cannot_reach(address, connecting(address)))
    assert said == f"too many wait at {address}: is its process stopped, or very busy? Try again"


def test_another_users_socket_names_the_owner(tmp_path: Path) -> None:
    path = tmp_path / "qmp.sock"
    path.touch(0o600)
    error = cannot_reach(UnixAddress(str(path)), failed(errno.EACCES))
    user = pwd.getpwuid(os.getuid()).pw_name
    assert str(error) == (
        f"permission denied at unix:{path}: the socket is its owner's (mode 0600); run colo-ctl as {user}, or as root"
    )
    assert error.forbidden


def test_an_owner_without_a_name_has_a_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    said = str(cannot_reach(UnixAddress(str(tmp_path)), failed(errno.EACCES)))
    assert f"run colo-ctl as the user {os.getuid()}, or as root" in said


def test_a_folder_that_may_not_be_entered() -> None:
    said = str(cannot_reach(UnixAddress("/nowhere/qmp.sock"), failed(errno.EACCES)))
    assert said.startswith("permission denied at unix:/nowhere/qmp.sock: its folder is not yours to enter; run")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (failed(errno.ECONNREFUSED), f"no colo_twisted listens at {TCP}: {START.format(TCP)}"),
        (socket.gaierror(-2, "Name or service not known"), "there is no host of that name at"),
        (TimeoutError("timed out"), "nothing answers at tcp:10.22.1.2:4444: is the host up, and does a firewall"),
        (failed(errno.ENETUNREACH), "cannot connect to tcp:10.22.1.2:4444: Network is unreachable"),
        (OSError("odd"), "cannot connect to tcp:10.22.1.2:4444: odd"),
    ],
)
def test_what_keeps_from_a_tcp_server(error: OSError, said: str) -> None:
    assert str(cannot_reach(TCP, error)).startswith(said)
    assert not cannot_reach(TCP, error).forbidden


def test_other_trouble_with_a_path_is_said_in_the_kernels_words() -> None:
    assert str(cannot_reach(UnixAddress("/a"), failed(errno.ELOOP))).startswith("cannot connect to unix:/a: Too many")


def test_what_the_server_refuses() -> None:
    refused = Refused("object-del", "GenericError", "object 'x' not found")
    assert str(refused) == "object-del: object 'x' not found"
    assert not refused.unknown
    assert Refused("nonsense", "CommandNotFound", "The command nonsense has not been found").unknown
    assert Refused("query-stats", "GenericError", "Parameter 'target' is missing").unknown, "a QEMU's is another one"
