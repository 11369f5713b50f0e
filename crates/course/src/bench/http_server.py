"""Python's http.server on a free port, with connections that are kept alive: `http_server.py FOLDER [nodelay]`."""

import functools
import http.server
import sys


class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # It writes a head and a body. Without this the body waits until the head is acknowledged.
    disable_nagle_algorithm = sys.argv[2:] == ["nodelay"]


handler = functools.partial(Handler, directory=sys.argv[1])
http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler).serve_forever()
