# test: half-close
"""At the end of file it closes, although answers still wait to be sent."""
import os
import selectors
import signal
import socket


CHUNK = 64 * 1024


class Client:
    def __init__(self, sock):
        self.sock = sock
        self.inbuf = bytearray()
        self.out = bytearray()
        self.input_over = False

    def read(self):
        try:
            data = self.sock.recv(CHUNK)
        except (BlockingIOError, InterruptedError):
            return
        if data:
            self.take_lines(data)
        else:
            self.input_over = True
            self.out += self.inbuf

    def take_lines(self, data):
        whole = data.rfind(b"\n") + 1
        if whole:
            self.out += self.inbuf
            self.inbuf.clear()
            self.out += data[:whole]
        self.inbuf += data[whole:]

    def write(self):
        try:
            while self.out:
                sent = self.sock.send(memoryview(self.out)[:CHUNK])
                del self.out[:sent]
        except (BlockingIOError, InterruptedError):
            pass

    def wanted(self):
        events = 0
        if not self.input_over:
            events |= selectors.EVENT_READ
        if self.out and not self.input_over:
            events |= selectors.EVENT_WRITE
        return events


def listen_on(address):
    host, port = address.rsplit(":", 1)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, int(port)))
    listener.listen(512)
    listener.setblocking(False)
    return listener


def accept_all(selector, listener):
    while True:
        try:
            sock, _ = listener.accept()
        except OSError:
            return
        sock.setblocking(False)
        selector.register(sock, selectors.EVENT_READ, Client(sock))


def step(selector, client):
    """Moves what can be moved; forgets the client when its connection is over."""
    wanted = 0
    try:
        if client.wanted() & selectors.EVENT_READ:
            client.read()
        client.write()
        wanted = client.wanted()
    except OSError:
        pass
    if wanted:
        selector.modify(client.sock, wanted, client)
    else:
        selector.unregister(client.sock)
        client.sock.close()


def main():
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    listener = listen_on(os.environ["DLAB_LISTEN"])
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj is listener:
                accept_all(selector, listener)
            else:
                step(selector, key.data)


if __name__ == "__main__":
    main()
