# test: log-rejoin-follower  never sends again what was lost
import pathlib, sys
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "solutions/raft/python"))
import raft


class Wrong(raft.Raft):
    def on_match(self, peer, number, index):
        awaited = self.followers[peer].awaited
        if awaited == 0 or number <= awaited:   # later answers do not tell it that one is lost
            super().on_match(peer, number, index)


raft.main(Wrong)
