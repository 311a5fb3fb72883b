# test: log-backup  goes back one entry a round trip
import pathlib, sys
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "solutions/raft/python"))
import raft


class Wrong(raft.Raft):
    def back_up(self, prev, body):
        return prev


raft.main(Wrong)
