# test: persist-churn  a leader that steps down answers 11 to all that wait, though their entries may live on
import pathlib, sys
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "solutions/raft/python"))
import raft


class Wrong(raft.Raft):
    def become_follower(self):
        if self.role == "leader":
            for index in list(self.waiting):
                self.refuse(self.waiting.pop(index)[1], "not the leader any more")
        super().become_follower()


raft.main(Wrong)
