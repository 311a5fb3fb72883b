"""A Docker engine that is none: answers on a unix socket as it is told. usage: fake_engine.py SOCKET API-VERSION

/echo says what it got, /refuse is an error in the engine's words, /full
another, /odd one without them, /slow answers after 0.2 s, /cut breaks
off, /text is no JSON, attach upgrades and then echoes bytes, in the engine's frames.
"""
import http.server
import json
import os
import socketserver
import struct
import sys
import time


class Engine(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, text, **headers):
        data = text.encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def attach(self):
        self.wfile.write(b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
        self.wfile.flush()
        self.close_connection = True
        while True:
            data = self.connection.recv(65536)
            if not data:
                return
            self.connection.sendall(struct.pack(">BxxxI", 1, len(data)) + data)

    def handle_any(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        name = self.path.split("/")[-1].split("?")[0]
        if self.path == "/_ping":
            self.answer(200, "OK", **({"Api_Version": sys.argv[2]} if sys.argv[2] != "none" else {}))
        elif name == "attach":
            self.attach() if "/gone/" not in self.path else self.answer(404, '{"message":"No such container: gone"}')
        elif name == "echo":
            self.answer(201, json.dumps({"method": self.command, "path": self.path, "body": body}))
        elif name == "refuse":
            self.answer(409, '{"message":"Conflict: that name is in use"}')
        elif name == "full":
            self.answer(500, '{"message":"mkdir /var/lib/docker/overlay2/ab12: no space left on device"}')
        elif name == "odd":
            self.answer(500, "<html>")
        elif name == "slow":
            time.sleep(0.2)
            self.answer(200, "{}")
        elif name == "same":
            self.send_response(304)
            self.end_headers()
        elif name == "text":
            self.answer(200, "no json")
        else:
            self.close_connection = True

    do_GET = do_POST = do_DELETE = handle_any

    def address_string(self):
        return "unix"

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 64


server = Server(sys.argv[1] + ".new", Engine)
os.rename(sys.argv[1] + ".new", sys.argv[1])  # whoever sees the socket can connect to it
server.serve_forever()
