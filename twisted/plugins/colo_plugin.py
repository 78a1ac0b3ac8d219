"""Makes ``twistd colo`` known; the project itself is imported only when it is run."""

from twisted.application.service import ServiceMaker

colo = ServiceMaker(
    "colo", "colo_twisted.plugin", "QEMU's COLO-proxy: mirrors a guest's traffic to its replica", "colo"
)
