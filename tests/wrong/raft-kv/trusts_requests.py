# test: garbage  a request without a key ends the node
import pathlib, sys
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "solutions/raft-kv/python"))
raft_kv = __import__("raft-kv")


class Wrong(raft_kv.RaftKv):
    def on_request(self, msg):
        if self.role != "leader":
            self.refuse(msg)
        else:
            msg["body"]["key"]
            self.propose(msg)


raft_kv.main(Wrong)
