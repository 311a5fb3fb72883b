# test: persist-figure-8  commits an entry of an older term by counting
import pathlib, sys
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "solutions/raft/python"))
import raft


class Wrong(raft.Raft):
    def may_commit(self, index):
        return True

    def first_entry(self):
        pass   # no entry at the beginning of a term, as in the paper


raft.main(Wrong)
