"""The clients that phones already have: their bytes to pings, and the replies they need."""
