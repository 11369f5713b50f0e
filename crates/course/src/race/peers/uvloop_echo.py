"""What others are measured by: an echo server as it is written for speed in Python, on uvloop, without streams."""

import asyncio
import sys

import uvloop


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)

    # The transport keeps what a client does not take. When that is much, nothing more is read from it meanwhile.
    def pause_writing(self):
        self.transport.pause_reading()

    def resume_writing(self):
        self.transport.resume_reading()


async def main(host, port):
    server = await asyncio.get_running_loop().create_server(Echo, host, port, backlog=4096)
    name, number = server.sockets[0].getsockname()[:2]
    print(f"listening on {name}:{number}", flush=True)
    await server.serve_forever()


uvloop.install()
asyncio.run(main(sys.argv[1], int(sys.argv[2])))
