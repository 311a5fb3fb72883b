# test: log-no-quorum  the leader commits what it has appended itself
import pathlib, sys
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "solutions/raft/python"))
import raft


class Wrong(raft.Raft):
    def majority_match(self):
        return self.last_index()


raft.main(Wrong)
