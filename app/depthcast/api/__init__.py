"""The API service: live books over REST, WebSocket and server-sent events."""
