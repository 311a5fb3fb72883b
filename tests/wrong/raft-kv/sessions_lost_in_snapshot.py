# test: sessions-in-snapshot  the snapshot holds the map alone
import pathlib, sys
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "solutions/raft-kv/python"))
raft_kv = __import__("raft-kv")


class Wrong(raft_kv.RaftKv):
    def save_snapshot(self):
        self.snapshot["store"]["sessions"] = {}
        super().save_snapshot()


raft_kv.main(Wrong)
