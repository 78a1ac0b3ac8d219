"""``colo-ctl status``: the answers as one screen. Pure functions from answers to lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from colo_twisted.ctl.picture import Counted, Picture, is_error
from colo_twisted.ctl.waiting import is_monitors
from colo_twisted.ctl.words import (
    Paint,
    clock_time,
    columns,
    counted,
    lasting,
    many,
    plain,
    said,
    shortened,
    sized,
    wrapped,
)

WIDTH, HEIGHT = 80, 24
_LABEL = 13  # columns of the words at the left
_PEER = 34  # columns of a peer's name, at most

_PAIR = "pair:"  # begins the filename of a pair's end; the other's id follows
_COLOURS = {
    "synced": "green",
    "lost": "red",
}
_FREQUENT = ("frames_in", "bytes_in", "frames_out", "bytes_out")


def screen(
    picture: Picture, rates: Counted | None, now: float, paint: Paint = plain, height: int = HEIGHT
) -> list[str]:
    """
    All of it, in so many lines where it can be: blank lines go first, then divergences, then problems but the first.

    ``now`` is in seconds since the epoch; without ``rates`` there are none.
    """
    for last, most in _LESS_AND_LESS:
        parts = _parts(picture, rates, now, paint, last, most)
        if sum(map(len, parts)) < height:
            break
    return fitted([part for part in parts if part], height)


_LESS_AND_LESS = ((3, 99), (2, 99), (1, 99), (0, 99), (0, 3), (0, 1))
"""How many divergences and problems are shown."""


def _parts(picture: Picture, rates: Counted | None, now: float, paint: Paint, last: int, most: int) -> list[list[str]]:
    replica = picture.replica
    return [
        [*head(picture, now, paint), *problems(picture.problems, paint, most)],
        chardevs(picture.chardevs, paint),
        [line for chain in picture.chains for line in chain_lines(chain, rates, paint)],
        [*channels(replica, paint), *held(replica), *checkpoints(replica)],
        divergences(picture.divergences[-last:] if last else [], now, paint),
    ]


def fitted(parts: list[list[str]], height: int) -> list[str]:
    """The parts with a blank line between, or without where those are too many lines."""
    roomy = sum(map(len, parts)) + len(parts) - 1 < height  # the shell's prompt takes the last
    lines: list[str] = []
    for part in parts:
        lines += ([""] if roomy and lines else []) + part
    return lines


# who, and how it is


def head(picture: Picture, now: float, paint: Paint) -> list[str]:
    """The process in one line, the replica's state, since when and why in the next."""
    replica = picture.replica
    mode = replica["mode"] if replica["mode"] != "none" else _without_mode(replica["state"])
    status = picture.status if picture.status == "running" else paint(picture.status, "yellow")
    wrong = len(picture.errors)
    verdict = paint(many(wrong, "problem"), "red") if wrong else paint("all is well", "green")
    name = paint(said(picture.name or "twistd colo"), "bold")
    return [f"{name}: {mode}, {status}, {verdict} ({said(picture.version)})", *state_lines(replica, now, paint)]


def _without_mode(state: str) -> str:
    """COLO mode has not begun, or has ended: what the replica's own state then says."""
    return "no replication" if state == "none" else said(state)


def state_lines(replica: Mapping[str, Any], now: float, paint: Paint) -> list[str]:
    """State, since when, why; nothing where nothing is replicated."""
    state, reason = replica["state"], said(replica.get("reason") or "")
    words = [paint(state, _COLOURS.get(state, "yellow"))]
    if state == "none" and not reason:
        return []
    if state != "none":
        since = replica.get("since", 0.0)
        words += f"for {lasting(since)}, since {clock_time(now - since, now)}".split()
    if reason:
        words[-1] += ":"
    return wrapped([*words, *reason.split()], WIDTH, "state".ljust(_LABEL), " " * _LABEL)


def problems(found: list[dict[str, Any]], paint: Paint, most: int = 99) -> list[str]:
    """What is wrong, each with what to do, or several with the one thing to do; ``most``, but one of each kind."""
    lines: list[str] = []
    told = _one_of_each_kind(found, most)
    for at, problem in enumerate(told):
        label = paint("PROBLEM".ljust(_LABEL), "red") if is_error(problem) else paint("note".ljust(_LABEL), "yellow")
        lines += _wrapped_behind(label, said(problem["what"]))
        remedy = problem.get("remedy")
        if remedy and (at + 1 == len(told) or told[at + 1].get("remedy") != remedy):
            lines += _wrapped_behind("  remedy".ljust(_LABEL), said(remedy))
    more = len(found) - len(told)
    return [*lines, f"{'':<{_LABEL}}and {many(more, 'more problem')} (colo-ctl status --all)"] if more > 0 else lines


def _one_of_each_kind(found: list[dict[str, Any]], most: int) -> list[dict[str, Any]]:
    """The first of those with the same remedy, and as many others as there is room for, in their order."""
    first = {problem.get("remedy") or problem["what"]: at for at, problem in reversed(list(enumerate(found)))}
    others = [at for at in range(len(found)) if at not in first.values()]
    told = {*first.values(), *others[: max(0, most - len(first))]}
    return [problem for at, problem in enumerate(found) if at in told]


def _wrapped_behind(label: str, text: str) -> list[str]:
    return wrapped(text.split(), WIDTH, label or " " * _LABEL, " " * _LABEL)


# channels


def chardevs(known: Iterable[Mapping[str, Any]], paint: Paint) -> list[str]:
    """A line each: up or down, its peer, what waits for it, who uses it; both ends of a pair that is up in one."""
    rows = [["CHARDEV", "", "PEER", "BACKLOG", "USED BY"]]
    joined: set[str] = set()
    channels = {chardev["label"]: chardev for chardev in known if not is_monitors(chardev)}
    for label, chardev in channels.items():
        other = _other_end(chardev, channels)
        if other is not None and label not in joined:
            joined.add(other["label"])
            users = f"{user(chardev)}, {user(other)}"
            rows.append([f"{said(label)}, {said(other['label'])}", paint("up", "green"), "pair", "", users])
        elif other is None:
            rows.append(_chardev(chardev, paint))
    return columns(rows, right=(3,)) if len(rows) > 1 else []


def _chardev(chardev: Mapping[str, Any], paint: Paint) -> list[str]:
    colour = "green" if chardev["connected"] else "red" if chardev.get("used-by") else "yellow"
    peer = chardev.get("peer") or str(chardev.get("filename", "")).removeprefix("disconnected:")  # or where it may come
    return [
        said(chardev["label"]),
        paint("up" if chardev["connected"] else "DOWN", colour),
        shortened(said(peer), _PEER),
        sized(chardev.get("backlog", 0)),
        user(chardev) or "nothing",
    ]


def _other_end(chardev: Mapping[str, Any], known: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The other end of a pair, if both are up."""
    if not chardev["connected"] or not chardev["filename"].startswith(_PAIR):
        return None
    other = known.get(chardev["filename"].removeprefix(_PAIR))
    return other if other is not None and other["connected"] else None


def user(chardev: Mapping[str, Any]) -> str:
    """The id of what uses a chardev: "filter-mirror 'm0'" is said as m0."""
    owner = said(chardev.get("used-by") or "")
    quoted = owner.split("'")
    return quoted[1] if len(quoted) == 3 else owner


def channels(replica: Mapping[str, Any], paint: Paint) -> list[str]:
    """The replica's channels: those that are down by name."""
    known = replica.get("channels", [])
    down = [paint(f"{said(channel['name'])} DOWN", "red") for channel in known if not channel["connected"]]
    if not known:
        return []
    if not down:
        return [f"{'channels':<{_LABEL}}all {len(known)} up"]
    words = [*(f"{name}," for name in down), f"{len(known) - len(down)} up"]
    return wrapped(words, WIDTH, "channels".ljust(_LABEL), " " * _LABEL)


# the way of the frames


def chain_lines(chain: Mapping[str, Any], rates: Counted | None, paint: Paint) -> Iterator[str]:
    """A netdev: its ends, its rates, its filters in order."""
    netdev = said(chain["netdev"])
    interface = f" {said(chain['ifname'])}" if chain.get("ifname") else ""
    network = f"{chain['type']}{interface} {_end(chain, '', paint)}"
    guest = chain.get("guest") or chain.get("device")
    behind = f"guest {said(guest)} {_end(chain, 'guest-', paint)}" if guest else paint("no guest", "red")
    offloads = "offloads on" if chain.get("offloads") else "offloads off"
    yield f"{paint(f'netdev {netdev}'.ljust(_LABEL), 'bold')}{network}, {behind}, {offloads}"
    if rates is not None:
        yield f"{'':<{_LABEL}}{rate_line(rates.get(f'netdev {netdev}', {}))}"
    yield from filter_lines(chain["filters"], paint)


def _end(chain: Mapping[str, Any], which: str, paint: Paint) -> str:
    """The network's end ('') or the guest's ('guest-'): its cable, its TAP, and a stream's or socket's far end."""
    if not chain.get(f"{which}link", True):
        return paint("OFF", "red")  # by set_link
    if not chain.get(f"{which}up", True):
        return paint("DOWN", "red")  # the TAP's interface
    if str(chain.get(f"{which}filename", "")).startswith("disconnected:"):
        return paint("up, nobody connected", "red")
    return paint("up", "green")


def rate_line(rates: Mapping[str, float]) -> str:
    """Frames and bytes a second, from the network and to it."""
    frames_in, bytes_in, frames_out, bytes_out = (rates.get(name, 0.0) for name in _FREQUENT)
    return (
        f"in {counted(frames_in)} frames/s, {sized(bytes_in)}/s;"
        f" out {counted(frames_out)} frames/s, {sized(bytes_out)}/s"
    )


def filter_lines(filters: Iterable[Mapping[str, Any]], paint: Paint) -> list[str]:
    """Filters from the network's end to the guest's."""
    words = [f"{_filter(filter, paint)} >" for filter in filters]
    return wrapped(["network >", *words, "guest"], WIDTH, " " * _LABEL, " " * (_LABEL + 2))


def _filter(filter: Mapping[str, Any], paint: Paint) -> str:
    kind = str(filter["type"]).removeprefix("filter-")
    off = "" if filter.get("status", "on") == "on" else paint(" OFF", "yellow")
    return f"{said(filter['id'])} ({kind} {filter.get('queue', 'all')}{off})"


# what is held, what went wrong


def held(replica: Mapping[str, Any]) -> list[str]:
    """What waits in the comparer, and how many connections nobody protects."""
    if "held-packets" not in replica:
        return []
    words = f"{many(replica['held-packets'], 'packet')}, {sized(replica.get('held-bytes', 0))}"
    lines = [f"{'held':<{_LABEL}}{words}"]
    if "connections" in replica:
        unprotected = replica.get("unprotected-flows", 0)
        lines[0] += f"; {many(replica['connections'], 'connection')}, {unprotected:,} unprotected"
    return lines


def checkpoints(replica: Mapping[str, Any]) -> list[str]:
    """How far the one that is being made is, and how those before went."""
    known = replica.get("checkpoint")
    if not known:
        return []
    words = f"{said(known.get('phase') or 'none')}; {known.get('done', 0):,} done, {known.get('failed', 0):,} failed"
    last = f", the last took {known['last-ms']:,.0f} ms" if known.get("last-ms") is not None else ""
    return [f"{'checkpoint':<{_LABEL}}{words}{last}"]


def divergences(newest: Iterable[Mapping[str, Any]], now: float, paint: Paint) -> list[str]:
    """A few lines each, the newest last."""
    lines: list[str] = []
    for divergence in newest:
        lines += wrapped(divergence_line(divergence, now).split(), WIDTH, "", "  ")
    return [paint("LAST DIVERGENCES (colo-ctl divergences has them all)", "bold"), *lines] if lines else []


def divergence_line(divergence: Mapping[str, Any], now: float) -> str:
    """Its number, when, what kind, whose, and in words."""
    when = clock_time(now - divergence.get("ago", 0.0), now)
    where = f" at sequence number {divergence['sequence']}" if divergence.get("sequence") else ""
    whose = f"{said(divergence['connection'])}{where}"
    return f"#{divergence['number']} {when} {divergence['kind']} of {whose}: {said(divergence['description'])}"
