"""The store: the only room that talks to Redis, and everything the gateway keeps there."""

from gateway.store.store import Store

__all__ = ["Store"]
