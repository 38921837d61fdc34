"""The Databento Live protocol: its lines and records, the gateway (server) and the subscriber (client)."""
