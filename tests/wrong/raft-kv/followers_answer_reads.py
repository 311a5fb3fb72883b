# test: basic  every node answers reads from its own map
import pathlib, sys
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "solutions/raft-kv/python"))
raft_kv = __import__("raft-kv")


class Wrong(raft_kv.RaftKv):
    def on_request(self, msg):
        if msg["body"]["type"] == "read":
            self.node.reply(msg, self.store.execute(msg["body"]))
        else:
            super().on_request(msg)


raft_kv.main(Wrong)
