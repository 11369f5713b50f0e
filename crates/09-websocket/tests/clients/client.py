"""What a client of Python's websockets says: `client.py CHECK HOST:PORT`. It ends with status 0 if all is well.

It keeps to what the versions of Debian 12 and 13 (10.4 and 15) both know.
"""

import asyncio
import sys

import websockets

CHECK, ADDRESS = sys.argv[1:]
TIME = 20


def connect(path):
    return websockets.connect(f"ws://{ADDRESS}{path}", open_timeout=TIME, close_timeout=TIME)


async def echo():
    async with connect("/") as client:
        for length in [0, 1, 125, 126, 65_535, 65_536, 1 << 20]:
            for message in ["x" * length, b"\xff" * length]:
                await client.send(message)
                assert await client.recv() == message, length
        await client.send(["in ", "three ", "fragments"])
        assert await client.recv() == "in three fragments"
        await asyncio.gather(*(client.send(str(number)) for number in range(100)))
        assert [await client.recv() for _ in range(100)] == [str(number) for number in range(100)]
        pong = await client.ping("still there?")
        await pong
    assert client.close_code == 1000, client.close_code


async def close():
    client = await connect("/")
    await client.close(code=4321, reason="enough")
    assert client.close_code == 4321, client.close_code
    client = await connect("/")
    await client.send("x" * ((1 << 20) + 1))
    try:
        await client.recv()
        raise AssertionError("it came back")
    except websockets.ConnectionClosed as closed:
        assert closed.rcvd.code == 1009, closed


async def chat():
    async with connect("/chat") as first, connect("/chat") as second:
        await first.send("hello")
        await second.send("hi")
        # Who was first is not known, but it is the same for both.
        heard = [await first.recv(), await first.recv()]
        assert sorted(heard) == ["hello", "hi"], heard
        assert heard == [await second.recv(), await second.recv()]


async def clock():
    async with connect("/clock") as client:
        times = [await client.recv() for _ in range(2)]
        assert times[0] != times[1] and times[1].endswith(" UTC"), times


asyncio.run(asyncio.wait_for({"echo": echo, "close": close, "chat": chat, "clock": clock}[CHECK](), TIME))
