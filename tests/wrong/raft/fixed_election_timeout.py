# test: elect-many  every election time-out is the same
import pathlib, sys
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "solutions/raft/python"))
import raft


class Wrong(raft.Raft):
    def election_timeout(self):
        return 200

    def campaign(self):
        self.become_candidate()   # no pre-vote, as in the paper


raft.main(Wrong)
