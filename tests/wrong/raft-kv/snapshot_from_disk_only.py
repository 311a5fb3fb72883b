# test: snapshot  a follower saves the snapshot of the leader, and does not load it
import pathlib, sys
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "solutions/raft-kv/python"))
raft_kv = __import__("raft-kv")


class Wrong(raft_kv.RaftKv):
    def install(self, snapshot):
        store = self.store
        super().install(snapshot)
        self.store = store


raft_kv.main(Wrong)
