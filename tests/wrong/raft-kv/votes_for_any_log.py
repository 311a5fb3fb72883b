# test: everything  votes without a look at the log
import pathlib, sys
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "solutions/raft-kv/python"))
raft_kv = __import__("raft-kv")


class Wrong(raft_kv.RaftKv):
    def may_vote(self, candidate, body):
        return body["term"] == self.term and self.vote in (None, candidate)


raft_kv.main(Wrong)
