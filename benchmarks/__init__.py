"""
Speed, measured beside QEMU's in the same run: ``python -m benchmarks`` (as root).

``goals``: what is to be reached, judged in one table, out of what the others measure.

The others, each with a ``part`` that ``python -m benchmarks NAME`` runs, and its contestants:

- ``compare``: colo-compare between three sockets; ``streams`` make what goes in, ``feeding`` feeds it
- ``taps``: two TAPs joined, with a mirror or without; TCP both ways, and ping
- ``pair``: HTTP through a whole pair
- ``start``: from a start to its first packet, and the memory then
- ``instructions``: what a packet costs in packets/, by callgrind
- ``takeover``: a client's pause at each loss
- ``colo``: two QEMUs under COLO, their proxy inside and outside

What they share: ``rounds`` (turns, options), ``results`` (medians, ratios, tables), ``programs`` (the contestants'
words), ``processes``, ``hosts`` (network namespaces), ``machine`` (where it was measured).
"""
