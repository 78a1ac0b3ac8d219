"""
Builds the guest from two Debian packages, which are fetched but not installed, and keeps it in a cache folder.

The kernel's command line has ``address=IP/BITS client=IP console=ttyS0``; see ``init`` for what the guest serves.
"""

from __future__ import annotations

import hashlib
import io
import lzma
import os
import re
import stat
import struct
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.support.colo_guest.body import BODY
from tests.support.namespaces import need, run

_HERE = Path(__file__).parent
_APPLETS = ["arping", "cat", "grep", "httpd", "insmod", "ip", "mount", "nc", "sh", "sha256sum", "sleep"]
_FETCHING = 300.0  # seconds; 70 MB


@dataclass(frozen=True)
class GuestFiles:
    """What a QEMU is started with: -kernel, -initrd, and LD_PRELOAD."""

    kernel: Path
    initrd: Path
    shim: Path


def guest_files() -> GuestFiles:
    """Build them, unless that was done before from the same sources. Skips where this isn't Debian."""
    need("apt-get", "dpkg-deb", "gcc")
    folder = _cache() / f"guest-{_fingerprint()}"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as name:
            made = Path(name) / "made"
            made.mkdir()
            _build(made)
            if not folder.exists():  # another test run may have been quicker
                made.rename(folder)
    return GuestFiles(folder / "vmlinux", folder / "initrd.cpio", folder / "shim.so")


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "colo_twisted"


def _fingerprint() -> str:
    sources = b"".join((_HERE / name).read_bytes() for name in ("body.py", "build.py", "init", "shim.c"))
    return hashlib.sha256(sources).hexdigest()[:16]


def _build(folder: Path) -> None:
    kernel_files, tools = _packages(folder)
    kernel = uncompressed(_only(kernel_files, "./boot/vmlinuz-"))
    (folder / "vmlinux").write_bytes(kernel)
    archive = Archive()
    for name in ("bin", "dev", "proc", "sys", "www"):
        archive.folder(name)
    archive.file("init", (_HERE / "init").read_bytes(), executable=True)
    archive.file("e1000.ko", _only(kernel_files, "/e1000.ko"))
    archive.file("www/body", BODY)
    archive.file("bin/busybox", _only(tools, "/busybox"), executable=True)
    for applet in _APPLETS:
        archive.link(f"bin/{applet}", "busybox")
    (folder / "initrd.cpio").write_bytes(archive.ended())
    run("gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", f"{folder}/shim.so", f"{_HERE}/shim.c")


# Debian's packages


def _packages(folder: Path) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """The files that are needed, by path, of the kernel's package and of busybox's."""
    try:
        return _fetched(folder)
    except AssertionError:  # the lists of packages are missing, or too old
        run("apt-get", "update", timeout=_FETCHING)
        return _fetched(folder)


def _fetched(folder: Path) -> tuple[dict[str, bytes], dict[str, bytes]]:
    depended_on = re.findall(r"Depends: (linux-image-\S+)", run("apt-cache", "depends", "linux-image-amd64"))
    with tempfile.TemporaryDirectory(dir=folder) as name:
        # as root: apt's own user can't write there, and would warn
        words = ["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", depended_on[0], "busybox-static"]
        done = subprocess.run(words, cwd=name, capture_output=True, text=True, timeout=_FETCHING)
        assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout}{done.stderr}"
        (kernel,), (busybox,) = (list(Path(name).glob(f"{package}*.deb")) for package in ("linux-image", "busybox"))
        return _unpacked(kernel, "/vmlinuz-", "/e1000.ko"), _unpacked(busybox, "/busybox")


def _unpacked(package: Path, *wanted: str) -> dict[str, bytes]:
    """Those files of a package whose path has one of these in it."""
    done = subprocess.run(["dpkg-deb", "--fsys-tarfile", str(package)], capture_output=True, check=True)
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        members = [member for member in archive if member.isfile() and any(part in member.name for part in wanted)]
        return {member.name: _content(archive, member) for member in members}


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    assert file is not None
    return file.read()


def _only(files: dict[str, bytes], part: str) -> bytes:
    """The one file whose path has this in it, and that is no documentation."""
    (content,) = (content for path, content in files.items() if part in path and "/share/" not in path)
    return content


# what QEMU loads


def uncompressed(image: bytes) -> bytes:
    """
    The ELF file in a kernel image of x86: a TCG guest would take seconds to unpack it by itself.

    Where it lies: the kernel's Documentation/arch/x86/boot.rst (setup_sects, payload_offset, payload_length).
    """
    setup_sectors = image[0x1F1] or 4
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = (setup_sectors + 1) * 512 + offset
    payload = image[start : start + length]
    assert payload.startswith(b"\xfd7zXZ\0"), f"the kernel isn't packed by xz: {payload[:6]!r}"
    return lzma.LZMADecompressor().decompress(payload)


class Archive:
    """An initramfs: a cpio archive in the form 'newc', of which the kernel's buffer-format.rst tells."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._count = 0

    def folder(self, name: str) -> None:
        self._add(name, stat.S_IFDIR | 0o755, b"")

    def file(self, name: str, content: bytes, executable: bool = False) -> None:
        self._add(name, stat.S_IFREG | (0o755 if executable else 0o644), content)

    def link(self, name: str, target: str) -> None:
        """A symbolic link."""
        self._add(name, stat.S_IFLNK | 0o777, target.encode())

    def ended(self) -> bytes:
        """All of it."""
        self._add("TRAILER!!!", 0, b"")
        return b"".join(self._parts)

    def _add(self, name: str, mode: int, content: bytes) -> None:
        self._count += 1
        path = name.encode() + b"\0"
        # inode, mode, uid, gid, links, mtime, size, device's and special file's numbers, path's size, checksum
        fields = (self._count, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(path), 0)
        header = b"070701" + b"".join(b"%08X" % field for field in fields)
        self._parts += [_padded(header + path), _padded(content)]


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
