"""
The proxy inside an application of your own, beside another service.

    COLO_CONFIG=/etc/colo/colo.conf twistd -ny colo.tac
    curl http://127.0.0.1:8080/

Here the other service is a web page of what the proxy has counted. Yours may be anything: what
stands below is all that the proxy needs. What can't be opened (a port in use, say) is raised when
the service starts, as StartError, after everything was given back.
"""

import os
import sys

from twisted.application.service import Application
from twisted.application.strports import service
from twisted.python.usage import UsageError
from twisted.web.resource import Resource
from twisted.web.server import Site

from colo_twisted.counters import table
from colo_twisted.options import StartError
from colo_twisted.plugin import Options, makeService

CONFIG = os.environ.get("COLO_CONFIG", "/etc/colo/colo.conf")
PAGE = os.environ.get("COLO_PAGE", "tcp:8080:interface=127.0.0.1")  # an endpoint, as Twisted describes them

# The options are those of `twistd colo`, as a list of words. Nothing is opened before the service starts.
options = Options()
try:
    options.parseOptions(["-readconfig", CONFIG])
    proxy = makeService(options)
except (UsageError, StartError) as error:
    sys.exit(f"colo.tac: {error}")


class Counted(Resource):
    """The table that `twistd colo` logs at its end. (A -qmp among its options would serve colo-ctl, too.)"""

    isLeaf = True

    def render_GET(self, request):
        request.setHeader(b"Content-Type", b"text/plain; charset=utf-8")
        return f"{table(proxy.counted())}\n".encode()


application = Application("replicated")
proxy.setServiceParent(application)
service(PAGE, Site(Counted())).setServiceParent(application)
