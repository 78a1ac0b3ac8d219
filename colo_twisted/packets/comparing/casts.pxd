# inline

from colo_twisted.packets.comparing.flows cimport Flow


cdef inline Flow flow(object known):
    return <Flow>known
