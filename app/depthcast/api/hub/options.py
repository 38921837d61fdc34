"""The hub's limits: every queue, set and buffer of it has one."""

from dataclasses import dataclass

__all__ = ["HubOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HubOptions:
    """What the hub allows, and how it keeps time."""

    heartbeat_s: float = 1.0
    client_buffer_bytes: int = 65_536
    """What a client's connection may hold back before the client is left out."""
    slow_close_s: float = 15.0
    """A client whose buffer has been full for so long is closed (4008)."""
    ring_frames: int = 64
    """Recent messages of a class that a client can resume from (book, bbo, status)."""
    ring_bytes: int = 256 * 1024
    lossless_ring_frames: int = 4096
    """The same of trades and orders: also how far behind a client may be before it is closed (4008)."""
    lossless_ring_bytes: int = 4 * 1024 * 1024
    rings_bytes: int = 256 * 1024 * 1024
    """What all classes keep together; beyond it they keep fewer messages, the newest always."""
    linger_s: float = 30.0
    """How long a class goes on without subscribers, so that one who was cut off can resume."""
    linger_read_s: float = 1.0
    """One that had subscribers for less than that does not go on; nor one that can lose nothing."""
    max_classes: int = 10_000
    max_clients: int = 10_000
    subscriptions_per_connection: int = 100
    connections_per_address: int = 100
    connections_per_key: int = 100
    message_bytes: int = 16_384
    messages_per_s: float = 50.0
    turn_sends: int = 2_000
    """Sends after which the hub lets the event loop do other things, at the next end of a class."""
    pending_trades: int = 1_000
    """Trades that a class holds back at most; then they go before their tick."""
    order_books: int = 64
    """Books whose orders are followed for the orders channel."""
    order_book_orders: int = 200_000
    """Orders of a book that the orders channel serves at most."""
    order_records_per_s: int = 20_000
    """Records of a book that are told one by one; of a busier book, its present queues are sent."""
