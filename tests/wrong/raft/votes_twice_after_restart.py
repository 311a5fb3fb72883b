# test: persist-vote  the vote is not saved
import pathlib, sys
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "solutions/raft/python"))
import raft


class Wrong(raft.Raft):
    def campaign(self):
        self.become_candidate()   # no pre-vote, as in the paper

    def save_term_and_vote(self):
        self.node.save("vote", {"term": self.term, "vote": None})


raft.main(Wrong)
