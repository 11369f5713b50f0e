"""The first server that many write in Python. It has five faults."""

import socket
import sys

PORT = int(sys.argv[1]) if len(sys.argv) > 1 else 9000

server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
server.bind(("127.0.0.1", PORT))
server.listen(5)

while True:
    client, address = server.accept()
    while True:
        data = client.recv(1024)
        if not data:
            break
        text = data.decode("utf-8")
        client.sendall(("received: " + text).encode("utf-8"))
    client.close()
