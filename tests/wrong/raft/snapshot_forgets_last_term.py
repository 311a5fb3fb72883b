# test: snap-restart-follower  the term of a snapshot's last entry is lost in a restart
import pathlib, sys
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "solutions/raft/python"))
import raft


class Wrong(raft.Raft):
    def load(self):
        super().load()
        self.snapshot["term"] = 0


raft.main(Wrong)
