# test: progress  two of five are a majority
import pathlib, sys
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "solutions/raft-kv/python"))
raft_kv = __import__("raft-kv")


class Wrong(raft_kv.RaftKv):
    def majority(self):
        return len(self.node.node_ids) // 2


raft_kv.main(Wrong)
