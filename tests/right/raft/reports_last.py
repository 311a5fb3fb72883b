"""Says everything else first: in each handler the reports come after the messages, and apply before state."""
import pathlib, sys
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "solutions/raft/python"))
import raft
import dlab


class Node(dlab.Node):
    def _flush(self):
        self._out.sort(key=lambda line: ('"type":"apply"' in line) + 2 * ('"type":"state"' in line))
        super()._flush()


dlab.Node = Node

if __name__ == "__main__":
    raft.main()
