"""Which geofences a moving user is in, and what changed: a pure core without clock, socket or log."""
