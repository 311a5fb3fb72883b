# test: slow-reader
"""Waits for readable clients with a selector, but writes with blocking calls."""
import os
import selectors
import signal
import socket


def listen():
    host, port = os.environ["DLAB_LISTEN"].rsplit(":", 1)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, int(port)))
    listener.listen(512)
    return listener


def serve(selector, conn, rest):
    data = conn.recv(65536)
    if not data:
        conn.sendall(rest)
        selector.unregister(conn)
        conn.close()
        return
    lines = (rest + data).split(b"\n")
    rest = lines.pop()
    selector.modify(conn, selectors.EVENT_READ, rest)
    for line in lines:
        conn.sendall(line + b"\n")


def step(selector, listener, key):
    if key.fileobj is listener:
        conn, _ = listener.accept()
        selector.register(conn, selectors.EVENT_READ, b"")
        return
    try:
        serve(selector, key.fileobj, key.data)
    except OSError:
        selector.unregister(key.fileobj)
        key.fileobj.close()


signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
listener = listen()
selector = selectors.DefaultSelector()
selector.register(listener, selectors.EVENT_READ, b"")
while True:
    for key, _ in selector.select():
        step(selector, listener, key)
