# test: persist-all  the log is not saved
import pathlib, sys
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "solutions/raft/python"))
import raft


class Wrong(raft.Raft):
    def save_log(self, first):
        pass


raft.main(Wrong)
