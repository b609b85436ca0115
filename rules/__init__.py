"""Which offer, if any, a transition earns, and why: a pure core without clock, socket or log."""
