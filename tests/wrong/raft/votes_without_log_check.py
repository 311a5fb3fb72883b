# test: log-behind  votes for a candidate whose log is behind
import pathlib, sys
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "solutions/raft/python"))
import raft


class Wrong(raft.Raft):
    def is_up_to_date(self, body):
        return True


raft.main(Wrong)
