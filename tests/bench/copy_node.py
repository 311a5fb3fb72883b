"""The other end of the bare measurement for Python: parses every line as JSON and writes it back. Not an example to follow."""
import json
import sys

for line in sys.stdin:
    json.loads(line)
    sys.stdout.write(line)
    sys.stdout.flush()
