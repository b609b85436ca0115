"""Load generators and micro-benchmarks on loopback; nobody imports them."""
