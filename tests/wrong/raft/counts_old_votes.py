# test: elect-undisturbed  any answer that comes during an election counts, also one to a pre-vote or to an older election
import pathlib, sys
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "solutions/raft/python"))
import raft


class Wrong(raft.Raft):
    def is_present_election(self, votes):
        return self.votes is not None


raft.main(Wrong)
