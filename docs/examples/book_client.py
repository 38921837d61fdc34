"""Keep a verified order book: python book_client.py ws://127.0.0.1:8000/v1/stream CLX5"""

import asyncio
import json
import struct
import sys
import zlib
from decimal import Decimal

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

DEPTH = 10
LATER = {"starting", "no_book_yet", "restarting", "server_full", "too_many_classes", "too_many_connections"}


class Book:
    def __init__(self):
        self.bids, self.asks, self.seq, self.epoch = [], [], None, ""  # levels: (price, size, orders)

    def apply(self, message):
        """Take a snapshot or an update; False if it does not follow the last one, or does not verify."""
        snapshot = message["type"] == "snapshot"
        if not snapshot and message["prev_seq"] != self.seq:
            return self.seq is not None and message["seq"] <= self.seq  # told again after a reconnect
        for side in ("bids", "asks"):
            levels = {} if snapshot else {level[0]: level for level in getattr(self, side)}
            levels |= {level[0]: level for level in message[side]}
            left = [level for level in levels.values() if level[1]]  # size 0 removes
            left.sort(key=lambda level: Decimal(level[0]), reverse=side == "bids")
            setattr(self, side, left[:DEPTH])
        self.seq, self.epoch = message["seq"], message.get("epoch", self.epoch)
        return message["checksum"] in (None, self.checksum())

    def checksum(self):
        rows = [(b"B", *level) for level in self.bids] + [(b"A", *level) for level in self.asks]
        packed = (struct.pack("<cqQI", side, int(Decimal(px) * 10**9), *rest) for side, px, *rest in rows)
        return zlib.crc32(b"".join(packed))


async def follow(url, instrument):
    """Yield (book, message) after every verified message, whatever becomes of the connection."""
    book = Book()
    async for stream in connect(url, compression=None):  # comes back with growing pauses
        request = {"op": "subscribe", "channel": "book", "instruments": [instrument], "depth": DEPTH}
        if book.seq is not None:
            request["since"] = {"epoch": book.epoch, "seq": book.seq}
        try:
            await stream.send(json.dumps(request))
            async for text in stream:
                message = json.loads(text)
                if message["type"] == "error" and message["code"] in LATER:
                    break  # close, and come back
                if message["type"] == "error":
                    raise SystemExit(message["message"])
                if message["type"] in ("snapshot", "update"):
                    if book.apply(message):
                        yield book, message
                    else:
                        await stream.send(json.dumps({"op": "resync", "class": message["class"]}))
        except ConnectionClosed:
            pass
        await stream.close()
        await asyncio.sleep(1)


async def main(url, instrument):
    async for book, message in follow(url, instrument):
        state = "stale" if message["stale"] else "live"
        print(message["seq"], state, book.bids[:1], book.asks[:1], "verified", flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
