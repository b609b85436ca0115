"""A local stand-in for APNs and FCM: real HTTP/2, TLS, tokens and errors, so that the real libraries deliver to it.

Runs as a process of its own (``geopush sandbox``), for the demo, the tests, and a gateway without credentials.
"""
