"""``geopush demo``: the real gateway, real stores, simulated shoppers, and every push as a phone would show it."""

from gateway.demo.show import run

__all__ = ["run"]
