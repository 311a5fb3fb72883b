# test: leader-cut  a write is acknowledged as soon as it stands in the own log
import pathlib, sys
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "solutions/raft-kv/python"))
raft_kv = __import__("raft-kv")


class Wrong(raft_kv.RaftKv):
    def propose(self, msg):
        super().propose(msg)
        if msg["body"]["type"] == "write":
            self.waiting.pop(self.last_index(), None)
            self.node.reply(msg, {"type": "write_ok"})


raft_kv.main(Wrong)
