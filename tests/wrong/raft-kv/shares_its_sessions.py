# test: sessions-in-snapshot  the snapshot shares its table of sessions with the map: sent later, it knows requests whose writes it lacks
import pathlib, sys
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "solutions/raft-kv/python"))
raft_kv = __import__("raft-kv")


class Sharing(raft_kv.Store):
    def save(self):
        return dict(super().save(), sessions=self.sessions)


raft_kv.Store = Sharing
raft_kv.main()
