# test: member-remove-leader  a leader that is removed goes on leading
import pathlib, sys
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "solutions/raft/python"))
import raft


class Wrong(raft.Raft):
    def must_step_down(self):
        return False


raft.main(Wrong)
