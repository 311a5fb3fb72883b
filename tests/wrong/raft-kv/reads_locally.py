# test: leader-cut  a leader answers reads from its own map, without asking whether it still leads
import pathlib, sys
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "solutions/raft-kv/python"))
raft_kv = __import__("raft-kv")


class Wrong(raft_kv.RaftKv):
    def read(self, msg):
        self.node.reply(msg, self.store.execute(msg["body"]))


raft_kv.main(Wrong)
