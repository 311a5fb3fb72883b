#!/usr/bin/env python3
"""Lab sockets: send every line back to the client that sent it. guide.md has the rules.

This is a beginning: it serves one client at a time, and reads but does not answer.
"""
import os
import socket
import sys


def listen_on(address):
    """Gives a listening socket for an address like 127.0.0.1:4711."""
    host, port = address.rsplit(":", 1)
    listener = socket.socket()
    listener.bind((host, int(port)))
    listener.listen()
    return listener


def serve(conn):
    while True:
        data = conn.recv(4096)  # some bytes: a part of a line, or several lines
        if not data:  # the client sends no more
            break
        print("read", data, file=sys.stderr)  # stderr is your log
        # Your turn: what goes back to the client, and when?


def main():
    listener = listen_on(os.environ["DLAB_LISTEN"])
    while True:
        conn, _ = listener.accept()
        serve(conn)
        conn.close()


if __name__ == "__main__":
    main()
