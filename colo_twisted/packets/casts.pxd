# inline

from colo_twisted.packets.connections cimport Connection


cdef inline Connection connection(object known):
    return <Connection>known
