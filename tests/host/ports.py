"""Ports of this machine."""

import socket


def free_port():
    """One that nobody listens at; the kernel does not give it to others for a while."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
