# LocalStack on the loopback address alone: its server takes only the port of GATEWAY_LISTEN and listens everywhere.
from twisted.internet import endpoints

_init = endpoints.TCP4ServerEndpoint.__init__


def _loopback(self, reactor, port, backlog=50, interface="127.0.0.1"):
    _init(self, reactor, port, backlog, "127.0.0.1")


endpoints.TCP4ServerEndpoint.__init__ = _loopback

from localstack.runtime.main import main  # noqa: E402

main()
