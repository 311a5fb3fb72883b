"""Two ends of UDP, for a network that one spoils by hand. `serve` answers; `ask NAME [COUNT]` says how long each answer took."""
import socket
import sys
import time

PORT, PAUSE_S, LIMIT_S = 7000, 0.2, 2

s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
if sys.argv[1] == "serve":
    s.bind(("", PORT))
    while True:
        data, whence = s.recvfrom(2048)
        s.sendto(data, whence)

s.settimeout(LIMIT_S)
answered, count = 0, int(sys.argv[3]) if len(sys.argv) > 3 else 10
for number in range(1, count + 1):
    began = time.monotonic()
    s.sendto(str(number).encode(), (sys.argv[2], PORT))
    try:
        while s.recv(2048) != str(number).encode():
            print("   an answer that came late, or twice")
        print(f"{number:4} {1000 * (time.monotonic() - began):8.1f} ms", flush=True)
        answered += 1
    except socket.timeout:
        print(f"{number:4} no answer within {LIMIT_S} s", flush=True)
    time.sleep(PAUSE_S)
print(f"{answered} of {count} answered")
