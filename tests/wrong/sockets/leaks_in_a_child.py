# test: no-leaks
"""Starts the server in a child process, as a script around it would, and there every connection stays open."""
import os, resource, signal, socket, sys, threading

soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
child = os.fork()
if child:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    os.waitpid(child, 0)
    sys.exit(1)

kept = []


def serve(client):
    buffer = b""
    while True:
        try:
            data = client.recv(65536)
            *lines, buffer = (buffer + data).split(b"\n")
            client.sendall(b"".join(line + b"\n" for line in lines) + (b"" if data else buffer))
            if not data:
                client.shutdown(socket.SHUT_WR)
                return
        except OSError:
            return


host, port = os.environ["DLAB_LISTEN"].rsplit(":", 1)
listener = socket.create_server((host, int(port)), backlog=256)
while True:
    client, _ = listener.accept()
    kept.append(client)
    threading.Thread(target=serve, args=(client,), daemon=True).start()
