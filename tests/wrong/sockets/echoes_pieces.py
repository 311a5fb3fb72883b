# test: byte-by-byte
"""Sends back whatever comes at once, whole line or not."""
import os
import signal
import socket
import threading


def listen():
    host, port = os.environ["DLAB_LISTEN"].rsplit(":", 1)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, int(port)))
    listener.listen(512)
    return listener


def serve(conn):
    with conn:
        while True:
            data = conn.recv(65536)
            if not data:
                break
            conn.sendall(data)


def quietly(conn):
    try:
        serve(conn)
    except OSError:
        pass


signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
listener = listen()
while True:
    connection, _ = listener.accept()
    threading.Thread(target=quietly, args=(connection,), daemon=True).start()
