# test: member-one-at-a-time  begins a change of the members while another one is under way
import pathlib, sys
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "solutions/raft/python"))
import raft


class Wrong(raft.Raft):
    def may_reconfigure(self):
        return True


raft.main(Wrong)
