"""The web page: HTML rendered here, kept live in the browser by the stream of events."""
