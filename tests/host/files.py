"""Reading and changing the host's files."""

import os
import shutil

REPOSITORY = os.path.realpath(os.path.join(os.path.dirname(__file__), "../.."))


def write(path, text, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, mode)


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def read_bytes(path):
    with open(path, "rb") as file:
        return file.read()


def append(path, text):
    with open(path, "a", encoding="utf-8") as file:
        file.write(text)


def remove(path):
    """Removes a file or a directory, if it exists."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)
