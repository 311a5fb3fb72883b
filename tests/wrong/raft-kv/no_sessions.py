# test: once  a request that comes again is carried out again
import pathlib, sys
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "solutions/raft-kv/python"))
raft_kv = __import__("raft-kv")


class Wrong(raft_kv.RaftKv):
    def command(self, msg):
        return {k: v for k, v in super().command(msg).items() if k not in ("session", "seq")}


raft_kv.main(Wrong)
