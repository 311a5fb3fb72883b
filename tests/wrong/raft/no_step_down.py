# test: elect-again  leaders and candidates ignore higher terms
import pathlib, sys
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "solutions/raft/python"))
import raft


class Wrong(raft.Raft):
    def on_higher_term(self, term):
        if self.role == "follower":
            super().on_higher_term(term)

    def on_append_answer(self, peer, number, prev, last, body):
        if body["term"] == self.term:
            super().on_append_answer(peer, number, prev, last, body)


raft.main(Wrong)
