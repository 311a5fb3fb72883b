# test: persist-churn-lossy  takes an answer for all that is in the log by now, not for what was sent
import pathlib, sys
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "solutions/raft/python"))
import raft


class Wrong(raft.Raft):
    def on_match(self, peer, number, index):
        super().on_match(peer, number, self.last_index())


raft.main(Wrong)
