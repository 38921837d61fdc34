"""The bare sender: ``python -m benchmarks.streaming.floor FILE`` says its port and sends the file's records.

One blocking socket, one buffer of the size of a batch, ``sendall``: what loopback itself allows.
"""

import socket
import sys
from pathlib import Path

from benchmarks.streaming.inputs import records_start
from benchmarks.streaming.tasks import HOST
from depthcast.settings import Settings, load


def main() -> None:
    """Send everything to the first who connects."""
    path = Path(sys.argv[1])
    buffer = memoryview(bytearray(load(Settings).settings.feed.batch_bytes))
    with socket.create_server((HOST, 0)) as server, path.open("rb", buffering=0) as file:
        print(server.getsockname()[1], flush=True)
        file.seek(records_start(path))
        peer, _ = server.accept()
        with peer:
            while size := file.readinto(buffer):
                peer.sendall(buffer[:size])


if __name__ == "__main__":
    main()
