"""
Every error text: what an operator gets for a wrong command line.

Each is one line that begins with the option as it was given and names the property and what is allowed.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from colo_twisted.options import declare
from colo_twisted.options.errors import OptionError, StartError, UnknownProperty, one_of
from colo_twisted.registry import Registry
from tests.options.lines import error_of

# what lines with -device and -object may refer to
AROUND = ("-netdev", "tap,id=hn0,script=no,downscript=no", "-chardev", "null,id=mirror0")

# An option, and its error behind the option's words. {types} and {properties} stand for those that there are.
WRONG: list[tuple[str, str]] = [
    # -netdev
    (
        "-netdev tap,id=hn0,vhost=on",
        "property 'vhost' takes off only: the kernel's vhost would pass packets by this process; got 'on'",
    ),
    (
        "-netdev tap,id=hn0,vhost",
        "property 'vhost' takes off only: the kernel's vhost would pass packets by this process; got 'on'",
    ),
    (
        "-netdev tap,id=hn0,vhostforce=on",
        "property 'vhostforce' takes off only: the kernel's vhost would pass packets by this process; got 'on'",
    ),
    (
        "-netdev tap,id=hn0,vhostfd=7",
        "property 'vhostfd' takes no value here: the kernel's vhost would pass packets by this process; got '7'",
    ),
    (
        "-netdev tap,id=hn0,queues=4",
        "property 'queues' takes 1 only: a TAP has one queue here; got '4'",
    ),
    (
        "-netdev tap,id=hn0,fds=3:4",
        "property 'fds' takes no value here: a TAP has one queue here; use fd=; got '3:4'",
    ),
    (
        "-netdev tap,id=hn0,br=br0,helper=/usr/lib/qemu/qemu-bridge-helper",
        "property 'helper' takes no value here: use br=, or fd= from a helper of yours; got "
        "'/usr/lib/qemu/qemu-bridge-helper'",
    ),
    (
        "-netdev tap",
        "property 'id' is missing: a letter, then letters, digits, '-', '.' and '_'",
    ),
    (
        "-netdev tap,id=0hn",
        "property 'id' takes a letter, then letters, digits, '-', '.' and '_'; got '0hn'",
    ),
    (
        "-netdev tap,id=hn0,ifname=averylonginterface0",
        "property 'ifname' takes an interface name of 1 to 15 bytes (%d lets the kernel number it), without "
        "'/', ':' and blanks; got 'averylonginterface0'",
    ),
    (
        "-netdev tap,id=hn0,ifname=tap/0",
        "property 'ifname' takes an interface name of 1 to 15 bytes (%d lets the kernel number it), without "
        "'/', ':' and blanks; got 'tap/0'",
    ),
    (
        "-netdev tap,id=hn0,fd=3,ifname=tap0",
        "properties 'fd' and 'ifname' exclude each other",
    ),
    (
        "-netdev tap,id=hn0,fd=three",
        "property 'fd' takes a whole number from 0 to 1048576; got 'three'",
    ),
    (
        "-netdev tap,id=hn0,fd=tapfd",
        "property 'fd' takes a whole number from 0 to 1048576; got 'tapfd'",
    ),
    (
        "-netdev tap,id=hn0,fd=1048575",
        "property 'fd': this process has no descriptor 1048575",
    ),
    (
        "-netdev tap,id=hn0,script=/nonexistent/qemu-ifup",
        "property 'script': there is no file /nonexistent/qemu-ifup ('no' runs none)",
    ),
    (
        "-netdev tap,id=hn0,script=/etc/passwd",
        "property 'script': /etc/passwd is not executable (chmod +x /etc/passwd)",
    ),
    (
        "-netdev tap,id=hn0,script=",
        "property 'script' takes a program's path, or 'no'; got ''",
    ),
    (
        "-netdev tap,id=hn0,downscript=/nonexistent/qemu-ifdown",
        "property 'downscript': there is no file /nonexistent/qemu-ifdown ('no' runs none)",
    ),
    (
        "-netdev tap,id=hn0,br=nonexistent0",
        "property 'br': there is no bridge nonexistent0 (ip link add nonexistent0 type bridge)",
    ),
    (
        "-netdev tap,id=hn0,vnet_hdr=maybe",
        "property 'vnet_hdr' takes on or off; got 'maybe'",
    ),
    (
        "-netdev tap,id=hn0,sndbuf=1Q",
        "property 'sndbuf' takes a size from 0 to 2147483647, such as 65536, 64K or 1.5M; got '1Q'",
    ),
    (
        "-netdev tap,id=hn0,sndbuf=4G",
        "property 'sndbuf' takes a size from 0 to 2147483647, such as 65536, 64K or 1.5M; got '4G'",
    ),
    (
        "-netdev tap,id=hn0,max_backlog=4K",
        "property 'max_backlog' takes a size from 68K to 64T, such as 65536, 64K or 1.5M; got '4K'",
    ),
    (
        "-netdev tap,id=hn0,model=e1000",
        "there is no property 'model' (there are: {properties})",
    ),
    (
        "-netdev user,id=n0",
        "there is no type 'user' (there are: {types})",
    ),
    (
        "-netdev bridge,id=n0,br=br0",
        "there is no type 'bridge' (there are: {types})",
    ),
    (
        "-netdev vhost-user,id=n0,chardev=c0",
        "there is no type 'vhost-user' (there are: {types})",
    ),
    (
        "-netdev hubport,id=n0,hubid=0",
        "there is no type 'hubport' (there are: {types})",
    ),
    (
        "-netdev id=hn0",
        "the type is missing: -netdev TYPE,... (-netdev help lists them)",
    ),
    (
        "-netdev help=on",
        "the type is missing: -netdev TYPE,... (-netdev help lists them)",
    ),
    (
        "-netdev socket,id=s0",
        "exactly one of the properties 'fd', 'listen' and 'connect' is needed",
    ),
    (
        "-netdev socket,id=s0,listen=:1,connect=h:1",
        "exactly one of the properties 'fd', 'listen' and 'connect' is needed",
    ),
    (
        "-netdev socket,id=s0,mcast=230.0.0.1:1234",
        "property 'mcast' takes no value here: only stream sockets carry frames here; got '230.0.0.1:1234'",
    ),
    (
        "-netdev socket,id=s0,udp=h:1,localaddr=:2",
        "property 'udp' takes no value here: only stream sockets carry frames here; got 'h:1'",
    ),
    (
        "-netdev socket,id=s0,listen=9003",
        "property 'listen' takes HOST:PORT, with an IPv6 host in brackets; got '9003'",
    ),
    (
        "-netdev socket,id=s0,listen=::1:9003",
        "property 'listen' takes HOST:PORT, with an IPv6 host in brackets; got '::1:9003'",
    ),
    (
        "-netdev socket,id=s0,connect=h:99999",
        "property 'connect' takes HOST:PORT, with an IPv6 host in brackets; got 'h:99999'",
    ),
    (
        "-netdev stream,id=s0",
        "property 'addr.type' is missing: inet, unix or fd",
    ),
    (
        "-netdev stream,id=s0,addr.type=vsock",
        "property 'addr.type' takes inet, unix or fd; got 'vsock'",
    ),
    (
        "-netdev stream,id=s0,addr.type=inet,addr.host=h",
        "property 'addr.port' is missing: addr.type=inet needs it",
    ),
    (
        "-netdev stream,id=s0,addr.type=inet,addr.port=1",
        "property 'addr.host' is missing: addr.type=inet needs it",
    ),
    (
        "-netdev stream,id=s0,addr.type=unix",
        "property 'addr.path' is missing: addr.type=unix needs it",
    ),
    (
        "-netdev stream,id=s0,addr.type=fd",
        "property 'addr.str' is missing: addr.type=fd needs it",
    ),
    (
        "-netdev stream,id=s0,addr.type=unix,addr.path=/tmp/s,server=on,reconnect=1",
        "property 'reconnect' is for clients (server=off)",
    ),
    (
        "-netdev stream,id=s0,addr.type=unix,addr.path=/tmp/s,server=on,reconnect-ms=1",
        "property 'reconnect-ms' is for clients (server=off)",
    ),
    (
        "-netdev stream,id=s0,addr.type=unix,addr.path=/nonexistent/s,server=on",
        "property 'addr.path': there is no folder /nonexistent",
    ),
    (
        "-netdev stream,id=s0,addr.type=inet,addr.host=h,addr.port=9,addr.to=8",
        "property 'addr.to' takes a port from 'addr.port' (9) on; got '8'",
    ),
    (
        "-netdev stream,id=s0,addr.type=inet,addr.host=h,addr.port=9,addr.ipv4=off,addr.ipv6=off",
        "properties 'addr.ipv4' and 'addr.ipv6' can't both be off",
    ),
    (
        "-netdev dgram,id=d0",
        "there is no type 'dgram' (there are: {types})",
    ),
    # -chardev
    (
        "-chardev socket,id=c0,host=h",
        "property 'port' is missing (or 'path', or 'fd')",
    ),
    (
        "-chardev socket,id=c0,port=9003",
        "property 'host' is missing: where to connect",
    ),
    (
        "-chardev socket,id=c0,server",
        "property 'port' is missing (or 'path', or 'fd')",
    ),
    (
        "-chardev socket,id=c0,host=h,port=99999",
        "property 'port' takes a port from 0 to 65535, or a service's name; got '99999'",
    ),
    (
        "-chardev socket,id=c0,host=h,port=http-alternative",
        "property 'port' takes a port from 0 to 65535, or a service's name; got 'http-alternative'",
    ),
    (
        "-chardev socket,id=c0,host=h,port=9003,wait",
        "property 'wait' is for servers (server=on)",
    ),
    (
        "-chardev socket,id=c0,host=h,port=9003,wait=on",
        "property 'wait' is for servers (server=on)",
    ),
    (
        "-chardev socket,id=c0,host=h,port=9003,server,reconnect=5",
        "property 'reconnect' is for clients (server=off)",
    ),
    (
        "-chardev socket,id=c0,host=h,port=9003,server,reconnect-ms=500",
        "property 'reconnect-ms' is for clients (server=off)",
    ),
    (
        "-chardev socket,id=c0,host=h,port=9003,reconnect=5,reconnect-ms=500",
        "properties 'reconnect' and 'reconnect-ms' exclude each other",
    ),
    (
        "-chardev socket,id=c0,host=h,port=9003,reconnect=500ms",
        "property 'reconnect' takes a time in s, a whole number from 0 to 86400, or as much with a unit (s, "
        "ms, us); got '500ms'",
    ),
    (
        "-chardev socket,id=c0,host=h,port=9003,reconnect=2d",
        "property 'reconnect' takes a time in s, a whole number from 0 to 86400, or as much with a unit (s, "
        "ms, us); got '2d'",
    ),
    (
        "-chardev socket,id=c0,host=h,port=9003,mux=on",
        "property 'mux' takes off only: a chardev serves one front end; got 'on'",
    ),
    (
        "-chardev socket,id=c0,host=h,port=9003,mux",
        "property 'mux' takes off only: a chardev serves one front end; got 'on'",
    ),
    (
        "-chardev socket,id=c0,host=h,port=9003,tls-creds=tls0",
        "property 'tls-creds' takes no value here: TLS is not available yet; got 'tls0'",
    ),
    (
        "-chardev socket,id=c0,host=h,port=9003,telnet=on",
        "property 'telnet' takes off only: frames are binary; got 'on'",
    ),
    (
        "-chardev socket,id=c0,host=h,port=9003,telnet",
        "property 'telnet' takes off only: frames are binary; got 'on'",
    ),
    (
        "-chardev socket,id=c0,host=h,port=9003,websocket",
        "property 'websocket' takes off only: frames go over plain sockets; got 'on'",
    ),
    (
        "-chardev socket,id=c0,host=h,port=9003,logfile=/tmp/log",
        "property 'logfile' takes no value here: filter-dump records frames; got '/tmp/log'",
    ),
    (
        "-chardev socket,id=c0,host=h,path=/tmp/s",
        "properties 'host', 'path' and 'fd' exclude each other",
    ),
    (
        "-chardev socket,id=c0,path=/nonexistent/c0,server",
        "property 'path': there is no folder /nonexistent",
    ),
    (
        "-chardev socket,id=c0,path=",
        "property 'path' takes a path; got ''",
    ),
    (
        "-chardev socket,id=c0,fd=0x",
        "property 'fd' takes a whole number from 0 to 1048576; got '0x'",
    ),
    (
        "-chardev socket,id=c0,fd=1048575",
        "property 'fd': this process has no descriptor 1048575",
    ),
    (
        "-chardev socket,id=c0,host=h,port=9,to=8,server",
        "property 'to' takes a port from 'port' (9) on; got '8'",
    ),
    (
        "-chardev socket,id=c0,host=h,port=9,ipv4=off,ipv6=off",
        "properties 'ipv4' and 'ipv6' can't both be off",
    ),
    (
        "-chardev socket,id=c0,host=h,port=9,server=yes,no_wait",
        "there is no property 'no_wait' (there are: {properties})",
    ),
    (
        "-chardev socket,id=c0,host=h,port=9,Server",
        "there is no property 'Server' (there are: {properties})",
    ),
    (
        "-chardev socket,id=c0,host,port=9",
        "property 'host' has no value: host= takes a host's name or address",
    ),
    (
        "-chardev socket,id=c 0,host=h,port=9",
        "property 'id' takes a letter, then letters, digits, '-', '.' and '_'; got 'c 0'",
    ),
    (
        "-chardev socket,host=h,port=9",
        "property 'id' is missing: a letter, then letters, digits, '-', '.' and '_'",
    ),
    (
        "-chardev socket id=c0",
        "the type is missing: -chardev TYPE,... (-chardev help lists them)",
    ),
    (
        "-chardev pty,id=c0",
        "there is no type 'pty' (there are: {types})",
    ),
    (
        "-chardev stdio,id=c0,mux=on",
        "there is no type 'stdio' (there are: {types})",
    ),
    (
        "-chardev unix,id=c0,path=/tmp/s",
        "there is no type 'unix' (there are: {types})",
    ),
    (
        "-chardev pair,id=c0",
        "property 'peer' is missing: a letter, then letters, digits, '-', '.' and '_'",
    ),
    (
        "-chardev pair,id=c0,peer=c0",
        "property 'peer' takes another id than 'id'",
    ),
    (
        "-chardev null",
        "property 'id' is missing: a letter, then letters, digits, '-', '.' and '_'",
    ),
    (
        "-chardev []",
        "there is no type '[]' (there are: {types})",
    ),
    # -device
    (
        "-device e1001,netdev=hn0",
        "there is no type 'e1001' (there are: {types})",
    ),
    (
        "-device e1000",
        "property 'netdev' is missing: the id of a netdev",
    ),
    (
        "-device e1000,id=thenameistoolong,netdev=hn0",
        "property 'id' takes at most 15 bytes: the TAP made for the guest bears it (or name a netdev with guest=)",
    ),
    (
        "-device e1000,netdev=hn0,guest=hn0",
        "property 'guest' takes another netdev than 'netdev'",
    ),
    (
        "-device e1000,netdev=hn0,guest=g0",
        "property 'guest': there is no netdev 'g0' (there are: hn0)",
    ),
    (
        "-device e1000,netdev=hn0,mac=52:a4:00:12:78",
        "property 'mac' takes a unicast Ethernet address such as 52:54:00:12:34:56; got '52:a4:00:12:78'",
    ),
    (
        "-device e1000,netdev=hn0,mac=53:a4:00:12:78:66",
        "property 'mac' takes a unicast Ethernet address such as 52:54:00:12:34:56; got '53:a4:00:12:78:66'",
    ),
    (
        "-device e1000,netdev=hn0,mac=ff:ff:ff:ff:ff:ff",
        "property 'mac' takes a unicast Ethernet address such as 52:54:00:12:34:56; got 'ff:ff:ff:ff:ff:ff'",
    ),
    (
        "-device e1000,netdev=hn0,speed=100",
        "there is no property 'speed' (there are: {properties})",
    ),
    (
        "-device e1000,vlan=0",
        "there is no property 'vlan' (there are: {properties})",
    ),
    # -object
    (
        "-object filter-replay,id=r0,netdev=hn0",
        "the type 'filter-replay' is not available: record and replay is QEMU's own",
    ),
    (
        "-object filter-rewriter,id=rew0,netdev=hn0,queue=rx",
        "property 'queue' takes all only: acks are rewritten on their way to the guest, by what it has sent; got 'rx'",
    ),
    (
        "-object colo-compare,id=comp0,primary_in=mirror0,secondary_in=mirror0,outdev=mirror0",
        "properties 'primary_in', 'secondary_in', 'outdev' and 'notify_dev' take different chardevs",
    ),
    (
        "-object filter-mirrors,id=m0",
        "there is no type 'filter-mirrors' (there are: {types})",
    ),
    (
        "-object filter-mirror,id=m0",
        "property 'netdev' is missing: the id of a netdev",
    ),
    (
        "-object filter-mirror,id=m0,netdev=hn0",
        "property 'outdev' is missing: the id of a chardev",
    ),
    (
        "-object filter-mirror,netdev=hn0,outdev=c0",
        "property 'id' is missing: a letter, then letters, digits, '-', '.' and '_'",
    ),
    (
        "-object filter-mirror,id=m0,netdev=hn7,outdev=mirror0",
        "property 'netdev': there is no netdev 'hn7' (there are: hn0)",
    ),
    (
        "-object filter-mirror,id=m0,netdev=hn0,outdev=mirror7",
        "property 'outdev': there is no chardev 'mirror7' (there are: mirror0)",
    ),
    (
        "-object filter-mirror,id=m0,netdev=hn0,outdev=mirror0,queue=both",
        "property 'queue' takes all, rx or tx; got 'both'",
    ),
    (
        "-object filter-mirror,id=m0,netdev=hn0,outdev=mirror0,queue=TX",
        "property 'queue' takes all, rx or tx; got 'TX'",
    ),
    (
        "-object filter-mirror,id=m0,netdev=hn0,outdev=mirror0,status=enabled",
        "property 'status' takes on or off; got 'enabled'",
    ),
    (
        "-object filter-mirror,id=m0,netdev=hn0,outdev=mirror0,position=middle",
        "property 'position' takes head, tail or id=FILTER; got 'middle'",
    ),
    (
        "-object filter-mirror,id=m0,netdev=hn0,outdev=mirror0,position=f1",
        "property 'position' takes head, tail or id=FILTER; got 'f1'",
    ),
    (
        "-object filter-mirror,id=m0,netdev=hn0,outdev=mirror0,insert=after",
        "property 'insert' takes before or behind; got 'after'",
    ),
    (
        "-object filter-mirror,id=m0,netdev=hn0,outdev=mirror0,max_backlog=64",
        "property 'max_backlog' takes a size from 128K to 64T, such as 65536, 64K or 1.5M; got '64'",
    ),
    (
        "-object filter-mirror,id=m0,netdev=hn0,outdev=mirror0,vnet_hdr_support=yep",
        "property 'vnet_hdr_support' takes on or off; got 'yep'",
    ),
    (
        "-object filter-mirror,id=m0,netdev=hn0,outdev=mirror0,vnet_hdr",
        "there is no property 'vnet_hdr' (there are: {properties})",
    ),
    (
        "-object filter-mirror,id=m0,netdev=hn0,indev=mirror0",
        "there is no property 'indev' (there are: {properties})",
    ),
    (
        "-object filter-redirector,id=f1,netdev=hn0",
        "at least one of the properties 'indev' and 'outdev' is needed",
    ),
    (
        "-object filter-redirector,id=f1,netdev=hn0,indev=c0,outdev=c0",
        "properties 'indev' and 'outdev' take different chardevs",
    ),
    (
        "-object filter-redirector,id=f1,netdev=hn0,indev=hn0",
        "property 'indev': there is no chardev 'hn0' (there are: mirror0)",
    ),
    (
        "-object filter-buffer,id=b0,netdev=hn0",
        "property 'interval' is missing: a time in us, a whole number from 1 to 4294967295, or as much with a"
        " unit (s, ms, us)",
    ),
    (
        "-object filter-buffer,id=b0,netdev=hn0,interval=0",
        "property 'interval' takes a time in us, a whole number from 1 to 4294967295, or as much with a unit "
        "(s, ms, us); got '0'",
    ),
    (
        "-object filter-buffer,id=b0,netdev=hn0,interval=2h",
        "property 'interval' takes a time in us, a whole number from 1 to 4294967295, or as much with a unit "
        "(s, ms, us); got '2h'",
    ),
    (
        "-object filter-dump,id=d0,netdev=hn0",
        "property 'file' is missing: a path",
    ),
    (
        "-object filter-dump,id=d0,netdev=hn0,file=/nonexistent/d.pcap",
        "property 'file': there is no folder /nonexistent",
    ),
    (
        "-object filter-dump,id=d0,netdev=hn0,file=/tmp/d.pcap,maxlen=64K",
        "property 'maxlen' takes a whole number from 1 to 69632; got '64K'",
    ),
    (
        "-object filter-drop,id=d0,netdev=hn0,file=x",
        "there is no property 'file' (there are: {properties})",
    ),
    (
        "-object tls-creds-x509,id=tls0,dir=/etc/pki",
        "there is no type 'tls-creds-x509' (there are: {types})",
    ),
    (
        "-object secret,id=s0,data=x",
        "there is no type 'secret' (there are: {types})",
    ),
]


def filled_in(message: str, option: str, text: str) -> str:
    """The message with the lists that every developer of a new type or property would have to extend."""
    known = Registry().all(option[1:])
    name = text.split(",")[0]
    properties = declare.declarations(known[name].properties) if name in known else ()
    lists = {"types": sorted(known), "properties": sorted(each.name for each in properties)}
    for placeholder, names in lists.items():
        message = message.replace(f"{{{placeholder}}}", ", ".join(names))
    return message


@pytest.mark.parametrize(("line", "message"), WRONG, ids=[line for line, _ in WRONG])
def test_a_wrong_option(line: str, message: str) -> None:
    option, text = line.split(" ", 1)
    around = AROUND if option in ("-device", "-object") else ()
    error = error_of(option, text, *around)
    assert error == f"{line}: {filled_in(message, option, text)}"
    assert error.isprintable()


MIRROR = ("-object", "filter-mirror,id=m0,netdev=hn0,outdev=mirror0")
TAP = "tap,id=hn0,script=no,downscript=no"
OPTIONS = "(there are: -chardev, -netdev, -device, -object, -mon, -name, -qmp, -qmp-pretty, -readconfig, -help)"

# whole command lines, and the whole error
WRONG_TOGETHER: list[tuple[list[str], str]] = [
    # words that are no options
    (["colo"], "'colo' is not an option (options begin with a dash; see twistd colo -help)"),
    (
        ["-chardev", "null,id=c0", "id=c1"],
        "'id=c1' is not an option (options begin with a dash; see twistd colo -help)",
    ),
    ([""], "'' is not an option (options begin with a dash; see twistd colo -help)"),
    (["-nic", "tap"], f"-nic: there is no such option {OPTIONS}"),
    (["-m", "512"], f"-m: there is no such option {OPTIONS}"),
    (["--enable-kvm"], f"--enable-kvm: there is no such option {OPTIONS}"),
    (["-"], f"-: there is no such option {OPTIONS}"),
    (["--"], f"--: there is no such option {OPTIONS}"),
    (["-Chardev", "null,id=c0"], f"-Chardev: there is no such option {OPTIONS}"),
    (["-object=filter-drop,id=d0,netdev=hn0", "-machine", "q35"], f"-machine: there is no such option {OPTIONS}"),
    # no value
    (["-chardev"], "-chardev: a value must follow (see twistd colo -help)"),
    (["--object"], "--object: a value must follow (see twistd colo -help)"),
    (["-readconfig"], "-readconfig: a value must follow (see twistd colo -help)"),
    (["-chardev", "-netdev", TAP], "-chardev: a value must follow (see twistd colo -help)"),
    (["-chardev", ""], "-chardev : the type is missing: -chardev TYPE,... (-chardev help lists them)"),
    (["-chardev="], "-chardev : the type is missing: -chardev TYPE,... (-chardev help lists them)"),
    # the document's other spelling is reported under QEMU's
    (["-chrdev", "pty,id=c0"], "-chardev pty,id=c0: there is no type 'pty' (there are: null, pair, socket)"),
    (["--netdev=user,id=n0"], "-netdev user,id=n0: there is no type 'user' (there are: socket, stream, tap)"),
    # ids
    (
        ["-chardev", "null,id=c0", "-chardev", "socket,id=c0,host=h,port=1"],
        "-chardev socket,id=c0,host=h,port=1: the id 'c0' is taken by -chardev null,id=c0",
    ),
    (
        ["-chardev", "pair,id=a,peer=b", "-chardev", "null,id=b"],
        "-chardev null,id=b: the id 'b' is taken by -chardev pair,id=a,peer=b",
    ),
    (
        ["-netdev", TAP, "-netdev", "socket,id=hn0,connect=h:1"],
        f"-netdev socket,id=hn0,connect=h:1: the id 'hn0' is taken by -netdev {TAP}",
    ),
    (
        ["-netdev", TAP, "-device", "e1000,id=e0,netdev=hn0", "-device", "igb,id=e0,netdev=hn0"],
        "-device igb,id=e0,netdev=hn0: the id 'e0' is taken by -device e1000,id=e0,netdev=hn0",
    ),
    (
        ["-netdev", TAP, "-object", "filter-drop,id=f,netdev=hn0", "-object", "filter-drop,id=f,netdev=hn0"],
        "-object filter-drop,id=f,netdev=hn0: the id 'f' is taken by -object filter-drop,id=f,netdev=hn0",
    ),
    # a chardev serves one property
    (
        [*AROUND, *MIRROR, "-object", "filter-redirector,id=f1,netdev=hn0,indev=mirror0"],
        "-object filter-redirector,id=f1,netdev=hn0,indev=mirror0: property 'indev': chardev 'mirror0' is taken by"
        " property 'outdev' of 'm0' (a chardev serves one property only)",
    ),
    (
        [*AROUND, *MIRROR, "-object", "filter-mirror,id=m1,netdev=hn0,outdev=mirror0"],
        "-object filter-mirror,id=m1,netdev=hn0,outdev=mirror0: property 'outdev': chardev 'mirror0' is taken by"
        " property 'outdev' of 'm0' (a chardev serves one property only)",
    ),
    # references
    (
        ["-object", "filter-drop,id=f,netdev=hn0"],
        "-object filter-drop,id=f,netdev=hn0: property 'netdev': there is no netdev 'hn0' (there are: none)",
    ),
    (
        [*AROUND, "-chardev", "pair,id=b,peer=a", "-object", "filter-mirror,id=m0,netdev=hn0,outdev=c"],
        "-object filter-mirror,id=m0,netdev=hn0,outdev=c: property 'outdev': there is no chardev 'c'"
        " (there are: a, b, mirror0)",
    ),
    (
        ["-netdev", TAP, "-device", "e1000,id=e0,netdev=hn0", "-object", "filter-drop,id=f,netdev=e0"],
        "-object filter-drop,id=f,netdev=e0: property 'netdev': there is no netdev 'e0' (there are: hn0)",
    ),
    # what only one can have
    (
        ["-netdev", "tap,id=a,ifname=t0,script=no", "-netdev", "tap,id=b,ifname=t0,script=no"],
        "-netdev tap,id=b,ifname=t0,script=no: interface t0 is taken by -netdev tap,id=a,ifname=t0,script=no",
    ),
    (
        ["-netdev", "tap,id=hn0,ifname=e0,script=no", "-device", "e1000,id=e0,netdev=hn0"],
        "-device e1000,id=e0,netdev=hn0: interface e0 is taken by -netdev tap,id=hn0,ifname=e0,script=no",
    ),
    (
        ["-device", "e1000,id=e0,netdev=hn0", "-netdev", "tap,id=hn0,ifname=e0,script=no"],
        "-netdev tap,id=hn0,ifname=e0,script=no: interface e0 is taken by -device e1000,id=e0,netdev=hn0",
    ),
    (
        ["-netdev", "tap,id=a,fd=0", "-netdev", "tap,id=b,fd=0"],
        "-netdev tap,id=b,fd=0: descriptor 0 is taken by -netdev tap,id=a,fd=0",
    ),
    (
        ["-netdev", "tap,id=a,fd=0", "-chardev", "socket,id=b,fd=0"],
        "-chardev socket,id=b,fd=0: descriptor 0 is taken by -netdev tap,id=a,fd=0",
    ),
    (
        ["-netdev", "tap,id=a,fd=0", "-netdev", "stream,id=b,addr.type=fd,addr.str=0"],
        "-netdev stream,id=b,addr.type=fd,addr.str=0: descriptor 0 is taken by -netdev tap,id=a,fd=0",
    ),
    (
        ["-netdev", "tap,id=a,fd=0", "-netdev", "socket,id=b,fd=0"],
        "-netdev socket,id=b,fd=0: descriptor 0 is taken by -netdev tap,id=a,fd=0",
    ),
    (
        ["-chardev", "socket,id=a,path=/tmp/s,server", "-chardev", "socket,id=b,path=/tmp/s,server"],
        "-chardev socket,id=b,path=/tmp/s,server: unix socket /tmp/s is taken by"
        " -chardev socket,id=a,path=/tmp/s,server",
    ),
    (
        [
            *("-chardev", "socket,id=a,path=s,abstract,server"),
            *("-netdev", "stream,id=b,addr.type=unix,addr.path=s,addr.abstract=on,server=on"),
        ],
        "-netdev stream,id=b,addr.type=unix,addr.path=s,addr.abstract=on,server=on: unix socket @s is taken by"
        " -chardev socket,id=a,path=s,abstract,server",
    ),
    # JSON
    (
        ["-chardev", '{"backend":"null"'],
        '-chardev {"backend":"null": not JSON: Expecting \',\' delimiter: line 1 column 18 (char 17)',
    ),
    (
        ["-chardev", '{"id":"c0"}'],
        '-chardev {"id":"c0"}: the type is missing: -chardev TYPE,... (-chardev help lists them)',
    ),
    (
        ["-chardev", '{"backend":"null","id":null}'],
        '-chardev {"backend":"null","id":null}: property \'id\' takes a JSON string, number or boolean; got null',
    ),
    (
        ["-chardev", '{"backend":"null","id":["a"]}'],
        '-chardev {"backend":"null","id":["a"]}: property \'id\' takes a JSON string, number or boolean; got ["a"]',
    ),
    (
        ["-netdev", '{"type":"tap","id":"hn0","vhost":true}'],
        '-netdev {"type":"tap","id":"hn0","vhost":true}: property \'vhost\' takes off only:'
        " the kernel's vhost would pass packets by this process; got 'on'",
    ),
    (
        ["-netdev", '{"type":"stream","id":"s","addr":{"type":"vsock"}}'],
        '-netdev {"type":"stream","id":"s","addr":{"type":"vsock"}}:'
        " property 'addr.type' takes inet, unix or fd; got 'vsock'",
    ),
    (
        ["-chardev", '["null"]'],
        '-chardev ["null"]: there is no type \'["null"]\' (there are: null, pair, socket)',
    ),
]


@pytest.mark.parametrize(
    ("words", "message"), WRONG_TOGETHER, ids=[" ".join(words)[:90] for words, _ in WRONG_TOGETHER]
)
def test_a_wrong_command_line(words: list[str], message: str) -> None:
    assert error_of(*words) == message
    assert message.isprintable()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("-chardev", "null,\n  id=c\n0"),
            r"-chardev null,\n  id=c\n0: property 'id' takes a letter, then letters, digits, '-', '.' and '_';"
            r" got 'c\n0'",
        ),
        (
            ("-chardev", "null,id=\x1b[2Jc"),
            r"-chardev null,id=\x1b[2Jc: property 'id' takes a letter, then letters, digits, '-', '.' and '_';"
            r" got '\x1b[2Jc'",
        ),
        (("a\nb",), r"'a\nb' is not an option (options begin with a dash; see twistd colo -help)"),
        (("-a\u2028b",), rf"-a\u2028b: there is no such option {OPTIONS}"),
        (("-readconfig", "/nonexistent/\n"), r"-readconfig /nonexistent/\n: No such file or directory"),
    ],
)
def test_an_error_stays_one_line_whatever_the_words_hold(words: tuple[str, ...], message: str) -> None:
    assert error_of(*words) == message


def test_words_that_are_not_utf8_are_taken_or_refused_like_others() -> None:
    odd = os.fsdecode(b"\xff")
    assert error_of("-chardev", f"null,id={odd}").endswith(r"got '\udcff'")
    assert "takes at most 107 bytes" in error_of("-chardev", f"socket,id=c0,path={odd * 108},server")
    assert "there is no folder" in error_of("-chardev", f"socket,id=c0,path=/nonexistent/{odd}/c0,server")
    assert "takes an interface name" in error_of("-netdev", f"tap,id=hn0,ifname={odd}")
    assert "there is no file" in error_of("-netdev", f"tap,id=hn0,script=/nonexistent/{odd}")


def test_text_that_no_system_call_could_take_is_refused() -> None:
    in_json = json.dumps({"backend": "socket", "id": "c0", "path": "\ud800"})
    assert "property 'path' takes a path; got '\\ud800'" in error_of("-chardev", in_json)


def test_json_that_is_nested_too_deeply_is_refused() -> None:
    assert "not JSON: " in error_of("-chardev", '{"a":' * 20_000)


@pytest.mark.parametrize(
    "option", ["-chardev socket,id=c0,server,path=", "-netdev stream,id=s0,addr.type=unix,addr.path="]
)
def test_a_unix_path_that_is_too_long_is_refused_by_its_bytes(option: str) -> None:
    name, text = option.split(" ", 1)
    path = "/tmp/" + "é" * 52
    assert len(path) < 107 < len(path.encode())
    prop = text.rsplit(",", 1)[1].rstrip("=")
    assert error_of(name, text + path) == f"{option}{path}: property '{prop}' takes at most 107 bytes"


@pytest.mark.parametrize("option", ["-chardev socket,id=c0,fd=", "-netdev socket,id=s0,fd="])
def test_a_descriptor_that_is_no_socket_is_refused(option: str, tmp_path: Path) -> None:
    name, text = option.split(" ", 1)
    with (tmp_path / "file").open("w") as file:
        number = file.fileno()
        assert (
            error_of(name, f"{text}{number}") == f"{option}{number}: property 'fd': descriptor {number} is not a socket"
        )


def test_a_script_that_may_not_be_run_is_refused(tmp_path: Path) -> None:
    script = tmp_path / "up"
    script.write_text("#!/bin/sh\n")
    option = f"-netdev tap,id=hn0,script={script}"
    assert (
        error_of(*option.split(" ", 1))
        == f"{option}: property 'script': {script} is not executable (chmod +x {script})"
    )


def test_a_host_without_tap_devices_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("colo_twisted.netdev.tap_properties.DEVICE", "/nonexistent/tun")
    assert error_of("-netdev", TAP) == f"-netdev {TAP}: there is no /nonexistent/tun (modprobe tun)"
    socket = ("-netdev", "socket,id=s0,connect=h:1")
    device = "-device e1000,netdev=s0"
    assert error_of(*socket, *device.split(" ")) == f"{device}: there is no /nonexistent/tun (modprobe tun)"


def test_an_operator_without_rights_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: path != os.devnull)
    assert error_of("-netdev", TAP) == (
        f"-netdev {TAP}: {os.devnull} can't be opened: start as root (--uid drops it later), or use fd="
    )


@pytest.mark.parametrize("kind", [OptionError, StartError])
def test_an_errors_text_is_one_printable_line(kind: type[Exception]) -> None:
    assert str(kind("one\ntwo\r\x00\x1b\udcff é")) == r"one\ntwo\r\x00\x1b\udcff é"


def test_lists_for_messages_are_in_order_and_never_empty() -> None:
    assert one_of({"b", "a", "c"}) == "a, b, c"
    assert one_of([]) == "none"


def test_an_error_that_is_blamed_on_words_stays_what_it_is() -> None:
    blamed = UnknownProperty("port", ["host"]).blaming("-chardev x")
    assert isinstance(blamed, UnknownProperty)
    assert blamed.name == "port"
    assert str(blamed) == "-chardev x: there is no property 'port' (there are: host)"
