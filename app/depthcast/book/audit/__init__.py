"""The audit: whether the books that a file gives can be trusted, and what the venue did (docs/audit.md)."""

from depthcast.book.audit.run import AuditSource, EngineChoice, audit

__all__ = ["AuditSource", "EngineChoice", "audit"]
