"""Ports of this machine."""

import socket

GIVEN = set()  # of dozens, two would be the same now and then


def free_port():
    """One that nobody listens at, and another one each time; the kernel gives connections others."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        if port not in GIVEN:
            GIVEN.add(port)
            return port
