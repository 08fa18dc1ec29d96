"""SSH connections that are kept alive, and what is forwarded over them."""

import os
import socket
import threading

from host.sshd import Sshd
from host.waiting import GUARD_SEC, wait_until

# Neither side may give up while the machine is busy.
ASKED_BY_CLIENT = ["ServerAliveInterval=1", "ServerAliveCountMax=1000"]
ASKED_BY_SSHD = ["Port=2222"]
NO_SESSION = ["SessionType=none", "ExitOnForwardFailure=yes"]

ECHO_PORT, ECHO_PATH = 5555, "/run/echo"
SFTP_SERVER = next(filter(os.path.exists, ["/usr/lib/openssh/sftp-server",
                                           "/usr/libexec/openssh/sftp-server"]))


def start_asking_sshd():
    """Starts an sshd that asks every second whether the client is alive."""
    Sshd(port=2222).start("ClientAliveInterval 1\nClientAliveCountMax 1000\n")


def _echo(connection):
    with connection:
        while data := connection.recv(100):
            connection.sendall(data)


def start_echo():
    """Starts the server behind the forwarded connections: it returns every byte."""
    def serve(server):
        while True:
            threading.Thread(target=_echo, args=[server.accept()[0]], daemon=True).start()

    servers = [socket.create_server(("127.0.0.1", ECHO_PORT)),
               socket.create_server(ECHO_PATH, family=socket.AF_UNIX)]
    os.chmod(ECHO_PATH, 0o666)
    for server in servers:
        threading.Thread(target=serve, args=[server], daemon=True).start()


def exchange(connection, sent=b"x", answer=b"x"):
    connection.sendall(sent)
    got = connection.recv(len(answer), socket.MSG_WAITALL)
    if got != answer:
        raise RuntimeError(f"{got} came back through the forwarded connection")


def connect(port):
    """Connects to a port, waiting for it to be open."""
    def attempt():
        try:
            return socket.create_connection(("127.0.0.1", port), GUARD_SEC)
        except ConnectionRefusedError:
            return None

    return wait_until(attempt)


def connect_to_echo(port):
    """Connects to the echo server through a forwarded port, and tries it."""
    connection = connect(port)
    exchange(connection)
    return connection


def connect_over_socks(port):
    """Connects to the echo server through a SOCKS port, and tries it."""
    where = b"\1" + socket.inet_aton("127.0.0.1") + ECHO_PORT.to_bytes(2, "big")
    connection = connect(port)
    exchange(connection, b"\5\1\0", b"\5\0")
    exchange(connection, b"\5\1\0" + where, b"\5\0\0\1" + bytes(6))
    exchange(connection)
    return connection
