# test: elect-stale-leader  any append_entries starts the election time-out anew, also one of an old term
import pathlib, sys
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "solutions/raft/python"))
import raft


class Wrong(raft.Raft):
    def append_entries(self, msg):
        self.reset_election_timer()
        super().append_entries(msg)

    def has_lost_majority(self):
        return False   # a leader that hears nobody goes on, as in the paper


raft.main(Wrong)
