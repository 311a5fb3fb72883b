# test: log-rejoin  answers propose_ok when any entry is applied at that index
import pathlib, sys
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "solutions/raft/python"))
import raft


class Wrong(raft.Raft):
    def apply(self, index, entry):
        if index in self.waiting:
            self.waiting[index] = (entry["term"], self.waiting[index][1])
        super().apply(index, entry)


raft.main(Wrong)
