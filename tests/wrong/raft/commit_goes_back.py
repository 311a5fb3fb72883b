# test: log-late  takes over leader_commit from an old message
import pathlib, sys
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "solutions/raft/python"))
import raft


class Wrong(raft.Raft):
    def follow_commit(self, leader_commit, last_new_index):
        if leader_commit < self.commit:
            self.commit = leader_commit
            self.report()
        super().follow_commit(leader_commit, last_new_index)


raft.main(Wrong)
