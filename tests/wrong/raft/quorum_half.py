# test: elect-no-quorum  half of the members count as a majority
import pathlib, sys
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "solutions/raft/python"))
import raft


class Wrong(raft.Raft):
    def majority(self):
        return len(self.members()) // 2


raft.main(Wrong)
