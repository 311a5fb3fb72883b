# test: once  tells requests apart by client and msg_id, which are new in every retry
import pathlib, sys
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "solutions/raft-kv/python"))
raft_kv = __import__("raft-kv")


class Wrong(raft_kv.RaftKv):
    def command(self, msg):
        op = super().command(msg)
        return {**op, "session": msg["src"] + "-" + str(msg["body"]["msg_id"]), "seq": 1}


raft_kv.main(Wrong)
