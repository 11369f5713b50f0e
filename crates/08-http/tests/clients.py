"""What comes with Python, put to the server: `clients.py http_client|urllib ADDRESS`. Silent if all is well."""

import http.client
import sys
import urllib.error
import urllib.request

part, address = sys.argv[1:]


def http_client():
    connection = http.client.HTTPConnection(address, timeout=10)

    def ask(method, path, **headers):
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()

    status, headers, body = ask("GET", "/document.txt")
    assert (status, body) == (200, b"0123456789"), (status, body)
    socket = connection.sock
    modified = headers["Last-Modified"]
    for method, path, more, expected in [
        ("HEAD", "/document.txt", {}, (200, b"")),
        ("GET", "/document.txt", {"Range": "bytes=0-0"}, (206, b"0")),
        ("GET", "/document.txt", {"If-Modified-Since": modified}, (304, b"")),
        ("GET", "/document.txt", {}, (200, b"0123456789")),
    ]:
        status, _, body = ask(method, path, **more)
        assert (status, body) == expected, (method, path, more, status, body)
    status, _, body = ask("GET", "/nothing-there")
    assert status == 404 and body, (status, body)
    status, _, body = ask("GET", "/large.bin")
    assert (status, len(body)) == (200, 16 << 20), (status, len(body))
    assert connection.sock is socket, "it has come back on another connection"


def with_urllib():
    # No proxy of whoever runs this.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://{address}/folder", timeout=10) as answer:
        assert answer.url.endswith("/folder/"), answer.url
        assert "text/html" in answer.headers["Content-Type"], answer.headers
        assert b"page.html" in answer.read()
    try:
        opener.open(f"http://{address}/nothing-there", timeout=10)
        raise AssertionError("it is there")
    except urllib.error.HTTPError as error:
        assert error.code == 404 and error.read(), error


{"http_client": http_client, "urllib": with_urllib}[part]()
