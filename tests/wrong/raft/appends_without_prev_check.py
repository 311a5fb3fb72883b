# test: log-rejoin  looks at prev_log_index, and not at prev_log_term
import pathlib, sys
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "solutions/raft/python"))
import raft


class Wrong(raft.Raft):
    def accepts(self, prev_index, prev_term):
        return prev_index <= self.last_index()


raft.main(Wrong)
